"""Payments on the local cloud: asked for on the bus, seen by operators."""

import json
import secrets
import time
from datetime import UTC, datetime, timedelta

import pytest
from service_runtime.envelope import Event, rfc3339
from service_testing.local_cloud import eventually

pytestmark = pytest.mark.e2e


class Order:
    """An order as payments see it: its events, put on the bus, and the payment that comes of them."""

    def __init__(self, local_cloud, operator) -> None:
        self.id = f"e2e-{secrets.token_hex(8)}"
        self._cloud, self._operator, self._events = local_cloud, operator, 0

    def request(self, card: str, *, seconds: float = 60) -> None:
        self._tell(
            "PaymentRequested.v1",
            {
                "amount": {"amountMinor": 1299, "currency": "EUR"},
                "paymentMethod": card,
                "expiresAt": rfc3339(datetime.now(UTC) + timedelta(seconds=seconds)),
            },
        )

    def cancel(self) -> None:
        self._tell("OrderCancelled.v1", {"reason": "CUSTOMER_REQUEST"})

    def read(self) -> dict:
        answer = self._cloud.request("GET", "payment", f"/payments/{self.id}", token=self._operator)
        return answer.json() if answer.status_code == 200 else {"status": None, "code": answer.status_code}

    def becomes(self, status: str, *, seconds: float = 20) -> dict:
        return eventually(self.read, lambda payment: payment["status"] == status, seconds=seconds)

    def _tell(self, detail_type: str, data: dict) -> None:
        self._events += 1
        event = Event.create(
            service="order",
            stage=self._cloud.endpoints["stage"],
            detail_type=detail_type,
            aggregate_id=self.id,
            aggregate_version=self._events,
            data={"orderId": self.id, **data},
        )
        self._cloud.publish(event)


@pytest.fixture
def order(local_cloud, operator) -> Order:
    return Order(local_cloud, operator)


def test_a_payment_is_captured_and_given_back(order):
    order.request("tok_visa")
    assert order.becomes("CAPTURED")["amount"] == {"amountMinor": 1299, "currency": "EUR"}
    order.cancel()
    order.becomes("REFUNDED")


@pytest.mark.parametrize(
    ("card", "reason"),
    [("tok_declined", "CARD_DECLINED"), ("tok_insufficient_funds", "INSUFFICIENT_FUNDS")],
)
def test_a_payment_is_declined(order, card, reason):
    order.request(card)
    assert order.becomes("DECLINED")["reason"] == reason


def test_a_flaky_provider_is_overcome_within_twenty_seconds(order):
    order.request("tok_flaky")
    order.becomes("CAPTURED", seconds=20)


def test_a_provider_that_never_answers_is_given_up_with_the_order(order):
    order.request("tok_timeout")
    order.becomes("CAPTURING")
    order.cancel()
    assert order.becomes("DECLINED")["reason"] == "CANCELLED"


def test_what_is_captured_after_the_order_gave_up_is_refunded(order):
    # Long enough for a busy machine to start the capture in time.
    order.request("tok_late", seconds=10)
    order.becomes("CAPTURING")
    order.cancel()
    assert order.becomes("REFUNDED", seconds=40)["cancelled"] is True


def test_a_cancellation_before_its_request_prevents_the_payment(order):
    order.cancel()
    order.becomes("DECLINED")
    order.request("tok_visa")
    eventually(order.read, lambda payment: payment.get("amount") is not None)
    assert (order.read()["status"], order.read()["reason"]) == ("DECLINED", "CANCELLED")


def test_a_forged_webhook_is_accepted_for_later_and_changes_nothing(order, local_cloud):
    order.request("tok_timeout")
    order.becomes("CAPTURING")
    body = {"data": {"object": {"metadata": {"orderId": order.id}}}}
    signature = {"Stripe-Signature": f"t={int(time.time())},v1={'0' * 64}"}
    answer = local_cloud.request("POST", "payment", "/payments/webhooks", headers=signature, body=body)
    assert answer.status_code == 202, answer.text
    too_large = local_cloud.request(
        "POST", "payment", "/payments/webhooks", headers=signature, body={"x": "y" * 70_000}
    )
    assert too_large.status_code == 400, json.dumps(too_large.text[:200])
    order.cancel()
    order.becomes("DECLINED")


def test_payments_are_for_operators(order, local_cloud, customer):
    path = f"/payments/{order.id}"
    assert local_cloud.request("GET", "payment", path).status_code == 401
    assert local_cloud.request("GET", "payment", path, token=customer).status_code == 403
    assert order.read()["code"] == 404
