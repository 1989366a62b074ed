"""A crash costs an order time, not the order: workers die, DynamoDB throttles, a lifecycle is aborted.

What a killed worker had in hand comes back after the visibility timeout of its queue, 30 seconds of real time.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import requests
from service_testing.local_cloud import eventually
from storefront.client import Commerce, Customer, Operator, Order

from ..e2e.conftest import OPEN, PRICE, has, known, offer, payment

if TYPE_CHECKING:
    from collections.abc import Iterator

ORDERS = 12
ATTACK_SECONDS = 8
THROTTLE_SECONDS = 3
PIECES = 100
RECOVERED_WITHIN = 150
"""Two redeliveries and what a busy machine takes; about 40 seconds on one that is not."""


@pytest.fixture(scope="module")
def shop() -> Commerce:
    """The platform, with a client's patience: what is throttled is asked for again."""
    return Commerce.running()


@pytest.fixture(scope="module")
def stock_keeper(shop: Commerce) -> Operator:
    return Operator(shop, "fault-finder")


@pytest.fixture(scope="module")
def buyer(shop: Commerce) -> Customer:
    return Customer(shop)


@dataclass
class Killer:
    """Ends the function workers of this local cloud, and of no other process."""

    commerce: Commerce
    services: tuple[str, ...] = ("inventory", "payment")
    killed: Counter[str] = field(default_factory=Counter)

    def strike(self) -> None:
        ps = subprocess.run(
            ["ps", "-axww", "-o", "pid=,command="], capture_output=True, text=True, check=True
        )
        folder = self.commerce.folder / "tmp"
        for line in ps.stdout.splitlines():
            pid, _, command = line.strip().partition(" ")
            for service in self.services:
                if f"{folder}/ministack-lambda-commerce-local-{service}" in command:
                    with suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
                        self.killed[service] += 1

    @contextmanager
    def at_work(self) -> Iterator[None]:
        over = threading.Event()

        def work() -> None:
            while not over.wait(0.4):
                self.strike()

        killing = threading.Thread(target=work)
        killing.start()
        try:
            yield
        finally:
            over.set()
            killing.join()


@dataclass(frozen=True)
class Attack:
    """Good orders of one product, and what was done to them."""

    sku: str
    orders: list[Order]
    harm: int


@pytest.fixture(scope="module")
def products(stock_keeper: Operator, buyer: Customer) -> Iterator[str]:
    skus = [offer(stock_keeper, PIECES) for _ in range(3)]
    for sku in skus:
        has(stock_keeper, sku, on_hand=PIECES, seconds=60)
    known(buyer, skus)
    return iter(skus)


@pytest.fixture(scope="module")
def crashed(shop: Commerce, buyer: Customer, products: Iterator[str]) -> Attack:
    """Orders while the workers of inventory and payment are killed again and again."""
    killer, sku = Killer(shop), next(products)
    orders: list[Order] = []
    with killer.at_work():
        until = time.monotonic() + ATTACK_SECONDS
        while len(orders) < ORDERS or time.monotonic() < until:
            if len(orders) < ORDERS:
                orders.append(buyer.place({sku: 1}))
            time.sleep(ATTACK_SECONDS / ORDERS / 2)
    assert min(killer.killed[service] for service in killer.services) > 1, killer.killed
    return Attack(sku, orders, killer.killed.total())


@pytest.fixture(scope="module")
def throttled(shop: Commerce, buyer: Customer, products: Iterator[str]) -> Attack:
    """Orders that are under way when DynamoDB throttles whatever it is asked, of any service."""
    sku = next(products)
    switch = f"{shop.endpoints['endpointUrl']}/_commerce/throttling"
    orders = []
    with ThreadPoolExecutor(4) as buyers:
        for _ in range(2):
            placing = [buyers.submit(buyer.place, {sku: 1}) for _ in range(4)]
            requests.put(switch, params={"seconds": THROTTLE_SECONDS}, timeout=10).raise_for_status()
            orders += [each.result() for each in placing]
    return Attack(sku, orders, requests.get(switch, timeout=10).json()["refused"])


@pytest.fixture(scope="module")
def aborted(shop: Commerce, buyer: Customer, products: Iterator[str]) -> Attack:
    """An order that waits for a payment which never comes, when somebody aborts its lifecycle."""
    sku = next(products)
    order = buyer.place({sku: 2}, "tok_timeout")
    order.follow(["STOCK_RESERVED"], seconds=60)
    sfn = shop.aws("stepfunctions", of="order")
    (lifecycle,) = (
        machine["stateMachineArn"]
        for page in sfn.get_paginator("list_state_machines").paginate()
        for machine in page["stateMachines"]
        if "LifecycleWorkflow" in machine["name"]
    )
    sfn.stop_execution(executionArn=f"{lifecycle.replace(':stateMachine:', ':execution:')}:{order.id}")
    return Attack(sku, [order], 1)


@pytest.fixture(scope="module", autouse=True)
def attacks(aborted: Attack, throttled: Attack, crashed: Attack) -> None:
    """All of them first, so that one wait serves all."""


def ended(attack: Attack) -> list[dict[str, Any]]:
    """The orders, once they are no longer open."""
    return [
        eventually(order.read, lambda found: found["status"] not in OPEN, seconds=RECOVERED_WITHIN)
        for order in attack.orders
    ]


def captures(shop: Commerce) -> dict[str, int]:
    """How often the sandbox took money, by its own ledger: its accounts' names begin with their orders'."""
    dynamodb = shop.aws("dynamodb", of="payment")
    (table,) = (name for name in dynamodb.list_tables()["TableNames"] if "payment-data" in name)
    pages = dynamodb.get_paginator("scan").paginate(TableName=table)
    items = [item for page in pages for item in page["Items"] if "captures" in item]
    return {item["intentId"]["S"].partition(".")[0]: int(item["captures"]["N"]) for item in items}


def account(order: Order) -> str:
    return f"sbx_{hashlib.sha256(order.id.encode()).hexdigest()[:24]}"


@pytest.mark.parametrize("kind", ["crashed", "throttled"])
def test_no_good_order_is_lost(kind, request, shop, stock_keeper):
    attack: Attack = request.getfixturevalue(kind)
    assert attack.harm > 0
    assert [order["status"] for order in ended(attack)] == ["CONFIRMED"] * len(attack.orders)
    taken = captures(shop)
    assert [taken[account(order)] for order in attack.orders] == [1] * len(attack.orders)
    for order in attack.orders:
        assert payment(stock_keeper, order, "CAPTURED")["amount"] == PRICE
    has(stock_keeper, attack.sku, on_hand=PIECES, reserved=len(attack.orders), seconds=60)


def test_an_aborted_lifecycle_ends_its_order_and_gives_back_the_stock(aborted, stock_keeper):
    (order,) = ended(aborted)
    assert (order["status"], order["reason"]) == ("CANCELLED", "TIMED_OUT")
    assert order["timeline"][-1]["detail"] == "TIMED_OUT: the lifecycle aborted"
    has(stock_keeper, aborted.sku, on_hand=PIECES, seconds=60)
