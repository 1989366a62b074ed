"""What a run would be billed for on AWS, counted where the emulator does it.

Wraps, in `services/dynamodb.py`, `services/sqs.py`, `services/stepfunctions.py`, `services/eventbridge.py`,
`services/lambda_svc.py` and `services/apigateway_v1.py`, the functions that every way of asking for something passes
through, whether by HTTP, by a workflow or by a pipe. Only where `COMMERCE_METERING` is 1 when the server starts: nobody
else pays for it.

What happens is noted while it happens, and counted when somebody asks: `GET /_commerce/usage` answers the counts of each
account, `/_commerce/usage/resources` those of each of its resources with what else a bill of another stage would depend
on (`billing.CIRCUMSTANCES`), `/_commerce/usage/work` whether anything is under way, `/_commerce/usage/cpu` the processor time of the server
and of its function workers, as far as the system has a `/proc`. How much of each is billed is decided here
(`billing`), what that costs by whoever asks. Polling of empty queues and of streams is left out: it depends on time, not
on what is done.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections import Counter, deque
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ministack import app
from ministack.core.responses import get_account_id
from ministack.services import (
    apigateway_v1,
    cloudwatch_logs,
    dynamodb,
    eventbridge,
    lambda_svc,
    sqs,
    stepfunctions,
)

from commerce_platform.local_cloud import billing
from commerce_platform.local_cloud.extension import access_logs, function_reports, web_pages, workflow_logs
from commerce_platform.local_cloud.extension.guard import Guard
from commerce_platform.local_cloud.pipes import runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from commerce_platform.local_cloud.extension.deferred_logs import Group, Source
    from commerce_platform.local_cloud.extension.web_pages import Application, Scope

GUARDS = (
    Guard("dynamodb._add_consumed_capacity", "e8b57ddae96f"),
    Guard("dynamodb._index_write_units", "29362ec98898"),
    Guard("dynamodb._conditional_check_failed", "b9dde20342b9"),
    Guard("dynamodb._transact_write_items", "d931eab08754"),
    Guard("dynamodb._transact_get_items", "4fd2ebad6b20"),
    Guard("dynamodb._batch_write_item", "7c31fe8286ae"),
    Guard("dynamodb._batch_get_item", "d6d516ae8785"),
    Guard("sqs._dispatch", "6a429fdb61eb"),
    Guard("sqs._act_send_message_batch", "2cab381a76df"),
    Guard("sqs._receive_messages_for_esm", "f230dbcd4974"),
    Guard("sqs._delete_messages_for_esm", "c1686f29b48b"),
    Guard("eventbridge._dispatch_to_sqs", "eb75981283a2"),
    Guard("eventbridge._put_events", "ebcda0f38061"),
    Guard("lambda_svc._execute_function_dispatch", "f62cd259213e"),
    Guard("lambda_svc._emit_lambda_logs", "111efbf06968"),
    Guard("cloudwatch_logs._append_log_events", "e47cae7a15a4"),
    Guard("stepfunctions._run_execution", "996dff84e0e0"),
    Guard("apigateway_v1._handle_execute_in_scope", "60ed5805557f"),
)

API = "AWS::ApiGateway::RestApi"
BUS = "AWS::Events::EventBus"
FUNCTION = "AWS::Lambda::Function"
LOG_GROUP = "AWS::Logs::LogGroup"
PIPE = "AWS::Pipes::Pipe"
QUEUE = "AWS::SQS::Queue"
TABLE = "AWS::DynamoDB::Table"
WORKFLOW = "AWS::StepFunctions::StateMachine"

SWITCH = "COMMERCE_METERING"
PATH = "/_commerce/usage"

Json = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]


@dataclass
class Meter:
    """What was noted, what was counted of it, and how much is under way."""

    notes: deque[tuple[str, str, Callable[..., Json], tuple[Any, ...]]] = field(default_factory=deque)
    logs: deque[tuple[str, str, Source]] = field(default_factory=deque)
    counts: dict[str, dict[str, Counter[str]]] = field(default_factory=dict)
    noted: int = 0
    running: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _reading: threading.Lock = field(default_factory=threading.Lock)

    def note(self, resource: str, count: Callable[..., Json], *facts: Any) -> None:
        """Keep what happened; it is counted when somebody asks.

        Args:
            resource: What is billed for it, `AWS::DynamoDB::Table|orders`; none if the quantities are by resource.
            count: Gives the quantities by name.
            facts: What it takes.
        """
        self.noted += 1
        self.notes.append((get_account_id(), resource, count, facts))

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Have something under way meanwhile."""
        with self._lock:
            self.running += 1
        try:
            yield
        finally:
            with self._lock:
                self.running -= 1

    def read(self) -> dict[str, Counter[str]]:
        """What AWS bills, since the start, by account."""
        totals: dict[str, Counter[str]] = {}
        for account, resources in self.by_resource().items():
            totals[account] = sum(resources.values(), Counter())
            for name in billing.CIRCUMSTANCES:
                totals[account].pop(name, None)
        return totals

    def by_resource(self) -> dict[str, dict[str, Counter[str]]]:
        """Count what was noted, and give what each resource has used since the start, by account."""
        with self._reading:
            for _ in range(len(self.notes)):
                account, resource, count, facts = self.notes.popleft()
                counted = count(*facts)
                for each, quantities in ({resource: counted} if resource else counted).items():
                    self._add(account, each, quantities)
            for _ in range(len(self.logs)):
                account, resource, source = self.logs.popleft()
                lines, is_open = source.lines()
                self._add(account, resource, _logged(source, [text for _at, text in lines]))
                if is_open:
                    self.logs.append((account, resource, source))
            return self.counts

    def _add(self, account: str, resource: str, quantities: Json) -> None:
        self.counts.setdefault(account, {}).setdefault(resource, Counter()).update(quantities)

    def work(self) -> Json:
        """Whether anything goes on: what runs now, and a number that every doing raises."""
        return {"running": self.running, "noted": self.noted}


meter = Meter()
_batch: ContextVar[bool] = ContextVar("metered_batch", default=False)
_function_logs: ContextVar[str] = ContextVar("metered_function_logs", default="")
_retries: ContextVar[list[None]] = ContextVar("metered_retries")


def apply() -> None:
    """Begin to note, if that is wanted."""
    if os.environ.get(SWITCH) != "1":
        return
    _meter_dynamodb()
    _meter_queues()
    _meter_workflows()
    _meter_functions()
    _meter_logs()
    put_events, execute = eventbridge._put_events, apigateway_v1._handle_execute_in_scope
    matches, deliver = vars(runner)["matches"], vars(runner)["deliver"]

    def put_metered(data: Json, *, allow_aws_source: bool = False) -> Any:
        if not allow_aws_source:  # AWS charges nothing for what its services tell
            meter.note("", _published, data.get("Entries", []))
        return put_events(data, allow_aws_source=allow_aws_source)

    async def execute_metered(api: str, *request: Any) -> Any:
        meter.note(f"{API}|{api}", billing.called)
        return await execute(api, *request)

    def matches_metered(pipe: Json, record: Json) -> Any:
        meter.note(f"{PIPE}|{pipe['Name']}", _seen)
        return matches(pipe, record)

    def deliver_metered(pipe: Json, records: list[Json]) -> Any:
        meter.note(f"{PIPE}|{pipe['Name']}", billing.piped, records)
        return deliver(pipe, records)

    eventbridge._put_events = put_metered
    apigateway_v1._handle_execute_in_scope = execute_metered
    vars(runner).update(matches=matches_metered, deliver=deliver_metered)
    app.app = _serving(app.app)


def _meter_dynamodb() -> None:
    charge, refuse = dynamodb._add_consumed_capacity, dynamodb._conditional_check_failed

    def charge_metered(result: Json, data: Json, table_name: str, **effect: Any) -> None:
        if effect.get("write"):
            table = dynamodb._tables.get(table_name, {})
            meter.note(
                f"{TABLE}|{table_name}", _written, table, effect.get("old_item"), effect.get("new_item")
            )
        else:
            items = result.get("Items", [result.get("Item") or {}])
            meter.note(f"{TABLE}|{table_name}", _read, items, bool(data.get("ConsistentRead")))
        charge(result, data, table_name, **effect)

    def refuse_metered(data: Json, old_item: Json | None, *message: str) -> Response:
        meter.note(f"{TABLE}|{data['TableName']}", _written, {}, old_item, None)
        response: Response = refuse(data, old_item, *message)
        return response

    dynamodb._add_consumed_capacity = charge_metered
    dynamodb._conditional_check_failed = refuse_metered
    for name, count in (
        ("_transact_write_items", _transacted),
        ("_batch_write_item", _transacted),
        ("_transact_get_items", _read_together),
        ("_batch_get_item", _read_together),
    ):
        setattr(dynamodb, name, _charged(getattr(dynamodb, name), count))


def _charged(operation: Callable[[Json], Response], count: Callable[..., Json]) -> Callable[[Json], Response]:
    """Have the emulator say what an operation on several items consumes, and not tell the caller who did not ask."""

    @wraps(operation)
    def charged(data: Json) -> Response:
        status, headers, body = operation(data | {"ReturnConsumedCapacity": "TOTAL"})
        answer = json.loads(body)
        # A copy: it is counted later, when the caller's answer no longer says what was consumed.
        meter.note("", count, data, dict(answer))
        if data.get("ReturnConsumedCapacity", "NONE") == "NONE" and "ConsumedCapacity" in answer:
            del answer["ConsumedCapacity"]
            body = json.dumps(answer, ensure_ascii=False).encode()
        return status, headers, body

    return charged


def _written(table: Json, old: Json | None, new: Json | None) -> Json:
    size = max(dynamodb._item_size_bytes(item) if item else 0 for item in (old, new))
    indexes = (table.get("GlobalSecondaryIndexes") or []) + (table.get("LocalSecondaryIndexes") or [])
    return billing.written(size, sum(dynamodb._index_write_units(table, each, old, new) for each in indexes))


def _transacted(data: Json, answer: Json) -> Json:
    tables = Counter(
        operation["TableName"] for item in data.get("TransactItems", ()) for operation in item.values()
    ) or {table: len(requests) for table, requests in data["RequestItems"].items()}
    consumed: Counter[str] = Counter()
    for each in answer.get("ConsumedCapacity", ()):
        consumed[each["TableName"]] += each["CapacityUnits"]
    return {
        f"{TABLE}|{table}": billing.written_together(count, consumed[table])
        for table, count in tables.items()
    }


def _read(items: list[Json], consistent: bool) -> Json:  # noqa: FBT001 - a fact as noted
    return billing.read([sum(map(dynamodb._item_size_bytes, items))], consistent=consistent)


def _read_together(data: Json, answer: Json) -> Json:
    if "TransactItems" in data:
        by_table: dict[str, list[int]] = {}
        for item, found in zip(data["TransactItems"], answer.get("Responses", ()), strict=False):
            by_table.setdefault(item["Get"]["TableName"], []).append(
                dynamodb._item_size_bytes(found.get("Item", {}))
            )
        return {
            f"{TABLE}|{table}": billing.read(sizes, consistent=True, transaction=True)
            for table, sizes in by_table.items()
        }
    counted = {}
    for table, wanted in data["RequestItems"].items():
        items = answer.get("Responses", {}).get(table, [])
        sizes = [dynamodb._item_size_bytes(item) for item in items] + [0] * (len(wanted["Keys"]) - len(items))
        counted[f"{TABLE}|{table}"] = billing.read(sizes, consistent=bool(wanted.get("ConsistentRead")))
    return counted


def _published(entries: list[Json]) -> Json:
    """By who publishes: that is whose cost it is, not the bus's, which everybody shares."""
    counted: dict[str, Counter[str]] = {}
    for entry in entries:
        resource = f"{BUS}|{entry.get('Source', '')}"
        size = {"eventBytes": len(json.dumps(entry))}
        counted.setdefault(resource, Counter()).update(billing.published([entry]) | size)
    return counted


def _seen() -> Json:
    return {"pipeRecords": 1}


def _queue(url: str) -> str:
    return f"{QUEUE}|{url.rpartition('/')[2]}"


def _meter_queues() -> None:
    sqs._HANDLERS.update({name: _requested(action) for name, action in sqs._HANDLERS.items()})
    _meter_sending()
    delete, receive, poll = (
        sqs._delete_messages_for_esm,
        sqs._act_receive_message,
        sqs._receive_messages_for_esm,
    )

    def delete_metered(url: str, handles: set[str]) -> None:
        meter.note(_queue(url), billing.queued)
        delete(url, handles)

    async def receive_metered(data: Json, url: str) -> Json:
        received: Json = await receive(data, url)
        if "Messages" in received:
            meter.note(
                _queue(data.get("QueueUrl", url)),
                billing.taken,
                [each["Body"] for each in received["Messages"]],
            )
        return received

    def poll_metered(url: str, count: int) -> list[Json]:
        messages: list[Json] = poll(url, count)
        if messages:
            meter.note(_queue(url), billing.taken, [each["body"] for each in messages])
        return messages

    sqs._HANDLERS["ReceiveMessage"], sqs._receive_messages_for_esm = receive_metered, poll_metered
    sqs._delete_messages_for_esm = delete_metered


def _requested(action: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(action)
    def requested(data: Json, url: str) -> Any:
        meter.note(_queue(data.get("QueueUrl", url)), billing.queued)
        return action(data, url)

    return requested


def _meter_sending() -> None:
    """A batch is one request; the emulator sends its messages one by one."""
    send, send_batch, deliver = (
        sqs._act_send_message,
        sqs._act_send_message_batch,
        eventbridge._dispatch_to_sqs,
    )

    def send_metered(data: Json, url: str) -> Json:
        if not _batch.get():
            meter.note(_queue(data.get("QueueUrl", url)), billing.queued, [data.get("MessageBody", "")])
        sent: Json = send(data, url)
        return sent

    def send_batch_metered(data: Json, url: str) -> Json:
        bodies = [each.get("MessageBody", "") for each in data.get("Entries", [])]
        meter.note(_queue(data.get("QueueUrl", url)), billing.queued, bodies)
        outer = _batch.set(True)
        try:
            sent: Json = send_batch(data, url)
        finally:
            _batch.reset(outer)
        return sent

    def deliver_metered(spec: Any, payload: str, parameters: Json | None = None) -> None:
        meter.note(f"{QUEUE}|{spec.resource}", billing.queued, [payload])
        deliver(spec, payload, parameters)

    sqs._act_send_message, sqs._act_send_message_batch = send_metered, send_batch_metered
    sqs._HANDLERS |= {"SendMessage": send_metered, "SendMessageBatch": send_batch_metered}
    eventbridge._dispatch_to_sqs = deliver_metered


def _meter_workflows() -> None:
    run, delay = stepfunctions._run_execution, stepfunctions._commerce_delay

    def run_metered(arn: str) -> None:
        record = stepfunctions._executions.get(arn)
        machine = stepfunctions._state_machines.get((record or {}).get("stateMachineArn", ""))
        if not record or not machine:
            run(arn)
            return
        retries: list[None] = []
        outer = _retries.set(retries)
        began = time.perf_counter()
        try:
            with meter.busy():
                run(arn)
        finally:
            _retries.reset(outer)
            seconds = time.perf_counter() - began
            meter.note(
                f"{WORKFLOW}|{machine['stateMachineArn']}", _executed, machine, record, seconds, retries
            )

    def delay_metered(*retry: Any) -> float:
        _retries.get([]).append(None)
        seconds: float = delay(*retry)
        return seconds

    stepfunctions._run_execution = run_metered
    vars(stepfunctions)["_commerce_delay"] = delay_metered


def _executed(machine: Json, record: Json, seconds: float, retries: list[None]) -> Json:
    entered = sum(each["type"].endswith("StateEntered") for each in record["events"]) + len(retries)
    circumstances = {"workflowRuns": 1, "statesEntered": entered, "workflowMs": seconds * 1000}
    if machine.get("type") != "EXPRESS":
        return circumstances | {"standardTransitions": entered}
    return circumstances | billing.ran_express(
        seconds, len(machine["definition"]), entered * len(record["input"])
    )


def _meter_functions() -> None:
    execute = lambda_svc._execute_function_dispatch

    def execute_metered(function: Json, config: Json, *call: Any) -> Json:
        began = time.perf_counter()
        with meter.busy():
            result: Json = execute(function, config, *call)
        if not (isinstance(result, dict) and result.get("throttle")):
            facts = (
                time.perf_counter() - began,
                int(config.get("MemorySize", 128)),
                function_reports.last.get(),
            )
            meter.note(f"{FUNCTION}|{config['FunctionName']}", _invoked, *facts)
        return result

    lambda_svc._execute_function_dispatch = execute_metered


def _invoked(seconds: float, memory_mb: int, report: function_reports.Report | None) -> Json:
    if report is None:
        return billing.invoked(seconds, memory_mb)
    return billing.invoked(seconds, memory_mb) | {
        "functionCpuMs": report.cpu * 1000,
        "functionWaitedMs": report.waited * 1000,
        "functionStarts": int(report.init > 0),
        "functionStartMs": report.init * 1000,
    }


def _meter_logs() -> None:
    append, emit = cloudwatch_logs._append_log_events, lambda_svc._emit_lambda_logs

    def append_metered(stream: Json, events: list[Json]) -> None:
        if group := _function_logs.get():
            meter.note(f"{LOG_GROUP}|{group}", billing.logged, [each["message"] for each in events])
        append(stream, events)

    def emit_metered(function: Json, *invocation: Any, **options: Any) -> None:
        config = function.get("config") or function
        group = (config.get("LoggingConfig") or {}).get("LogGroup")
        outer = _function_logs.set(group or f"/aws/lambda/{config['FunctionName']}")
        try:
            emit(function, *invocation, **options)
        finally:
            _function_logs.reset(outer)

    cloudwatch_logs._append_log_events, lambda_svc._emit_lambda_logs = append_metered, emit_metered
    for module in (workflow_logs, access_logs):
        vars(module)["defer"] = _noting(vars(module)["defer"])


def _noting(defer: Callable[[Group, Source], None]) -> Callable[[Group, Source], None]:
    def deferred(group: Group, source: Source) -> None:
        # As stages log that people's data passes through: without it.
        own = replace(source, with_data=False) if isinstance(source, workflow_logs.Execution) else source
        meter.logs.append((group.account, f"{LOG_GROUP}|{group.name}", own))
        defer(group, source)

    return deferred


def _logged(source: Source, lines: list[str]) -> Json:
    """What a workflow tells of its errors is counted apart: that is all that stages log which do not log everything."""
    if not isinstance(source, workflow_logs.Execution):
        return billing.logged(lines)
    errors = [line for line in lines if json.loads(line)["type"].endswith(workflow_logs.ERROR_ENDINGS)]
    return billing.logged(lines) | {"errorLogBytes": billing.logged(errors)["logBytes"]}


# Answers ---------------------------------------------------------------------------------------------------------


def _serving(application: Application) -> Application:
    answers: dict[str, Callable[[], Any]] = {
        PATH: meter.read,
        f"{PATH}/resources": meter.by_resource,
        f"{PATH}/work": meter.work,
        f"{PATH}/cpu": cpu_seconds,
    }

    async def served(scope: Scope, receive: Any, send: Any) -> None:
        answer = answers.get(scope.get("path", ""))
        if scope["type"] != "http" or answer is None or web_pages.refusal(scope):
            await application(scope, receive, send)
            return
        body = json.dumps(await asyncio.to_thread(answer)).encode()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return served


def cpu_seconds(processes: Path = Path("/proc")) -> dict[str, float] | None:
    """Give the processor time of the server and of its function workers, those that have ended included.

    Args:
        processes: Where the system tells of its processes.

    Returns:
        Seconds since the start of `emulator` and `workers`; nothing on a system without `/proc`.
    """
    stats = {}
    for file in processes.glob("[0-9]*/stat"):
        try:
            # After the command's name, which may hold anything: state, parent, …, utime, stime, cutime, cstime.
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        stats[int(file.parent.name)] = (int(fields[1]), [int(ticks) for ticks in fields[11:15]])
    own = os.getpid()
    if own not in stats:
        return None
    family = {own}
    while more := {pid for pid, (parent, _) in stats.items() if parent in family} - family:
        family |= more
    user, system, *ended = stats[own][1]
    ticks = os.sysconf("SC_CLK_TCK")
    workers = sum(sum(stats[pid][1]) for pid in family - {own}) + sum(ended)
    return {"emulator": (user + system) / ticks, "workers": workers / ticks}
