"""A batch's way through a pipe: enrichment, transformation, target."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ministack.core.arn import parse_arn
from ministack.core.responses import new_uuid
from ministack.services import eventbridge, lambda_svc, sqs, stepfunctions

from commerce_platform.local_cloud.pipes.template import render, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

Pipe = dict[str, Any]
Record = dict[str, Any]

BATCH_LIMIT = {"events": 10, "sqs": 10}
"""The most entries that a target's batch API takes; a pipe does not call it with more
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-batching-concurrency.html)."""

ENRICHMENTS = ("lambda", "states")


class DeliveryError(Exception):
    """The whole batch failed."""


@dataclass(frozen=True)
class Delivery:
    """What became of a batch.

    Attributes:
        failed: Indices of the records to process again; empty on success.
        whole: All of them failed together, so that nothing is known of any single one.
        reason: Why, for the log.
    """

    failed: tuple[int, ...] = ()
    whole: bool = False
    reason: str = ""


@dataclass
class _Failures:
    """Positions of the payloads that a target refused, with the reasons."""

    positions: list[int] = field(default_factory=list)
    reasons: set[str] = field(default_factory=set)

    def add(self, position: int, reason: str) -> None:
        self.positions.append(position)
        self.reasons.add(reason)


def deliver(pipe: Pipe, records: list[Record]) -> Delivery:
    """Take a batch through enrichment and transformation to the target.

    Args:
        pipe: The pipe as the API describes it.
        records: The source's records that passed the filter.

    Returns:
        Which of them are to be processed again.
    """
    try:
        events = _enriched(pipe, records)
        if not events:
            return Delivery()
        failures = _Failures()
        TARGETS[parse_arn(pipe["Target"]).service](pipe, events, failures)
    except Exception as error:  # noqa: BLE001 - whatever fails in a batch is the batch's failure, not the poller's
        return Delivery(tuple(range(len(records))), whole=True, reason=f"{type(error).__name__}: {error}")
    reason = "; ".join(sorted(failures.reasons))
    if not failures.positions:
        return Delivery()
    if len(events) != len(records):
        # Which record a refused event came from is unknown once the enrichment changed their number.
        return Delivery(tuple(range(len(records))), whole=True, reason=reason)
    return Delivery(tuple(failures.positions), reason=reason)


def identifier(record: Record) -> str:
    """Name a record as `batchItemFailures` does: by `messageId` from a queue, by `eventID` from a stream."""
    return str(record.get("messageId") or record.get("eventID") or "")


def _enriched(pipe: Pipe, records: list[Record]) -> list[Any]:
    arn = pipe.get("Enrichment")
    if not arn:
        return list(records)
    payload = _transformed(pipe, pipe.get("EnrichmentParameters") or {}, records)
    call = _call_function if parse_arn(arn).service == "lambda" else _run_express
    response = call(arn, payload)
    # An empty response means: nothing for the target.
    if response in (None, "", {}, []):
        return []
    return response if isinstance(response, list) else [response]


def _transformed(pipe: Pipe, parameters: dict[str, Any], events: list[Any]) -> list[Any]:
    template = parameters.get("InputTemplate")
    if not template:
        return events
    reserved = {
        "aws.pipes.pipe-arn": pipe["Arn"],
        "aws.pipes.pipe-name": pipe["Name"],
        "aws.pipes.source-arn": pipe["Source"],
        "aws.pipes.enrichment-arn": pipe.get("Enrichment") or "",
        "aws.pipes.target-arn": pipe["Target"],
    }
    return [render(template, event, reserved) for event in events]


def _parameters(pipe: Pipe, name: str) -> dict[str, Any]:
    parameters: dict[str, Any] = (pipe.get("TargetParameters") or {}).get(name) or {}
    return parameters


def _payloads(pipe: Pipe, events: list[Any]) -> list[Any]:
    return _transformed(pipe, pipe.get("TargetParameters") or {}, events)


def _text(payload: Any) -> str:
    return payload if isinstance(payload, str) else json.dumps(payload)


def _within_limit(service: str, events: list[Any]) -> None:
    if len(events) > BATCH_LIMIT[service]:
        raise DeliveryError(
            f"{len(events)} events for a target that takes at most {BATCH_LIMIT[service]}; it was not called"
        )


# --- Targets -----------------------------------------------------------------------------------------------------


def _to_bus(pipe: Pipe, events: list[Any], failures: _Failures) -> None:
    _within_limit("events", events)
    entries: dict[int, dict[str, Any]] = {}
    source = events[0].get("eventSource", "") if isinstance(events[0], dict) else ""
    for position, (event, payload) in enumerate(zip(events, _payloads(pipe, events), strict=True)):
        if not isinstance(payload, dict):
            failures.add(position, "MalformedDetail: Detail is malformed, it must be a JSON object")
            continue
        entry = {"Source": f"Pipe {pipe['Name']}", "DetailType": f"Event from {source}"}
        entry |= resolve(_parameters(pipe, "EventBridgeEventBusParameters"), event)
        entries[position] = entry | {"EventBusName": pipe["Target"], "Detail": json.dumps(payload)}
    if entries:
        answer = _call(eventbridge._put_events, {"Entries": list(entries.values())})
        for position, result in zip(entries, answer["Entries"], strict=True):
            if "ErrorCode" in result:
                failures.add(position, f"{result['ErrorCode']}: {result.get('ErrorMessage')}")


def _to_queue(pipe: Pipe, events: list[Any], failures: _Failures) -> None:
    _within_limit("sqs", events)
    entries = []
    for position, (event, payload) in enumerate(zip(events, _payloads(pipe, events), strict=True)):
        entry = resolve(_parameters(pipe, "SqsQueueParameters"), event)
        entries.append(entry | {"Id": str(position), "MessageBody": _text(payload)})
    url = queue_url(pipe["Target"])
    for failed in sqs._act_send_message_batch({"QueueUrl": url, "Entries": entries}, url)["Failed"]:
        failures.add(int(failed["Id"]), f"{failed['Code']}: {failed['Message']}")


def _to_function(pipe: Pipe, events: list[Any], failures: _Failures) -> None:
    payload = _payloads(pipe, events)
    if _parameters(pipe, "LambdaFunctionParameters").get("InvocationType") == "FIRE_AND_FORGET":
        lambda_svc.spawn_background(_call_function, pipe["Target"], payload)
        return
    _note_item_failures(_call_function(pipe["Target"], payload), events, failures)


def _to_workflow(pipe: Pipe, events: list[Any], failures: _Failures) -> None:
    payload = _payloads(pipe, events)
    parameters = _parameters(pipe, "StepFunctionStateMachineParameters")
    if parameters.get("InvocationType") == "FIRE_AND_FORGET":
        _call(
            stepfunctions._start_execution, {"stateMachineArn": pipe["Target"], "input": json.dumps(payload)}
        )
        return
    _note_item_failures(_run_express(pipe["Target"], payload), events, failures)


TARGETS: dict[str, Callable[[Pipe, list[Any], _Failures], None]] = {
    "events": _to_bus,
    "lambda": _to_function,
    "sqs": _to_queue,
    "states": _to_workflow,
}


def _note_item_failures(response: Any, events: list[Any], failures: _Failures) -> None:
    """Read a target's `batchItemFailures`; an identifier that names no event of the batch fails the whole of it."""
    items = response.get("batchItemFailures") if isinstance(response, dict) else None
    if not items:
        return
    known = {identifier(event): index for index, event in enumerate(events) if isinstance(event, dict)}
    for item in items:
        name = item.get("itemIdentifier") if isinstance(item, dict) else None
        if not name or name not in known:
            raise DeliveryError(f"batchItemFailures names {name!r}, which is not in the batch")
        failures.add(known[name], "reported in batchItemFailures")


# --- Calls -------------------------------------------------------------------------------------------------------


def _call(
    operation: Callable[[dict[str, Any]], tuple[int, dict[str, str], bytes]], data: dict[str, Any]
) -> Any:
    status, _headers, body = operation(data)
    return _accepted(status, json.loads(body))


def _accepted(status: int, answer: dict[str, Any]) -> Any:
    if status >= HTTPStatus.BAD_REQUEST:
        raise DeliveryError(f"{answer.get('__type')}: {answer.get('message') or answer.get('Message')}")
    return answer


def _run_express(arn: str, payload: Any) -> Any:
    request = {"stateMachineArn": arn, "input": json.dumps(payload), "name": new_uuid()}
    execution = _accepted(*stepfunctions._commerce_run_express(request))
    if execution["status"] != "SUCCEEDED":
        raise DeliveryError(
            f"Execution {execution['status']}: {execution.get('error', '')} {execution.get('cause', '')}"
        )
    return json.loads(execution["output"])


def _call_function(arn: str, payload: Any) -> Any:
    function, config, name = lambda_svc._get_func_record_for_ref(arn)
    if not function or not config:
        raise DeliveryError(f"Function {name} does not exist")
    record = lambda_svc._execution_record_for_config(function, config)
    result = lambda_svc._execute_function_with_config_scope(record, payload)
    body = result.get("body")
    if result.get("error"):
        raise DeliveryError(f"Function {name} failed: {_text(body)}")
    if not isinstance(body, str | bytes):
        return body
    try:
        return json.loads(body)
    except ValueError:
        return body


def queue_url(arn: str) -> str:
    """Give the URL under which the emulator keeps a queue.

    Args:
        arn: The queue's ARN.

    Raises:
        DeliveryError: There is no such queue.
    """
    queue = sqs._queue_by_arn(arn)
    if queue is None:
        raise DeliveryError(f"Queue {arn} does not exist")
    return str(queue["url"])
