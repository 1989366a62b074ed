"""Everything that happened to one thing, in order of time: events, workflow steps, queue messages, log lines.

The archive of the bus knows the events about it, and so its correlation id and the requests that began it. Log groups
are searched for these. A line of a workflow's log leads to its execution, whose history is then read in full.
"""

from __future__ import annotations

import json
import re
import textwrap
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.text import Text

from commerce_platform.cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rich.console import Console

    from commerce_platform.cli.cloud import Cloud

QUEUES = "/local-cloud/queues"
"""The log group in which the local cloud tells of messages (`extension/queue_logs.py`)."""
EVENTS = "/aws/events/"
"""Log groups of events, which are in the archive as well."""
WORKFLOWS = "/aws/vendedlogs/states/"
IDENTIFIER = re.compile(r"[\w-]{8,}")
"""What is looked for. Anything shorter would be found in lines that have nothing to do with it."""

_OURS = re.compile(r"commerce-[a-z]+-(?P<service>[a-z]+)(?:-data)?[-/](?P<rest>.+)")
_GENERATED = re.compile(r"(StateMachine)?[0-9A-F]{8}(?![a-z]).*$")
_STYLES = {"event": "magenta", "workflow": "cyan", "queue": "yellow", "log": "default", "request": "green"}

WIDTH = 120
"""Columns of a line where no terminal says how many there are, and how much of an event's data is shown."""

Json = dict[str, Any]


@dataclass(frozen=True, order=True)
class Step:
    """Something that happened.

    Attributes:
        at: Milliseconds since the epoch.
        kind: Request, event, queue, workflow or log.
        service: Which service's; empty where it is nobody's.
        what: In words.
    """

    at: int
    kind: str
    service: str
    what: str


@dataclass
class Trail:
    """What the events about something say of where to look on.

    Attributes:
        identifier: An aggregate's id (an order's, a payment's) or a correlation's.
        events: Archived events, of it or of others.
    """

    identifier: str
    events: list[Json]
    terms: list[str] = field(init=False)

    def __post_init__(self) -> None:
        own = [event for event in self.events if _is_about(event, self.identifier)]
        correlations = {event["metadata"]["correlationId"] for event in own}
        self.events = [event for event in self.events if event["metadata"]["correlationId"] in correlations]
        known = {event["metadata"]["eventId"] for event in self.events}
        requests = {event["metadata"]["causationId"] for event in self.events} - known
        self.terms = [self.identifier, *sorted((correlations | requests) - {self.identifier})]

    @property
    def heading(self) -> str:
        """Whose it is, how it began and ended, by the clock; nothing where no event is known."""
        own = [
            event for event in self.events if event["metadata"]["aggregateId"] == self.identifier
        ] or self.events
        if not own:
            return ""
        in_turn = sorted(own, key=lambda event: _milliseconds(event["metadata"]["occurredAt"]))
        first, last = in_turn[0], in_turn[-1]
        began, ended = (_milliseconds(event["metadata"]["occurredAt"]) for event in (first, last))
        clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(began / 1000))
        told = [self.identifier, f"{first['detailType']} at {clock}"]
        if last is not first:
            told.append(f"{last['detailType']} {(ended - began) / 1000:.1f} s later")
        customers = {event["data"]["customerId"] for event in in_turn if "customerId" in event["data"]}
        return ", ".join([*told, *(f"customer {customer}" for customer in sorted(customers))])

    def steps(self) -> Iterator[Step]:
        """The events themselves."""
        for event in self.events:
            metadata = event["metadata"]
            what = f"{event['detailType']}  {_brief(event['data'], self.identifier)}"
            yield Step(_milliseconds(metadata["occurredAt"]), "event", metadata["service"], what)


def _is_about(event: Json, identifier: str) -> bool:
    metadata = event["metadata"]
    return identifier in (metadata["aggregateId"], metadata["correlationId"], *event["data"].values())


def _milliseconds(timestamp: str) -> int:
    return round(datetime.fromisoformat(timestamp.replace(",", ".")).timestamp() * 1000)


def _brief(data: Mapping[str, Any], known: str = "") -> str:
    """What an event says beside the id that is known, in a few words."""
    told = {name: value for name, value in data.items() if value != known}
    text = json.dumps(told, separators=(", ", ": "), ensure_ascii=False).replace('"', "")
    return textwrap.shorten(text, WIDTH, placeholder="…")


def named(physical: str) -> tuple[str, str]:
    """Which service something belongs to, and its name without what CloudFormation has added to it.

    >>> named("commerce-local-inventory-ConsumerOrdersQueueFFD44BC0-68777E94B7FC3")
    ('inventory', 'ConsumerOrdersQueue')
    """
    match = _OURS.search(physical)
    if not match:
        return "", physical
    return match["service"], _GENERATED.sub("", match["rest"])


def message_steps(messages: Iterable[Json]) -> Iterator[Step]:
    """One step per message: when it was sent, and how long it waited."""
    by_message: dict[tuple[str, str], dict[str, Json]] = defaultdict(dict)
    for message in messages:
        by_message[message["queue"], message["messageId"]][message["action"]] = message
    for (queue, _), actions in by_message.items():
        first = actions.get("sent") or actions["received"]
        service, name = named(queue)
        try:
            body = json.loads(first["body"])
        except ValueError:
            body = {}
        kind = body.get("detail-type", "message") if isinstance(body, dict) else "message"
        waited = (
            f"received after {actions['received']['at'] - first['at']} ms"
            if "received" in actions
            else "not received"
        )
        yield Step(first["at"], "queue", service, f"{name}: {kind}, {waited}")


def history_steps(machine: str, events: Sequence[Json], *, in_full: bool) -> Iterator[Step]:
    """An execution: each of its tasks, or (`in_full` false) all of it in one step.

    Args:
        machine: Physical name of the state machine.
        events: Its history, as GetExecutionHistory gives it.
        in_full: Whether each task is a step of its own.
    """
    service, name = named(machine)
    began, ended = (round(events[i]["timestamp"].timestamp() * 1000) for i in (0, -1))
    outcome = events[-1]["type"].removeprefix("Execution").lower() if len(events) > 1 else "started"
    tasks = [event for event in events if event["type"] == "TaskStateEntered"]
    if not in_full:
        visited = " → ".join(event["stateEnteredEventDetails"]["name"] for event in tasks)
        yield Step(began, "workflow", service, f"{name} {outcome} in {ended - began} ms  {visited}".rstrip())
        return
    yield Step(began, "workflow", service, f"{name} started")
    for event in tasks:
        state, at = event["stateEnteredEventDetails"]["name"], event["timestamp"]
        exits = (
            later
            for later in events[event["id"] :]
            if later.get("stateExitedEventDetails", {}).get("name") == state
        )
        left = next(exits, None)
        duration = f"{(left['timestamp'] - at).total_seconds() * 1000:.0f} ms" if left else "not left"
        failures = {
            later["taskFailedEventDetails"]["error"]
            for later in events[event["id"] : left["id"] if left else None]
            if later["type"] == "TaskFailed"
        }
        after = f", after {', '.join(sorted(failures))}" if failures else ""
        yield Step(round(at.timestamp() * 1000), "workflow", service, f"{name}: {state}, {duration}{after}")
    if len(events) > 1 and events[-1]["type"].startswith("Execution"):
        yield Step(ended, "workflow", service, f"{name} {outcome}")


def line_step(group: str, at: int, message: str) -> Step:
    """A line of an access log or of a function's log."""
    service, _ = named(group)
    try:
        line = json.loads(message)
    except ValueError:
        line = None
    if not isinstance(line, dict):
        return Step(at, "log", service, message.strip())
    if "httpMethod" in line:
        took = line.get("responseLatencyMs", "-")
        what = f"{line['httpMethod']} {line.get('resourcePath')} answered {line.get('status')} in {took} ms"
        return Step(at, "request", service, what)
    if "_aws" in line:
        names = [
            metric["Name"] for part in line["_aws"].get("CloudWatchMetrics", ()) for metric in part["Metrics"]
        ]
        told = ", ".join(f"{name} {json.dumps(line.get(name)).strip('[]')}" for name in names)
        return Step(int(line["_aws"].get("Timestamp", at)), "log", service, f"metric {told}")
    details = {name: line[name] for name in ("detailType", "status", "exception_name") if name in line}
    text = f"{line.get('level', '')} {line.get('message', message)}  {_brief(details) if details else ''}".strip()
    when = _milliseconds(line["timestamp"]) if isinstance(line.get("timestamp"), str) else at
    return Step(when, "log", service, text)


def find(clouds: Sequence[Cloud], identifier: str) -> tuple[str, list[Step]]:
    """Everything that can be found of something in the accounts of a cloud: a heading, and steps in order of time.

    A forwarded event is in the archive of each account, with the same id: it is one step.
    """
    tracers = [Tracer(cloud) for cloud in clouds]
    archived = {event["metadata"]["eventId"]: event for tracer in tracers for event in tracer.archived()}
    trail = Trail(identifier, list(archived.values()))
    found = (tracer.steps(trail.terms) for tracer in tracers)
    return trail.heading, sorted([*trail.steps(), *(step for steps in found for step in steps)])


class Tracer:
    """Finds the traces of something in one account of a cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def steps(self, terms: Sequence[str]) -> list[Step]:
        """What log groups and workflows have of any of these terms."""
        steps: list[Step] = []
        messages: list[Json] = []
        executions: set[str] = set()
        for group, line in self._lines(terms):
            if group == QUEUES:
                messages.append(json.loads(line["message"]) | {"at": line["timestamp"]})
            elif group.startswith(WORKFLOWS):
                executions.add(json.loads(line["message"])["execution_arn"])
            else:
                steps.append(line_step(group, line["timestamp"], line["message"]))
        steps += message_steps(messages)
        for arn in executions:
            steps += self._execution(arn)
        return steps

    def archived(self) -> Iterator[Json]:
        """The events that the bus has archived.

        AWS lets an archive be replayed only; the local cloud's answer to DescribeArchive has its events as well,
        where the SDK does not expect them.
        """
        answers: list[Json] = []

        def keep(http_response: Any, **_: Any) -> None:
            answers.append(json.loads(http_response.content))

        client = self._cloud.events
        client.meta.events.register("after-call.eventbridge.DescribeArchive", keep)
        for archive in client.list_archives()["Archives"]:
            client.describe_archive(ArchiveName=archive.get("ArchiveName", ""))
        for answer in answers:
            for event in answer.get("Events", ()):
                detail = json.loads(event["Detail"])
                if {"metadata", "data"} <= detail.keys():
                    yield {"detailType": event["DetailType"], **detail}

    def _lines(self, terms: Sequence[str]) -> Iterator[tuple[str, Any]]:
        """Log events that have one of the terms, once each."""
        logs = self._cloud.logs
        listed = logs.get_paginator("describe_log_groups").paginate()
        names = (group["logGroupName"] for page in listed for group in page["logGroups"])
        groups = [QUEUES, *(name for name in names if not name.startswith(EVENTS))]
        for group in dict.fromkeys(groups):
            seen: set[tuple[int, str]] = set()
            for term in terms:
                pages = logs.get_paginator("filter_log_events").paginate(
                    logGroupName=group, filterPattern=f'"{term}"'
                )
                for line in (line for page in pages for line in page["events"]):
                    key = (line["timestamp"], line["message"])
                    if key not in seen:
                        seen.add(key)
                        yield group, line

    def _execution(self, arn: str) -> Iterator[Step]:
        machine = arn.split(":")[6]
        pages = self._cloud.stepfunctions.get_paginator("get_execution_history").paginate(executionArn=arn)
        try:
            events: list[Any] = [event for page in pages for event in page["events"]]
        except self._cloud.stepfunctions.exceptions.ExecutionDoesNotExist:
            return  # An Express execution too long ago: its log lines are left, its history is not.
        is_express = arn.split(":")[5] == "express" or self._is_express(machine)
        yield from history_steps(machine, events, in_full=not is_express)

    def _is_express(self, machine: str) -> bool:
        if not hasattr(self, "_types"):
            pages = self._cloud.stepfunctions.get_paginator("list_state_machines").paginate()
            self._types = {each["name"]: each["type"] for page in pages for each in page["stateMachines"]}
        return self._types.get(machine) == "EXPRESS"


def show(clouds: Sequence[Cloud], identifier: str, console: Console) -> None:
    """Print everything that happened to something.

    Args:
        clouds: The cloud, in each of its accounts.
        identifier: An aggregate's or a correlation's.
        console: Where it goes.

    Raises:
        CliError: That is no id, or nothing is known of it.
    """
    if not IDENTIFIER.fullmatch(identifier):
        raise CliError(
            f"Trace what? {identifier!r} is no id (8 or more letters, digits, hyphens).",
            "make trace ORDER=<id>, as make order prints it",
        )
    with console.status(f"Looking for {identifier}"):
        heading, steps = find(clouds, identifier)
    if not steps:
        raise CliError(
            f"Nothing is known of {identifier} in the cloud at {clouds[0].endpoint}.",
            "A local cloud that was stopped has forgotten everything.",
        )
    if heading:
        console.print(f"[bold]{escape(heading)}[/]", soft_wrap=True)
    began = steps[0].at
    columns = console.width if console.is_terminal else WIDTH
    for step in steps:
        line = Text(f"{step.at - began:>8,} ms  {step.service:<10} ")
        line.append(f"{step.kind:<9} ", style=_STYLES[step.kind]).append(step.what.replace("\n", " "))
        line.truncate(columns, overflow="ellipsis")
        console.print(line, soft_wrap=True)
    kinds = {kind: sum(step.kind == kind for step in steps) for kind in _STYLES}
    counted = ", ".join(
        f"{count} {kind}{'s' if count != 1 else ''}" for kind, count in kinds.items() if count
    )
    console.print(f"[dim]{counted}[/]")
