"""Events are checked when they are put, and those that cannot be delivered go to the target's dead-letter queue.

Replaces, in `services/eventbridge.py`: `_put_events` (981), which takes entries without source, type or a JSON object
as detail; `_invoke_target` (2237), which drops an event whose target is gone with a log line, and one for a log group (its
lines are deferred, `deferred_logs`); and `_dispatch_to_lambda` (2425), which invokes a function once, without the retries and the dead-letter queue
of an asynchronous invocation. A local target is there or it is not, so nothing is ever worth EventBridge's own
retries: as on AWS, an event for a target that does not exist goes to the dead-letter queue at once.
"""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ministack.core.arn import ArnParseError, parse_arn
from ministack.services import eventbridge, lambda_svc, sns, sqs, stepfunctions

from commerce_platform.local_cloud.extension import event_buses
from commerce_platform.local_cloud.extension.deferred_logs import Group, defer
from commerce_platform.local_cloud.extension.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from commerce_platform.local_cloud.extension.deferred_logs import Line

logger = logging.getLogger("local_cloud.eventbridge")

GUARDS = (
    Guard("eventbridge._put_events", "ebcda0f38061"),
    Guard("eventbridge._invoke_target", "550e304af080"),
    Guard("eventbridge._dispatch_to_lambda", "1f95adbaed3a"),
    Guard("eventbridge._pattern_event_view", "a472224bb7b0"),
    Guard("lambda_svc.invoke_async_with_retry", "289fe4d3cbd4"),
)

Json = dict[str, Any]


@dataclass(frozen=True)
class Delivered:
    """An event that a rule delivers to a log group.

    Attributes:
        event: The event, whole.
        stream: The log stream.
    """

    event: Json
    stream: str = "events"
    at: float = field(default_factory=time.time)

    def lines(self) -> tuple[list[Line], bool]:
        """Give the event's only line."""
        return [(int(self.at * 1000), json.dumps(self.event, separators=(",", ":")))], False


Response = tuple[int, dict[str, str], bytes]


def apply() -> None:
    """Put the checks before the bus and before each target."""
    invoke_target = eventbridge._invoke_target
    eventbridge._put_events = partial(_put_events, eventbridge._put_events)

    def invoke(target: Json, event: Json, rule: Json, view: Any = None) -> None:
        if not _exists(target.get("Arn", "")):
            _dead_letter(target, event, rule, "NO_RESOURCE", "The specified target does not exist.")
            return
        bus = event_buses.foreign(target["Arn"])
        if ":logs:" in target["Arn"]:
            defer(
                Group.of(target["Arn"]), Delivered(eventbridge._pattern_event_view(event).event_with_detail())
            )
        elif bus and (refusal := event_buses.refused(bus, event)):
            _dead_letter(target, event, rule, "NO_PERMISSIONS", refusal)
        else:
            invoke_target(target, event, rule, view)

    eventbridge._invoke_target = invoke
    eventbridge._dispatch_to_lambda = _invoke_function


def _put_events(original: Callable[..., Response], data: Json, **options: Any) -> Response:
    """Put the entries that AWS would take, and answer for the others as it does: 200 with failed entries."""
    entries = data.get("Entries", [])
    # For the emulator itself remain those that are right and for a bus of this account.
    settled = [_refusal(entry) or _abroad(entry) for entry in entries]
    taken = [entry for entry, result in zip(entries, settled, strict=True) if not result]
    status, headers, body = original(data | {"Entries": taken}, **options)
    if len(taken) == len(entries) or status != HTTPStatus.OK:
        return status, headers, body
    answer = json.loads(body)
    results = iter(answer["Entries"])
    answer["Entries"] = [result or next(results) for result in settled]
    answer["FailedEntryCount"] = sum("ErrorCode" in result for result in answer["Entries"])
    return status, headers, json.dumps(answer).encode()


def _abroad(entry: Json) -> Json | None:
    bus = event_buses.foreign(entry.get("EventBusName", "default"))
    return event_buses.put(bus, entry) if bus else None


def _refusal(entry: Json) -> Json | None:
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            message = f"Parameter {name} is not valid. Reason: {name} is a required argument."
            return {"ErrorCode": "InvalidArgument", "ErrorMessage": message}
    try:
        detail = json.loads(entry["Detail"])
    except ValueError:
        detail = None
    if isinstance(detail, dict):
        return None
    return {"ErrorCode": "MalformedDetail", "ErrorMessage": "Detail is malformed."}


def _exists(arn: str) -> bool:
    try:
        spec = parse_arn(arn)
    except ArnParseError:
        return False
    if spec.service == "events" and spec.resource.startswith("event-bus/"):
        name = spec.resource.partition("/")[2]
        return bool(eventbridge._event_buses.contains_scoped(spec.account_id, spec.region, name))
    look_up = _LOOK_UPS.get(spec.service)
    return look_up is None or bool(look_up(arn))


_LOOK_UPS: dict[str, Callable[[str], object]] = {
    "lambda": lambda arn: lambda_svc._get_func_record_for_ref(arn)[0],
    "sns": lambda arn: arn in sns._topics,
    "sqs": lambda arn: sqs._queue_by_arn(arn) is not None,
    "states": stepfunctions._resolve_state_machine_arn,
}


def _dead_letter(target: Json, event: Json, rule: Json, code: str, reason: str) -> None:
    arn = target.get("Arn", "")
    logger.warning("Rule %s, target %s: %s", rule.get("Name"), arn, reason)
    queue = sqs._queue_by_arn((target.get("DeadLetterConfig") or {}).get("Arn", ""))
    if queue is None:
        return
    attributes = {
        "RULE_ARN": rule.get("Arn", ""),
        "TARGET_ARN": arn,
        "ERROR_CODE": code,
        "ERROR_MESSAGE": reason,
        "RETRY_ATTEMPTS": "0",
    }
    message = {
        "QueueUrl": queue["url"],
        "MessageBody": json.dumps(eventbridge._pattern_event_view(event).event_with_detail()),
        "MessageAttributes": {
            name: {"DataType": "String", "StringValue": value} for name, value in attributes.items() if value
        },
    }
    sqs._act_send_message(message, queue["url"])


def _invoke_function(arn: str, payload: str) -> None:
    function, config, _name = lambda_svc._get_func_record_for_ref(arn)
    lambda_svc.invoke_async_with_retry(
        lambda_svc._execution_record_for_config(function, config), json.loads(payload)
    )
