"""Run the pipes: one dispatcher that reads the sources, and a thread for each batch on its way.

The dispatcher is woken by every write to a table or a queue (the emulator's `esm_wake`), so a change is on its way
within milliseconds, and an idle cloud costs one look at each pipe every half second. Pipes share no
thread: a slow or failing batch holds up no other pipe.
"""

from __future__ import annotations

import contextvars
import json
import logging
import math
import threading
import time
import zlib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from ministack.core.arn import parse_arn
from ministack.core.concurrency import esm_wake, spawn_background
from ministack.core.responses import _request_account_id, _request_region
from ministack.services import dynamodb, eventbridge, lambda_svc, pipes, sqs

from commerce_platform.local_cloud.pipes.delivery import Delivery, Pipe, Record, deliver, queue_url
from commerce_platform.local_cloud.pipes.template import with_parsed_body

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("local_cloud.pipes")

IDLE_LOOK_SECONDS = 0.5
"""How often a source is looked at without having been written to: messages become visible again by time alone."""
LOOK_GAP_SECONDS = 0.03
"""The least time from one look to the next: under load one look serves the writes of a moment, instead of each write
taking the interpreter from whoever writes, and what is written meanwhile makes larger batches. A change after a pause is
seen at once."""
QUEUE_CONCURRENCY = 5
"""Batches of one queue in flight; AWS starts with five pollers per pipe too."""
DEFAULT_BATCH = {"dynamodb": 1, "sqs": 10}
FIRST_BACKOFF_SECONDS = 0.1
LONGEST_BACKOFF_SECONDS = 5.0
STREAM_PARAMETERS = "DynamoDBStreamParameters"
QUEUE_PARAMETERS = "SqsQueueParameters"


def matches(pipe: Pipe, record: Record) -> bool:
    """Apply a pipe's filters: a record passes that matches any of them, or if there are none.

    Args:
        pipe: The pipe.
        record: A record of its source.

    Returns:
        Whether it passes.
    """
    filters = ((pipe.get("SourceParameters") or {}).get("FilterCriteria") or {}).get("Filters") or []
    event = with_parsed_body(record) if filters else record
    return not filters or any(
        eventbridge._matches_detail(event, alternative)
        for each in filters
        for alternative in eventbridge._compiled_pattern(each["Pattern"]) or ()
    )


class Source(Protocol):
    """What the dispatcher asks of a pipe's source."""

    wake_at: float
    """Monotonic time at which it is worth a look again; infinity: only when something was written."""

    def next_batch(self, pipe: Pipe) -> Batch | None:
        """Give the next batch to process, if one is due now."""

    def settle(self, pipe: Pipe, batch: Batch, delivery: Delivery) -> None:
        """Take note of what became of a batch."""


@dataclass
class Batch:
    """Records on their way through a pipe.

    Attributes:
        records: What is delivered.
        attempts: How often it was delivered before.
        not_before: Monotonic time of the next delivery.
        position: Where its first record is in a stream.
        lane: Which of a stream's parallel batches it is one of.
    """

    records: list[Record]
    attempts: int = 0
    not_before: float = 0.0
    position: int = 0
    lane: int = 0


@dataclass
class _Window:
    """Gather records until the batch is full or the batching window has passed since the first one."""

    opened_at: float | None = None

    def closes_at(self, available: int, wanted: int, seconds: float) -> float:
        """Give the monotonic time from which what is there is to be processed."""
        if not available:
            self.opened_at = None
            return math.inf
        if self.opened_at is None:
            self.opened_at = time.monotonic()
        return 0.0 if available >= wanted else self.opened_at + seconds


@dataclass
class StreamSource:
    """A table's stream: as many batches at once as the pipe says, and none is lost by a failure.

    Changes of one partition key are in one lane, and a lane has one batch on its way, so they stay in order.
    """

    wake_at: float = math.inf
    lanes: dict[int, list[Batch]] = field(default_factory=dict)
    busy: set[int] = field(default_factory=set)
    position: int = 0
    window: _Window = field(default_factory=_Window)

    def next_batch(self, pipe: Pipe) -> Batch | None:
        """Give the next batch of a lane that has none on its way."""
        self.wake_at = math.inf
        if sum(map(len, self.lanes.values())) < _parallelization(pipe):
            self._read(pipe)
        for lane, pending in self.lanes.items():
            if lane in self.busy or not pending:
                continue
            if pending[0].not_before <= time.monotonic():
                self.busy.add(lane)
                return pending[0]
            self.wake_at = min(self.wake_at, pending[0].not_before)
        return None

    def _read(self, pipe: Pipe) -> None:
        table = pipe["Source"].split(":table/", 1)[1].split("/", 1)[0]
        definition = dynamodb._tables.get(table) or {}
        if definition.get("LatestStreamArn") != pipe["Source"]:
            return
        parameters = _source_parameters(pipe, STREAM_PARAMETERS)
        size = int(parameters.get("BatchSize") or DEFAULT_BATCH["dynamodb"])
        known = int(pipes._positions.get(pipe["Arn"], 0))
        self.position = max(self.position, known, dynamodb.stream_start_position(table))
        while True:
            records = dynamodb.stream_records_since(table, self.position, size * _parallelization(pipe))
            passing = [matches(pipe, record) for record in records]
            if any(passing) or not records:
                break
            self.position += len(records)
            self._note_position(pipe)
        due = self.window.closes_at(
            len(records), size, float(parameters.get("MaximumBatchingWindowInSeconds") or 0)
        )
        if due > time.monotonic():
            self.wake_at = due
            return
        self.window = _Window()
        [partition_key] = [
            key["AttributeName"] for key in definition["KeySchema"] if key["KeyType"] == "HASH"
        ]
        for record, passes in zip(records, passing, strict=True):
            if passes:
                lane = _lane(record["dynamodb"]["Keys"][partition_key], _parallelization(pipe))
                self._append(record, lane, size)
            self.position += 1

    def _append(self, record: Record, lane: int, size: int) -> None:
        pending = self.lanes.setdefault(lane, [])
        last = pending[-1] if pending else None
        on_its_way = len(pending) == 1 and lane in self.busy
        if last is None or on_its_way or last.attempts or len(last.records) >= size:
            pending.append(Batch([record], position=self.position, lane=lane))
        else:
            last.records.append(record)

    def settle(self, pipe: Pipe, batch: Batch, delivery: Delivery) -> None:
        """Retry or give up what failed, and move on behind what was read and is not done."""
        self.busy.discard(batch.lane)
        self.lanes[batch.lane].pop(0)
        if delivery.failed:
            self._retry(pipe, batch, delivery)
        self._note_position(pipe)

    def _note_position(self, pipe: Pipe) -> None:
        """Remember where a pipe that is stopped begins again: at the first record that is not done."""
        open_positions = [batch.position for pending in self.lanes.values() for batch in pending]
        pipes._positions[pipe["Arn"]] = min([self.position, *open_positions])

    def _retry(self, pipe: Pipe, batch: Batch, delivery: Delivery) -> None:
        parameters = _source_parameters(pipe, STREAM_PARAMETERS)
        failed = [batch.records[index] for index in delivery.failed]
        if (
            delivery.whole
            and len(failed) > 1
            and parameters.get("OnPartialBatchItemFailure") == "AUTOMATIC_BISECT"
        ):
            middle = len(failed) // 2
            self.lanes[batch.lane][:0] = [
                replace(batch, records=failed[:middle]),
                replace(batch, records=failed[middle:]),
            ]
            return
        limit = int(parameters.get("MaximumRetryAttempts", -1))
        longest_age = int(parameters.get("MaximumRecordAgeInSeconds", -1))
        age = time.time() - min(_arrival(record) for record in failed)
        if 0 <= limit <= batch.attempts:
            _dead_letter(pipe, failed, "RetryAttemptsExhausted")
        elif 0 <= longest_age < age:
            _dead_letter(pipe, failed, "RecordAgeExpired")
        else:
            # Attempts may be without limit, and a power of two outgrows a float.
            pause = min(FIRST_BACKOFF_SECONDS * 2 ** min(batch.attempts, 32), LONGEST_BACKOFF_SECONDS)
            again = replace(
                batch, records=failed, attempts=batch.attempts + 1, not_before=time.monotonic() + pause
            )
            self.lanes[batch.lane].insert(0, again)


@dataclass
class QueueSource:
    """A queue: what succeeds or does not pass the filter is deleted, the rest becomes visible again in its time."""

    wake_at: float = math.inf
    in_flight: int = 0
    window: _Window = field(default_factory=_Window)

    def next_batch(self, pipe: Pipe) -> Batch | None:
        """Receive a batch if another may be on its way."""
        self.wake_at = math.inf
        queue = sqs._queue_by_arn(pipe["Source"])
        if queue is None or self.in_flight >= (1 if queue["is_fifo"] else QUEUE_CONCURRENCY):
            return None
        parameters = _source_parameters(pipe, QUEUE_PARAMETERS)
        size = int(parameters.get("BatchSize") or DEFAULT_BATCH["sqs"])
        now = time.time()
        visible = sum(message.get("visible_at", 0) <= now for message in list(queue["messages"]))
        due = self.window.closes_at(
            visible, size, float(parameters.get("MaximumBatchingWindowInSeconds") or 0)
        )
        if due > time.monotonic():
            self.wake_at = due
            return None
        self.window = _Window()
        records = [_queue_record(message, pipe) for message in _receive(queue["url"], size)]
        passing = [record for record in records if matches(pipe, record)]
        _delete(pipe, [record for record in records if record not in passing])
        if not passing:
            self.wake_at = 0.0 if records else math.inf
            return None
        self.in_flight += 1
        return Batch(passing)

    def settle(self, pipe: Pipe, batch: Batch, delivery: Delivery) -> None:
        """Delete what succeeded."""
        self.in_flight -= 1
        failed = set(delivery.failed)
        _delete(pipe, [record for index, record in enumerate(batch.records) if index not in failed])


SOURCES: dict[str, Callable[[], Source]] = {"dynamodb": StreamSource, "sqs": QueueSource}


def _source_parameters(pipe: Pipe, name: str) -> dict[str, Any]:
    parameters: dict[str, Any] = (pipe.get("SourceParameters") or {}).get(name) or {}
    return parameters


def _parallelization(pipe: Pipe) -> int:
    return int(_source_parameters(pipe, STREAM_PARAMETERS).get("ParallelizationFactor") or 1)


def _lane(partition: dict[str, Any], lanes: int) -> int:
    return zlib.crc32(json.dumps(partition).encode()) % lanes


def _arrival(record: Record) -> float:
    return float(record["dynamodb"]["ApproximateCreationDateTime"])


def _receive(url: str, size: int) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    while len(messages) < size:
        found = sqs._receive_messages_for_esm(url, size - len(messages))
        if not found:
            break
        messages += found
    return messages


def _delete(pipe: Pipe, records: list[Record]) -> None:
    if records:
        sqs._delete_messages_for_esm(
            queue_url(pipe["Source"]), {record["receiptHandle"] for record in records}
        )


def _queue_record(message: dict[str, Any], pipe: Pipe) -> Record:
    attributes = {
        "ApproximateReceiveCount": str(message["receive_count"]),
        "SentTimestamp": str(int(message["sent_at"] * 1000)),
        "SenderId": (message.get("sys") or {}).get("SenderId", ""),
        "ApproximateFirstReceiveTimestamp": str(int(message["first_receive_at"] * 1000)),
    }
    optional = {
        "AWSTraceHeader": (message.get("sys") or {}).get("AWSTraceHeader"),
        "MessageGroupId": message.get("group_id"),
        "MessageDeduplicationId": message.get("dedup_id"),
        "SequenceNumber": message.get("seq"),
    }
    return {
        "messageId": message["id"],
        "receiptHandle": message["receipt_handle"],
        "body": message["body"],
        "attributes": attributes | {name: str(value) for name, value in optional.items() if value},
        "messageAttributes": lambda_svc._sqs_message_attributes_to_camel_case(
            message.get("message_attributes") or {}
        ),
        "md5OfBody": message.get("md5_body") or "",
        "eventSource": "aws:sqs",
        "eventSourceARN": pipe["Source"],
        "awsRegion": parse_arn(pipe["Source"]).region,
    }


def _dead_letter(pipe: Pipe, records: list[Record], condition: str) -> None:
    """Give up records: their positions go to the dead-letter queue, never the records themselves."""
    logger.error("Pipe %s gives up %d records: %s", pipe["Name"], len(records), condition)
    target = (_source_parameters(pipe, STREAM_PARAMETERS).get("DeadLetterConfig") or {}).get("Arn")
    if not target:
        return
    first, last = records[0], records[-1]
    message = {
        "context": {"partnerResourceArn": pipe["Arn"], "condition": condition},
        "version": "1.0",
        "timestamp": _timestamp(time.time()),
        "DDBStreamBatchInfo": {
            "shardId": "shardId-00000000000000000000-00000000",
            "startSequenceNumber": str(first["dynamodb"]["SequenceNumber"]),
            "endSequenceNumber": str(last["dynamodb"]["SequenceNumber"]),
            "approximateArrivalOfFirstRecord": _timestamp(_arrival(first)),
            "approximateArrivalOfLastRecord": _timestamp(_arrival(last)),
            "batchSize": len(records),
            "streamArn": pipe["Source"],
        },
    }
    url = queue_url(target)
    sqs._act_send_message({"QueueUrl": url, "MessageBody": json.dumps(message)}, url)


def _timestamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Dispatcher:
    """Reads the sources of all running pipes and starts their batches on their way."""

    def __init__(self) -> None:
        self._woken = threading.Event()
        self._sources: dict[str, Source] = {}
        self._lock = threading.Lock()

    def wake(self) -> None:
        """Look at the sources now."""
        # Setting it again would take its lock, for which many writers wait.
        if not self._woken.is_set():
            self._woken.set()

    def run(self) -> None:
        """Dispatch for ever."""
        while True:
            self._woken.clear()
            begun = time.monotonic()
            try:
                next_look = self.look()
            except Exception:
                logger.exception("The pipes' dispatcher failed, and goes on")
                next_look = math.inf
            time.sleep(max(0.0, begun + LOOK_GAP_SECONDS - time.monotonic()))
            self._woken.wait(max(0.0, min(next_look - time.monotonic(), IDLE_LOOK_SECONDS)))

    def look(self) -> float:
        """Look at every running pipe once.

        Returns:
            Monotonic time of the next look that is due without a write.
        """
        running = {
            pipe["Arn"]: (account, region, pipe)
            for account, region, pipe in pipes._iter_all_pipes()
            if pipe.get("CurrentState") == "RUNNING"
        }
        for arn in self._sources.keys() - running.keys():
            del self._sources[arn]
        next_look = math.inf
        for arn, (account, region, pipe) in running.items():
            if arn not in self._sources:
                self._sources[arn] = SOURCES[parse_arn(pipe["Source"]).service]()
            context = contextvars.copy_context()
            context.run(_request_account_id.set, account)
            context.run(_request_region.set, region)
            context.run(self._drain, pipe, self._sources[arn])
            next_look = min(next_look, self._sources[arn].wake_at)
        return next_look

    def _drain(self, pipe: Pipe, source: Source) -> None:
        while True:
            with self._lock:
                batch = source.next_batch(pipe)
            if batch is None:
                return
            spawn_background(self._process, pipe, source, batch, thread_name=f"pipe-{pipe['Name']}")

    def _process(self, pipe: Pipe, source: Source, batch: Batch) -> None:
        delivery = deliver(pipe, batch.records)
        if delivery.failed:
            logger.warning(
                "Pipe %s: %d of %d records failed (attempt %d): %s",
                pipe["Name"],
                len(delivery.failed),
                len(batch.records),
                batch.attempts + 1,
                delivery.reason,
            )
        try:
            with self._lock:
                source.settle(pipe, batch, delivery)
        except Exception:
            logger.exception("Pipe %s could not settle a batch", pipe["Name"])
        self.wake()


def watch_writes(dispatcher: Dispatcher) -> None:
    """Wake a dispatcher at every write to a table, a queue or a stream.

    Args:
        dispatcher: The dispatcher.
    """
    wake_function_poller = esm_wake.set

    def wake_both() -> None:
        if not esm_wake.is_set():
            wake_function_poller()
        dispatcher.wake()

    # Every producer has imported the event itself, so it is its `set` that changes.
    esm_wake.set = wake_both
