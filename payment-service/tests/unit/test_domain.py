"""The states of a payment and what may follow what."""

from datetime import timedelta

import pytest
from payment_service.payments.runtime import domain
from payment_service.payments.runtime.domain import ContradictionError, Payment, Status, Step
from service_runtime.money import Money

from .worlds import START, request

EXPIRY = START + timedelta(seconds=30)


def requested() -> Payment:
    return domain.request(None, request())


def capturing() -> Payment:
    return domain.capturing(requested(), "intent-1")


def captured() -> Payment:
    return domain.captured(capturing())


def cancelled(payment: Payment | None) -> Payment | None:
    return domain.cancel(payment, order_id="order-1", cancellation_id="cancel-1", correlation_id="c-2")


def test_the_way_of_a_payment_that_succeeds():
    steps = [domain.next_step(payment, START) for payment in (requested(), capturing(), captured())]
    assert steps == [Step.CREATE_INTENT, Step.CAPTURE, Step.NOTHING]
    assert [payment.version for payment in (requested(), capturing(), captured())] == [1, 2, 3]


def test_no_intent_is_made_from_the_time_limit_on():
    assert domain.next_step(requested(), EXPIRY - timedelta(milliseconds=1)) is Step.CREATE_INTENT
    assert domain.next_step(requested(), EXPIRY) is Step.DECLINE_EXPIRED


def test_a_repeated_request_changes_nothing():
    for payment in (requested(), capturing(), captured()):
        assert domain.request(payment, request()) is None


def test_asked_anew_a_payment_answers_the_new_question_and_stays_what_it_is():
    again = domain.request(captured(), request(request_id="request-2"))
    assert (again.status, again.version, again.causation_id) == (Status.CAPTURED, 4, "request-2")


def test_of_two_live_requests_each_is_taken_in_once_however_often_both_are_repeated():
    payment, changes = None, 0
    for request_id in ["request-1", "request-2"] * 3:
        changed = domain.request(payment, request(request_id=request_id))
        payment, changes = changed or payment, changes + bool(changed)
    assert (changes, payment.version, payment.causation_id) == (2, 2, "request-2")


def test_a_request_that_was_overtaken_by_a_later_one_does_not_take_its_place():
    later = domain.request(None, request(request_id="request-2", seconds=60))
    assert domain.request(later, request(request_id="request-1", seconds=30)) is None


@pytest.mark.parametrize(
    "other",
    [
        request("tok_declined", request_id="request-2"),
        request(request_id="request-2").model_copy(update={"amount": Money(amount_minor=1, currency="EUR")}),
    ],
)
def test_a_second_request_for_something_else_contradicts_the_first(other):
    with pytest.raises(ContradictionError, match="request-2"):
        domain.request(requested(), other)


def test_a_cancellation_before_anything_was_taken_ends_the_payment():
    payment = cancelled(requested())
    assert (payment.status, payment.reason, payment.cancelled) == (Status.DECLINED, "CANCELLED", True)
    assert payment.causation_id == "request-1"


def test_a_cancellation_during_the_capture_waits_for_its_result_and_then_refunds():
    payment = cancelled(capturing())
    assert (payment.status, domain.next_step(payment, START)) == (Status.CAPTURING, Step.CAPTURE)
    payment = domain.captured(payment)
    assert domain.next_step(payment, START) is Step.REFUND
    refunded = domain.refunded(payment)
    assert (refunded.causation_id, domain.next_step(refunded, START)) == ("cancel-1", Step.NOTHING)


def test_a_cancellation_of_what_was_taken_refunds():
    assert domain.next_step(cancelled(captured()), START) is Step.REFUND


def test_a_cancellation_before_its_request_leaves_nothing_to_take():
    tombstone = cancelled(None)
    assert (tombstone.reason, tombstone.cancellation_id) == ("CANCELLED", "cancel-1")
    assert tombstone.causation_id == "cancel-1"
    payment = domain.request(tombstone, request())
    assert (payment.status, payment.cancelled, payment.causation_id) == (Status.DECLINED, True, "request-1")
    assert domain.next_step(payment, START) is Step.NOTHING


def test_a_cancellation_of_what_has_ended_or_was_cancelled_changes_nothing():
    declined = domain.declined(capturing(), "CARD_DECLINED")
    refunded = domain.refunded(cancelled(captured()))
    for payment in (declined, refunded, cancelled(None), cancelled(capturing())):
        assert cancelled(payment) is None


@pytest.mark.parametrize(
    ("transition", "payment"),
    [
        (domain.captured, requested()),
        (domain.captured, captured()),
        (domain.refunded, capturing()),
        (lambda payment: domain.declined(payment, "X"), captured()),
        (lambda payment: domain.capturing(payment, "intent-2"), capturing()),
    ],
)
def test_no_state_can_be_skipped_or_taken_back(transition, payment):
    with pytest.raises(
        ContradictionError, match=rf"payment of order order-1 .* it is {payment.status}, not "
    ):
        transition(payment)


def test_nothing_is_asked_of_the_provider_for_what_was_never_attempted():
    assert domain.attempt(capturing()) == capturing().intent_id
    with pytest.raises(
        ContradictionError, match=r"^payment of order order-1 is REQUESTED without an attempt$"
    ):
        domain.attempt(requested())


def test_a_contradiction_says_what_would_have_been_right():
    with pytest.raises(ContradictionError, match=r"cannot become DECLINED: .* not REQUESTED or CAPTURING$"):
        domain.declined(captured(), "X")
