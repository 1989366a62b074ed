"""What happens to an order between placing and its end."""

from __future__ import annotations

from functools import partial

import pytest
from service_testing.local_cloud import eventually
from storefront.client import Customer, Order, statuses

from .conftest import OPEN, PIECES, PRICE, becomes, has, payment

pytestmark = pytest.mark.e2e

# The local cloud waits 60 s for a payment; two minutes leave a busy machine the time to notice.
AFTER_THE_TIME_LIMIT = 120


@pytest.fixture(scope="module", autouse=True)
def waiting(customer, on_sale):
    """Orders whose time limit runs out while the other tests run; the tests that look at them come last."""
    orders = {}
    for pay in ("tok_timeout", "tok_late"):
        sku = next(on_sale)
        orders[pay] = customer.place({sku: 2}, pay), sku
    return orders


def test_an_order_is_reserved_paid_confirmed_and_fulfilled(operator, customer, sku):
    placed = customer.ask({sku: 3}, expectedTotal={**PRICE, "amountMinor": 750})
    assert placed.status_code == 202, placed.text
    answer = placed.json()
    assert placed.headers["Location"] == f"/orders/{answer['orderId']}"
    line = {"sku": sku, "name": sku.lower(), "quantity": 3, "unitPrice": PRICE}
    total = {"amountMinor": 750, "currency": "EUR"}
    assert answer == {
        "orderId": answer["orderId"],
        "status": "PLACED",
        "total": total,
        "items": [{**line, "lineTotal": total}],
    }

    order = Order(customer, answer["orderId"])
    confirmed = becomes(order, "CONFIRMED")
    assert [(entry["status"], entry["service"]) for entry in confirmed["timeline"]] == [
        ("PLACED", "order"),
        ("STOCK_RESERVED", "inventory"),
        ("PAID", "payment"),
        ("CONFIRMED", "order"),
    ]
    times = [entry["at"] for entry in confirmed["timeline"]]
    assert times == sorted(times)
    assert (confirmed["items"], confirmed["total"]) == (answer["items"], total)
    assert payment(operator, order, "CAPTURED")["amount"] == total
    has(operator, sku, reserved=3)

    assert customer.send("POST", "order", f"/operations/orders/{order.id}/fulfilment").status_code == 403
    assert [operator.fulfil(order.id).status_code, operator.fulfil(order.id).status_code] == [202, 202]
    assert statuses(becomes(order, "FULFILLED"))[-2:] == ["CONFIRMED", "FULFILLED"]
    has(operator, sku, on_hand=PIECES - 3)
    assert order.cancel().status_code == 409


@pytest.mark.parametrize(
    ("pay", "reason"),
    [("tok_declined", "CARD_DECLINED"), ("tok_insufficient_funds", "INSUFFICIENT_FUNDS")],
)
def test_a_declined_payment_releases_the_stock(operator, customer, sku, pay, reason):
    order = customer.place({sku: 2}, pay)
    cancelled = becomes(order, "CANCELLED")
    assert cancelled["reason"] == "PAYMENT_DECLINED"
    assert statuses(cancelled) == ["PLACED", "STOCK_RESERVED", "CANCELLED"]
    assert cancelled["timeline"][-1]["detail"] == f"PAYMENT_DECLINED: {reason}"
    assert payment(operator, order, "DECLINED")["reason"] == reason
    has(operator, sku)
    assert [order.cancel().status_code, operator.fulfil(order.id).status_code] == [409, 409]


def test_what_is_not_there_is_named_and_nothing_is_kept(operator, customer, sku, other_sku):
    cancelled = becomes(customer.place({sku: PIECES + 1, other_sku: 1}), "CANCELLED")
    assert cancelled["reason"] == "OUT_OF_STOCK"
    assert statuses(cancelled) == ["PLACED", "CANCELLED"]
    assert cancelled["timeline"][-1]["detail"] == f"OUT_OF_STOCK: {sku} ({PIECES} left)"
    has(operator, sku)
    has(operator, other_sku)


def test_a_flaky_provider_is_overcome_within_twenty_seconds(operator, customer, sku):
    order = customer.place({sku: 1}, "tok_flaky")
    reserved = becomes(order, "STOCK_RESERVED")
    assert statuses(reserved) == ["PLACED", "STOCK_RESERVED"]
    has(operator, sku, reserved=1)
    payment(operator, order, "CAPTURING")
    becomes(order, "CONFIRMED", seconds=20)
    payment(operator, order, "CAPTURED")


def test_an_order_cancelled_before_its_payment_is_never_charged(operator, customer, sku):
    order = customer.place({sku: 2})
    assert order.cancel().status_code == 202
    cancelled = becomes(order, "CANCELLED")
    assert cancelled["reason"] == "CUSTOMER_REQUEST"
    assert "PAID" not in statuses(cancelled)
    assert payment(operator, order, "DECLINED")["reason"] == "CANCELLED"
    has(operator, sku)
    assert order.cancel().status_code == 202


def test_an_order_cancelled_during_its_payment_is_never_charged(operator, customer, sku):
    order = customer.place({sku: 2}, "tok_timeout")
    payment(operator, order, "CAPTURING")
    has(operator, sku, reserved=2)
    assert order.cancel().status_code == 202
    cancelled = becomes(order, "CANCELLED")
    assert cancelled["reason"] == "CUSTOMER_REQUEST"
    assert statuses(cancelled) == ["PLACED", "STOCK_RESERVED", "CANCELLED"]
    assert payment(operator, order, "DECLINED")["reason"] == "CANCELLED"
    has(operator, sku)


def test_an_order_cancelled_after_its_confirmation_is_refunded(operator, customer, sku):
    order = customer.place({sku: 2})
    becomes(order, "CONFIRMED")
    payment(operator, order, "CAPTURED")
    assert order.cancel().status_code == 202
    cancelled = becomes(order, "CANCELLED")
    assert cancelled["reason"] == "CUSTOMER_REQUEST"
    assert statuses(cancelled)[-2:] == ["CONFIRMED", "CANCELLED"]
    assert payment(operator, order, "REFUNDED")["cancelled"] is True
    has(operator, sku)
    assert operator.fulfil(order.id).status_code == 409


def test_what_was_bought_leaves_the_cart_once(commerce, sku, other_sku):
    customer = Customer(commerce)

    def put(sku, quantity):
        return customer.send("PUT", "cart", f"/me/cart/items/{sku}", body={"quantity": quantity})

    def cart():
        items = customer.json("GET", "cart", "/me/cart")["items"]
        return {line["sku"]: line["quantity"] for line in items}

    for each, quantity in ((sku, 5), (other_sku, 1)):
        eventually(partial(put, each, quantity), lambda answer: answer.ok)
    becomes(customer.place({sku: 2, other_sku: 1}), "CONFIRMED")
    eventually(cart, lambda quantities: quantities == {sku: 3})
    becomes(customer.place({sku: 1}), "CONFIRMED")
    eventually(cart, lambda quantities: quantities == {sku: 2})


def test_an_unanswered_payment_ends_with_the_time_limit_and_is_never_charged(operator, waiting):
    order, sku = waiting["tok_timeout"]
    cancelled = becomes(order, "CANCELLED", seconds=AFTER_THE_TIME_LIMIT)
    assert cancelled["reason"] == "TIMED_OUT"
    assert statuses(cancelled) == ["PLACED", "STOCK_RESERVED", "CANCELLED"]
    payment(operator, order, "DECLINED", seconds=60)
    has(operator, sku)


def test_a_payment_captured_after_the_time_limit_is_refunded(operator, waiting):
    order, sku = waiting["tok_late"]
    cancelled = becomes(order, "CANCELLED", seconds=AFTER_THE_TIME_LIMIT)
    assert cancelled["reason"] == "TIMED_OUT"
    assert payment(operator, order, "REFUNDED", seconds=60)["cancelled"] is True
    has(operator, sku)
    assert "PAID" not in statuses(order.read())


def test_every_order_ends(customer):
    orders = customer.orders()
    assert len(orders) >= 9
    assert [order for order in orders if order["status"] in OPEN] == []
