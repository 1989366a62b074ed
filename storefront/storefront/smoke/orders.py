"""Orders from their placing to their end, each of a product that nobody else buys."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from storefront.client import HEARD_SECONDS, patiently, statuses
from storefront.smoke.visit import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storefront.client import Order
    from storefront.smoke.visit import Visit

PIECES = 3
PRODUCT = {"name": "Smoke test", "category": "smoke-test", "price": {"amountMinor": 100, "currency": "EUR"}}


def confirmed(visit: Visit) -> Iterator[Finding]:
    """Placed, reserved, paid, confirmed, handed over."""
    with _product(visit) as sku:
        order = visit.customer.place({sku: 1})
        expected = ["PLACED", "STOCK_RESERVED", "PAID", "CONFIRMED"]
        yield _same("timeline", statuses(order.follow()), expected)
        yield _payment(visit, order, "CAPTURED")
        yield _same("handed over", visit.operator.fulfil(order.id).status_code, HTTPStatus.ACCEPTED)
        yield _same("timeline", statuses(order.follow(["FULFILLED"])), [*expected, "FULFILLED"])
        yield _stock(visit, sku, on_hand=PIECES - 1)


def declined(visit: Visit) -> Iterator[Finding]:
    """Placed, reserved, declined, released."""
    with _product(visit) as sku:
        order = visit.customer.place({sku: 1}, "tok_declined")
        found = order.follow()
        yield _same("timeline", statuses(found), ["PLACED", "STOCK_RESERVED", "CANCELLED"])
        yield _same("reason", found.get("reason"), "PAYMENT_DECLINED")
        yield _payment(visit, order, "DECLINED")
        yield _stock(visit, sku)


def cancelled(visit: Visit) -> Iterator[Finding]:
    """Confirmed, cancelled by the customer, refunded, released."""
    with _product(visit) as sku:
        order = visit.customer.place({sku: 1})
        yield _same("status", order.follow()["status"], "CONFIRMED")
        yield _payment(visit, order, "CAPTURED")
        yield _same("accepted", order.cancel().status_code, HTTPStatus.ACCEPTED)
        yield _same("reason", order.follow(["CANCELLED"]).get("reason"), "CUSTOMER_REQUEST")
        yield _payment(visit, order, "REFUNDED")
        yield _stock(visit, sku)


@contextmanager
def _product(visit: Visit) -> Iterator[str]:
    """A product with a few pieces, on sale as long as it is needed."""
    sku = f"SMOKE-{secrets.token_hex(6).upper()}"
    visit.operator.offer(sku, PRODUCT)
    try:
        visit.operator.stock_up(sku, PIECES)
        yield sku
    finally:
        visit.operator.send("DELETE", "product", f"/products/{sku}")


def _payment(visit: Visit, order: Order, status: str) -> Finding:
    def read() -> object:
        return visit.operator.send("GET", "payment", f"/payments/{order.id}").json().get("status")

    return _same("payment", patiently(read, lambda found: found == status, HEARD_SECONDS), status)


def _stock(visit: Visit, sku: str, *, on_hand: int = PIECES) -> Finding:
    """Whether in the end all pieces that are in the house can be sold."""

    def read() -> tuple[int, int]:
        stock = visit.operator.stock(sku)
        return stock["onHand"], stock["available"]

    expected = (on_hand, on_hand)
    return _same(
        "stock on hand, available", patiently(read, lambda found: found == expected, HEARD_SECONDS), expected
    )


def _same(what: str, found: object, expected: object) -> Finding:
    return Finding(what, "" if found == expected else f"{found} instead of {expected}")
