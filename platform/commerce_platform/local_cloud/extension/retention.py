"""What the emulator keeps for ever, and gets slower and larger by.

Replaces, in `services/dynamodb.py`: the trimming of a stream (862), which keeps each change of each table, with both
its images, for 24 hours. Behind what every pipe has read, the latest `STREAM_RECORDS` are kept; a stream that a
function reads, too, is left alone. And in `services/stepfunctions.py`: executions (842), which are never forgotten. AWS
keeps Standard ones for 90 days and Express ones not at all; here it is the latest `EXECUTIONS` of each kind that
have ended, whose logs have a bound of their own (`deferred_logs`). In `services/eventbridge.py`: the log of every event
(140), which nobody reads, is not written. In `services/cloudwatch.py`: the points of metrics (56), of which each invocation
writes three or four, are kept until somebody asks for them, and for two weeks then; of each metric it is the latest `POINTS`.
"""

from __future__ import annotations

import threading
from collections import deque
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch, dynamodb, eventbridge, lambda_svc, pipes, stepfunctions

from commerce_platform.local_cloud.extension.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Callable

GUARDS = (
    Guard("dynamodb._trim_stream_records", "43f62f181df0"),
    Guard("dynamodb.stream_records_since", "aed31a353fda"),
    Guard("dynamodb._live_stream_records", "4ea24b3bea74"),
    Guard("dynamodb._trimmed_count", "3ee6f90ffcae"),
    Guard("stepfunctions._run_execution", "996dff84e0e0"),
    Guard("eventbridge._events_log_list", "4e34b5198354"),
    Guard("eventbridge._put_events", "ebcda0f38061"),
    Guard("cloudwatch.record_metric", "7f777bfbe523"),
    Guard("cloudwatch._metric_bucket", "be62c5f1548d"),
)

STREAM_RECORDS = 2_000
"""How many records that every pipe has read a stream keeps at least; it has up to a tenth more."""

EXECUTIONS = 5_000
"""How many ended executions of each kind, Standard and Express, are kept to be looked at."""

POINTS = 10_000
"""How many points of a metric are kept at least; it has up to a tenth more. A graph has 1,440 a day."""

READERS = (
    "stream_records_since",
    "stream_live_records",
    "stream_start_position",
    "stream_end_position",
    "_trim_stream_records",
)

_trimming = threading.RLock()
_ended: dict[str, deque[tuple[str, str, str]]] = {"STANDARD": deque(), "EXPRESS": deque()}


def apply() -> None:
    """Forget what is old."""
    trim, run = dynamodb._trim_stream_records, stepfunctions._run_execution

    def trim_read(table: str, *, account_id: str | None = None, region: str | None = None) -> None:
        trim(table, account_id=account_id, region=region)
        if account_id is None or region is None:
            _trim_read(table)

    def run_and_forget(arn: str) -> None:
        try:
            run(arn)
        finally:
            _forget_others(arn)

    dynamodb._trim_stream_records = trim_read
    # A reader counts from what is trimmed: neither changes while it does.
    for name in READERS:
        setattr(dynamodb, name, _alone(getattr(dynamodb, name)))
    stepfunctions._run_execution = run_and_forget
    _forget_events_and_points()


def _forget_events_and_points() -> None:
    bucket = cloudwatch._metric_bucket

    def bucket_of_latest(key: tuple[Any, ...]) -> list[Any]:
        points: list[Any] = bucket(key)
        if len(points) >= POINTS + POINTS // 10:
            del points[:-POINTS]
        return points

    cloudwatch._metric_bucket = bucket_of_latest
    eventbridge._events_log_list = partial(deque, maxlen=0)


def _alone(read: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(read)
    def read_alone(*given: Any, **options: Any) -> Any:
        with _trimming:
            return read(*given, **options)

    return read_alone


def _trim_read(table: str) -> None:
    """Forget records that every pipe has read."""
    records = dynamodb._stream_records.get(table) or []
    if len(records) < STREAM_RECORDS + STREAM_RECORDS // 10:
        return
    first, stream = dynamodb._trimmed_count(table), (dynamodb._tables.get(table) or {}).get("LatestStreamArn")
    if any(mapping.get("EventSourceArn") == stream for mapping in lambda_svc._esms.values()):
        return
    read = [
        int(pipes._positions.get(pipe["Arn"], 0))
        for pipe in pipes._pipes.values()
        if pipe["Source"] == stream
    ]
    surplus = min(len(records) - STREAM_RECORDS, *(position - first for position in read), len(records))
    if surplus > 0:
        del records[:surplus]
        dynamodb._stream_trimmed[table] = first + surplus


def _forget_others(arn: str) -> None:
    """Forget the oldest of an execution's kind that has ended."""
    execution = stepfunctions._executions.get(arn) or {}
    machine = stepfunctions._state_machines.get(execution.get("stateMachineArn", "")) or {}
    ended = _ended["EXPRESS" if machine.get("type") == "EXPRESS" else "STANDARD"]
    ended.append((get_account_id(), get_region(), arn))
    if len(ended) > EXECUTIONS:
        stepfunctions._executions.pop_scoped(*ended.popleft(), None)
