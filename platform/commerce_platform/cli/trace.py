"""Everything that happened to one thing, by what set it off: requests, events, workflows, messages, log lines.

The archive of the bus knows the events about it, and so its correlation id and the requests that began it. Log groups
are searched for these. A line of a workflow's log leads to its execution, whose history is then read in full.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.text import Text

from commerce_platform.cli.causes import compensations, tree
from commerce_platform.cli.errors import CliError
from commerce_platform.cli.steps import (
    IDENTIFIER,
    Execution,
    Step,
    brief,
    line_step,
    message_steps,
    milliseconds,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import Console

    from commerce_platform.cli.cloud import Cloud

QUEUES = "/local-cloud/queues"
"""The log group in which the local cloud tells of messages (`extension/queue_logs.py`)."""
EVENTS = "/aws/events/"
"""Log groups of events, which are in the archive as well."""
WORKFLOWS = "/aws/vendedlogs/states/"
_STYLES = {"event": "magenta", "workflow": "cyan", "queue": "yellow", "log": "default", "request": "green"}

WIDTH = 120
"""Columns of a line where no terminal says how many there are."""

Json = dict[str, Any]


@dataclass
class Trail:
    """What the events about something say of where to look on.

    Attributes:
        identifier: An aggregate's id (an order's, a payment's) or a correlation's.
        events: Archived events, of it or of others.
        terms: What to look for.
        known: Ids by which causes are named, of events and of the requests that began them → when they came to be.
    """

    identifier: str
    events: list[Json]
    terms: list[str] = field(init=False)
    known: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        own = [event for event in self.events if _is_about(event, self.identifier)]
        correlations = {event["metadata"]["correlationId"] for event in own}
        self.events = [event for event in self.events if event["metadata"]["correlationId"] in correlations]
        came = {event["metadata"]["eventId"]: _occurred(event) for event in self.events}
        requests = {event["metadata"]["causationId"] for event in self.events} - came.keys()
        self.terms = [self.identifier, *sorted((correlations | requests) - {self.identifier})]
        # A request has no time here: it was before all that it set off.
        self.known = came | dict.fromkeys(requests, 0)

    @property
    def heading(self) -> str:
        """Whose it is, how it began and ended, by the clock; nothing where no event is known."""
        in_turn = sorted(self.events, key=_occurred)
        own = [event for event in in_turn if event["metadata"]["aggregateId"] == self.identifier] or in_turn
        if not own:
            return ""
        first = own[0]
        # Others have aggregates of the same id: the payment of an order.
        last = [each for each in own if each["metadata"]["service"] == first["metadata"]["service"]][-1]
        began = _occurred(first)
        clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(began / 1000))
        told = [self.identifier, f"{first['detailType']} at {clock}"]
        if last is not first:
            reason = f" ({last['data']['reason']})" if "reason" in last["data"] else ""
            told.append(f"{last['detailType']}{reason} {(_occurred(last) - began) / 1000:.1f} s later")
        customers = {event["data"]["customerId"] for event in in_turn if "customerId" in event["data"]}
        return ", ".join([*told, *(f"customer {customer}" for customer in sorted(customers))])

    def steps(self) -> Iterator[Step]:
        """The events themselves."""
        for event in self.events:
            metadata = event["metadata"]
            what = f"{event['detailType']}  {brief(event['data'], self.identifier)}"
            yield Step(
                _occurred(event),
                "event",
                metadata["service"],
                what,
                cause=metadata["causationId"],
                id=metadata["eventId"],
                outcome=event["detailType"],
            )


def _occurred(event: Json) -> int:
    return milliseconds(event["metadata"]["occurredAt"])


def _is_about(event: Json, identifier: str) -> bool:
    metadata = event["metadata"]
    return identifier in (metadata["aggregateId"], metadata["correlationId"], *event["data"].values())


def find(clouds: Sequence[Cloud], identifier: str) -> tuple[str, list[Step]]:
    """Everything that can be found of something in the accounts of a cloud: a heading, and steps in order of time.

    A forwarded event is in the archive of each account, with the same id: it is one step.
    """
    tracers = [Tracer(cloud) for cloud in clouds]
    archived = {event["metadata"]["eventId"]: event for tracer in tracers for event in tracer.archived()}
    trail = Trail(identifier, list(archived.values()))
    found = (tracer.steps(trail.terms, trail.known) for tracer in tracers)
    return trail.heading, sorted([*trail.steps(), *(step for steps in found for step in steps)])


class Tracer:
    """Finds the traces of something in one account of a cloud."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def steps(self, terms: Sequence[str], known: Mapping[str, int]) -> list[Step]:
        """What log groups and workflows have of any of these terms.

        Args:
            terms: What to look for.
            known: Ids by which causes are named → when they came to be.
        """
        steps: list[Step] = []
        messages: list[Json] = []
        arns: set[str] = set()
        for group, line in self._lines(terms):
            if group == QUEUES:
                messages.append(json.loads(line["message"]) | {"at": line["timestamp"]})
            elif group.startswith(WORKFLOWS):
                arns.add(json.loads(line["message"])["execution_arn"])
            else:
                steps.append(line_step(group, line["timestamp"], line["message"], known))
        executions = {arn: found for arn in sorted(arns) if (found := self._execution(arn))}
        for arn, execution in executions.items():
            # One that was given nothing to tell its cause by has that of the execution that started it.
            cause = execution.cause(known) or next(
                (other.cause(known) for other in executions.values() if f'{arn}\\"' in other.text), ""
            )
            steps += execution.steps(known, cause)
        return [*steps, *message_steps(messages, known)]

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

    def _execution(self, arn: str) -> Execution | None:
        machine = arn.split(":")[6]
        pages = self._cloud.stepfunctions.get_paginator("get_execution_history").paginate(executionArn=arn)
        try:
            events: list[Any] = [event for page in pages for event in page["events"]]
        except self._cloud.stepfunctions.exceptions.ExecutionDoesNotExist:
            return None  # An Express execution too long ago: its log lines are left, its history is not.
        is_express = arn.split(":")[5] == "express" or self._is_express(machine)
        return Execution(machine, events, is_express)

    def _is_express(self, machine: str) -> bool:
        if not hasattr(self, "_types"):
            pages = self._cloud.stepfunctions.get_paginator("list_state_machines").paginate()
            self._types = {each["name"]: each["type"] for page in pages for each in page["stateMachines"]}
        return self._types.get(machine) == "EXPRESS"


def _since(before: Step, step: Step) -> str:
    return f"{step.at - before.at:,} ms"


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
    undone, compensated = compensations(steps)
    if undone:
        told = ", ".join(
            f"{each.service} {each.outcome} {_since(undone, each)} later" for each in compensated
        )
        console.print(
            f"Compensated: {escape(told) or 'nothing, as nothing had been done yet'}", soft_wrap=True
        )
    columns = console.width if console.is_terminal else WIDTH
    for branch, step in tree(steps):
        line = Text(f"{_since(steps[0], step):>11}  {step.service:<10} ")
        line.append(f"{step.kind:<9} ", style=_STYLES[step.kind]).append(branch, style="dim")
        line.append("↩ " if step in compensated else "").append(step.what.replace("\n", " "))
        line.truncate(columns, overflow="ellipsis")
        console.print(line, soft_wrap=True)
    kinds = {kind: sum(step.kind == kind for step in steps) for kind in _STYLES}
    counted = ", ".join(
        f"{count} {kind}{'s' if count != 1 else ''}" for kind, count in kinds.items() if count
    )
    console.print(f"[dim]{counted}[/]")
