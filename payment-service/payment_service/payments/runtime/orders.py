"""Consumes what orders ask for: take the money, or give it back."""

from __future__ import annotations

import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from service_runtime.consumer import EventConsumer, Message, PoisonMessage, RetryLater
from service_runtime.observability import count

from payment_service.contracts.consumed import OrderCancelled, PaymentRequested
from payment_service.payments.runtime import domain
from payment_service.payments.runtime.provider import ProviderUnavailableError, RefundError
from payment_service.payments.runtime.settle import PendingError
from payment_service.payments.runtime.wiring import settlement

if TYPE_CHECKING:
    from collections.abc import Iterator

    from service_runtime.envelope import Event

MAX_BACKOFF_SECONDS: Final = 1800
"""SQS keeps a message for 14 days and counts at most 1,000 receives: at this pace they outlast those days by far."""

consumer = EventConsumer(business_keys=lambda event: {"orderId": event.data.order_id})


@consumer.on("PaymentRequested.v1", data=PaymentRequested)
def take_payment(event: Event[PaymentRequested], message: Message) -> None:
    """Take the money once, whatever is repeated, and answer with what came of it."""
    asked = event.data
    request = domain.Request(
        request_id=event.metadata.event_id,
        correlation_id=event.metadata.correlation_id,
        order_id=asked.order_id,
        amount=asked.amount,
        payment_method=asked.payment_method,
        expires_at=asked.expires_at,
    )
    with until_definite(message):
        settlement().change(
            asked.order_id,
            lambda payment: domain.request(payment, request),
            seen_before=message.receive_count > 1,
        )


@consumer.on("OrderCancelled.v1", data=OrderCancelled)
def give_back(event: Event[OrderCancelled], message: Message) -> None:
    """See to it that nothing is taken, or give back what was."""
    order_id = event.data.order_id
    with until_definite(message):
        settlement().change(
            order_id,
            lambda payment: domain.cancel(
                payment,
                order_id=order_id,
                cancellation_id=event.metadata.event_id,
                correlation_id=event.metadata.correlation_id,
            ),
            seen_before=message.receive_count > 1,
        )


handler = consumer


@contextmanager
def until_definite(message: Message) -> Iterator[None]:
    """Keep a message in the queue, more and more patiently, until its payment has a definite outcome.

    Args:
        message: The message being handled.

    Raises:
        RetryLater: The outcome is not known yet.
        PoisonMessage: What the message asks for contradicts what has happened, or the provider cannot do it.
    """
    try:
        yield
    except ProviderUnavailableError as error:
        count("ProviderUnavailable")
        raise RetryLater(_backoff(message, error.retry_after_seconds), str(error)) from error
    except PendingError as error:
        raise RetryLater(_backoff(message, 0), str(error)) from error
    except (domain.ContradictionError, RefundError) as error:
        raise PoisonMessage(str(error)) from error


def _backoff(message: Message, at_least: int) -> int:
    ceiling = min(MAX_BACKOFF_SECONDS, 2**message.receive_count)
    # Half fixed, half random: patient, and orders that failed together do not come back together.
    return max(at_least, random.randint(ceiling // 2, ceiling))  # noqa: S311 - spreads load, protects no secret
