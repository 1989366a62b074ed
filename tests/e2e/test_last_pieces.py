"""Many customers want what few can have."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from service_testing.local_cloud import eventually

from .conftest import OPEN, has, known, offer, stock

pytestmark = pytest.mark.e2e

CUSTOMERS = 200
LAST = 50


def outcome(answer) -> str:
    """An order may also be refused: by then the order service has heard that nothing is left."""
    return "refused" if answer.status_code == 409 and answer.json().get("shortages") else "accepted"


def test_of_200_orders_at_once_for_the_last_50_pieces_exactly_50_succeed(operator, newcomer):
    sku = offer(operator, pieces=LAST)
    has(operator, sku, on_hand=LAST)
    known(newcomer, [sku])
    seen, over = [], Event()

    def watch():
        while not over.wait(0.2):
            seen.append(stock(operator, sku))

    def ended():
        # Hundreds of orders are much to read: what is waited for must not wait for the readers.
        time.sleep(3)
        return Counter(order.get("reason", order["status"]) for order in newcomer.orders())

    with ThreadPoolExecutor(51) as crowd:
        crowd.submit(watch)
        try:
            answers = list(crowd.map(lambda _: newcomer.ask({sku: 1}), range(CUSTOMERS)))
            refused = [outcome(answer) for answer in answers].count("refused")
            assert [answer.text for answer in answers if answer.status_code not in (202, 409)] == []
            ends = eventually(ended, lambda orders: not orders.keys() & {*OPEN}, seconds=100)
        finally:
            over.set()

    ends["OUT_OF_STOCK"] += refused
    assert ends == {"CONFIRMED": LAST, "OUT_OF_STOCK": CUSTOMERS - LAST}
    assert stock(operator, sku) == (LAST, LAST, 0)
    assert seen
    assert [each for each in seen if min(each) < 0 or each[0] != each[1] + each[2]] == []
