"""Putting events on the bus so that none is lost without an error."""

from __future__ import annotations

import os
import random
import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from mypy_boto3_events import EventBridgeClient

    from service_runtime.envelope import Event

# PutEvents API reference: Entries holds 1 to 10 items.
MAX_ENTRIES = 10
# EventBridge quotas: 1 MiB for all entries of one request (256 KiB until January 2026).
MAX_REQUEST_BYTES = 1_048_576
# "Calculating PutEvents event entry size": Time counts 14 bytes, the strings their UTF-8 length.
_TIME_BYTES = 14
# Errors of single entries that no repetition can heal; everything else (ThrottlingException, InternalFailure, …) may pass.
_PERMANENT = frozenset(
    {"MalformedDetail", "InvalidArgument", "NotAuthorizedForSourceException", "EventTooLarge"}
)

_FIRST_BACKOFF_SECONDS = 0.1
_MAX_BACKOFF_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class EntryFailure:
    """One event that could not be put on the bus."""

    event: Event[Any]
    error_code: str
    error_message: str


class PublishError(RuntimeError):
    """Some events are not on the bus.

    Attributes:
        failures: each event with the error that EventBridge gave for it; the others were put.
    """

    def __init__(self, failures: list[EntryFailure]) -> None:
        self.failures = failures
        named = ", ".join(
            f"{f.event.detail_type} {f.event.metadata.event_id} ({f.error_code}: {f.error_message})"
            for f in failures
        )
        super().__init__(f"{len(failures)} event(s) could not be put on the bus: {named}")


class Publisher:
    """Puts events on a bus: in requests within AWS's limits, repeating only what failed.

    Args:
        bus_name: name or ARN of the bus; default from ``COMMERCE_EVENT_BUS``.
        client: an EventBridge client; default one of its own, made at the first use.
        attempts: how often an event is tried before it counts as failed.
        sleep: how to wait between attempts, for tests.
    """

    def __init__(
        self,
        *,
        bus_name: str | None = None,
        client: EventBridgeClient | None = None,
        attempts: int = 5,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._bus_name = bus_name or os.environ["COMMERCE_EVENT_BUS"]
        self._given_client = client
        self._attempts = attempts
        self._sleep = sleep

    def publish(self, events: Iterable[Event[Any]]) -> None:
        """Put the events on the bus, in their order as far as EventBridge keeps it.

        Raises:
            PublishError: names the events that are not on the bus after all attempts, or that never can be.
        """
        failures: list[EntryFailure] = []
        sized: list[tuple[Event[Any], int]] = []
        for event in events:
            size = entry_bytes(event)
            if size > MAX_REQUEST_BYTES:
                limit = f"{size} bytes, the limit is {MAX_REQUEST_BYTES}"
                failures.append(EntryFailure(event=event, error_code="EventTooLarge", error_message=limit))
            else:
                sized.append((event, size))
        for request in _requests(sized):
            failures += self._put(request)
        if failures:
            raise PublishError(failures)

    def _put(self, events: list[Event[Any]]) -> list[EntryFailure]:
        permanent: list[EntryFailure] = []
        transient: list[EntryFailure] = []
        for attempt in range(self._attempts):
            if attempt:
                self._sleep(_backoff_seconds(attempt))
            result = self._client.put_events(Entries=[e.entry(self._bus_name) for e in events])  # type: ignore[misc]
            failed = [
                EntryFailure(
                    event=event, error_code=entry["ErrorCode"], error_message=entry.get("ErrorMessage", "")
                )
                for event, entry in zip(events, result["Entries"], strict=True)
                if "ErrorCode" in entry
            ]
            permanent += [f for f in failed if f.error_code in _PERMANENT]
            transient = [f for f in failed if f.error_code not in _PERMANENT]
            if not transient:
                break
            events = [f.event for f in transient]
        return permanent + transient

    @cached_property
    def _client(self) -> EventBridgeClient:
        if self._given_client is not None:
            return self._given_client
        import boto3  # noqa: PLC0415 - a handler that never publishes should not pay for the client

        return boto3.client("events")


def entry_bytes(event: Event[Any]) -> int:
    """Size of the event's PutEvents entry in bytes, as EventBridge counts it."""
    entry = event.entry("")
    return _TIME_BYTES + sum(len(entry[field].encode()) for field in ("Source", "DetailType", "Detail"))


def _requests(sized: list[tuple[Event[Any], int]]) -> Iterator[list[Event[Any]]]:
    request: list[Event[Any]] = []
    total = 0
    for event, size in sized:
        if request and (len(request) == MAX_ENTRIES or total + size > MAX_REQUEST_BYTES):
            yield request
            request, total = [], 0
        request.append(event)
        total += size
    if request:
        yield request


def _backoff_seconds(attempt: int) -> float:
    """Full jitter: throttled writers that wait equally long collide again."""
    ceiling = min(_MAX_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2**attempt)
    return random.uniform(0, ceiling)  # noqa: S311 - jitter, not a secret
