"""Orders per second and how long each takes, beside the same order done by a chain of synchronous functions.

Both are on one local cloud, made for this (`make bench`). All figures are those of this machine and of an emulator:
what can be compared is one column with the other, not either with AWS.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import requests
from rich.table import Table

from storefront.client import ENDED, ORDERING, Customer, Operator, Order, StorefrontError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import Console

    from storefront.client import Commerce

MOST_AT_ONCE = 500
WARM_UP = 10
"""Orders before the first measured one, to have function workers started."""
RUN_SECONDS = 180.0
"""After that long a run is over; orders that have not ended are counted as such."""
POLL_SECONDS = 0.25
RETRY_SECONDS = 0.2
CHAIN = "bench"
"""The service name of `bench/synchronous_chain`."""

PRODUCTS = 20
"""Customers do not all buy the same."""
STOCK = 100_000
PRICE = 190
CONFIRMED = "CONFIRMED"


@dataclass
class Measured:
    """One order of a run.

    Attributes:
        sent: When the customer sent it, seconds since the epoch.
        answered: When the customer had the answer.
        reached: When each status was reached, by its service's own record.
        outcome: Its last status, or why it was cancelled.
    """

    sent: float
    answered: float = math.inf
    reached: dict[str, float] = field(default_factory=dict)
    outcome: str = "NOT_ACCEPTED"

    @property
    def is_confirmed(self) -> bool:
        """Whether it went through."""
        return CONFIRMED in self.reached

    @property
    def seconds(self) -> float:
        """From placing to confirmed."""
        return self.reached[CONFIRMED] - self.sent

    def note(self, timeline: Sequence[Mapping[str, Any]]) -> None:
        """Take the times of a timeline."""
        self.reached = {
            entry["status"]: datetime.fromisoformat(entry["at"]).timestamp() for entry in timeline
        }


@dataclass(frozen=True)
class Result:
    """What a run of orders at once gave.

    Attributes:
        placed: Its orders.
    """

    placed: tuple[Measured, ...]

    @property
    def confirmed(self) -> list[Measured]:
        """Those that went through."""
        return [order for order in self.placed if order.is_confirmed]

    def others(self) -> str:
        """How the others ended: `, 3 TIMED_OUT`."""
        ended = Counter(order.outcome for order in self.placed if not order.is_confirmed)
        return "".join(f", {count} {outcome}" for outcome, count in sorted(ended.items()))

    @property
    def per_second(self) -> float:
        """Confirmed orders over the time from the first one sent to the last one confirmed."""
        if not self.confirmed:
            return 0.0
        lasted = max(order.reached[CONFIRMED] for order in self.confirmed) - min(
            order.sent for order in self.placed
        )
        return len(self.confirmed) / max(lasted, 0.001)

    def seconds(self, share: float) -> float:
        """Place-to-confirmed time that this share of the confirmed orders did not exceed."""
        return quantile([order.seconds for order in self.confirmed], share)

    def answer(self, share: float) -> float:
        """Time until the customer had an answer that this share of the confirmed orders did not exceed."""
        return quantile([order.answered - order.sent for order in self.confirmed], share)

    def shares(self) -> dict[str, float]:
        """The share of the whole time by the status that it led to."""
        spent: dict[str, float] = {}
        for order in self.confirmed:
            before = order.sent
            for status, at in sorted(order.reached.items(), key=lambda step: step[1]):
                spent[status] = spent.get(status, 0.0) + max(at - before, 0.0)
                before = at
        whole = sum(spent.values())
        return {status: seconds / whole for status, seconds in spent.items()} if whole else {}


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed; NaN of none (nearest rank)."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def sizes(text: str) -> tuple[int, ...]:
    """Parse how many orders at once: `1,50,200`.

    Raises:
        StorefrontError: Something else than numbers within the bounds.
    """
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(1 <= size <= MOST_AT_ONCE for size in found):
        raise StorefrontError(
            f"ORDERS is a list of numbers from 1 to {MOST_AT_ONCE}; got {text!r}.",
            "make bench ORDERS=1,50,200",
        )
    return found


def sku(number: int) -> str:
    """What an order buys."""
    return f"BENCH-{number % PRODUCTS:02d}"


def place_at_once(count: int, place: Callable[[int], Measured]) -> tuple[Measured, ...]:
    """Place orders side by side."""
    with ThreadPoolExecutor(count) as customers:
        return tuple(customers.map(place, range(count)))


def event_driven(customer: Customer, count: int) -> Result:
    """The platform: place orders, then look at each until it has ended."""
    ids: dict[str, Measured] = {}

    def place(number: int) -> Measured:
        order = Measured(time.time())
        answer = customer.ask({sku(number): 1})
        if answer.ok:
            order.answered = time.time()
            ids[answer.json()["orderId"]] = order
        return order

    deadline = time.monotonic() + RUN_SECONDS
    placed = place_at_once(count, place)
    # One order at a time: the times are those of its own timeline, and looking must not be what is measured.
    for order_id, order in ids.items():
        while (found := Order(customer, order_id).read())[
            "status"
        ] not in ENDED and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        order.note(found["timeline"])
        order.outcome = found.get("reason") or found["status"]
    return Result(placed)


def synchronous(customer: Customer, count: int) -> Result:
    """The chain: each order is over when it is answered. Refused ones are sent again, as customers do."""
    deadline = time.monotonic() + RUN_SECONDS

    def place(number: int) -> Measured:
        order = Measured(time.time())
        body = {"items": [{"sku": sku(number), "quantity": 1}], "paymentMethod": "tok_visa"}
        while time.monotonic() < deadline:
            with contextlib.suppress(requests.Timeout):
                answer = customer.send("POST", CHAIN, "/orders", body=body)
                order.outcome = f"ANSWERED_{answer.status_code}"
                if answer.status_code == HTTPStatus.OK:
                    order.answered = time.time()
                    order.note(answer.json()["timeline"])
                    break
            time.sleep(RETRY_SECONDS)
        return order

    return Result(place_at_once(count, place))


SIDES = {"platform": event_driven, "chain": synchronous}


def prepare(commerce: Commerce) -> None:
    """Put products on sale on both sides, with stock enough."""
    operator, customer = Operator(commerce), Customer(commerce)
    product = {
        "name": "Croissant",
        "category": "viennoiserie",
        "price": {"amountMinor": PRICE, "currency": "EUR"},
    }
    parameter = f"/commerce/{commerce.endpoints['stage']}/{CHAIN}/table-name/v1"
    table = commerce.aws("ssm").get_parameter(Name=parameter)["Parameter"]["Value"]
    dynamodb = commerce.aws("dynamodb")
    for number in range(PRODUCTS):
        operator.offer(sku(number), product)
        operator.stock_up(sku(number), STOCK)
        for key, attribute, value in (("PRICE", "amountMinor", PRICE), ("STOCK", "available", STOCK)):
            item = {"pk": {"S": f"{key}#{sku(number)}"}, "sk": {"S": key}, attribute: {"N": str(value)}}
            dynamodb.put_item(TableName=table, Item=item)
    # Accepted only once the order service has heard of every product.
    customer.place({sku(number): 1 for number in range(PRODUCTS)}).follow()


def report(results: Mapping[int, tuple[Result, Result]]) -> Table:
    """Both sides, side by side."""
    table = Table(
        title="From placing to confirmed: the platform, a chain of synchronous functions, chain / platform",
        title_justify="left",
    )
    for heading in ("At once", "", "Platform", "Chain", "Ratio"):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    for count, (platform, chain) in results.items():
        rows: list[tuple[str, float, float, Callable[[float], str]]] = [
            ("orders per second", platform.per_second, chain.per_second, "{:.1f}".format),
            ("p50", platform.seconds(0.5), chain.seconds(0.5), duration),
            ("p99", platform.seconds(0.99), chain.seconds(0.99), duration),
            ("answered, p50", platform.answer(0.5), chain.answer(0.5), duration),
            ("answered, p99", platform.answer(0.99), chain.answer(0.99), duration),
        ]
        for number, (what, mine, theirs, shown) in enumerate(rows):
            ratio = theirs / mine if mine else math.nan
            table.add_row("" if number else str(count), what, shown(mine), shown(theirs), f"{ratio:.2f}")
        unconfirmed = [str(count - len(side.confirmed)) for side in (platform, chain)]
        table.add_row("", "not confirmed", *unconfirmed, "", end_section=True)
    return table


def duration(seconds: float) -> str:
    """Milliseconds as a person reads them."""
    return "-" if math.isnan(seconds) else f"{seconds * 1000:,.0f} ms"


def steps(results: Mapping[int, tuple[Result, Result]]) -> Table:
    """Where the time goes: the share of the time that led to each status."""
    table = Table(title="Share of the time by the step that it led to", title_justify="left")
    table.add_column("At once", justify="right")
    table.add_column("")
    statuses = ("PLACED", "STOCK_RESERVED", "PAID", CONFIRMED)
    for status in statuses:
        table.add_column(status, justify="right")
    for count, sides in results.items():
        for number, (name, side) in enumerate(zip(SIDES, sides, strict=True)):
            shares = side.shares()
            cells = [f"{shares.get(status, 0):.0%}" for status in statuses]
            table.add_row("" if number else str(count), name, *cells, end_section=bool(number))
    return table


def measure(commerce: Commerce, counts: Sequence[int], console: Console) -> None:
    """Warm both sides up, run them in turn, print both tables.

    Raises:
        StorefrontError: A service or the chain is not deployed.
    """
    commerce.require(ORDERING)
    if CHAIN not in commerce.endpoints["services"]:
        raise StorefrontError(
            "The chain is not deployed.", "make bench deploys it, to a local cloud of its own."
        )
    with console.status("Putting products on sale"):
        prepare(commerce)
    customer = Customer(commerce)
    for name, run in SIDES.items():
        with console.status(f"Warming up the {name}"):
            run(customer, WARM_UP)
    results: dict[int, tuple[Result, Result]] = {}
    for count in counts:
        found = []
        for name, run in SIDES.items():
            with console.status(f"{count} at once: {name}"):
                result = run(customer, count)
            console.print(
                f"  {count:>4} at once  {name:<9} {len(result.confirmed)} confirmed, "
                f"{result.per_second:.1f} per second{result.others()}"
            )
            found.append(result)
        results[count] = (found[0], found[1])
    console.print()
    console.print(report(results))
    console.print(steps(results))
