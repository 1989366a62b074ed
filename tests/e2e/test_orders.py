"""What happens to an order between placing and its end."""

from __future__ import annotations

import pytest
from service_testing.local_cloud import eventually

from .conftest import OPEN, PIECES, PRICE, Customer, Order, statuses

pytestmark = pytest.mark.e2e

# The local cloud waits 30 s for a payment; two minutes leave a busy machine the time to notice.
AFTER_THE_TIME_LIMIT = 120


@pytest.fixture(scope="module", autouse=True)
def waiting(customer, on_sale):
    """Orders whose time limit runs out while the other tests run; the tests that look at them come last."""
    orders = {}
    for pay in ("tok_timeout", "tok_late"):
        sku = next(on_sale)
        orders[pay] = customer.buy({sku: 2}, pay), sku
    return orders


def test_an_order_is_reserved_paid_confirmed_and_fulfilled(shop, customer, sku):
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
    confirmed = order.becomes("CONFIRMED")
    assert [(entry["status"], entry["service"]) for entry in confirmed["timeline"]] == [
        ("PLACED", "order"),
        ("STOCK_RESERVED", "inventory"),
        ("PAID", "payment"),
        ("CONFIRMED", "order"),
    ]
    times = [entry["at"] for entry in confirmed["timeline"]]
    assert times == sorted(times)
    assert (confirmed["items"], confirmed["total"]) == (answer["items"], total)
    assert shop.payment(order, "CAPTURED")["amount"] == total
    shop.has(sku, reserved=3)

    assert customer.request("POST", f"/operations/orders/{order.id}/fulfilment").status_code == 403
    assert [shop.fulfil(order), shop.fulfil(order)] == [202, 202]
    assert statuses(order.becomes("FULFILLED"))[-2:] == ["CONFIRMED", "FULFILLED"]
    shop.has(sku, on_hand=PIECES - 3)
    assert order.cancel() == 409


@pytest.mark.parametrize(
    ("pay", "reason"),
    [("tok_declined", "CARD_DECLINED"), ("tok_insufficient_funds", "INSUFFICIENT_FUNDS")],
)
def test_a_declined_payment_releases_the_stock(shop, customer, sku, pay, reason):
    order = customer.buy({sku: 2}, pay)
    cancelled = order.becomes("CANCELLED")
    assert cancelled["reason"] == "PAYMENT_DECLINED"
    assert statuses(cancelled) == ["PLACED", "STOCK_RESERVED", "CANCELLED"]
    assert cancelled["timeline"][-1]["detail"] == f"PAYMENT_DECLINED: {reason}"
    assert shop.payment(order, "DECLINED")["reason"] == reason
    shop.has(sku)
    assert [order.cancel(), shop.fulfil(order)] == [409, 409]


def test_what_is_not_there_is_named_and_nothing_is_kept(shop, customer, sku, other_sku):
    cancelled = customer.buy({sku: PIECES + 1, other_sku: 1}).becomes("CANCELLED")
    assert cancelled["reason"] == "OUT_OF_STOCK"
    assert statuses(cancelled) == ["PLACED", "CANCELLED"]
    assert cancelled["timeline"][-1]["detail"] == f"OUT_OF_STOCK: {sku} ({PIECES} left)"
    shop.has(sku)
    shop.has(other_sku)


def test_a_flaky_provider_is_overcome_within_twenty_seconds(shop, customer, sku):
    order = customer.buy({sku: 1}, "tok_flaky")
    reserved = order.becomes("STOCK_RESERVED")
    assert statuses(reserved) == ["PLACED", "STOCK_RESERVED"]
    shop.has(sku, reserved=1)
    shop.payment(order, "CAPTURING")
    order.becomes("CONFIRMED", seconds=20)
    shop.payment(order, "CAPTURED")


def test_an_order_cancelled_before_its_payment_is_never_charged(shop, customer, sku):
    order = customer.buy({sku: 2})
    assert order.cancel() == 202
    cancelled = order.becomes("CANCELLED")
    assert cancelled["reason"] == "CUSTOMER_REQUEST"
    assert "PAID" not in statuses(cancelled)
    assert shop.payment(order, "DECLINED")["reason"] == "CANCELLED"
    shop.has(sku)
    assert order.cancel() == 409


def test_an_order_cancelled_during_its_payment_is_never_charged(shop, customer, sku):
    order = customer.buy({sku: 2}, "tok_timeout")
    shop.payment(order, "CAPTURING")
    shop.has(sku, reserved=2)
    assert order.cancel() == 202
    cancelled = order.becomes("CANCELLED")
    assert cancelled["reason"] == "CUSTOMER_REQUEST"
    assert statuses(cancelled) == ["PLACED", "STOCK_RESERVED", "CANCELLED"]
    assert shop.payment(order, "DECLINED")["reason"] == "CANCELLED"
    shop.has(sku)


def test_an_order_cancelled_after_its_confirmation_is_refunded(shop, customer, sku):
    order = customer.buy({sku: 2})
    order.becomes("CONFIRMED")
    shop.payment(order, "CAPTURED")
    assert order.cancel() == 202
    cancelled = order.becomes("CANCELLED")
    assert cancelled["reason"] == "CUSTOMER_REQUEST"
    assert statuses(cancelled)[-2:] == ["CONFIRMED", "CANCELLED"]
    assert shop.payment(order, "REFUNDED")["cancelled"] is True
    shop.has(sku)
    assert shop.fulfil(order) == 409


def test_what_was_bought_leaves_the_cart_once(local_cloud, sku, other_sku):
    customer = Customer(local_cloud)

    def put(sku, quantity):
        body = {"quantity": quantity}
        return customer.request("PUT", f"/me/cart/items/{sku}", service="cart", body=body)

    def cart():
        items = customer.request("GET", "/me/cart", service="cart").json()["items"]
        return {line["sku"]: line["quantity"] for line in items}

    for each, quantity in ((sku, 5), (other_sku, 1)):
        eventually(lambda each=each, quantity=quantity: put(each, quantity), lambda answer: answer.ok)
    customer.buy({sku: 2, other_sku: 1}).becomes("CONFIRMED")
    eventually(cart, lambda quantities: quantities == {sku: 3})
    customer.buy({sku: 1}).becomes("CONFIRMED")
    eventually(cart, lambda quantities: quantities == {sku: 2})


def test_an_unanswered_payment_ends_with_the_time_limit_and_is_never_charged(shop, waiting):
    order, sku = waiting["tok_timeout"]
    cancelled = order.becomes("CANCELLED", seconds=AFTER_THE_TIME_LIMIT)
    assert cancelled["reason"] == "TIMED_OUT"
    assert statuses(cancelled) == ["PLACED", "STOCK_RESERVED", "CANCELLED"]
    shop.payment(order, "DECLINED", seconds=60)
    shop.has(sku)


def test_a_payment_captured_after_the_time_limit_is_refunded(shop, waiting):
    order, sku = waiting["tok_late"]
    cancelled = order.becomes("CANCELLED", seconds=AFTER_THE_TIME_LIMIT)
    assert cancelled["reason"] == "TIMED_OUT"
    assert shop.payment(order, "REFUNDED", seconds=60)["cancelled"] is True
    shop.has(sku)
    assert "PAID" not in statuses(order.read())


def test_every_order_ends(customer):
    orders = customer.orders()
    assert len(orders) >= 9
    assert [order for order in orders if order["status"] in OPEN] == []
