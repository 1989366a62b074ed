"""State machines write their execution history to their log group.

Replaces, in `services/stepfunctions.py`: the logging configuration of a state machine (579), which is stored and
otherwise ignored. The lines are those of Express workflows on AWS
(https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html), for Standard workflows too; they are made when
the group is read (`deferred_logs`), from the history that the emulator keeps anyway.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ministack.services import stepfunctions

from commerce_platform.local_cloud.extension.deferred_logs import Group, defer
from commerce_platform.local_cloud.extension.guard import Guard

if TYPE_CHECKING:
    from commerce_platform.local_cloud.extension.deferred_logs import Line

GUARDS = (
    Guard("stepfunctions._add_event", "b1db143ccd21"),
    Guard("stepfunctions._run_execution", "996dff84e0e0"),
    Guard("stepfunctions._create_state_machine", "4bc1231dda69"),
    Guard("cloudformation.provisioners._sfn_state_machine_create", "d2ffde42cb0e"),
)

Json = dict[str, Any]

FATAL = ("ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted")
ERROR_ENDINGS = ("Failed", "TimedOut", "Aborted", "FailStateEntered")
_DATA = ("input", "output", "parameters", "result")


@dataclass
class Execution:
    """One execution as the lines of a log.

    Attributes:
        record: The emulator's own record of it.
        stream: The log stream.
        level: ALL, ERROR or FATAL.
        with_data: Whether states' input and output are told.
    """

    record: Json
    stream: str
    level: str
    with_data: bool
    _told: int = 0

    def lines(self) -> tuple[list[Line], bool]:
        """Give the events since the last time, and whether the execution goes on."""
        events = self.record["events"][self._told :]
        self._told += len(events)
        # Not by its status, which is set before the last event is added.
        is_open = self.record["events"][-1]["type"] not in ("ExecutionSucceeded", *FATAL)
        return [self._line(event) for event in events if self._is_wanted(event["type"])], is_open

    def _is_wanted(self, kind: str) -> bool:
        if self.level == "FATAL":
            return kind in FATAL
        return self.level == "ALL" or kind.endswith(ERROR_ENDINGS)

    def _line(self, event: Json) -> Line:
        details: Json = {}
        for name, value in event.items():
            if name.endswith("EventDetails"):
                details |= value
        if self.with_data:
            details |= {
                f"{name}Details": {"truncated": False} for name in ("input", "output") if name in details
            }
        else:
            details = {name: value for name, value in details.items() if name not in _DATA}
        at = int(datetime.fromisoformat(event["timestamp"]).timestamp() * 1000)
        message = {
            "id": str(event["id"]),
            "type": event["type"],
            "details": details,
            "redrive_count": "0",
            "previous_event_id": str(event["id"] - 1),
            "event_timestamp": str(at),
            "execution_arn": self.record["executionArn"],
        }
        return at, json.dumps(message, separators=(",", ":"))


def apply() -> None:
    """Have each execution's history logged from its start."""
    run = stepfunctions._run_execution

    def run_logged(arn: str) -> None:
        record = stepfunctions._executions.get(arn)
        machine = record and stepfunctions._state_machines.get(record["stateMachineArn"])
        if record and machine:
            _log(record, machine)
        run(arn)

    stepfunctions._run_execution = run_logged


def _log(record: Json, machine: Json) -> None:
    # CloudFormation's properties are stored as they come, the API's begin with small letters.
    settings = _uncapitalised(machine.get("loggingConfiguration") or {})
    level = settings.get("level", "OFF")
    if level == "OFF":
        return
    stream = f"states/{machine['name']}/{record['startDate'][:16].replace('T', '-').replace(':', '-')}"
    for destination in settings.get("destinations") or ():
        group = Group.of(destination["cloudWatchLogsLogGroup"]["logGroupArn"])
        defer(group, Execution(record, stream, level, bool(settings.get("includeExecutionData"))))


def _uncapitalised(value: Any) -> Any:
    if isinstance(value, dict):
        return {name[:1].lower() + name[1:]: _uncapitalised(each) for name, each in value.items()}
    return [_uncapitalised(each) for each in value] if isinstance(value, list) else value
