"""A customer fills a cart and places orders, through the public APIs only."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from difflib import get_close_matches
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from rich.table import Table

from storefront.client import (
    ENDED,
    HEARD_SECONDS,
    ORDERING,
    Caller,
    Commerce,
    Customer,
    Operator,
    StorefrontError,
    accepted,
    patiently,
    statuses,
)
from storefront.opening import open_shop
from storefront.timeline import draw, money, released, timeline

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

IN_THE_CART = (2, 1, 6)
MOST_PIECES = 99
"""An order's line has at most so many."""
CATALOGUE_PAGE = 50
ON_THE_SHELF = 10
"""How many pieces the demo wants to find of what it buys."""
ONE_ORDER_PATIENCE_SECONDS = 5.0
UNKNOWN: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST)
"""Answers for a sku that no product has, or could have."""
SETTLED: Final = ("DECLINED", "REFUNDED")
"""The statuses in which a cancelled order's payment ends."""
TOKENS: Final = {
    "tok_visa": "captured",
    "tok_declined": "declined",
    "tok_insufficient_funds": "declined",
    "tok_slow": "captured after a second and a half",
    "tok_flaky": "fails twice, then captured",
    "tok_timeout": "never answers",
    "tok_late": "captured after the order's time limit",
}
"""What the payment service's sandbox knows; it declines any other token."""


@dataclass(frozen=True)
class Scenario:
    """One order of the demo.

    Attributes:
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
    Scenario("The customer cancels after the payment", cancel_at="CONFIRMED"),
    Scenario("The payment provider fails twice", pay="tok_flaky"),
)


def run(commerce: Commerce, console: Console) -> None:
    """Open the shop, show a cart, show orders, and say what to try next.

    Raises:
        StorefrontError: A service is missing, an API refused, or an order did not end.
    """
    commerce.require((*ORDERING, "cart"))
    open_shop(commerce, console)
    skus = [item["sku"] for item in catalogue(commerce, CATALOGUE_PAGE)]
    console.print()
    cart_id = fill_a_cart(commerce, skus, console)
    console.print()
    order_id = place_orders(commerce, skus, console)
    say_what_is_next(commerce, console, sku=skus[0], cart_id=cart_id, order_id=order_id)


def catalogue(commerce: Commerce, limit: int) -> Sequence[dict[str, Any]]:
    """The first products.

    Raises:
        StorefrontError: There are none.
    """
    page = Caller(commerce).json("GET", "product", f"/products?limit={limit}")
    if not page["items"]:
        raise StorefrontError("The catalogue is empty.", "Load it: make demo")
    found: Sequence[dict[str, Any]] = page["items"]
    return found


def fill_a_cart(commerce: Commerce, skus: Sequence[str], console: Console) -> str:
    """Issue a cart, put three products into it, show it.

    Returns:
        The cart's id.

    Raises:
        StorefrontError: An API refused, or the cart never heard of a product.
    """
    visitor = Caller(commerce)
    cart_id: str = visitor.json("POST", "cart", "/carts")["cartId"]

    def put(sku: str, quantity: int) -> None:
        path, body = f"/carts/{cart_id}/items/{sku}", {"quantity": quantity}
        # 404 while the product's event is on its way to the cart's projection.
        answer = patiently(
            lambda: visitor.send("PUT", "cart", path, body=body),
            lambda answer: answer.status_code != HTTPStatus.NOT_FOUND,
            HEARD_SECONDS,
        )
        accepted(answer, f"PUT {path}")

    for sku, quantity in zip(skus, IN_THE_CART, strict=False):
        put(sku, quantity)
    cart = visitor.json("GET", "cart", f"/carts/{cart_id}")

    table = Table(title=f"Cart {cart_id}", title_justify="left", show_footer=True)
    table.add_column("Product", footer="Total")
    table.add_column("Quantity", justify="right")
    table.add_column("Each", justify="right")
    table.add_column("Together", justify="right", footer=money(cart["total"]))
    for line in cart["items"]:
        table.add_row(line["name"], str(line["quantity"]), money(line["unitPrice"]), money(line["lineTotal"]))
    console.print(table)
    return cart_id


def place_orders(commerce: Commerce, skus: Sequence[str], console: Console) -> str:
    """Place the demo's orders, all at once, and draw each one's timeline when it has ended.

    Of a cancelled one that had reserved stock, wait until stock and payment are released, and draw that too.

    Returns:
        The first order's id.

    Raises:
        StorefrontError: An API refused, an order did not end, or a cancelled one's payment was not released.
    """
    customer, operator = Customer(commerce, "demo"), Operator(commerce)
    with console.status("Stocking the shelves"):
        for sku in skus[: len(SCENARIOS)]:
            operator.stock_up(sku, ON_THE_SHELF)
        on_sale = {sku: operator.stock(sku)["available"] for sku in skus[: len(SCENARIOS)]}
        scarcest = min(skus, key=lambda sku: operator.stock(sku)["available"] or MOST_PIECES)
    placed = [
        (scenario, customer.place({scarcest if scenario.is_scarce else sku: scenario.quantity}, scenario.pay))
        for scenario, sku in zip(SCENARIOS, skus, strict=False)
    ]
    for scenario, order in placed:
        # On a machine too busy for its time limit it is cancelled already.
        if scenario.cancel_at and "CANCELLED" not in statuses(order.follow((scenario.cancel_at, *ENDED))):
            accepted(order.cancel(), "The cancellation")
    for scenario, order in placed:
        with console.status(f"{scenario.title}: {order.id}"):
            ended = order.follow(("CANCELLED",) if scenario.cancel_at else ENDED)
            lines = timeline(ended, scenario.title)
            if {"CANCELLED", "STOCK_RESERVED"} <= {*statuses(ended)}:
                lines += _released(operator, ended, on_sale)
        draw(console, lines)
        console.print()
    return placed[0][1].id


def _released(operator: Operator, order: dict[str, Any], on_sale: Mapping[str, int]) -> list[str]:
    """What became of a cancelled order's stock and payment, once it is over.

    Args:
        operator: Who sees both.
        order: The order.
        on_sale: How many pieces of each product were for sale before it.
    """
    (line,), order_id = order["items"], order["orderId"]
    before = on_sale[line["sku"]]
    payment = patiently(
        lambda: operator.payment(order_id), lambda payment: payment.get("status") in SETTLED, HEARD_SECONDS
    )
    if payment.get("status") not in SETTLED:
        raise StorefrontError(
            f"Order {order_id} was cancelled {HEARD_SECONDS:.0f} s ago; its payment is {payment.get('status')}.",
            f"What happened to it: {_make()} trace ORDER={order_id}",
        )
    # Somebody else may buy some meanwhile.
    stock = patiently(
        lambda: operator.stock(line["sku"]), lambda stock: stock["available"] >= before, HEARD_SECONDS
    )
    return released(order, payment, for_sale=stock["available"], before=before)


def place_one(
    commerce: Commerce, console: Console, *, pay: str, sku: str | None, quantity: int, user: str
) -> str:
    """Place one order, of the catalogue's first product if `sku` names no other, and draw its timeline at its end.

    Returns:
        The order's id.

    Raises:
        StorefrontError: A service is missing, the order was refused, or it did not end.
    """
    commerce.require(ORDERING)
    customer = Customer(commerce, user)
    _require_token(commerce, pay)
    if sku and customer.send("GET", "product", f"/products/{quote(sku, safe='')}").status_code in UNKNOWN:
        known = [product["sku"] for product in customer.catalogue()]
        like = get_close_matches(sku.upper(), known, n=3, cutoff=0.5)
        raise StorefrontError(
            f"There is no product {sku!r}." + (f" Like it: {', '.join(like)}." if like else ""),
            f"What there is: curl {commerce.url('product')}/products",
        )
    bought = sku or catalogue(commerce, 1)[0]["sku"]
    order = customer.place({bought: quantity}, pay, patience=ONE_ORDER_PATIENCE_SECONDS)
    with console.status(f"{order.id} is placed"):
        ended = order.follow()
    draw(console, timeline(ended))
    return order.id


def _make() -> str:
    """How make is called for this instance, which may not be the one in `.local`."""
    local = os.environ.get("COMMERCE_LOCAL_DIR")
    return f"COMMERCE_LOCAL_DIR={shlex.quote(local)} make" if local else "make"


def _require_token(commerce: Commerce, pay: str) -> None:
    """Refuse what is no token of the sandbox's; another provider has tokens of its own."""
    if commerce.is_local and not pay.startswith("tok_"):
        known = "; ".join(f"{token}: {meaning}" for token, meaning in TOKENS.items())
        raise StorefrontError(f"There is no payment token {pay!r}.", f"PAY is one of {known}.")


def say_what_is_next(commerce: Commerce, console: Console, *, sku: str, cart_id: str, order_id: str) -> None:
    """Where everything is, and what to try: commands that work as they stand."""
    product, cart, make = commerce.url("product"), commerce.url("cart"), _make()
    where = f"{commerce.folder / 'endpoints.json'} ({commerce.endpoints['endpointUrl']})"
    console.print(f"\nEndpoints    {where}", soft_wrap=True)
    for name in commerce.endpoints["services"]:
        console.print(f"{name:<12} {commerce.url(name)}", soft_wrap=True)
    console.print("\nTry next:")
    if site := commerce.endpoints.get("siteUrl"):
        console.print(
            f"  {site}catalogue/map.html  the map of it all (built when first opened)", soft_wrap=True
        )
    for line in (
        f"curl '{product}/products?limit=5'",
        f"curl {product}/products/{sku}",
        f"curl {cart}/carts/{cart_id}",
        (
            f"curl -X PUT {cart}/carts/{cart_id}/items/{sku} -d '{{\"quantity\": 3}}' "
            "-H 'Content-Type: application/json'"
        ),
        f'curl {cart}/me/cart -H "Authorization: Bearer $({make} token USER=alice)"',
        f"{make} trace ORDER={order_id}",
        f"{make} order PAY=tok_declined SKU={sku} QTY=2",
        f"{make} status                     what runs, and whether it is current",
        f"{make} logs SERVICE=cart-service  what its functions say",
    ):
        console.print(f"  {line}", soft_wrap=True, markup=False)
