"""Bring a payment to a definite end: between the rules, the store and the provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from service_runtime.envelope import utc_now

from payment_service.payments.runtime import domain
from payment_service.payments.runtime.domain import Step
from payment_service.payments.runtime.provider import Intent, IntentState, PaymentMethodError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from payment_service.payments.runtime.domain import Payment
    from payment_service.payments.runtime.provider import PaymentProvider


class PendingError(Exception):
    """The provider has no definite answer yet: look again later."""


class Store(Protocol):
    """Where payments are kept."""

    def read(self, order_id: str) -> Payment | None:
        """Return an order's payment as it is now."""

    def write(self, payment: Payment) -> bool:
        """Store the next version; False when somebody else has stored it."""


class Settlement:
    """Takes events in and drives payments on; safe to be repeated and to run twice at once.

    Args:
        store: Of the payments.
        provider: Who moves the money.
        on_settled: Told of each outcome that a payment comes to, once, by whoever stores it.
        clock: The present moment; tests pass their own.
    """

    def __init__(
        self,
        *,
        store: Store,
        provider: PaymentProvider,
        on_settled: Callable[[Payment], None],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._provider = provider
        self._clock = clock
        self._on_settled = on_settled

    def change(self, order_id: str, decide: Callable[[Payment | None], Payment | None]) -> Payment | None:
        """Change a payment as an event demands, then drive it on.

        Args:
            order_id: The order.
            decide: From the stored payment to the one to store, None for no change.

        Returns:
            The payment at its end.

        Raises:
            PendingError: There is no definite outcome yet.
            ProviderUnavailableError: As `PendingError`, since the provider does not answer.
            RefundError: The provider cannot give the money back.
            ContradictionError: The event does not fit what is known.
        """
        while True:
            payment = self._store.read(order_id)
            changed = decide(payment)
            if changed is None or self._write(payment, changed):
                return self.advance(order_id)

    def advance(self, order_id: str) -> Payment | None:
        """Drive a payment on until nothing is left to do; errors as of `change`."""
        created: Intent | None = None
        while (payment := self._store.read(order_id)) is not None:
            match domain.next_step(payment, self._clock()):
                case Step.NOTHING:
                    return payment
                case Step.DECLINE_EXPIRED:
                    self._write(payment, domain.declined(payment, domain.EXPIRED))
                case Step.CREATE_INTENT:
                    created = self._create(payment)
                case Step.CAPTURE:
                    self._capture(payment, created)
                    created = None
                case Step.REFUND:
                    self._refund(payment)
        return None

    def _create(self, payment: Payment) -> Intent | None:
        """Have an intent and store its id, before anything is taken."""
        if payment.request is None:
            raise domain.ContradictionError(f"payment of order {payment.order_id} was never requested")
        try:
            intent = self._provider.create(payment.request)
        except PaymentMethodError as error:
            self._write(payment, domain.declined(payment, error.reason))
            return None
        return intent if self._write(payment, domain.capturing(payment, intent.id)) else None

    def _capture(self, payment: Payment, created: Intent | None) -> None:
        """Take the money, unless that has happened or must not happen any more."""
        intent_id = payment.intent_id or ""
        # Only what this run has just made is known to be untouched; anything older is asked for first.
        intent = created if created and created.id == intent_id else self._provider.read(intent_id)
        too_late = payment.cancelled or payment.is_expired(self._clock())
        if intent.state is IntentState.UNCONFIRMED:
            intent = self._provider.void(intent_id) if too_late else self._provider.confirm(intent_id)
        elif intent.state is IntentState.PROCESSING and payment.cancelled:
            intent = self._provider.void(intent_id)
        self._write(payment, _outcome(payment, intent))

    def _refund(self, payment: Payment) -> None:
        intent = self._provider.refund(payment.intent_id or "")
        if intent.state is not IntentState.REFUNDED:
            raise PendingError(f"refund of {intent.id} is {intent.state}")
        self._write(payment, domain.refunded(payment))

    def _write(self, before: Payment | None, after: Payment) -> bool:
        written = self._store.write(after)
        if written and domain.settles(before, after):
            self._on_settled(after)
        return written


def _outcome(payment: Payment, intent: Intent) -> Payment:
    match intent.state:
        case IntentState.CAPTURED | IntentState.REFUNDED:
            return domain.captured(payment)
        case IntentState.DECLINED:
            return domain.declined(payment, intent.reason)
        case IntentState.VOIDED:
            return domain.declined(payment, domain.CANCELLED if payment.cancelled else domain.EXPIRED)
    raise PendingError(f"intent {intent.id} is {intent.state}")
