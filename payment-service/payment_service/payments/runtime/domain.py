"""A payment's life: pure functions on a frozen model; no AWS and no provider reaches this module.

    REQUESTED ──► CAPTURING ──► CAPTURED ──(cancelled)──► REFUNDED
        └─────────────┴───────► DECLINED

REQUESTED is stored only where an earlier release has stored it: the first write is that of the intent or of a refusal.
The order can be cancelled in any of these states, also before its request comes. Every transition is a conditional
write on the version that it was decided on, so of a result and a cancellation the second one sees the first.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import PlainSerializer
from service_runtime.envelope import WireModel, rfc3339
from service_runtime.money import Money

EXPIRED: Final = "EXPIRED"
CANCELLED: Final = "CANCELLED"

Timestamp = Annotated[datetime, PlainSerializer(rfc3339)]


class Status(StrEnum):
    """Where a payment is in its life."""

    REQUESTED = "REQUESTED"
    CAPTURING = "CAPTURING"
    CAPTURED = "CAPTURED"
    DECLINED = "DECLINED"
    REFUNDED = "REFUNDED"


_SETTLED: Final = frozenset({Status.CAPTURED, Status.DECLINED, Status.REFUNDED})


class ContradictionError(Exception):
    """Two requests for one order ask for different payments, or a transition is not possible."""


class Request(WireModel):
    """An order's wish to be paid.

    Attributes:
        request_id: id of the event that asks; the answer's ``causationId``.
        payment_method: the provider's single-use token.
        expires_at: no capture starts at or after this moment.
    """

    request_id: str
    correlation_id: str
    order_id: str
    amount: Money
    payment_method: str
    expires_at: Timestamp


class Payment(WireModel):
    """An order's payment as stored.

    Attributes:
        cancelled: the order was cancelled; what was or will be taken is given back.
        request: what was asked for, the latest time; absent when the cancellation came first.
        superseded: ids of the earlier requests: repeated, they do not take the latest one's place again.
        intent_id: the provider's id of the one attempt to take the money, stored before the attempt is made.
        reason: why nothing was taken.
        cancellation_id: id of the event that cancelled the order.
        version: of the stored item, +1 per change.
    """

    order_id: str
    status: Status
    cancelled: bool = False
    request: Request | None = None
    superseded: tuple[str, ...] = ()
    intent_id: str | None = None
    reason: str | None = None
    correlation_id: str
    cancellation_id: str | None = None
    version: int = 1

    @property
    def causation_id(self) -> str | None:
        """Id of the event that the present state answers."""
        answered = self.request.request_id if self.request else None
        return self.cancellation_id if self.status is Status.REFUNDED else answered or self.cancellation_id

    def is_expired(self, now: datetime) -> bool:
        """Whether it is too late to start a capture."""
        return self.request is not None and now >= self.request.expires_at


def settles(before: Payment | None, after: Payment) -> bool:
    """Whether a change gives a requested payment an outcome that it did not have, and so is to be counted.

    Args:
        before: The payment as it was, None for a new one.
        after: As it is now.
    """
    if after.request is None or after.status not in _SETTLED:
        return False
    return before is None or before.request is None or before.status is not after.status


class Step(StrEnum):
    """What to do next for a payment."""

    DECLINE_EXPIRED = "DECLINE_EXPIRED"
    CREATE_INTENT = "CREATE_INTENT"
    CAPTURE = "CAPTURE"
    REFUND = "REFUND"
    NOTHING = "NOTHING"


def next_step(payment: Payment, now: datetime) -> Step:
    """Decide what brings a payment to its end.

    Args:
        payment: The payment as stored.
        now: The present moment.
    """
    if payment.status is Status.REQUESTED:
        return Step.DECLINE_EXPIRED if payment.is_expired(now) else Step.CREATE_INTENT
    if payment.status is Status.CAPTURING:
        return Step.CAPTURE
    if payment.status is Status.CAPTURED and payment.cancelled:
        return Step.REFUND
    return Step.NOTHING


def request(payment: Payment | None, wanted: Request) -> Payment | None:
    """Take a request in.

    Args:
        payment: The order's payment, if there is one.
        wanted: The request.

    Returns:
        The payment to store, or None when this request is known, or older than the one that is.

    Raises:
        ContradictionError: An earlier request asked for another amount or payment method.
    """
    if payment is None:
        return Payment(
            order_id=wanted.order_id,
            status=Status.REQUESTED,
            request=wanted,
            correlation_id=wanted.correlation_id,
        )
    if payment.request is None:
        # The cancellation came first: the request is answered, and nothing is ever taken.
        return _changed(payment, request=wanted)
    if wanted.request_id in (payment.request.request_id, *payment.superseded):
        return None
    known = (payment.request.amount, payment.request.payment_method)
    if known != (wanted.amount, wanted.payment_method):
        raise ContradictionError(
            f"order {wanted.order_id} asks for {wanted.amount} in {wanted.request_id}, after "
            f"{payment.request.amount} or another payment method in {payment.request.request_id}"
        )
    if wanted.expires_at < payment.request.expires_at:
        # It comes late: whoever asked has asked again since, and waits for the answer to that.
        return None
    return _changed(payment, request=wanted, superseded=(*payment.superseded, payment.request.request_id))


def cancel(
    payment: Payment | None, *, order_id: str, cancellation_id: str, correlation_id: str
) -> Payment | None:
    """Take the order's cancellation in.

    Args:
        payment: The order's payment, if there is one.
        order_id: The order.
        cancellation_id: Id of the event that cancels it.
        correlation_id: Of that event.

    Returns:
        The payment to store, or None when there is nothing to undo any more.
    """
    if payment is None:
        return Payment(
            order_id=order_id,
            status=Status.DECLINED,
            reason=CANCELLED,
            cancelled=True,
            correlation_id=correlation_id,
            cancellation_id=cancellation_id,
        )
    if payment.cancelled or payment.status in (Status.DECLINED, Status.REFUNDED):
        return None
    cancelled = _changed(payment, cancelled=True, cancellation_id=cancellation_id)
    if payment.status is Status.REQUESTED:
        return cancelled.model_copy(update={"status": Status.DECLINED, "reason": CANCELLED})
    return cancelled


def capturing(payment: Payment, intent_id: str) -> Payment:
    """Record the attempt before it is made."""
    return _moved(payment, Status.CAPTURING, Status.REQUESTED, intent_id=intent_id)


def attempt(payment: Payment) -> str:
    """The provider's id of the attempt that a payment stands for.

    Raises:
        ContradictionError: No attempt was ever made.
    """
    if payment.intent_id is None:
        raise ContradictionError(
            f"payment of order {payment.order_id} is {payment.status} without an attempt"
        )
    return payment.intent_id


def captured(payment: Payment) -> Payment:
    """Record that the money was taken."""
    return _moved(payment, Status.CAPTURED, Status.CAPTURING)


def declined(payment: Payment, reason: str) -> Payment:
    """Record that nothing was taken and nothing will be.

    Args:
        payment: The payment.
        reason: Why.
    """
    return _moved(payment, Status.DECLINED, Status.REQUESTED, Status.CAPTURING, reason=reason)


def refunded(payment: Payment) -> Payment:
    """Record that the money was given back."""
    return _moved(payment, Status.REFUNDED, Status.CAPTURED)


def _moved(payment: Payment, target: Status, *sources: Status, **update: str) -> Payment:
    if payment.status not in sources:
        raise ContradictionError(
            f"payment of order {payment.order_id} cannot become {target}: it is {payment.status}, "
            f"not {' or '.join(sources)}"
        )
    return _changed(payment, status=target, **update)


def _changed(payment: Payment, **update: object) -> Payment:
    return payment.model_copy(update={**update, "version": payment.version + 1})
