"""Which orders are accepted, how often, and who sees them."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest
from service_testing.local_cloud import eventually
from storefront.client import Order

from .conftest import PRICE, becomes, has, known, offer

pytestmark = pytest.mark.e2e


def assert_problem(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status


def test_lines_that_cannot_be_ordered_are_named(newcomer, sku):
    answer = newcomer.ask({sku: 1, "NO-SUCH-PRODUCT": 1, "NOR-THIS": 2})
    assert_problem(answer, 422)
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/items/1/sku", "#/items/2/sku"]
    assert newcomer.orders() == []


def test_another_price_than_expected_is_told_and_nothing_is_ordered(newcomer, sku):
    answer = newcomer.ask({sku: 2}, expectedTotal=PRICE)
    assert_problem(answer, 409)
    assert answer.json()["total"] == {"amountMinor": 500, "currency": "EUR"}
    assert newcomer.orders() == []


def test_what_is_known_to_be_sold_out_is_refused(operator, customer):
    last = offer(operator, pieces=1)
    has(operator, last, on_hand=1)
    known(customer, [last])
    becomes(customer.place({last: 1}), "CONFIRMED")
    refused = eventually(lambda: customer.ask({last: 2}), lambda answer: answer.status_code == 409)
    assert refused.json()["shortages"] == [{"sku": last, "requested": 2, "available": 0}]


def test_a_repeated_order_is_answered_as_before(operator, newcomer, sku):
    key = secrets.token_hex(8)
    first = newcomer.ask({sku: 2}, key=key)
    order = Order(newcomer, first.json()["orderId"])
    becomes(order, "CONFIRMED")
    again = newcomer.ask({sku: 2}, key=key)
    assert (again.status_code, again.json()) == (202, first.json())
    assert_problem(newcomer.ask({sku: 3}, key=key), 422)
    assert [each["orderId"] for each in newcomer.orders()] == [order.id]
    has(operator, sku, reserved=2)


def test_one_order_sent_many_times_at_once_is_one_order(operator, newcomer, sku):
    key = secrets.token_hex(8)
    with ThreadPoolExecutor(8) as senders:
        answers = list(senders.map(lambda _: newcomer.ask({sku: 2}, key=key), range(8)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    (order,) = newcomer.orders()
    becomes(Order(newcomer, order["orderId"]), "CONFIRMED")
    has(operator, sku, reserved=2)


def test_orders_of_others_do_not_exist(operator, customer, newcomer, sku):
    order = customer.place({sku: 1})
    theirs = Order(newcomer, order.id)
    assert_problem(newcomer.send("GET", "order", f"/orders/{order.id}"), 404)
    assert theirs.cancel().status_code == 404
    assert newcomer.orders() == []
    assert_problem(newcomer.send("GET", "order", f"/operations/orders/{order.id}"), 403)
    becomes(order, "CONFIRMED")
    seen = operator.send("GET", "order", f"/operations/orders/{order.id}").json()
    assert seen == order.read()


def test_orders_are_listed_newest_first_page_by_page(operator, newcomer, sku):
    bought = [newcomer.place({sku: 1}) for _ in range(3)]
    assert [each["orderId"] for each in newcomer.orders(limit=2)] == [order.id for order in reversed(bought)]
    for order in bought:
        becomes(order, "CONFIRMED")
    listed = operator.send("GET", "order", "/operations/orders", query={"status": "CONFIRMED", "limit": "50"})
    assert {order.id for order in bought} <= {each["orderId"] for each in listed.json()["items"]}
