"""Consuming an SQS queue: every message succeeds, is seen again, or goes to the DLQ with the reason; none is lost.

The queue comes from `QueueConsumer`, which sets `CONSUMER_QUEUE_URL` and `CONSUMER_DLQ_URL` and grants what
this module calls (`sqs:ChangeMessageVisibility` on the queue, `sqs:SendMessage` on its DLQ).
"""

from __future__ import annotations

import json
import os
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from service_runtime.clients import client
from service_runtime.envelope import EnvelopeError, Event
from service_runtime.observability import business_context, count, logger, write_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext
    from mypy_boto3_sqs import SQSClient

QUEUE_URL_VARIABLE = "CONSUMER_QUEUE_URL"
DLQ_URL_VARIABLE = "CONSUMER_DLQ_URL"

MAX_VISIBILITY_SECONDS = 43_200
"""SQS: a message's total visibility timeout may not exceed 12 hours."""

MIN_REMAINING_MILLIS = 1_000
"""What a message gets at most of the invocation's remaining time is the handler's business; with less than this left,
starting another one would only end in a timeout that fails the whole batch."""

MAX_BACKOFF_SECONDS = 30
"""What a consumer of five seconds' timeout has as visibility: an error never comes back later than a crash does."""

# SQS message attributes: keep the reason readable in the console and far from the 1 MiB message limit.
_MAX_REASON_CHARACTERS = 1_024

DataT = TypeVar("DataT")


class RetryLater(Exception):  # noqa: N818 - a decision, not an error
    """The message cannot be handled now; show it again after a while.

    Args:
        delay_seconds: For how long it stays invisible, 0 to 43200 (SQS's limit). Each time counts as a receive: the
            queue's `max_receive_count` must leave room.
        reason: For the log.
    """

    def __init__(self, delay_seconds: int, reason: str) -> None:
        if not 0 <= delay_seconds <= MAX_VISIBILITY_SECONDS:
            raise ValueError(
                f"delay_seconds must be between 0 and {MAX_VISIBILITY_SECONDS}, got {delay_seconds}"
            )
        self.delay_seconds = delay_seconds
        self.reason = reason
        super().__init__(f"{reason}; again in {delay_seconds} s")


class PoisonMessage(Exception):  # noqa: N818 - a decision, not an error
    """The message can never be handled: it goes to the DLQ at once, with the reason as attribute.

    Args:
        reason: What is wrong with it, for the person who looks into the DLQ.
    """

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message of the batch.

    Attributes:
        message_id: SQS's id.
        body: The body as received, unparsed.
        receive_count: How often it has been received, this time included.
        sent_at: When it was put on the queue.
        attributes: Its string message attributes.
    """

    message_id: str
    body: str
    receive_count: int
    sent_at: datetime
    attributes: Mapping[str, str]


class MessageConsumer:
    """Handler of an SQS batch with partial failures: `handler = MessageConsumer(handle)`.

    A message whose handling raises is received again after 1 to 2 s, then 2 to 4, … up to `MAX_BACKOFF_SECONDS`;
    `RetryLater` chooses the delay; `PoisonMessage` moves it to the DLQ at once. The others of its batch are not
    affected. Messages that the invocation has no time left for are reported as failed rather than started. These, and
    those of a function that was killed, come back after the queue's visibility timeout.

    Args:
        handle: What to do with one message.
        sqs: An SQS client; default one of its own, made at the first use.
    """

    def __init__(self, handle: Callable[[Message], None], *, sqs: SQSClient | None = None) -> None:
        self._handle = handle
        self._given_sqs = sqs

    def __call__(self, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
        """Handle the batch of one invocation and report which messages failed."""
        # Not Powertools' batch utility: it loads every parser of Powertools, a fourth of a consumer's cold start.
        # Not raising for an entirely failed batch: the report says the same and the runtime stays warm.
        failed = [record["messageId"] for record in event["Records"] if not self._succeeds(record, context)]
        write_metrics()
        return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}

    def _succeeds(self, record: Mapping[str, Any], context: LambdaContext) -> bool:
        """Handle one message; if that fails, choose when it is seen again, and leave the rest of its batch alone."""
        message, receipt = _message(record), record["receiptHandle"]
        if context.get_remaining_time_in_millis() < MIN_REMAINING_MILLIS:
            logger.warning("no time left in this invocation", message_id=message.message_id)
            return False
        try:
            self._handle_or_bury(message)
        except RetryLater as later:
            logger.info("message retries later", message_id=message.message_id, reason=str(later))
            self._hide(message, receipt, later.delay_seconds)
        except Exception:  # noqa: BLE001 - whatever it is, the others of the batch are not affected
            logger.exception(
                "message failed", message_id=message.message_id, receive_count=message.receive_count
            )
            self._hide(message, receipt, _backoff(message.receive_count))
        else:
            return True
        return False

    def _handle_or_bury(self, message: Message) -> None:
        try:
            self._handle(message)
        except PoisonMessage as poison:
            self._dead_letter(message, poison.reason)

    def _hide(self, message: Message, receipt: str, seconds: int) -> None:
        """Choose when the message is seen again; without an answer of SQS, that is after the visibility timeout."""
        try:
            self._sqs.change_message_visibility(
                QueueUrl=os.environ[QUEUE_URL_VARIABLE], ReceiptHandle=receipt, VisibilityTimeout=seconds
            )
        except Exception:  # noqa: BLE001 - why the message failed matters more
            logger.exception("visibility stays as it was", message_id=message.message_id)

    def _dead_letter(self, message: Message, reason: str) -> None:
        """Copy the message to the DLQ before it counts as handled: a crash in between duplicates, never loses."""
        logger.error(
            "message can never succeed, sent to the DLQ", message_id=message.message_id, reason=reason
        )
        count("MessagesDeadLettered")
        attributes = {
            **message.attributes,
            "reason": reason[:_MAX_REASON_CHARACTERS],
            "messageId": message.message_id,
        }
        self._sqs.send_message(
            QueueUrl=os.environ[DLQ_URL_VARIABLE],
            MessageBody=message.body,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
            },
        )

    @cached_property
    def _sqs(self) -> SQSClient:
        return self._given_sqs or client("sqs")


def _message(record: Mapping[str, Any]) -> Message:
    """A message of an event of SQS: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html."""
    given = record.get("messageAttributes") or {}
    return Message(
        message_id=record["messageId"],
        body=record["body"],
        receive_count=int(record["attributes"]["ApproximateReceiveCount"]),
        sent_at=datetime.fromtimestamp(int(record["attributes"]["SentTimestamp"]) / 1000, UTC),
        attributes={
            name: attribute["stringValue"]
            for name, attribute in given.items()
            if attribute.get("stringValue") is not None
        },
    )


def _backoff(receive_count: int) -> int:
    ceiling = min(MAX_BACKOFF_SECONDS, 2 ** min(receive_count, 12))
    # Half fixed, half random: messages that failed together do not come back together.
    return random.randint(ceiling // 2, ceiling)  # noqa: S311 - spreads load, protects no secret


class EventConsumer(MessageConsumer):
    """Handler of a queue of events, by detail type.

    Every event is parsed and validated before its function sees it; logs and metrics carry its correlation id, id,
    type and aggregate. An event of an unknown type, or whose data does not fit, can never succeed and goes to the
    DLQ at once.

    Args:
        business_keys: Further keys for logs and metrics, from the event (default none).
        sqs: An SQS client; default one of its own, made at the first use.

    Examples:
        >>> consumer = EventConsumer()
        >>> @consumer.on("OrderPlaced.v1", data=dict)
        ... def start(event, message):
        ...     print(event.data["orderId"])
    """

    def __init__(
        self,
        *,
        business_keys: Callable[[Event[Any]], Mapping[str, str]] | None = None,
        sqs: SQSClient | None = None,
    ) -> None:
        super().__init__(self.handle, sqs=sqs)
        self._business_keys = business_keys
        self._routes: dict[str, tuple[type[Any], Callable[[Event[Any], Message], None]]] = {}

    @property
    def detail_types(self) -> tuple[str, ...]:
        """The detail types that have a function."""
        return tuple(self._routes)

    def on(
        self, detail_type: str, *, data: type[DataT]
    ) -> Callable[[Callable[[Event[DataT], Message], None]], Callable[[Event[DataT], Message], None]]:
        """Register the function for a detail type.

        Args:
            detail_type: `<Fact>.v<major>`.
            data: Model of the event's data: only the fields this consumer reads.

        Raises:
            ValueError: The detail type has a function already.
        """
        if detail_type in self._routes:
            raise ValueError(f"{detail_type} already has a function: {self._routes[detail_type][1].__name__}")

        def register(
            function: Callable[[Event[DataT], Message], None],
        ) -> Callable[[Event[DataT], Message], None]:
            self._routes[detail_type] = (data, function)
            return function

        return register

    def handle(self, message: Message) -> None:
        """Give one message's event to its function; for a handler that shares its queue with other messages.

        Raises:
            PoisonMessage: Not an event, of an unknown type, or its data does not fit.
        """
        try:
            envelope = json.loads(message.body)
        except json.JSONDecodeError as error:
            raise PoisonMessage(f"the body is not JSON: {error}") from error
        detail_type = envelope.get("detail-type") if isinstance(envelope, dict) else None
        if detail_type not in self._routes:
            known = ", ".join(self.detail_types)
            raise PoisonMessage(f"no function for detail type {detail_type!r}; known are: {known}")
        data, function = self._routes[detail_type]
        try:
            event = Event.parse(envelope, data=data)
        except EnvelopeError as error:
            raise PoisonMessage(str(error)) from error
        with business_context(
            correlation_id=event.metadata.correlation_id,
            eventId=event.metadata.event_id,
            detailType=event.detail_type,
            aggregateId=event.metadata.aggregate_id,
            **(self._business_keys(event) if self._business_keys else {}),
        ):
            function(event, message)
