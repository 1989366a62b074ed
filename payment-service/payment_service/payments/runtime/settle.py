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


class StaleError(Exception):
    """The payment is not what the write was decided on.

    Attributes:
        current: The payment as it is, or None.
    """

    def __init__(self, order_id: str, current: Payment | None) -> None:
        self.current = current
        super().__init__(f"payment of order {order_id} is at version {current.version if current else 0}")


class Store(Protocol):
    """Where payments are kept."""

    def read(self, order_id: str) -> Payment | None:
        """Return an order's payment as it is now."""

    def write(self, payment: Payment) -> None:
        """Store the next version.

        Raises:
            StaleError: Somebody else has stored it.
        """


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

    def change(
        self,
        order_id: str,
        decide: Callable[[Payment | None], Payment | None],
        *,
        seen_before: bool = False,
    ) -> Payment | None:
        """Change a payment as an event demands, then drive it on.

        Args:
            order_id: The order.
            decide: From the stored payment to the one to store, None for no change.
            seen_before: Whether the event may have been here already: then the payment is read first. Most payments
                are new (default), and of others the refused write tells.

        Returns:
            The payment at its end.

        Raises:
            PendingError: There is no definite outcome yet.
            ProviderUnavailableError: As `PendingError`, since the provider does not answer.
            RefundError: The provider cannot give the money back.
            ContradictionError: The event does not fit what is known.
        """
        payment = self._store.read(order_id) if seen_before else None
        created = None  # pragma: no mutate - whatever is false says the same
        while (changed := decide(payment)) is not None:
            payment, created = self._save(payment, *self._prepared(changed))
        return self._drive(payment, created)

    def advance(self, order_id: str) -> Payment | None:
        """Drive a payment on until nothing is left to do; errors as of `change`."""
        return self._drive(self._store.read(order_id), None)

    def _drive(self, payment: Payment | None, created: Intent | None) -> Payment | None:
        """From what is stored to its end; `created` is an intent that nobody else knows."""
        while payment and (step := domain.next_step(payment, self._clock())) is not Step.NOTHING:
            if step is Step.CAPTURE:
                payment, created = self._save(payment, self._captured(payment, created))
            elif step is Step.REFUND:
                payment, created = self._save(payment, self._refunded(payment))
            else:
                payment, created = self._save(payment, *self._prepared(payment))
        return payment

    def _prepared(self, payment: Payment) -> tuple[Payment, Intent | None]:
        """What takes nothing and so can be done before anything is stored: at best an intent whose id is to be stored."""
        step = domain.next_step(payment, self._clock())
        if step is Step.DECLINE_EXPIRED:
            return domain.declined(payment, domain.EXPIRED), None
        if step is not Step.CREATE_INTENT or payment.request is None:
            return payment, None
        try:
            intent = self._provider.create(payment.request)
        except PaymentMethodError as error:
            return domain.declined(payment, error.reason), None
        return domain.capturing(payment, intent.id), intent

    def _captured(self, payment: Payment, created: Intent | None) -> Payment:
        """Take the money, unless that has happened or must not happen any more."""
        intent_id = domain.attempt(payment)
        # Only what this run has just made and stored is known to be untouched; anything older is asked for first.
        intent = created or self._provider.read(intent_id)
        too_late = payment.cancelled or payment.is_expired(self._clock())
        if intent.state is IntentState.UNCONFIRMED:
            intent = self._provider.void(intent_id) if too_late else self._provider.confirm(intent_id)
        elif intent.state is IntentState.PROCESSING and payment.cancelled:
            intent = self._provider.void(intent_id)
        return _outcome(payment, intent)

    def _refunded(self, payment: Payment) -> Payment:
        intent = self._provider.refund(domain.attempt(payment))
        if intent.state is not IntentState.REFUNDED:
            raise PendingError(f"refund of {intent.id} is {intent.state}")
        return domain.refunded(payment)

    def _save(
        self, before: Payment | None, after: Payment, created: Intent | None = None
    ) -> tuple[Payment | None, Intent | None]:
        """Store the next version, however many steps lead to it.

        Returns:
            The payment as it is now stored; with the intent made for it only if this is the run that stored it.
        """
        after = after.model_copy(update={"version": before.version + 1 if before else 1})
        try:
            self._store.write(after)
        except StaleError as stale:
            return stale.current, None
        if domain.settles(before, after):
            self._on_settled(after)
        return after, created


def _outcome(payment: Payment, intent: Intent) -> Payment:
    match intent.state:
        case IntentState.CAPTURED | IntentState.REFUNDED:
            return domain.captured(payment)
        case IntentState.DECLINED:
            return domain.declined(payment, intent.reason)
        case IntentState.VOIDED:
            return domain.declined(payment, domain.CANCELLED if payment.cancelled else domain.EXPIRED)
    raise PendingError(f"intent {intent.id} is {intent.state}")
