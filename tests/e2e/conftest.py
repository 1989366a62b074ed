"""A shop of its own on the local cloud: products, their stock, customers and their orders, by public URLs only."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from service_testing.local_cloud import LocalCloud, eventually, local_cloud, operator  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from collections.abc import Iterator

    import requests

PRICE = {"amountMinor": 250, "currency": "EUR"}
PIECES = 10
OPEN = ("PLACED", "STOCK_RESERVED", "PAID")


class Shop:
    """What operators do and see."""

    def __init__(self, cloud: LocalCloud, token: str) -> None:
        self.cloud, self.token = cloud, token

    def request(self, method: str, service: str, path: str, **options: Any) -> requests.Response:
        return self.cloud.request(method, service, path, token=self.token, **options)

    def offer(self, pieces: int = PIECES) -> str:
        """Put a new product on sale; see `known`."""
        sku = f"E2E-{secrets.token_hex(6).upper()}"
        product = {"name": sku.lower(), "category": "e2e", "price": PRICE}
        created = self.request("PUT", "product", f"/products/{sku}", body=product)
        assert created.status_code == 201, created.text
        delivery = {"receiptId": "opening", "quantity": pieces}
        delivered = self.request("POST", "inventory", f"/stock/{sku}/receipts", body=delivery)
        assert delivered.status_code == 202, delivered.text
        return sku

    def stock(self, sku: str) -> tuple[int, int, int]:
        """How many pieces are in the house, promised, and left to sell."""
        stock = self.request("GET", "inventory", f"/stock/{sku}").json()
        return stock.get("onHand"), stock.get("reserved"), stock.get("available")

    def has(self, sku: str, *, on_hand: int = PIECES, reserved: int = 0, seconds: float = 20) -> None:
        """Wait until the stock is so."""
        expected = (on_hand, reserved, on_hand - reserved)
        eventually(lambda: self.stock(sku), lambda stock: stock == expected, seconds=seconds)

    def payment(self, order: Order, status: str, *, seconds: float = 20) -> dict[str, Any]:
        """Wait until an order's payment has a status."""
        return eventually(
            lambda: self.request("GET", "payment", f"/payments/{order.id}").json(),
            lambda payment: payment["status"] == status,
            seconds=seconds,
        )

    def fulfil(self, order: Order) -> int:
        return self.request("POST", "order", f"/operations/orders/{order.id}/fulfilment").status_code


class Customer:
    """What a customer does and sees."""

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud, self._token = cloud, cloud.token()

    def request(self, method: str, path: str, *, service: str = "order", **options: Any) -> requests.Response:
        return self._cloud.request(method, service, path, token=self._token, **options)

    def ask(
        self, lines: dict[str, int], pay: str = "tok_visa", *, key: str | None = None, **more: Any
    ) -> requests.Response:
        """Send an order, whatever the answer."""
        items = [{"sku": sku, "quantity": quantity} for sku, quantity in lines.items()]
        body = {"items": items, "paymentMethod": pay, **more}
        headers = {"Idempotency-Key": key or secrets.token_hex(8)}
        return self.request("POST", "/orders", body=body, headers=headers)

    def buy(self, lines: dict[str, int], pay: str = "tok_visa") -> Order:
        """Send an order that is accepted."""
        answer = self.ask(lines, pay)
        assert answer.status_code == 202, answer.text
        return Order(self, answer.json()["orderId"])

    def orders(self, *, limit: int = 100) -> list[dict[str, Any]]:
        """All of the customer's orders, page by page."""
        found: list[dict[str, Any]] = []
        query = {"limit": str(limit)}
        while True:
            answer = self.request("GET", "/orders", query=query)
            assert answer.status_code == 200, answer.text
            found += answer.json()["items"]
            if "nextCursor" not in answer.json():
                return found
            query["cursor"] = answer.json()["nextCursor"]


@dataclass(frozen=True)
class Order:
    """An order, through its customer's eyes."""

    customer: Customer
    id: str

    def read(self) -> dict[str, Any]:
        answer = self.customer.request("GET", f"/orders/{self.id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def becomes(self, status: str, *, seconds: float = 20) -> dict[str, Any]:
        """Wait until the order has a status; an order that is cancelled will never have another one."""
        seen = eventually(self.read, lambda order: order["status"] in (status, "CANCELLED"), seconds=seconds)
        assert seen["status"] == status, seen
        return seen

    def cancel(self) -> int:
        return self.customer.request("POST", f"/orders/{self.id}/cancellation").status_code


def statuses(order: dict[str, Any]) -> list[str]:
    return [entry["status"] for entry in order["timeline"]]


@pytest.fixture(scope="session")
def shop(local_cloud: LocalCloud, operator: str) -> Shop:  # noqa: F811 - fixtures
    return Shop(local_cloud, operator)


@pytest.fixture(scope="session")
def customer(local_cloud: LocalCloud) -> Customer:  # noqa: F811 - a fixture
    return Customer(local_cloud)


@pytest.fixture(scope="session")
def on_sale(shop: Shop, customer: Customer) -> Iterator[str]:
    """Products for the tests to take from, each with ten pieces, known to everybody."""
    skus = [shop.offer() for _ in range(24)]
    for sku in skus:
        shop.has(sku)
    known(customer, skus)
    return iter(skus)


@pytest.fixture
def sku(on_sale: Iterator[str]) -> str:
    """A product that no other test buys."""
    return next(on_sale)


@pytest.fixture
def other_sku(on_sale: Iterator[str]) -> str:
    return next(on_sale)


def known(customer: Customer, skus: list[str]) -> None:
    """Wait until the order service can price products: an order that expects them for nothing is refused by price."""
    for_nothing = {"amountMinor": 0, "currency": "EUR"}
    eventually(
        lambda: customer.ask(dict.fromkeys(skus, 1), expectedTotal=for_nothing),
        lambda answer: answer.status_code == 409 and "total" in answer.json(),
        seconds=60,
    )
