"""Orders placed through the public APIs, and the timelines that they leave."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from commerce_platform.cli.demo import money
from commerce_platform.cli.errors import CliError
from commerce_platform.cli.http import Api

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console

    from commerce_platform.cli.cloud import Cloud
    from commerce_platform.cli.workspace import Workspace

NEEDED = ("product", "inventory", "order", "payment")
"""The services that an order goes through."""

ENDED = ("CONFIRMED", "FULFILLED", "CANCELLED")
STYLES = {"CONFIRMED": "green", "FULFILLED": "green", "CANCELLED": "red"}

END_SECONDS = 150.0
"""How long an order may take to end: both of its time limits on the local cloud, and some."""
HEARD_SECONDS = 60.0
"""How long a service may take to hear of a product or a delivery; on a warm cloud it takes about a second."""
ONE_ORDER_PATIENCE_SECONDS = 5.0
POLL_SECONDS = 0.1
BAR_WIDTH = 24
MOST_PIECES = 99
"""An order's line has at most so many."""
CATALOGUE_PAGE = 50
ON_THE_SHELF = 10
"""How many pieces the demo wants to find of what it buys."""
OPENING = "opening-stock"
"""The receipt that every product's first delivery comes with: repeated, it counts once."""


@dataclass(frozen=True)
class Scenario:
    """One order of the demo.

    Args:
        title: What it shows.
        pay: The payment provider's token.
        quantity: How many pieces.
        is_scarce: Whether the product is the one that there is least of.
        cancel_at: The status at which the customer cancels.
    """

    title: str
    pay: str = "tok_visa"
    quantity: int = 2
    is_scarce: bool = False
    cancel_at: str | None = None


SCENARIOS = (
    Scenario("Paid and confirmed"),
    Scenario("The card is declined", pay="tok_declined"),
    Scenario("More than there is in stock", quantity=MOST_PIECES, is_scarce=True),
    # The provider fails at first, which leaves the time to change one's mind.
    Scenario("The customer cancels during the payment", pay="tok_flaky", cancel_at="STOCK_RESERVED"),
    Scenario("The payment provider fails twice", pay="tok_flaky"),
)


@dataclass(frozen=True)
class Placed:
    """An order that was accepted."""

    order_id: str
    total: Mapping[str, Any]
    items: Sequence[Mapping[str, Any]]


def missing(endpoints: Mapping[str, Any]) -> list[str]:
    """The folders of the services that orders need and that are not deployed."""
    return [f"{name}-service" for name in NEEDED if name not in endpoints["services"]]


def require(endpoints: Mapping[str, Any]) -> None:
    """Check that an order can go through.

    Raises:
        CliError: A service that it needs is not deployed.
    """
    absent = missing(endpoints)
    if absent:
        raise CliError(f"Not deployed, but an order goes through it: {', '.join(absent)}.", "Deploy: make up")


class Shop:
    """A customer's and an operator's view of the platform.

    Args:
        cloud: Where the users are.
        endpoints: Where the APIs are.
        user: The customer, created if there is none.
    """

    def __init__(self, cloud: Cloud, endpoints: Mapping[str, Any], user: str) -> None:
        from commerce_platform.cli.tokens import OPERATORS, access_token  # noqa: PLC0415 - boto3 is slow to import

        auth, services = endpoints["auth"], endpoints["services"]
        customer = access_token(cloud, auth["userPoolId"], auth["clientId"], user)
        operator = access_token(cloud, auth["userPoolId"], auth["clientId"], "stock-keeper", OPERATORS)
        self.products = Api(services["product"]["apiUrl"])
        self.inventory = Api(services["inventory"]["apiUrl"], operator)
        self.orders = Api(services["order"]["apiUrl"], customer)

    def available(self, sku: str) -> int | None:
        """How many pieces can be sold; nothing if the inventory has never had one."""
        answer = self.inventory.send("GET", f"/stock/{sku}")
        return None if answer.status_code == HTTPStatus.NOT_FOUND else int(answer.json()["available"])

    def deliver(self, sku: str, quantity: int, receipt: str) -> None:
        """Record a delivery; a receipt that was recorded before changes nothing."""
        body = {"receiptId": receipt, "quantity": quantity}
        self.inventory.json("POST", f"/stock/{sku}/receipts", body)

    def stock_up(self, sku: str, wanted: int) -> None:
        """See to it that at least so many pieces can be sold, and wait until they are counted.

        The receipt is named after the stock's version, so that two who stock up at once deliver once.

        Raises:
            CliError: The delivery was not counted in time.
        """
        answer = self.inventory.send("GET", f"/stock/{sku}")
        stock = (
            {"available": 0, "version": 0} if answer.status_code == HTTPStatus.NOT_FOUND else answer.json()
        )
        if stock["available"] >= wanted:
            return
        self.deliver(sku, wanted - stock["available"], f"top-up-{stock['version']}")
        deadline = time.monotonic() + HEARD_SECONDS
        while (self.available(sku) or 0) < wanted:
            if time.monotonic() > deadline:
                raise CliError(
                    f"The inventory has not counted the delivery of {sku} after {HEARD_SECONDS:.0f} s.",
                    "Its log says why: make logs SERVICE=inventory-service",
                )
            time.sleep(POLL_SECONDS)

    def place(self, items: Sequence[Mapping[str, Any]], pay: str, patience: float = HEARD_SECONDS) -> Placed:
        """Place an order, again while the order service has not yet heard of a product or its delivery.

        Args:
            items: Sku and quantity of each line.
            pay: The payment provider's token.
            patience: How many seconds to try again for.

        Raises:
            CliError: It was refused; says why, line by line.
        """
        body = {"items": items, "paymentMethod": pay}
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        deadline = time.monotonic() + patience
        while True:
            answer = self.orders.send("POST", "/orders", body, headers)
            if answer.ok:
                order = answer.json()
                return Placed(order["orderId"], order["total"], order["items"])
            if not _may_pass(answer.status_code, answer.text) or time.monotonic() > deadline:
                raise CliError(f"The order was refused ({answer.status_code}): {refusal(answer.text)}")
            time.sleep(POLL_SECONDS)

    def order(self, order_id: str) -> dict[str, Any]:
        """An order as its customer sees it."""
        order: dict[str, Any] = self.orders.json("GET", f"/orders/{order_id}")
        return order

    def cancel(self, order_id: str) -> None:
        """Cancel an order."""
        self.orders.json("POST", f"/orders/{order_id}/cancellation")

    def follow(self, order_id: str, until: Iterable[str] = ENDED) -> dict[str, Any]:
        """Wait until an order has been in one of some statuses.

        Raises:
            CliError: It was in none of them in time.
        """
        wanted = set(until)
        deadline = time.monotonic() + END_SECONDS
        while True:
            order = self.order(order_id)
            if wanted & {entry["status"] for entry in order["timeline"]}:
                return order
            if time.monotonic() > deadline:
                raise CliError(
                    f"Order {order_id} is still {order['status']} after {END_SECONDS:.0f} s.",
                    f"What happened to it: make trace ORDER={order_id}",
                )
            time.sleep(POLL_SECONDS)


def _may_pass(status: int, problem: str) -> bool:
    """Whether a refusal is one of a service that has not heard of everything yet."""
    return (status == HTTPStatus.UNPROCESSABLE_ENTITY and "is not in the catalogue" in problem) or (
        status == HTTPStatus.CONFLICT and '"shortages"' in problem
    )


def refusal(answer: str) -> str:
    """A problem document as a person reads it."""
    try:
        problem = json.loads(answer)
    except ValueError:
        return answer[:500]
    lines = [str(problem.get("detail") or problem.get("title") or answer[:500])]
    lines += [f"  {error['detail']}" for error in problem.get("errors", ())]
    lines += [
        f"  {short['sku']}: {short['requested']} wanted, {short['available']} left"
        for short in problem.get("shortages", ())
    ]
    return "\n".join(lines)


def milliseconds(since: str, at: str) -> int:
    """The time between two timestamps (RFC 3339)."""
    return round((datetime.fromisoformat(at) - datetime.fromisoformat(since)).total_seconds() * 1000)


def bar(begin: int, end: int, whole: int, width: int = BAR_WIDTH) -> str:
    """A span of time as a piece of a line of `width` characters that stands for the whole."""
    scale = width / max(whole, 1)
    left = min(int(begin * scale), width - 1)
    return (" " * left + "━" * max(1, round((end - begin) * scale))).ljust(width)[:width]


def timeline(order: Mapping[str, Any], title: str = "") -> list[str]:
    """Draw an order's timeline: when each status was reached, how long it took to get there, who acted.

    Returns:
        Lines with rich's markup.
    """
    items = ", ".join(f"{item['quantity']} x {item['name']}" for item in order["items"])
    lines = [f"[bold]{title}[/]"] if title else []
    lines.append(f"[dim]{order['orderId']}  {escape(items)}, {money(order['total'])}[/]")
    entries = order["timeline"]
    times = [milliseconds(entries[0]["at"], entry["at"]) for entry in entries]
    for before, at, entry in zip([0, *times], times, entries, strict=False):
        status, detail = entry["status"], escape(entry.get("detail") or "")
        style = STYLES.get(status, "default")
        lines.append(
            f"{at:>8,} ms  [cyan]{bar(before, at, times[-1])}[/]  {entry.get('service', ''):<10}"
            f" [{style}]{status:<15}[/] [dim]{detail}[/]".rstrip()
        )
    return lines


def draw(console: Console, order: Mapping[str, Any], title: str = "") -> None:
    """Print an order's timeline."""
    for line in timeline(order, title):
        console.print(line, soft_wrap=True)


def opening_stock(workspace: Workspace, shop: Shop) -> None:
    """Deliver the inventory's seed where a product has never been delivered."""
    seed = workspace.root / "inventory-service" / "seed" / "stock.json"
    lines = json.loads(seed.read_text()) if seed.exists() else []
    for line in lines:
        if shop.available(line["sku"]) is None:
            shop.deliver(line["sku"], line["quantity"], OPENING)


def demonstrate(
    workspace: Workspace, cloud: Cloud, endpoints: Mapping[str, Any], console: Console
) -> str | None:
    """Place the demo's orders, all at once, and draw each one's timeline when it has ended.

    Returns:
        The first order's id; nothing if a service that orders need is not deployed.

    Raises:
        CliError: An API refused, or an order did not end.
    """
    absent = missing(endpoints)
    if absent:
        console.print(f"No orders yet: {', '.join(absent)} is not deployed.", style="yellow")
        return None
    shop = Shop(cloud, endpoints, "demo")
    skus = [item["sku"] for item in shop.products.json("GET", f"/products?limit={CATALOGUE_PAGE}")["items"]]
    with console.status("Stocking the shelves"):
        opening_stock(workspace, shop)
        for sku in skus[: len(SCENARIOS)]:
            shop.stock_up(sku, ON_THE_SHELF)
        scarcest = min(skus, key=lambda sku: shop.available(sku) or MOST_PIECES)
    placed = []
    for scenario, sku in zip(SCENARIOS, skus, strict=False):
        line = {"sku": scarcest if scenario.is_scarce else sku, "quantity": scenario.quantity}
        placed.append((scenario, shop.place([line], scenario.pay)))
    for scenario, order in placed:
        if scenario.cancel_at:
            shop.follow(order.order_id, (scenario.cancel_at, *ENDED))
            shop.cancel(order.order_id)
    for scenario, order in placed:
        with console.status(f"{scenario.title}: {order.order_id}"):
            ended = shop.follow(order.order_id, ("CANCELLED",) if scenario.cancel_at else ENDED)
        draw(console, ended, scenario.title)
        console.print()
    return placed[0][1].order_id


def place_one(
    cloud: Cloud,
    endpoints: Mapping[str, Any],
    console: Console,
    *,
    pay: str,
    sku: str | None,
    quantity: int,
    user: str,
) -> dict[str, Any]:
    """Place one order and draw its timeline when it has ended.

    The first product of the catalogue is bought if `sku` names no other.

    Raises:
        CliError: A service is missing, the order was refused, or it did not end.
    """
    require(endpoints)
    shop = Shop(cloud, endpoints, user)
    if sku and shop.products.send("GET", f"/products/{sku}").status_code == HTTPStatus.NOT_FOUND:
        raise CliError(
            f"There is no product {sku!r}.",
            f"What there is: curl {endpoints['services']['product']['apiUrl']}/products",
        )
    if not sku:
        first = shop.products.json("GET", "/products?limit=1")["items"]
        if not first:
            raise CliError("The catalogue is empty.", "Load it: make up")
        sku = str(first[0]["sku"])
    order = shop.place([{"sku": sku, "quantity": quantity}], pay, ONE_ORDER_PATIENCE_SECONDS)
    with console.status(f"{order.order_id} is placed"):
        ended = shop.follow(order.order_id)
    draw(console, ended)
    return ended
