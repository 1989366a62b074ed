"""Follow what a service's functions, workflows, pipes and APIs say: one line per entry, merged by time."""

from __future__ import annotations

import contextlib
import json
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from rich.text import Text

from commerce_platform.cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rich.console import Console

    from commerce_platform.cli.cloud import Cloud
    from commerce_platform.cli.workspace import App

POLL_SECONDS = 1.0
OVERLAP_SECONDS = 5
"""Events may be stored after later ones; each poll looks this far back again and skips what it has shown."""

SINCE = re.compile(r"(?P<number>\d+)(?P<unit>[smhd])")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
STYLES = {"ERROR": "red", "CRITICAL": "red", "WARNING": "yellow", "WARN": "yellow", "DEBUG": "dim"}
LONGEST = 300
"""How many characters of an entry are shown; RAW=1 shows all."""

# What every entry of a function has, and what is in the line already.
_SHOWN_OR_USUAL = re.compile(
    r"level|message|timestamp|location|service|cold_start|function_.*|xray_trace_id|sampling_rate|exception"
)
_GENERATED = re.compile(r"(AccessLog|Logs)?[0-9A-F]{8}$")
_TELLING = re.compile(r"ExecutionSucceeded|.*(Failed|TimedOut|Aborted)")

Json = dict[str, Any]


@dataclass(frozen=True, order=True)
class Entry:
    """An entry of a log group.

    Attributes:
        at: Milliseconds since the epoch.
        service: Whose it is, by its folder's name.
        source: Which function, workflow, pipe or API.
        message: As it was written.
    """

    at: int
    service: str
    source: str
    message: str


@dataclass(frozen=True)
class Group:
    """A log group of an app.

    Attributes:
        name: Its name.
        service: The app's folder.
        source: Who writes to it, by the name in the template.
        cloud: The account.
    """

    name: str
    service: str
    source: str
    cloud: Cloud


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be shown.

    Attributes:
        since: From when on, in seconds since the epoch.
        about: Only what has this text in it, an order's id; everything without it.
        raw: As it was written, and everything of it.
        follow: Wait for more, until interrupted.
    """

    since: float
    about: str | None = None
    raw: bool = False
    follow: bool = True


def seconds(since: str) -> float:
    """How long ago `10m`, `30s`, `2h` or `1d` is.

    Raises:
        CliError: It is none of these.
    """
    match = SINCE.fullmatch(since)
    if not match:
        raise CliError(f"SINCE is no time: {since!r}.", "SINCE takes a number and a unit: 30s, 10m, 2h, 1d.")
    return float(match["number"]) * UNITS[match["unit"]]


def groups(cloud: Cloud, app: App, stage: str) -> Iterator[Group]:
    """The log groups of an app's stacks."""
    for stack in cloud.stacks(app.stack_prefix(stage)):
        resources = cloud.cloudformation.get_paginator("list_stack_resources")
        for listed in resources.paginate(StackName=stack.name):
            for resource in listed["StackResourceSummaries"]:
                if resource["ResourceType"] == "AWS::Logs::LogGroup":
                    source = _GENERATED.sub("", resource["LogicalResourceId"])
                    yield Group(resource["PhysicalResourceId"], app.name, source, cloud)


def show(clouds: Sequence[Cloud], apps: Sequence[App], stage: str, wanted: Wanted, output: Console) -> None:
    """Print what is said, and follow it.

    Args:
        clouds: The accounts that are looked into.
        apps: Whose log groups.
        stage: Of which stage.
        wanted: What of them.
        output: Where lines go.

    Raises:
        CliError: The apps have no log group, or, where nobody waits for more, nothing names what was asked for.
    """
    followed = [group for cloud in clouds for app in apps for group in groups(cloud, app, stage)]
    if not followed:
        names = ", ".join(app.name for app in apps)
        raise CliError(f"No log group belongs to {names} in stage {stage}.", "Is it deployed? make status")
    width = max(len(group.service) for group in followed), max(len(group.source) for group in followed)
    seen: dict[tuple[str, str], float] = {}
    since = wanted.since
    while True:
        asked = time.time()
        fresh: list[Entry] = []
        for group in followed:
            for key, entry in _entries(group, since, wanted.about):
                if key not in seen:
                    fresh.append(entry)
                seen[key] = asked
        for entry in sorted(fresh):
            if line := raw(entry) if wanted.raw else readable(entry, *width):
                output.print(line, soft_wrap=True)
        if not wanted.follow:
            if wanted.about and not fresh:
                ago = f"{asked - wanted.since:,.0f} s"
                raise CliError(f"Nothing of the last {ago} names {wanted.about!r}.", "Further back: SINCE=2h")
            return
        since = asked - OVERLAP_SECONDS
        seen = {key: at for key, at in seen.items() if at >= since}
        time.sleep(POLL_SECONDS)


def _entries(group: Group, since: float, about: str | None) -> Iterator[tuple[tuple[str, str], Entry]]:
    options: Json = {"filterPattern": f'"{about}"'} if about else {}
    pages = group.cloud.logs.get_paginator("filter_log_events").paginate(
        logGroupName=group.name, startTime=int(since * 1000), **options
    )
    for page in pages:
        for event in page["events"]:
            key = event.get("eventId") or f"{event['timestamp']}{event['message']}"
            entry = Entry(event["timestamp"], group.service, group.source, event["message"].rstrip())
            yield (group.name, key), entry


def raw(entry: Entry) -> Text:
    """An entry as it was written, with the time and who wrote it."""
    return Text(f"{_clock(entry.at)} {entry.service} {entry.source} {entry.message}")


def readable(entry: Entry, service: int = 0, source: int = 0) -> Text | None:
    """One line; None for an entry that says nothing to a reader, as each step of a workflow that goes well.

    Args:
        entry: The entry.
        service: Columns of the service's name.
        source: Columns of the source's.
    """
    try:
        said = json.loads(entry.message)
    except ValueError:
        said = None
    level, text = _told(said) if isinstance(said, dict) else ("", entry.message)
    if not text:
        return None
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    line = Text(f"{_clock(entry.at)}  {entry.service:<{service}}  {entry.source:<{source}}  ")
    line.append(f"{level:<8}", style=STYLES.get(level, ""))
    return line.append(text.replace("\n", " ⏎ "))


def _clock(at: int) -> str:
    return f"{time.strftime('%H:%M:%S', time.localtime(at / 1000))}.{at % 1000:03}"


def _told(said: Json) -> tuple[str, str]:
    """Level and text of an entry, by who writes such ones; no text of what nobody needs to read."""
    for key, told in _WRITERS.items():
        if key in said:
            # Entries of somebody else's may have the key, too, and something else under it.
            with contextlib.suppress(AttributeError, KeyError, TypeError):
                return told(said)
    return "", json.dumps(said, ensure_ascii=False)


def _of_a_request(said: Json) -> tuple[str, str]:
    status = str(said.get("status"))
    answered = (
        f"{said['httpMethod']} {said.get('resourcePath')} {status} in {said.get('responseLatencyMs')} ms"
    )
    text = _with(answered, said, ("correlationId", "requestId", "error"))
    return ("ERROR" if status.startswith("5") else "INFO"), text


def _of_a_workflow(said: Json) -> tuple[str, str]:
    kind, details = str(said.get("type")), said.get("details") or {}
    if not _TELLING.fullmatch(kind):
        return "", ""
    execution = str(said["execution_arn"]).split(":", 7)[-1]
    level = "INFO" if kind == "ExecutionSucceeded" else "ERROR"
    return level, _with(f"{kind} {execution}", details, ("error", "cause"))


def _of_an_event(said: Json) -> tuple[str, str]:
    about = said["detail"].get("metadata", {})
    return "EVENT", _with(said["detail-type"], about, ("aggregateId", "correlationId", "eventId"))


def _of_metrics(said: Json) -> tuple[str, str]:
    names = [each["Name"] for part in said["_aws"].get("CloudWatchMetrics", ()) for each in part["Metrics"]]
    return "METRIC", " ".join(f"{name}={json.dumps(said.get(name)).strip('[]')}" for name in names)


def _of_lambda(said: Json) -> tuple[str, str]:
    status = said["record"].get("status", "success")
    return "ERROR", "" if status == "success" else f"invocation ended: {status}"


def _of_an_error(said: Json) -> tuple[str, str]:
    at = " ".join(str(said["stackTrace"][-1]).split()) if said.get("stackTrace") else ""
    return "ERROR", f"{said['errorType']}: {said['errorMessage']} {at}".rstrip()


def _of_a_function(said: Json) -> tuple[str, str]:
    keys = [name for name in said if not _SHOWN_OR_USUAL.fullmatch(name)]
    message = said.get("message", "")
    return str(said["level"]), _with(message if isinstance(message, str) else json.dumps(message), said, keys)


def _with(text: str, said: Mapping[str, Any], names: Sequence[str]) -> str:
    """A text, and what is known under some names."""
    known = {name: said[name] for name in names if said.get(name) not in (None, "", "-")}
    values = (
        f"{name}={value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in known.items()
    )
    return " ".join([text, *values])


# What tells an entry from others → how it is told.
_WRITERS: Final[Mapping[str, Callable[[Json], tuple[str, str]]]] = {
    "httpMethod": _of_a_request,
    "execution_arn": _of_a_workflow,
    "detail-type": _of_an_event,
    "_aws": _of_metrics,
    "record": _of_lambda,
    "errorType": _of_an_error,
    "level": _of_a_function,
}
