"""Log lines that cost nothing until somebody reads them.

Replaces, in `services/cloudwatch_logs.py`: `_filter_log_events` (1338), `_get_log_events` (1239) and
`_describe_log_streams` (527), which know only what was written. A workflow under load makes thousands of history
events a second that nobody looks at; here their sources are kept, and become log lines when their group is read.
Sources that nobody reads are forgotten, the oldest first. Subscription filters see none of this.
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch_logs

from commerce_platform.local_cloud.extension.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Callable

GUARDS = (
    Guard("cloudwatch_logs._filter_log_events", "9b3d13c713b5"),
    Guard("cloudwatch_logs._get_log_events", "a99bda3eb3d6"),
    Guard("cloudwatch_logs._describe_log_streams", "dce1a35f194b"),
    Guard("cloudwatch_logs._append_log_events", "e47cae7a15a4"),
)

SOURCES_KEPT = 2_000
"""How many unread sources of lines a log group keeps."""

Json = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]
Line = tuple[int, str]
"""Milliseconds since the epoch, and the message."""


@dataclass(frozen=True)
class Group:
    """A log group's account, region and name."""

    account: str
    region: str
    name: str

    @staticmethod
    @cache
    def of(arn: str) -> Group:
        """The group that an ARN names, with or without `:*` at its end."""
        _arn, _partition, _logs, region, account, _kind, name = arn.removesuffix(":*").split(":", 6)
        return Group(account, region, name)


class Source(Protocol):
    """Where lines come from once they are asked for."""

    @property
    def stream(self) -> str:
        """The log stream that they belong to."""

    def lines(self) -> tuple[list[Line], bool]:
        """Give the lines since it was asked last, and whether there can be more."""


_unread: dict[Group, deque[Source]] = {}
_reading = threading.Lock()


def apply() -> None:
    """Write what is unread before a group is read."""
    for name in ("_filter_log_events", "_get_log_events", "_describe_log_streams"):
        setattr(cloudwatch_logs, name, _after_writing(getattr(cloudwatch_logs, name)))


def _after_writing(read: Callable[[Json], Response]) -> Callable[[Json], Response]:
    def read_all(data: Json) -> Response:
        write_out(Group(get_account_id(), get_region(), cloudwatch_logs._resolve_log_group_name(data)))
        return read(data)

    return read_all


def defer(group: Group, source: Source) -> None:
    """Keep a source until its group is read."""
    _unread.setdefault(group, deque(maxlen=SOURCES_KEPT)).append(source)


def unread() -> list[Group]:
    """The groups that have lines to be written."""
    return [group for group, sources in list(_unread.items()) if sources]


def write_out(group: Group) -> None:
    """Turn what is unread of a group into its log events."""
    with _reading:
        unread = _unread.get(group)
        if not unread:
            return
        by_stream: dict[str, list[Line]] = {}
        for _ in range(len(unread)):
            source = unread.popleft()
            lines, is_open = source.lines()
            by_stream.setdefault(source.stream, []).extend(lines)
            if is_open:
                unread.append(source)
        for stream, lines in by_stream.items():
            write(group, stream, lines)


def write(group: Group, stream: str, lines: list[Line]) -> None:
    """Append lines to a stream, made as needed, of a group; to none if there is no such group."""
    found = cloudwatch_logs._log_groups.get_scoped(group.account, group.region, group.name)
    if found is None or not lines:
        return
    written_to = found["streams"].setdefault(
        stream,
        {
            "events": [],
            "uploadSequenceToken": "1",
            "creationTime": lines[0][0],
            "firstEventTimestamp": None,
            "lastEventTimestamp": None,
            "lastIngestionTime": None,
        },
    )
    events = [
        {"timestamp": at, "message": message, "ingestionTime": at, "eventId": uuid.uuid4().hex}
        for at, message in lines
    ]
    cloudwatch_logs._append_log_events(written_to, events)
