"""The two ways of taking an order that are measured, and how orders arrive."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

import requests

from storefront.bench.measured import Measured, Result
from storefront.client import Customer, Operator, Order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from storefront.client import Commerce

CHAIN = "bench"
"""The service name of `bench/synchronous_chain`."""
PRODUCTS = 20
"""Customers do not all buy the same."""
STOCK = 1_000_000
PRICE = 190
AT_ONCE = "tok_visa"
"""A payment provider that answers at once: what is measured is everything else."""
SLOW = "tok_slow"
"""A payment provider that takes 1.5 s, as real ones do."""
RETRY_SECONDS = 0.2
MOST_WAITING = 256
"""Customers who wait for an answer at the same time; each is a thread."""
LOOKING = 4
"""Orders looked at side by side once a run is over."""


@dataclass(frozen=True)
class Load:
    """How orders arrive.

    Attributes:
        count: How many.
        rate: How many a second; all at once without one.
        pay: The payment provider's token.
        patience: For how many seconds after the last one is due the run waits for orders to end.
    """

    count: int
    rate: float = 0.0
    pay: str = AT_ONCE
    patience: float = 180.0

    def due(self, number: int) -> float:
        """Seconds from the run's begin at which an order is sent."""
        return number / self.rate if self.rate else 0.0

    @property
    def lasts(self) -> float:
        """Seconds after which the run is over in any case."""
        return self.due(self.count) + self.patience


class Side(Protocol):
    """One way of taking orders."""

    @property
    def name(self) -> str:
        """What it is called."""

    def place(self, number: int, pay: str, due: float, until: float) -> Measured:
        """Place an order that was due at a time, by a customer who gives up at another (seconds since the epoch)."""

    def look(self, placed: Sequence[Measured]) -> None:
        """Find out what became of orders once nothing more goes on."""


def arrive(side: Side, load: Load) -> Result:
    """Have customers place orders when they are due, whether or not those before them have been answered."""
    began = time.time()

    def place(number: int) -> Measured:
        due = began + load.due(number)
        time.sleep(max(0.0, due - time.time()))
        return side.place(number, load.pay, due, began + load.lasts)

    with ThreadPoolExecutor(min(load.count, MOST_WAITING)) as customers:
        return Result(tuple(customers.map(place, range(load.count))))


@dataclass(frozen=True)
class Platform:
    """Answered when the order is placed; everything else comes after."""

    customer: Customer
    name: str = "platform"

    def place(self, number: int, pay: str, due: float, until: float) -> Measured:
        """Place an order; it is on its way when the answer is there."""
        order = Measured(due)
        answer = _until(until, lambda: self.customer.ask({sku(number): 1}, pay))
        if answer is not None and answer.ok:
            order.answered = time.time()
            order.id = answer.json()["orderId"]
        return order

    def look(self, placed: Sequence[Measured]) -> None:
        """Take the times from each order's own timeline."""

        def read(order: Measured) -> None:
            found = Order(self.customer, order.id).read()
            order.note(found["timeline"])
            order.outcome = found.get("reason") or found["status"]

        with ThreadPoolExecutor(LOOKING) as readers:
            list(readers.map(read, [order for order in placed if order.id]))


@dataclass(frozen=True)
class Chain:
    """Answered when the order is over. Refused ones are sent again, as customers do."""

    customer: Customer
    name: str = "chain"

    def place(self, number: int, pay: str, due: float, until: float) -> Measured:
        """Place an order and wait until it is confirmed."""
        order = Measured(due)
        body = {"items": [{"sku": sku(number), "quantity": 1}], "paymentMethod": pay}
        while time.time() < until:
            answer = _until(until, lambda: self.customer.send("POST", CHAIN, "/orders", body=body))
            if answer is not None:
                order.outcome = f"ANSWERED_{answer.status_code}"
                if answer.status_code == HTTPStatus.OK:
                    order.answered = time.time()
                    order.note(answer.json()["timeline"])
                    break
            time.sleep(RETRY_SECONDS)
        return order

    def look(self, placed: Sequence[Measured]) -> None:
        """Each answer said it all."""


def _until(deadline: float, send: Callable[[], requests.Response]) -> requests.Response | None:
    """Send a request, unless it is too late; no answer in time is none."""
    if time.time() < deadline:
        with contextlib.suppress(requests.Timeout):
            return send()
    return None


def sku(number: int) -> str:
    """What an order buys."""
    return f"BENCH-{number % PRODUCTS:02d}"


def prepare(commerce: Commerce) -> None:
    """Put products on sale on both sides, with stock enough."""
    operator, customer = Operator(commerce), Customer(commerce)
    product = {
        "name": "Croissant",
        "category": "viennoiserie",
        "price": {"amountMinor": PRICE, "currency": "EUR"},
    }
    parameter = f"/commerce/{commerce.endpoints['stage']}/{CHAIN}/table-name/v1"
    table = commerce.aws("ssm", of="order").get_parameter(Name=parameter)["Parameter"]["Value"]
    dynamodb = commerce.aws("dynamodb", of="order")
    for number in range(PRODUCTS):
        operator.offer(sku(number), product)
        operator.stock_up(sku(number), STOCK)
        for key, attribute, value in (("PRICE", "amountMinor", PRICE), ("STOCK", "available", STOCK)):
            item = {"pk": {"S": f"{key}#{sku(number)}"}, "sk": {"S": key}, attribute: {"N": str(value)}}
            dynamodb.put_item(TableName=table, Item=item)
    # Accepted only once the order service has heard of every product.
    customer.place({sku(number): 1 for number in range(PRODUCTS)}).follow()
