"""From an order's event to the answer on the bus, through the synthesized templates."""

import pytest

from .conftest import OPERATOR, cancelled, metrics, requested


def answers(service) -> list[tuple[str, str]]:
    return [(event.detail_type, event.metadata.causation_id) for event in service.published("Changes")]


def shown(service, order: str = "order-1"):
    return service.request("GET", f"/payments/{order}", claims=OPERATOR)


def test_a_captured_payment_answers_its_request_once(service):
    request = requested()
    outcome = service.feed("Consumers/Orders", [request, request])
    assert (len(outcome.handled), outcome.dead_letters, outcome.pending) == (2, [], [])
    (event,) = service.published("Changes")
    assert event.detail_type == "PaymentCaptured.v1"
    assert event.metadata.causation_id == request.metadata.event_id
    assert event.metadata.correlation_id == "conversation-7"
    assert event.metadata.aggregate_id == "order-1"
    assert event.data == {"orderId": "order-1", "amount": {"amountMinor": 1299, "currency": "EUR"}}


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ("tok_declined", "CARD_DECLINED"),
        ("tok_insufficient_funds", "INSUFFICIENT_FUNDS"),
        ("tok_unknown", "INVALID_PAYMENT_METHOD"),
    ],
)
def test_a_declined_payment_says_why(service, card, reason):
    service.feed("Consumers/Orders", [requested(card)])
    (event,) = service.published("Changes")
    assert (event.detail_type, event.data["reason"]) == ("PaymentDeclined.v1", reason)


def test_a_request_that_comes_too_late_is_declined(service):
    service.feed("Consumers/Orders", [requested(seconds=-1)])
    (event,) = service.published("Changes")
    assert (event.detail_type, event.data["reason"]) == ("PaymentDeclined.v1", "EXPIRED")


def test_a_request_made_anew_is_answered_anew_and_charges_once(service):
    first, second = requested(), requested(attempt=2)
    service.feed("Consumers/Orders", [first, second])
    assert answers(service) == [
        ("PaymentCaptured.v1", first.metadata.event_id),
        ("PaymentCaptured.v1", second.metadata.event_id),
    ]
    (account,) = [item for item in service.items("Payments") if item["sk"] == "SANDBOX"]
    assert account["captures"] == 1


def test_a_cancelled_order_gets_its_money_back_once(service):
    request, cancellation = requested(), cancelled()
    service.feed("Consumers/Orders", [request, cancellation, cancellation])
    assert answers(service) == [
        ("PaymentCaptured.v1", request.metadata.event_id),
        ("PaymentRefunded.v1", cancellation.metadata.event_id),
    ]


def test_a_cancellation_before_its_request_says_nothing_and_declines_the_request(service):
    service.feed("Consumers/Orders", [cancelled()])
    assert answers(service) == []
    request = requested()
    service.feed("Consumers/Orders", [request])
    assert answers(service) == [("PaymentDeclined.v1", request.metadata.event_id)]


@pytest.mark.parametrize(
    ("card", "counted"),
    [
        ("tok_declined", {"PaymentsDeclined": 1}),
        ("tok_visa", {"PaymentsCaptured": 1, "PaymentsRefunded": 1}),
    ],
)
def test_each_outcome_is_counted_once_whatever_is_repeated(service, capsys, card, counted):
    request, again, cancellation = requested(card), requested(card, attempt=2), cancelled()
    service.feed("Consumers/Orders", [request, request, again, cancellation, cancellation])
    assert metrics(capsys) == counted


def test_an_order_that_is_cancelled_before_it_is_paid_for_counts_as_declined_once_it_asks(service, capsys):
    service.feed("Consumers/Orders", [cancelled()])
    assert metrics(capsys) == {}
    service.feed("Consumers/Orders", [requested()])
    assert metrics(capsys) == {"PaymentsDeclined": 1}


def test_an_unknown_outcome_stays_queued_and_out_of_the_dlq(service):
    outcome = service.feed("Consumers/Orders", [requested("tok_timeout")], receives=3)
    assert (len(outcome.pending), outcome.dead_letters, outcome.handled) == (1, [], [])
    assert shown(service).json()["status"] == "CAPTURING"
    assert answers(service) == []


def test_a_flaky_provider_is_asked_until_it_answers(service):
    outcome = service.feed("Consumers/Orders", [requested("tok_flaky")], receives=3)
    assert len(outcome.handled) == 1
    assert shown(service).json()["status"] == "CAPTURED"


def test_what_contradicts_an_earlier_request_goes_to_the_dlq_with_the_reason(service):
    outcome = service.feed("Consumers/Orders", [requested(), requested("tok_declined", attempt=2)])
    (letter,) = outcome.dead_letters
    assert "order-1" in letter.reason
    assert shown(service).json()["status"] == "CAPTURED"


def test_operators_see_a_payment_without_its_token(service):
    service.feed("Consumers/Orders", [requested(seconds=30)])
    answer = shown(service)
    payment = answer.json()
    assert answer.status == 200
    assert payment["status"] == "CAPTURED"
    assert payment["amount"] == {"amountMinor": 1299, "currency": "EUR"}
    assert (payment["cancelled"], payment["version"]) == (False, 2)
    assert "tok_visa" not in answer.body


def test_nobody_else_sees_it(service):
    assert service.request("GET", "/payments/order-1").status == 401
    customer = {"sub": "c", "scope": "commerce/shop"}
    assert service.request("GET", "/payments/order-1", claims=customer).status == 403
    assert shown(service, "never-was").status == 404
