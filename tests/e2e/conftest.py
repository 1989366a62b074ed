"""Products that nobody else buys, customers, and what the tests wait for; all by public URLs only."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import pytest
from service_testing.local_cloud import eventually
from storefront.client import Commerce, Customer, Operator, Order

if TYPE_CHECKING:
    from collections.abc import Iterator

PRICE = {"amountMinor": 250, "currency": "EUR"}
PIECES = 10
OPEN = ("PLACED", "STOCK_RESERVED", "PAID")


def offer(operator: Operator, pieces: int = PIECES) -> str:
    """Put a new product on sale; see `known`."""
    sku = f"E2E-{secrets.token_hex(6).upper()}"
    operator.offer(sku, {"name": sku.lower(), "category": "e2e", "price": PRICE})
    operator.deliver(sku, pieces, "opening")
    return sku


def stock(operator: Operator, sku: str) -> tuple[int, int, int]:
    """How many pieces are in the house, promised, and left to sell."""
    found = operator.stock(sku)
    return found["onHand"], found["reserved"], found["available"]


def has(
    operator: Operator, sku: str, *, on_hand: int = PIECES, reserved: int = 0, seconds: float = 20
) -> None:
    """Wait until the stock is so."""
    expected = (on_hand, reserved, on_hand - reserved)
    eventually(lambda: stock(operator, sku), lambda found: found == expected, seconds=seconds)


def payment(operator: Operator, order: Order, status: str, *, seconds: float = 20) -> dict[str, Any]:
    """Wait until an order's payment is there and has a status."""
    return eventually(
        lambda: operator.send("GET", "payment", f"/payments/{order.id}").json(),
        lambda found: found["status"] == status,
        seconds=seconds,
    )


def becomes(order: Order, status: str, *, seconds: float = 20) -> dict[str, Any]:
    """Wait until an order has a status; an order that is cancelled will never have another one."""
    seen = eventually(order.read, lambda found: found["status"] in (status, "CANCELLED"), seconds=seconds)
    assert seen["status"] == status, seen
    return seen


def known(customer: Customer, skus: list[str]) -> None:
    """Wait until the order service can price products: an order that expects them for nothing is refused by price."""
    for_nothing = {"amountMinor": 0, "currency": "EUR"}
    eventually(
        lambda: customer.ask(dict.fromkeys(skus, 1), expectedTotal=for_nothing),
        lambda answer: answer.status_code == 409 and "total" in answer.json(),
        seconds=60,
    )


@pytest.fixture(scope="session")
def customer(commerce: Commerce) -> Customer:
    return Customer(commerce)


@pytest.fixture
def newcomer(commerce: Commerce) -> Customer:
    """A customer without orders."""
    return Customer(commerce)


@pytest.fixture(scope="session")
def on_sale(operator: Operator, customer: Customer) -> Iterator[str]:
    """Products for the tests to take from, each with ten pieces, known to everybody."""
    skus = [offer(operator) for _ in range(24)]
    for sku in skus:
        has(operator, sku)
    known(customer, skus)
    return iter(skus)


@pytest.fixture
def sku(on_sale: Iterator[str]) -> str:
    """A product that no other test buys."""
    return next(on_sale)


@pytest.fixture
def other_sku(on_sale: Iterator[str]) -> str:
    return next(on_sale)
