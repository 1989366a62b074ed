"""What messages, workflows and log lines say of something, in words: each a step, which knows what set it off."""

from __future__ import annotations

import json
import re
import textwrap
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

IDENTIFIER = re.compile(r"[\w-]{8,}")
"""What is looked for. Anything shorter would be found in lines that have nothing to do with it."""

_OURS = re.compile(r"commerce-[a-z]+-(?P<service>[a-z]+)(?:-data)?[-/](?P<rest>.+)")
_GENERATED = re.compile(r"-?(StateMachine)?[0-9A-F]{8}(?![a-z]).*$")
# In the records that a table's stream gives to the workflow that makes events of them.
_STREAM = '"aws:dynamodb"'
# How much of an event's data is shown where no terminal says how long a line is.
_LONGEST = 120

Json = dict[str, Any]


@dataclass(frozen=True, order=True)
class Step:
    """Something that happened.

    Attributes:
        at: Milliseconds since the epoch.
        kind: Request, event, queue, workflow or log.
        service: Which service's; empty where it is nobody's.
        what: In words.
        cause: The id of the event or request that set it off; empty where none is known.
        id: The id by which an event or a request is named as a cause.
        outcome: What came of it, if that is a fact of its service's: a status it has told, or an event's name.
    """

    at: int
    kind: str
    service: str
    what: str
    cause: str = ""
    id: str = ""
    outcome: str = ""


def latest(text: str, known: Mapping[str, int]) -> str:
    """The event or request that a text names; of several the latest, since each names what set it off as well.

    Args:
        text: A message, a log line, a workflow's input.
        known: Ids → when they came to be.
    """
    named_there = {word for word in IDENTIFIER.findall(text) if word in known}
    return max(named_there, key=lambda each: (known[each], each), default="")


def milliseconds(timestamp: str) -> int:
    """Milliseconds since the epoch of a time of RFC 3339, or as Powertools writes it."""
    return round(datetime.fromisoformat(timestamp.replace(",", ".")).timestamp() * 1000)


def brief(data: Mapping[str, Any], known: str = "") -> str:
    """What an event says beside the id that is known, in a few words."""
    told = {name: value for name, value in data.items() if value != known}
    text = json.dumps(told, separators=(", ", ": "), ensure_ascii=False).replace('"', "")
    return textwrap.shorten(text, _LONGEST, placeholder="…")


def named(physical: str) -> tuple[str, str]:
    """Which service something belongs to, and its name without what CloudFormation has added to it.

    >>> named("commerce-local-inventory-ConsumerOrdersQueueFFD44BC0-68777E94B7FC3")
    ('inventory', 'ConsumerOrdersQueue')
    """
    match = _OURS.search(physical)
    if not match:
        return "", physical
    return match["service"], _GENERATED.sub("", match["rest"])


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def message_steps(messages: Iterable[Json], known: Mapping[str, int]) -> Iterator[Step]:
    """One step per message: when it was sent, and how long it waited, each time that it was tried."""
    by_message: dict[tuple[str, str], list[Json]] = defaultdict(list)
    for message in sorted(messages, key=lambda each: int(each["at"])):
        by_message[message["queue"], message["messageId"]].append(message)
    for (queue, _), actions in by_message.items():
        first = next((each for each in actions if each["action"] == "sent"), actions[0])
        service, name = named(queue)
        waits = [f"{each['at'] - first['at']:,} ms" for each in actions if each["action"] == "received"]
        received = "not received"
        if waits:
            received = f"received after {waits[0]}"
        if waits[1:]:
            received += f", again after {', '.join(waits[1:])}"
        cause = latest(first["body"], known)
        about = "" if cause else f"{_detail_type(first['body'])}, "
        yield Step(first["at"], "queue", service, f"{name}: {about}{received}", cause)


def _detail_type(body: str) -> str:
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    return str(said.get("detail-type", "message")) if isinstance(said, dict) else "message"


@dataclass(frozen=True)
class Execution:
    """A workflow's execution.

    Attributes:
        machine: Physical name of the state machine.
        history: As GetExecutionHistory gives it.
        is_express: Told in one step; of the others each task is a step of its own.
    """

    machine: str
    history: Sequence[Json]
    is_express: bool

    @property
    def text(self) -> str:
        """All that its history says."""
        return json.dumps(self.history, default=str)

    def cause(self, known: Mapping[str, int]) -> str:
        """What set it off; an event that it makes of a table's change stands for the change."""
        given, made = self._given, self._last.get("output", "")
        published: list[str] = [
            each for each in IDENTIFIER.findall(made) if each in known and each not in given
        ]
        if _STREAM in given and published:
            return min(published, key=known.__getitem__)
        return latest(given, known)

    def steps(self, known: Mapping[str, int], cause: str) -> Iterator[Step]:
        """It in one step, or each of its tasks.

        Args:
            known: Ids → when they came to be.
            cause: What set it off.
        """
        service, name = named(self.machine)
        began, ended = (_at(self.history[index]) for index in (0, -1))
        kind = self.history[-1]["type"]
        outcome = kind.removeprefix("Execution").lower() if len(self.history) > 1 else "started"
        if error := self._last.get("error"):
            outcome = f"{outcome} with {error}"
        if self.is_express:
            yield Step(began, "workflow", service, self._in_one(name, outcome, ended - began), cause)
            return
        yield Step(began, "workflow", service, f"{name} started", cause)
        for event in self._tasks:
            state = event["stateEnteredEventDetails"]
            # The answer that a state has waited for is the next one's input.
            cause = latest(state.get("input", ""), known) or cause
            yield Step(_at(event), "workflow", service, f"{name}: {self._task(event)}", cause)
        if len(self.history) > 1 and kind.startswith("Execution"):
            yield Step(ended, "workflow", service, f"{name} {outcome}", cause)

    @property
    def _given(self) -> str:
        return str(self.history[0].get("executionStartedEventDetails", {}).get("input", ""))

    @property
    def _last(self) -> Json:
        """What the last event says: output or error."""
        event = self.history[-1]
        details = event["type"][:1].lower() + event["type"][1:] + "EventDetails"
        found: Json = event.get(details, {})
        return found

    @property
    def _tasks(self) -> list[Json]:
        return [event for event in self.history if event["type"] == "TaskStateEntered"]

    def _in_one(self, name: str, outcome: str, took: int) -> str:
        if _STREAM in self._given and outcome == "succeeded":
            made = "is published" if "detailType" in self._last.get("output", "") else "is no event"
            return f"the table's change {made}: {name}, {took} ms"
        visited = " → ".join(event["stateEnteredEventDetails"]["name"] for event in self._tasks)
        return f"{name} {outcome} in {took} ms  {visited}".rstrip()

    def _task(self, entered: Json) -> str:
        """A task with its duration, the errors that it overcame, and the one that it did not."""
        state = entered["stateEnteredEventDetails"]["name"]
        later = self.history[entered["id"] :]
        left = next(
            (each for each in later if each.get("stateExitedEventDetails", {}).get("name") == state), None
        )
        within = [each for each in later if each["id"] < left["id"]] if left else later
        errors = [each["taskFailedEventDetails"]["error"] for each in within if each["type"] == "TaskFailed"]
        caught = errors.pop() if errors and left and within[-1]["type"] == "TaskFailed" else ""
        told = (
            f"{state}, {(left['timestamp'] - entered['timestamp']).total_seconds() * 1000:,.0f} ms"
            if left
            else f"{state}, not left"
        )
        if errors:
            told += f", tried again {_times(len(errors))} after {', '.join(sorted(set(errors)))}"
        return f"{told}, ended by {caught}, caught" if caught else told


def _at(event: Json) -> int:
    at: datetime = event["timestamp"]
    return round(at.timestamp() * 1000)


def line_step(group: str, at: int, message: str, known: Mapping[str, int]) -> Step:
    """A line of an access log or of a function's log."""
    service, _ = named(group)
    try:
        line = json.loads(message)
    except ValueError:
        line = None
    cause = latest(message, known)
    if not isinstance(line, dict):
        return Step(at, "log", service, message.strip(), cause)
    if "httpMethod" in line:
        took = line.get("responseLatencyMs", "-")
        what = f"{line['httpMethod']} {line.get('resourcePath')} answered {line.get('status')} in {took} ms"
        return Step(at, "request", service, what, id=line.get("requestId", ""))
    if "_aws" in line:
        names = [
            metric["Name"] for part in line["_aws"].get("CloudWatchMetrics", ()) for metric in part["Metrics"]
        ]
        told = ", ".join(f"{name} {json.dumps(line.get(name)).strip('[]')}" for name in names)
        return Step(int(line["_aws"].get("Timestamp", at)), "log", service, f"metric {told}", cause)
    details = {name: line[name] for name in ("status", "reason", "exception_name") if line.get(name)}
    text = (
        f"{line.get('level', '')} {line.get('message', message)}  {brief(details) if details else ''}".strip()
    )
    when = milliseconds(line["timestamp"]) if isinstance(line.get("timestamp"), str) else at
    outcome = str(line.get("status", "")) + (f" ({line['reason']})" if line.get("reason") else "")
    return Step(when, "log", service, text, cause, outcome=outcome)
