"""Stripe as a `PaymentProvider`, through its official library.

An order has one PaymentIntent, which can succeed once. It is created unconfirmed, its id is stored, then it is
confirmed; whoever comes later reads it first. So nothing depends on idempotency keys, which Stripe forgets after 24
hours, and under which it repeats the answer of a failed call, 5xx included. Only `create` has one, because the token
can be used once: whoever lost its answer gets the same intent again.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import stripe

from payment_service.payments.runtime.provider import (
    Intent,
    IntentState,
    PaymentMethodError,
    ProviderUnavailableError,
    RefundError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from payment_service.payments.runtime.domain import Request

CALL_TIMEOUT_SECONDS: Final = 8
"""Below a third of the function's time, so that one message's calls fit into it."""

NETWORK_RETRIES: Final = 1
MAX_REFUNDS: Final = 3
"""Refunds that may fail before somebody has to look: a closed account or a lost card will not be there tomorrow."""

# A refund's amount is on its way from its beginning, and comes back to us when it fails.
_UNDER_WAY: Final = {"pending", "requires_action"}

_STATES: Final = {
    "requires_confirmation": IntentState.UNCONFIRMED,
    "processing": IntentState.PROCESSING,
    "requires_capture": IntentState.PROCESSING,
    "succeeded": IntentState.CAPTURED,
    "canceled": IntentState.VOIDED,
    # The customer is not there to prove anything, so this can only end.
    "requires_action": IntentState.DECLINED,
}
_REASONS: Final[dict[str | None, str]] = {
    "insufficient_funds": "INSUFFICIENT_FUNDS",
    "expired_card": "EXPIRED_CARD",
    "authentication_required": "AUTHENTICATION_REQUIRED",
}


class StripeProvider:
    """Stripe as a `PaymentProvider`.

    Args:
        api_key: Returns the secret key; asked again, with `fresh=True`, when Stripe refuses the one it gave.
        http_client: Of the Stripe library; by default one with `CALL_TIMEOUT_SECONDS`.
    """

    def __init__(self, *, api_key: Callable[..., str], http_client: stripe.HTTPClient | None = None) -> None:
        self._api_key = api_key
        self._http_client = http_client or stripe.RequestsClient(timeout=CALL_TIMEOUT_SECONDS)

    def create(self, request: Request) -> Intent:
        """Prepare an attempt.

        Raises:
            PaymentMethodError: Stripe refuses the token or the amount.
            ProviderUnavailableError: No definite answer.
        """
        params: Any = {
            "amount": request.amount.amount_minor,
            "currency": request.amount.currency.lower(),
            "payment_method_types": ["card"],
            "payment_method_data": {"type": "card", "card": {"token": request.payment_method}},
            "metadata": {"orderId": request.order_id},
        }
        options: Any = {"idempotency_key": f"payment-{request.order_id}"}
        try:
            with _mapped_errors():
                return _intent(self._call(lambda api: api.payment_intents.create(params, options)))
        except stripe.CardError as error:
            raise PaymentMethodError(_reason_of(error)) from error
        except stripe.InvalidRequestError as error:
            raise PaymentMethodError("INVALID_PAYMENT_METHOD") from error

    def read(self, intent_id: str) -> Intent:
        """Return where an attempt stands."""
        with _mapped_errors():
            return self._read(intent_id)

    def confirm(self, intent_id: str) -> Intent:
        """Take the money."""
        with _mapped_errors():
            try:
                return _intent(self._call(lambda api: api.payment_intents.confirm(intent_id)))
            except stripe.CardError as error:
                return Intent(id=intent_id, state=IntentState.DECLINED, reason=_reason_of(error))
            except stripe.InvalidRequestError as error:
                # Somebody else has confirmed or cancelled it meanwhile.
                return self._unless_unexpected_state(intent_id, error)

    def void(self, intent_id: str) -> Intent:
        """Give an attempt up; one that is processing or has succeeded stays as it is."""
        with _mapped_errors():
            try:
                return _intent(self._call(lambda api: api.payment_intents.cancel(intent_id)))
            except stripe.InvalidRequestError as error:
                return self._unless_unexpected_state(intent_id, error)

    def refund(self, intent_id: str) -> Intent:
        """Give everything back. A refund of the whole charge is possible once, whoever asks for it again.

        Raises:
            RefundError: `MAX_REFUNDS` refunds have failed.
            ProviderUnavailableError: No definite answer.
        """
        with _mapped_errors():
            params: Any = {"expand": ["latest_charge.refunds"]}
            intent = self._call(lambda api: api.payment_intents.retrieve(intent_id, params)).to_dict()
            refunds: list[dict[str, Any]] = intent["latest_charge"]["refunds"]["data"]
            if _given_back(refunds, {"succeeded"} | _UNDER_WAY) < intent["amount_received"]:
                _refuse_another_after(refunds, intent_id)
                refunds += self._started_refund(intent_id, intent["metadata"])
        succeeded = _given_back(refunds, {"succeeded"}) >= intent["amount_received"]
        return Intent(id=intent_id, state=IntentState.REFUNDED if succeeded else IntentState.REFUNDING)

    def _started_refund(self, intent_id: str, metadata: dict[str, str]) -> list[dict[str, Any]]:
        """Refund what is left, if anything is. Its metadata lead the webhook that tells of its outcome to the order."""
        params: Any = {"payment_intent": intent_id, "metadata": metadata}
        try:
            return [self._call(lambda api: api.refunds.create(params)).to_dict()]
        except stripe.InvalidRequestError as error:
            if error.code != "charge_already_refunded":
                raise
            # Somebody else was faster: what became of that shows when the charge is read again.
            return []

    def _read(self, intent_id: str) -> Intent:
        return _intent(self._call(lambda api: api.payment_intents.retrieve(intent_id)))

    def _unless_unexpected_state(self, intent_id: str, error: stripe.InvalidRequestError) -> Intent:
        if error.code != "payment_intent_unexpected_state":
            raise error
        return self._read(intent_id)

    def _call(self, call: Callable[[Any], Any]) -> Any:
        """Call Stripe; with a fresh key if it was rotated since the last call."""
        try:
            return call(self._client(self._api_key()))
        except stripe.AuthenticationError:
            return call(self._client(self._api_key(fresh=True)))

    def _client(self, key: str) -> Any:
        client = stripe.StripeClient(key, http_client=self._http_client, max_network_retries=NETWORK_RETRIES)
        return client.v1


@contextmanager
def _mapped_errors() -> Iterator[None]:
    """What is no definite answer becomes `ProviderUnavailableError`; what is one stays Stripe's own."""
    try:
        yield
    except (stripe.CardError, stripe.InvalidRequestError):
        raise
    except stripe.RateLimitError as error:
        raise ProviderUnavailableError("Stripe limits the rate", retry_after_seconds=1) from error
    except stripe.StripeError as error:
        # Connection, timeout, 5xx, a refused key: whether the call had an effect is unknown or nobody can say now.
        raise ProviderUnavailableError(
            f"{type(error).__name__}: {error.code or error.http_status}"
        ) from error


def _intent(answer: stripe.PaymentIntent) -> Intent:
    intent: dict[str, Any] = answer.to_dict()
    if answer.status == "requires_payment_method":
        error = intent.get("last_payment_error") or {}
        reason = _reason(error.get("code"), error.get("decline_code"))
        return Intent(id=answer.id, state=IntentState.DECLINED, reason=reason)
    state = _STATES[answer.status]
    reason = "AUTHENTICATION_REQUIRED" if state is IntentState.DECLINED else ""
    return Intent(id=answer.id, state=state, reason=reason)


def _given_back(refunds: list[dict[str, Any]], statuses: set[str]) -> int:
    return sum(refund["amount"] for refund in refunds if refund["status"] in statuses)


def _refuse_another_after(refunds: list[dict[str, Any]], intent_id: str) -> None:
    failed = [refund for refund in refunds if refund["status"] in {"failed", "canceled"}]
    if len(failed) >= MAX_REFUNDS:
        # Stripe lists the latest first.
        raise RefundError(
            f"{len(failed)} refunds of {intent_id} failed, the last one by {failed[0].get('failure_reason')}: "
            "give the money back in another way"
        )


def _reason_of(error: stripe.CardError) -> str:
    return _reason(error.code, error.error.decline_code if error.error else None)


def _reason(code: str | None, decline_code: str | None) -> str:
    return _REASONS.get(decline_code) or _REASONS.get(code) or "CARD_DECLINED"
