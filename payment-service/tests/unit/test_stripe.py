"""Stripe's answers and what they mean for a payment."""

from urllib.parse import parse_qs

import pytest
import stripe
from payment_service.payments.runtime import stripe_provider
from payment_service.payments.runtime.provider import (
    Intent,
    IntentState,
    PaymentMethodError,
    ProviderUnavailableError,
    RefundError,
)
from payment_service.payments.runtime.stripe_provider import StripeProvider

from . import stripe_answers as recorded
from .stripe_answers import Recorded
from .worlds import request

ID = "pi_3PqX1a2eZvKYlo2C1a2b3c4d"


def api_key(*, fresh: bool = False) -> str:
    return "sk_test_new" if fresh else "sk_test_old"


def stripe_with(*answers) -> tuple[StripeProvider, Recorded]:
    client = Recorded(*answers)
    return StripeProvider(api_key=api_key, http_client=client), client


def test_an_intent_is_created_without_taking_anything_and_once_per_order():
    provider, client = stripe_with((200, recorded.intent()))
    intent = provider.create(request("tok_1Nv0FGQ9RKHgCVdK"))
    assert (intent.id, intent.state) == (ID, IntentState.UNCONFIRMED)
    ((method, path, body, headers),) = client.calls
    assert (method, path) == ("post", "payment_intents")
    assert headers["Idempotency-Key"] == "payment-order-1"
    assert parse_qs(body) == {
        "amount": ["1299"],
        "currency": ["eur"],
        "payment_method_types[0]": ["card"],
        "payment_method_data[type]": ["card"],
        "payment_method_data[card][token]": ["tok_1Nv0FGQ9RKHgCVdK"],
        "metadata[orderId]": ["order-1"],
    }


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        (recorded.intent("requires_confirmation"), IntentState.UNCONFIRMED, ""),
        (recorded.intent("processing"), IntentState.PROCESSING, ""),
        # Held and not taken: what is captured by somebody else, or never.
        (recorded.intent("requires_capture"), IntentState.PROCESSING, ""),
        (recorded.intent("succeeded", latest_charge="ch_1"), IntentState.CAPTURED, ""),
        (recorded.intent("canceled"), IntentState.VOIDED, ""),
        (recorded.intent("requires_action"), IntentState.DECLINED, "AUTHENTICATION_REQUIRED"),
        (
            recorded.intent(
                "requires_payment_method",
                last_payment_error={"code": "card_declined", "decline_code": "insufficient_funds"},
            ),
            IntentState.DECLINED,
            "INSUFFICIENT_FUNDS",
        ),
        (
            recorded.intent("requires_payment_method", last_payment_error={"code": "expired_card"}),
            IntentState.DECLINED,
            "EXPIRED_CARD",
        ),
        (recorded.intent("requires_payment_method"), IntentState.DECLINED, "CARD_DECLINED"),
    ],
)
def test_every_status_of_an_intent_has_a_meaning(answer, state, reason):
    provider, client = stripe_with((200, answer))
    intent = provider.read(ID)
    assert (intent.id, intent.state, intent.reason) == (ID, state, reason)
    assert client.calls[0][:2] == ("get", f"payment_intents/{ID}")


def test_a_confirmed_intent_is_captured():
    provider, client = stripe_with((200, recorded.intent("succeeded", latest_charge="ch_1")))
    assert provider.confirm(ID).state is IntentState.CAPTURED
    assert client.calls[0][:2] == ("post", f"payment_intents/{ID}/confirm")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (recorded.card_error("card_declined", "generic_decline"), "CARD_DECLINED"),
        (recorded.card_error("card_declined", "insufficient_funds"), "INSUFFICIENT_FUNDS"),
        (recorded.card_error("expired_card"), "EXPIRED_CARD"),
        (
            recorded.card_error("authentication_required", "authentication_required"),
            "AUTHENTICATION_REQUIRED",
        ),
    ],
)
def test_a_declined_card_is_a_definite_answer(answer, reason):
    provider, _ = stripe_with((402, answer))
    intent = provider.confirm(ID)
    assert (intent.id, intent.state, intent.reason) == (ID, IntentState.DECLINED, reason)


def test_a_card_error_without_particulars_is_a_declined_card():
    provider, _ = stripe_with(stripe.CardError("as Stripe words it", None, "expired_card"))
    assert provider.confirm(ID) == Intent(id=ID, state=IntentState.DECLINED, reason="EXPIRED_CARD")


def test_an_intent_that_somebody_else_confirmed_is_read():
    unexpected = recorded.error("invalid_request_error", code="payment_intent_unexpected_state")
    provider, client = stripe_with((400, unexpected), (200, recorded.intent("succeeded")))
    assert provider.confirm(ID).state is IntentState.CAPTURED
    assert [method for method, *_ in client.calls] == ["post", "get"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((400, recorded.error("invalid_request_error", code="token_already_used")), "INVALID_PAYMENT_METHOD"),
        ((402, recorded.card_error("card_declined", "insufficient_funds")), "INSUFFICIENT_FUNDS"),
    ],
)
def test_a_refused_token_is_a_definite_no(answer, reason):
    provider, _ = stripe_with(answer)
    with pytest.raises(PaymentMethodError) as error:
        provider.create(request("tok_used"))
    assert error.value.reason == reason


@pytest.mark.parametrize(
    "answers",
    [
        [(500, recorded.error("api_error"))] * 2,
        [(429, recorded.error("invalid_request_error", code="rate_limit"))] * 2,
        [stripe.APIConnectionError("timed out", should_retry=True)] * 2,
        [(401, recorded.error("invalid_request_error", code="api_key_expired"))] * 2,
        [(403, recorded.error("invalid_request_error"))],
    ],
    ids=["server error", "rate limit", "connection", "key refused twice", "forbidden"],
)
@pytest.mark.parametrize("method", ["create", "read", "confirm", "void", "refund"])
def test_whatever_is_no_answer_leaves_the_outcome_unknown(method, answers):
    provider, _ = stripe_with(*answers)
    with pytest.raises(ProviderUnavailableError) as unknown:
        getattr(provider, method)(request() if method == "create" else ID)
    # It is logged, and what a provider writes may name a card or a key.
    assert "as Stripe words it" not in str(unknown.value)


def test_a_call_that_failed_on_the_way_is_repeated_once_under_one_key():
    provider, client = stripe_with((500, recorded.error("api_error")), (200, recorded.intent("succeeded")))
    assert provider.confirm(ID).state is IntentState.CAPTURED
    assert len({headers["Idempotency-Key"] for *_, headers in client.calls}) == 1


def test_a_rotated_key_is_used_at_once():
    refused = (401, recorded.error("invalid_request_error", code="api_key_expired"))
    provider, client = stripe_with(refused, (200, recorded.intent("succeeded")))
    assert provider.read(ID).state is IntentState.CAPTURED
    keys = [headers["Authorization"] for *_, headers in client.calls]
    assert keys == ["Bearer sk_test_old", "Bearer sk_test_new"]


def test_an_untouched_intent_is_voided():
    provider, client = stripe_with((200, recorded.intent("canceled")))
    assert provider.void(ID).state is IntentState.VOIDED
    assert client.calls[0][:2] == ("post", f"payment_intents/{ID}/cancel")


def test_an_intent_that_succeeded_meanwhile_cannot_be_voided():
    unexpected = recorded.error("invalid_request_error", code="payment_intent_unexpected_state")
    provider, _ = stripe_with((400, unexpected), (200, recorded.intent("succeeded")))
    assert provider.void(ID).state is IntentState.CAPTURED


def captured(*refunds) -> tuple[int, dict]:
    return 200, recorded.intent("succeeded", latest_charge=recorded.charge(*refunds))


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("succeeded", IntentState.REFUNDED),
        ("pending", IntentState.REFUNDING),
        ("requires_action", IntentState.REFUNDING),
        ("failed", IntentState.REFUNDING),
    ],
)
def test_what_was_captured_is_refunded_once_the_refund_has_succeeded(status, state):
    provider, client = stripe_with(captured(), (200, recorded.refund(status)))
    assert provider.refund(ID) == Intent(id=ID, state=state)
    (read, refunded) = client.calls
    assert read[:2] == ("get", f"payment_intents/{ID}?expand[0]=latest_charge.refunds")
    assert refunded[:2] == ("post", "refunds")
    assert parse_qs(refunded[2]) == {"payment_intent": [ID], "metadata[orderId]": ["order-1"]}


@pytest.mark.parametrize(
    ("refunds", "state"),
    [
        ([recorded.refund()], IntentState.REFUNDED),
        ([recorded.refund(amount=1000), recorded.refund(amount=299)], IntentState.REFUNDED),
        ([recorded.refund("pending")], IntentState.REFUNDING),
        ([recorded.refund("pending", amount=1000), recorded.refund(amount=299)], IntentState.REFUNDING),
        ([recorded.refund(), *[recorded.refund("failed")] * 3], IntentState.REFUNDED),
    ],
)
def test_what_is_refunded_or_about_to_be_is_not_refunded_again(refunds, state):
    provider, client = stripe_with(captured(*refunds))
    assert provider.refund(ID).state is state
    assert len(client.calls) == 1


def test_what_somebody_has_refunded_in_part_is_refunded_to_the_rest():
    partly, rest = recorded.refund(amount=1000), recorded.refund(amount=299)
    provider, _ = stripe_with(captured(partly), (200, rest))
    assert provider.refund(ID).state is IntentState.REFUNDED


def test_a_refund_that_somebody_else_was_faster_with_is_looked_at_later():
    already = recorded.error("invalid_request_error", code="charge_already_refunded")
    provider, _ = stripe_with(captured(), (400, already))
    assert provider.refund(ID).state is IntentState.REFUNDING


def test_a_pending_refund_that_fails_is_tried_again_and_in_the_end_left_to_somebody():
    pending, failed = recorded.refund("pending"), recorded.refund("failed")
    provider, client = stripe_with(
        captured(),
        (200, pending),
        captured(pending),
        captured(failed),
        (200, pending),
        captured(pending, failed),
        captured(failed, failed, failed),
    )
    assert [provider.refund(ID).state for _ in range(4)] == [IntentState.REFUNDING] * 4
    with pytest.raises(RefundError, match=r"3 refunds of .* expired_or_canceled_card"):
        provider.refund(ID)
    assert [method for method, *_ in client.calls].count("post") == 2


def test_whoever_has_to_look_is_told_which_intent_and_why_the_latest_refund_failed():
    canceled = {**recorded.refund("canceled"), "failure_reason": "merchant_request"}
    provider, client = stripe_with(captured(canceled, *[recorded.refund("failed")] * 2))
    with pytest.raises(RefundError) as told:
        provider.refund(ID)
    assert str(told.value) == (
        f"3 refunds of {ID} failed, the last one by merchant_request: give the money back in another way"
    )
    assert len(client.calls) == 1


def test_stripe_is_waited_for_no_longer_than_a_third_of_the_functions_time(monkeypatch):
    made = []
    monkeypatch.setattr(stripe, "RequestsClient", lambda **options: made.append(options))
    StripeProvider(api_key=api_key)
    assert made == [{"timeout": stripe_provider.CALL_TIMEOUT_SECONDS}]


def test_the_calls_of_one_message_fit_into_its_function():
    calls = 3  # create or read, confirm, read after an unexpected state
    attempts = 1 + stripe_provider.NETWORK_RETRIES
    assert calls * attempts * stripe_provider.CALL_TIMEOUT_SECONDS < 60
