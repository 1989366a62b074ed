"""Step Functions where the emulator departs from the service.

Replaces, in `services/stepfunctions.py`:

- every execution's start sleeps 0.15 s (1765); an alias or version runs the machine's newest definition (1767);
- the machine's `TimeoutSeconds`, `HeartbeatSeconds`, expressions in `TimeoutSeconds` (2219), `MaxDelaySeconds` and
  `JitterStrategy` (2046) and the five minutes of Express executions are ignored; an abort ends no wait (1835);
- `Succeed` ignores `Output` (1829); Parallel ignores `Arguments`, `Output` and `Assign`, its branches share
  variables and task token and go on when one has failed (2564); a task token outlives its attempt (1970),
  and a function that fails leaves its state waiting for the token (2182);
- StartSyncExecution refuses aliases and versions, accepts Standard workflows and answers output for a failure
  (1141); StartExecution is not idempotent (864); both take input that is no JSON and fail with it later; Express
  executions emit status events (1699);
- SendTask*: a second answer overwrites the first, and a closed token is TaskDoesNotExist, not TaskTimedOut (1243);
- a JSONata expression is parsed for each evaluation, by a slow engine, each by itself (3005), and its one second is
  measured by the clock of a busy machine (3050); `Assign` sees variables that it has just assigned (2982);
- a history's texts are written at each state (1434); an execution of one Pass state, as each enrichment of a pipe
  is, and a Map of one item hold up or start threads for nothing (2620);
- `apigateway:invoke` is absent and answers with its own input (5535);
- `events:putEvents` succeeds with failed entries (5512); SDK errors lack `Exception` (4112); SQS's batches are lost on
  their way through its old query protocol (4028).
"""

from __future__ import annotations

import json
import marshal
import math
import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import closing
from contextvars import Context, ContextVar, copy_context
from functools import lru_cache, partial
from http import HTTPStatus
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any

from ministack.core.responses import (
    error_response_json,
    json_response,
    new_uuid,
)
from ministack.services import eventbridge, stepfunctions
from states_language.jsonata_engine import (
    UNDEFINED,
    QueryEvaluationError,
    evaluate,
    evaluate_input,
    evaluate_together,
    reads_only_input,
)

from commerce_platform.local_cloud import workflows
from commerce_platform.local_cloud.extension.guard import Guard, edit
from commerce_platform.local_cloud.extension.overheads import now_iso
from commerce_platform.local_cloud.histories import History, told, told_again
from commerce_platform.local_cloud.threads import PooledThread
from commerce_platform.local_cloud.turns import turns
from commerce_platform.local_cloud.workflows import CallbackSignal, Overdue, Scope, Stopped

GUARDS = (
    Guard("stepfunctions._run_execution", "996dff84e0e0"),
    Guard("stepfunctions._run_sub_machine", "f8d844168b14"),
    Guard("stepfunctions._fail_execution", "e6da895fa0b7"),
    Guard("stepfunctions._execute_task", "53c818d247db"),
    Guard("stepfunctions._invoke_with_callback", "bbb38423156a"),
    Guard("stepfunctions._invoke_resource_with_timeout", "faeed0bf70d5"),
    Guard("stepfunctions._with_retry_and_catch", "b351699db7b3"),
    Guard("stepfunctions._run_parallel_branches", "b8c7f6915297"),
    Guard("stepfunctions._run_map_items", "5df19a8074ce"),
    Guard("stepfunctions._add_event", "b1db143ccd21"),
    Guard("stepfunctions._get_execution_history", "e865bdd85d5d"),
    Guard("stepfunctions._execute_pass", "b1dff47048bc"),
    Guard("stepfunctions.get_state", "7d1a3261edd6"),
    Guard("stepfunctions._scaled_sleep", "5ed19df2efa9"),
    Guard("stepfunctions._start_execution", "9923282fc76c"),
    Guard("stepfunctions._start_sync_execution", "8600470a0208"),
    Guard("stepfunctions._invoke_nested_start_execution_sync", "d9f13c4aabed"),
    Guard("stepfunctions._stop_execution", "44d2d84ccd5c"),
    Guard("stepfunctions._emit_execution_status_event", "9c89e45693e3"),
    Guard("stepfunctions._send_task_success", "12eff48bce57"),
    Guard("stepfunctions._send_task_failure", "c2a489b4ed33"),
    Guard("stepfunctions._send_task_heartbeat", "56879a4655d1"),
    Guard("stepfunctions._execute_choice", "468955fcd4a4"),
    Guard("stepfunctions._error_matches", "519b9dc729c5"),
    Guard("stepfunctions._evaluate_jsonata", "d970811e01da"),
    Guard("stepfunctions._apply_jsonata_template", "bf9bcac24ddc"),
    Guard("stepfunctions._apply_state_assign", "f9cc15f006a0"),
    Guard("stepfunctions._prefix_sdk_error", "dc105d4294e0"),
    Guard("stepfunctions._invoke_events_put_events", "92d6ffabce62"),
    Guard("stepfunctions._execution_version_arn", "1e02a9327083"),
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Json = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]

_TOKEN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Services whose API's error codes lack the `Exception` that the SDK's class names, and so Step Functions', have.
_SDK_SERVICES_WITH_PLAIN_CODES = frozenset({"sfn"})

MAX_ERROR = 256
MAX_CAUSE = 32_768
"""Characters of a failure's error and cause (Step Functions API reference, `TaskFailedEventDetails`)."""

# Resources that the execution's own thread calls (`overheads.IN_PLACE`), so that a time limit needs no other thread.
_NEVER_WAIT = (
    "arn:aws:states:::dynamodb:",
    "arn:aws:states:::aws-sdk:dynamodb:",
    "arn:aws:states:::aws-sdk:sfn:sendTask",
    "arn:aws:states:::aws-sdk:sfn:startExecution",
)

_scopes: dict[str, Scope] = {}
_version: ContextVar[str | None] = ContextVar("workflow_version", default=None)


def apply() -> None:
    """Replace what is wrong, in place where it is a few lines of a long function."""
    helpers = {
        "_commerce_check": lambda: workflows.scope().check(),
        "_commerce_definition": _definition,
        "_commerce_succeed": _succeed,
        "_commerce_limits": _limits,
        "_commerce_delay": workflows.retry_delay,
        "_commerce_signal": lambda: CallbackSignal(workflows.scope()),
        "_commerce_await": _await_callback,
        "_commerce_told": told,
        "_commerce_side_by_side": _side_by_side,
        "_commerce_partial": partial,
    }
    vars(stepfunctions).update(helpers)
    _edit_execution()
    _edit_tasks()
    stepfunctions._evaluate_jsonata = _evaluate
    _evaluate_templates_at_once()
    stepfunctions._apply_state_assign = _assign
    stepfunctions._run_parallel_branches = _run_parallel_branches
    stepfunctions._scaled_sleep = _scaled_sleep
    stepfunctions._invoke_resource_with_timeout = _invoke_within
    stepfunctions.get_state = partial(_state, stepfunctions.get_state)
    _run_in_scopes()
    _answer_as_data()
    _start_as_aws_does()
    stepfunctions._send_task_success = _send_task_success
    stepfunctions._send_task_failure = _send_task_failure
    stepfunctions._send_task_heartbeat = _send_task_heartbeat
    stepfunctions._error_matches = _error_matches
    stepfunctions._invoke_events_put_events = _put_events
    stepfunctions._SERVICE_DISPATCH["arn:aws:states:::events:putEvents"] = _put_events
    stepfunctions._SERVICE_DISPATCH["arn:aws:states:::apigateway:invoke"] = _ask_api
    stepfunctions._AWS_SDK_SERVICE_MAP["sqs"] = {"target_prefix": "AmazonSQS", "protocol": "json"}
    prefix_sdk_error = stepfunctions._prefix_sdk_error

    def sdk_error(service: str, code: str) -> str:
        if service in _SDK_SERVICES_WITH_PLAIN_CODES and not code.endswith("Exception"):
            code += "Exception"
        name: str = prefix_sdk_error(service, code)
        return name

    stepfunctions._prefix_sdk_error = sdk_error


def _edit_execution() -> None:
    edit(
        "stepfunctions._run_execution",
        ("    time.sleep(0.15)\n", ""),
        ('json.loads(sm["definition"])', "_commerce_definition(sm)"),
        (
            '"StartTime": execution["startDate"],',
            '"StartTime": execution["startDate"], "RoleArn": sm["roleArn"],',
        ),
        (
            "            state_def = all_states.get(current_name)\n",
            "            _commerce_check(); state_def = all_states.get(current_name)\n",
        ),
        (
            """\
                current_input = _apply_input_path(state_def, current_input, ctx)
                current_input = _apply_output_path(state_def, current_input, ctx)
""",
            """\
                current_input = _commerce_succeed(state_def, current_input, ctx)
""",
        ),
        ('"input": json.dumps(current_input),', '"input": _commerce_told(current_input),'),
        (
            """\
            _add_event(execution, f"{state_type}StateExited", {
                "stateExitedEventDetails": {
                    "name": current_name,
                    "output": json.dumps(current_input),
""",
            """\
            _add_event(execution, f"{state_type}StateExited", {
                "stateExitedEventDetails": {
                    "name": current_name,
                    "output": _commerce_told(current_input),
""",
        ),
        # The status comes last: whoever sees SUCCEEDED finds the output too.
        (
            """\
        if execution["status"] == "RUNNING":
            output_json = json.dumps(current_input)
            execution["status"] = "SUCCEEDED"
            execution["output"] = output_json
            execution["stopDate"] = now_iso()
""",
            """\
        _commerce_check()
        if execution["status"] == "RUNNING":
            output_json = json.dumps(current_input)
            execution["output"] = output_json
            execution["stopDate"] = now_iso()
            execution["status"] = "SUCCEEDED"
""",
        ),
    )
    edit(
        "stepfunctions._run_sub_machine",
        (
            "        state_def = states.get(current_name)\n",
            "        _commerce_check(); state_def = states.get(current_name)\n",
        ),
        (
            """\
            return _apply_output_path(state_def,
                                      _apply_input_path(state_def, current_input, ctx), ctx)
""",
            """\
            return _commerce_succeed(state_def, current_input, ctx)
""",
        ),
    )


def _evaluate(
    expression: str, given: Any, context: Any = None, result: Any = None, error_output: Any = None
) -> Any:
    """Evaluate an expression with the engine that the testing kit has, too."""
    failed = "States.QueryEvaluationError"
    try:
        value = evaluate(expression, _variables(given, context, result, error_output))
    except QueryEvaluationError as error:
        raise stepfunctions._ExecutionError(failed, str(error)) from error
    if value is UNDEFINED:
        raise stepfunctions._ExecutionError(failed, f"The expression gives nothing: {expression}")
    return value


def _variables(given: Any, context: Any, result: Any, error_output: Any) -> Json:
    context = context or {}
    states = {"input": given, "result": result, "errorOutput": error_output, "context": context}
    return {**context.get("variables", {}), "states": states}


def _evaluate_templates_at_once() -> None:
    """Evaluate a state's template, all of its expressions at once if none of them fails."""
    each_by_itself = stepfunctions._apply_jsonata_template

    def apply_template(
        template: Any, given: Any, context: Any = None, result: Any = None, error_output: Any = None
    ) -> Any:
        expressions: list[str] = []
        _collect(template, expressions)
        values = evaluate_together(expressions, _variables(given, context, result, error_output))
        if values is None:
            return each_by_itself(template, given, context, result, error_output)
        return _filled(template, iter(values))

    stepfunctions._apply_jsonata_template = apply_template


def _is_expression(template: Any) -> bool:
    return isinstance(template, str) and template.startswith("{%") and template.endswith("%}")


def _collect(template: Any, expressions: list[str]) -> None:
    if _is_expression(template):
        expressions.append(template[2:-2].strip())
    elif isinstance(template, dict | list):
        for each in template.values() if isinstance(template, dict) else template:
            _collect(each, expressions)


def _filled(template: Any, values: Iterator[Any]) -> Any:
    """Put values in the places of expressions, in the order in which they were collected."""
    if _is_expression(template):
        return next(values)
    if isinstance(template, dict):
        return {name: _filled(each, values) for name, each in template.items()}
    if isinstance(template, list):
        return [_filled(each, values) for each in template]
    return template


def _assign(state: Json, given: Any, context: Any, result: Any = None, error_output: Any = None) -> None:
    """Assign variables, each from what they were before (`workflow-variables.html`, "Evaluation order")."""
    assigned = state.get("Assign")
    if context is None or not isinstance(assigned, dict):
        return
    if stepfunctions._state_query_language(state, context) == "JSONata":
        made = stepfunctions._apply_jsonata_template(assigned, given, context, result, error_output)
        context.setdefault("variables", {}).update(made)


def _edit_tasks() -> None:
    edit(
        "stepfunctions._execute_task",
        (
            """\
    if is_callback:
        ctx["Task"] = {"Token": new_uuid()}

""",
            "",
        ),
        (
            """\
        ctx["State"]["RetryCount"] = sum(retry_counts.values())
""",
            """\
        ctx["State"]["RetryCount"] = sum(retry_counts.values())
        if is_callback:
            ctx["Task"] = {"Token": new_uuid()}
""",
        ),
        (
            """\
                    resource, effective, ctx["Task"]["Token"], state_def)
""",
            """\
                    resource, effective, ctx["Task"]["Token"], _commerce_limits(state_def, raw_input, ctx))
""",
        ),
        (
            """\
            elif "TimeoutSeconds" in state_def and ":activity:" not in resource:
""",
            """\
            elif (":activity:" not in resource
                  and "TimeoutSeconds" in (limits := _commerce_limits(state_def, raw_input, ctx))):
""",
        ),
        ('state_def["TimeoutSeconds"])', 'limits["TimeoutSeconds"])'),
        ('"output": json.dumps(task_result),', '"output": _commerce_told(task_result),'),
        (
            """\
                interval = retrier.get("IntervalSeconds", 1)
                backoff = retrier.get("BackoffRate", 2.0)
                sleep_sec = interval * (backoff ** count)
                _scaled_sleep(min(sleep_sec, 60))
""",
            """\
                _scaled_sleep(_commerce_delay(retrier, count))
""",
        ),
    )
    edit(
        "stepfunctions._with_retry_and_catch",
        (
            """\
                interval = retrier.get("IntervalSeconds", 1)
                _scaled_sleep(min(interval * (retrier.get("BackoffRate", 2.0) ** count), 60))
""",
            """\
                _scaled_sleep(_commerce_delay(retrier, count))
""",
        ),
    )
    edit(
        "stepfunctions._run_map_items",
        (
            """\
    with ThreadPoolExecutor(max_workers=workers) as pool:
        futs = [
            pool.submit(contextvars.copy_context().run, run_item, i, item)
            for i, item in enumerate(items)
        ]
        futures_wait(futs)
""",
            """\
    _commerce_side_by_side(
        [_commerce_partial(run_item, i, item) for i, item in enumerate(items)], int(workers))
""",
        ),
    )
    edit(
        "stepfunctions._invoke_with_callback",
        ("    evt = threading.Event()\n", "    evt = _commerce_signal()\n"),
        (
            """\
        except _ExecutionError:
            pass
""",
            """\
        except _ExecutionError:
            _task_tokens.pop(token, None)
            raise
""",
        ),
        (
            """\
    timeout = state_def.get("TimeoutSeconds", 99999)
    if not evt.wait(timeout=timeout):
        _task_tokens.pop(token, None)
        raise _ExecutionError("States.Timeout",
                              "Task timed out waiting for callback")
""",
            """\
    _commerce_await(token, state_def)
""",
        ),
    )


def _definition(machine: Json) -> Json:
    """Give the definition that the execution runs, and hold the execution to its time limit."""
    definition: Json = marshal.loads(_parsed(_definition_text(machine)))  # noqa: S302 - written by `_parsed`
    _limit(machine, definition)
    return definition


def _definition_text(machine: Json) -> str:
    version = stepfunctions._state_machine_versions.get(_version.get() or "") or machine
    text: str = version["definition"]
    return text


def _limit(machine: Json, definition: Json) -> None:
    if machine.get("type") == "EXPRESS":
        workflows.scope().limit(workflows.EXPRESS_LIMIT_SECONDS)
    if "TimeoutSeconds" in definition:
        workflows.scope().limit(float(definition["TimeoutSeconds"]))


@lru_cache(maxsize=256)
def _parsed(definition: str) -> bytes:
    """Parse a definition once, into what gives each execution a copy of its own at a fourth of the time."""
    return marshal.dumps(json.loads(definition))


def _succeed(state: Json, given: Any, context: Json) -> Any:
    if stepfunctions._state_query_language(state, context) == "JSONata":
        return stepfunctions._apply_jsonata_output(state, given, context, default=given)
    effective = stepfunctions._apply_input_path(state, given, context)
    return stepfunctions._apply_output_path(state, effective, context)


def _limits(state: Json, given: Any, context: Json) -> Json:
    """Evaluate a task's time limits: numbers, JSONata expressions or JSONPath references."""
    limits: Json = {}
    for name in ("TimeoutSeconds", "HeartbeatSeconds"):
        if name in state:
            limits[name] = stepfunctions._jsonata_state_field(state, name, "number", given, context)
        elif f"{name}Path" in state:
            limits[name] = stepfunctions._resolve_path_or_ctx(state[f"{name}Path"], given, context)
    return limits


def _await_callback(token: str, limits: Json) -> None:
    """Wait for a token's answer; the token is closed afterwards, whatever ended the waiting."""
    info = stepfunctions._task_tokens[token]
    try:
        error = workflows.await_callback(
            info,
            float(limits.get("TimeoutSeconds", math.inf)),
            float(limits.get("HeartbeatSeconds", math.inf)),
        )
    except (Stopped, Overdue):
        stepfunctions._task_tokens.pop(token, None)
        raise
    if error:
        stepfunctions._task_tokens.pop(token, None)
        raise stepfunctions._ExecutionError(error, "")


def _invoke_within(resource: str, given: Any, seconds: float) -> Any:
    """Call a task's resource; what it answers after so many seconds is ignored."""
    too_late = stepfunctions._ExecutionError("States.Timeout", f"Task timed out after {seconds} seconds")
    started, answers = time.monotonic(), list[Callable[[], Any]]()

    def call() -> None:
        try:
            answer = stepfunctions._invoke_resource(resource, given)
            answers.append(lambda: answer)
        except Exception as error:  # noqa: BLE001 - raised again where the answer is waited for
            answers.append(partial(_raise, error))

    if resource.startswith(_NEVER_WAIT):
        call()
    else:
        thread = PooledThread(target=copy_context().run, args=(call,))
        thread.start()
        thread.join(seconds)
    if not answers or time.monotonic() - started > seconds:
        raise too_late
    return answers[0]()


def _raise(error: Exception) -> Any:
    raise error


def _state(get_state: Callable[[], Json]) -> Json:
    """Give what outlives a restart, with histories written."""
    state = get_state()
    for _scoped_name, execution in state["executions"].all_items():
        execution["events"] = list(execution["events"])
    return state


def _scaled_sleep(seconds: float) -> None:
    scaled = seconds * stepfunctions._SFN_WAIT_SCALE
    if scaled > 0:
        workflows.sleep(scaled)


def _error_matches(wanted: list[str], error: str) -> bool:
    """Say whether a retrier or catcher is for an error.

    `States.Timeout` covers a missed heartbeat, and `States.TaskFailed` everything but a timeout
    (https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html).
    """
    if "States.ALL" in wanted or error in wanted:
        return True
    if error == "States.HeartbeatTimeout":
        return "States.Timeout" in wanted
    return "States.TaskFailed" in wanted and error != "States.Timeout"


# --- Parallel ----------------------------------------------------------------------------------------------------


def _run_parallel_branches(state: Json, given: Any, execution: Json, context: Json) -> tuple[Any, str | None]:
    """Run the branches of one attempt of a Parallel state: each on its own copy of input, variables and token."""
    is_jsonata = stepfunctions._state_query_language(state, context) == "JSONata"
    if is_jsonata:
        effective = stepfunctions._apply_jsonata_arguments(state, given, context)
    else:
        effective = stepfunctions._apply_input_path(state, given, context)
        effective = stepfunctions._apply_parameters(state, effective, context)
    branches = state.get("Branches", [])
    results: list[Any] = [None] * len(branches)
    failures: list[BaseException] = []
    family = Scope(parent=workflows.scope())

    def run(index: int, branch: Json) -> None:
        workflows.current.set(family)
        own = context | {"State": dict(context["State"]), "variables": dict(context.get("variables") or {})}
        try:
            results[index] = stepfunctions._run_sub_machine(
                branch["States"], branch["StartAt"], effective, execution, own
            )
        except BaseException as error:  # noqa: BLE001 - the first failure of any branch is the state's, an end too
            failures.append(error)
            family.stop()

    _side_by_side([partial(run, index, branch) for index, branch in enumerate(branches)], len(branches))
    if failures:
        first = failures[0]
        known = isinstance(first, stepfunctions._ExecutionError | Stopped | Overdue)
        raise first if known else stepfunctions._ExecutionError("States.BranchFailed", str(first))
    if is_jsonata:
        output = stepfunctions._apply_jsonata_output(state, given, context, result=results, default=results)
        stepfunctions._apply_state_assign(state, given, context, result=results)
    else:
        result = stepfunctions._apply_result_selector(state, results)
        output = stepfunctions._apply_result_path(state, given, result)
        output = stepfunctions._apply_output_path(state, output, context)
    return output, stepfunctions._next_or_end(state)


def _side_by_side(runs: Sequence[Callable[[], None]], most: int) -> None:
    """Run branches or items, at most so many at once, each in a context of its own; one at a time in this thread."""
    left, taking = deque(runs), threading.Lock()
    ended: list[BaseException] = []

    def work() -> None:
        while True:
            with taking:
                if not left:
                    return
                run = left.popleft()
            try:
                copy_context().run(run)
            except BaseException as error:  # noqa: BLE001 - an execution that has ended, told below
                ended.append(error)

    threads = [PooledThread(target=copy_context().run, args=(work,)) for _ in range(min(most, len(runs)) - 1)]
    for thread in threads:
        thread.start()
    work()
    for thread in threads:
        thread.join()
    if ended:
        raise ended[0]


# --- Executions --------------------------------------------------------------------------------------------------


def _run_in_scopes() -> None:
    run, fail, stop = (
        stepfunctions._run_execution,
        stepfunctions._fail_execution,
        stepfunctions._stop_execution,
    )

    def run_in_scope(arn: str) -> None:
        scope = _scopes[arn] = Scope(parent=workflows.current.get())
        outer = workflows.current.set(scope)
        execution = stepfunctions._executions.get(arn)
        try:
            if execution:
                execution["events"] = History(execution["events"])
            if not execution or not _run_at_once(execution):
                run(arn)
        except Overdue:
            _end(arn, "TIMED_OUT", "ExecutionTimedOut")
        except Stopped:
            _end(arn, "ABORTED", "ExecutionAborted")
        finally:
            workflows.current.reset(outer)
            del _scopes[arn]

    def fail_running(execution: Json, error: str, cause: str) -> None:
        if execution["status"] == "RUNNING":
            fail(execution, error, cause)

    def stop_and_wake(data: Json) -> Response:
        answer: Response = stop(data)
        scope = _scopes.get(data.get("executionArn", ""))
        if scope:
            scope.stop()
        return answer

    stepfunctions._run_execution = run_in_scope
    stepfunctions._fail_execution = fail_running
    stepfunctions._stop_execution = stop_and_wake


def _run_at_once(execution: Json) -> bool:
    """Run an execution of a single Pass state from JSON text to JSON text, while other threads run.

    Such are the enrichments of pipes, of which every change of every table is one.

    Returns:
        Whether it was such an execution and has succeeded. One that fails is to run as any other, for its error.
    """
    machine = stepfunctions._state_machines.get(execution["stateMachineArn"])
    step = _only_step(_definition_text(machine)) if machine else None
    if machine is None or step is None:
        return False
    name, expression, definition = step
    _limit(machine, definition)
    entered = now_iso()
    try:
        made = evaluate_input(expression, execution["input"])
    except QueryEvaluationError:
        made = None
    if made is None:
        return False
    workflows.scope().check()
    output, left = json.dumps(json.loads(made)), now_iso()
    details = {"name": name, "input": told_again(execution["input"])}
    events: tuple[tuple[str, str, Json], ...] = (
        ("PassStateEntered", entered, {"stateEnteredEventDetails": details}),
        ("PassStateExited", left, {"stateExitedEventDetails": {"name": name, "output": output}}),
        ("ExecutionSucceeded", left, {"executionSucceededEventDetails": {"output": output}}),
    )
    for number, (kind, at, told_of) in enumerate(events, 2):
        execution["events"].append({"id": number, "type": kind, "timestamp": at} | told_of)
    execution |= {"output": output, "stopDate": left}
    execution["status"] = "SUCCEEDED"
    stepfunctions._emit_execution_status_event(execution)
    return True


@lru_cache(maxsize=256)
def _only_step(definition: str) -> tuple[str, str, Json] | None:
    """Find the one Pass state of a definition whose output is one expression of its input: name, expression, definition."""
    parsed = json.loads(definition)
    states = parsed.get("States", {})
    if len(states) != 1:
        return None
    [(name, state)] = states.items()
    output = state.get("Output")
    is_pass = state.get("Type") == "Pass" and not state.keys() - {"Type", "Comment", "Output", "End"}
    is_jsonata = parsed.get("QueryLanguage") == "JSONata" and parsed.get("StartAt") == name
    if not (is_pass and is_jsonata and isinstance(output, str)):
        return None
    if not (output.startswith("{%") and output.endswith("%}")):
        return None
    expression = output[2:-2].strip()
    limits = {key: parsed[key] for key in ("TimeoutSeconds",) if key in parsed}
    return (name, expression, limits) if reads_only_input(expression) else None


_starting = threading.RLock()


def _one_at_a_time(start: Callable[[Json], Response]) -> Callable[[Json], Response]:
    """Let no two threads start executions of one name: it looks whether there is one, then writes."""

    def start_alone(data: Json) -> Response:
        with _starting:
            return start(data)

    return start_alone


# The name of the execution that somebody in this process waits for, and where its answer goes.
_wanted: ContextVar[tuple[str, Json]] = ContextVar("execution told as data")


def _told(answer: Json) -> Response:
    """Answer StartSyncExecution; whoever waits in this process gets it as it is, unwritten and unread."""
    name, told = _wanted.get(("", {}))
    if answer["name"] == name:
        told |= answer
        return HTTPStatus.OK, {}, b""
    response: Response = json_response(answer)
    return response


def _answer_as_data() -> None:
    vars(stepfunctions)["_commerce_answered"] = _told
    edit(
        "stepfunctions._start_sync_execution",
        ("return json_response(resp)", "return _commerce_answered(resp)"),
    )


def _start_as_aws_does() -> None:
    start, start_sync = stepfunctions._start_execution, stepfunctions._start_sync_execution
    emit = stepfunctions._emit_execution_status_event

    def emit_for_standard(execution: Json) -> None:
        if not _is_express(execution["stateMachineArn"]):
            emit(execution)

    @_one_at_a_time
    def start_once(data: Json) -> Response:
        if refusal := _refused_input(data):
            return refusal
        arn = data.get("stateMachineArn", "")
        running = _running_twin(arn, data)
        if running:
            twin: Response = json_response({key: running[key] for key in ("executionArn", "startDate")})
            return twin
        context = _context_of(arn)
        # An asynchronous child outlives the execution that started it.
        context.run(workflows.current.set, None)
        answer: Response = context.run(start, data)
        return answer

    def run_sync(data: Json) -> Response:
        arn, name = data.get("stateMachineArn", ""), data.get("name") or new_uuid()
        base = stepfunctions._resolve_state_machine_arn(arn) or arn
        status, headers, body = _context_of(arn).run(
            start_sync, data | {"stateMachineArn": base, "name": name}
        )
        execution = stepfunctions._executions.get(_execution_arn(base.partition("#")[0], name))
        if execution and execution["status"] != "SUCCEEDED":
            answer = json.loads(body) if body else _wanted.get()[1]
            del answer["output"], answer["outputDetails"]
            answer |= {key: execution[key] for key in ("error", "cause") if execution.get(key)}
            body = json.dumps(answer).encode()
        return status, headers, body

    def start_express(data: Json) -> Response:
        return _refused_type(data) or _refused_input(data) or run_sync(data)

    def run_express(data: Json) -> tuple[int, Json]:
        told: Json = {}
        token = _wanted.set((data["name"], told))
        try:
            status, _headers, body = _refused_type(data) or run_sync(data)
        finally:
            _wanted.reset(token)
        return status, told or json.loads(body)

    stepfunctions._emit_execution_status_event = emit_for_standard
    stepfunctions._start_execution = start_once
    stepfunctions._start_sync_execution = start_express
    vars(stepfunctions)["_commerce_run_sync"] = run_sync
    vars(stepfunctions)["_commerce_run_express"] = run_express
    vars(stepfunctions)["_commerce_child_failure"] = lambda child: ("States.TaskFailed", json.dumps(child))
    edit(
        "stepfunctions._invoke_nested_start_execution_sync",
        ("_start_sync_execution(request)", "_commerce_run_sync(request)"),
        ("_nested_execution_failure(payload)", "_commerce_child_failure(payload)"),
    )


def _refused_type(data: Json) -> Response | None:
    base = stepfunctions._resolve_state_machine_arn(data.get("stateMachineArn", ""))
    if base and not _is_express(base):
        message = "This operation is not supported by this type of state machine"
        refusal: Response = error_response_json("StateMachineTypeNotSupported", message, 400)
        return refusal
    return None


def _refused_input(data: Json) -> Response | None:
    try:
        json.loads(data.get("input", "{}"))
    except ValueError as error:
        message = f"Invalid State Machine Execution Input: '{error}'"
        refusal: Response = error_response_json("InvalidExecutionInput", message, 400)
        return refusal
    return None


def _context_of(arn: str) -> Context:
    """Give a context in which an execution runs the version that an ARN names."""
    context = copy_context()
    context.run(_version.set, stepfunctions._execution_version_arn(arn))
    return context


def _is_express(machine: str) -> bool:
    return (stepfunctions._state_machines.get(machine) or {}).get("type") == "EXPRESS"


def _end(arn: str, status: str, event: str) -> None:
    execution = stepfunctions._executions.get(arn)
    if execution is None or execution["status"] != "RUNNING":
        return
    execution["stopDate"] = now_iso()
    execution["status"] = status
    stepfunctions._add_event(execution, event)
    stepfunctions._emit_execution_status_event(execution)


def _running_twin(arn: str, data: Json) -> Json | None:
    """Find a running Standard execution of the same name and input: starting it again is no error on AWS."""
    base = stepfunctions._resolve_state_machine_arn(arn)
    if not base or not data.get("name") or _is_express(base):
        return None
    found: Json | None = stepfunctions._executions.get(_execution_arn(base, data["name"]))
    if found and found["status"] == "RUNNING" and found["input"] == data.get("input", "{}"):
        return found
    return None


def _execution_arn(machine: str, name: str) -> str:
    return f"{machine.replace(':stateMachine:', ':execution:')}:{name}"


# --- Callbacks ---------------------------------------------------------------------------------------------------

_answering = threading.Lock()


def _answer(token: str, note: Callable[[Json], None]) -> Response:
    """Take an answer to a task token, the first one only."""
    with _answering:
        info = stepfunctions._task_tokens.get(token)
        if info and not info["event"].is_set():
            note(info)
            answer: Response = json_response({})
            return answer
    if _TOKEN.fullmatch(token or ""):
        message = "Task Timed Out: 'Provided task does not exist anymore'"
        answer = error_response_json("TaskTimedOut", message, 400)
    else:
        answer = error_response_json("InvalidToken", "Invalid Token: 'Invalid token'", 400)
    return answer


def _send_task_success(data: Json) -> Response:
    output = data.get("output", "{}")
    try:
        json.loads(output)
    except ValueError as error:
        refusal: Response = error_response_json("InvalidOutput", f"Invalid Output: '{error}'", 400)
        return refusal

    def succeed(info: Json) -> None:
        info["result"] = output
        info["event"].set()

    return _answer(data.get("taskToken", ""), succeed)


def _send_task_failure(data: Json) -> Response:
    for name, limit in (("error", MAX_ERROR), ("cause", MAX_CAUSE)):
        if len(data.get(name) or "") > limit:
            message = f"1 validation error detected: Value at '{name}' failed to satisfy constraint: Member must have length less than or equal to {limit}"
            refusal: Response = error_response_json("ValidationException", message, 400)
            return refusal

    def fail(info: Json) -> None:
        info["error"] = {"Error": data.get("error", ""), "Cause": data.get("cause", "")}
        info["event"].set()

    return _answer(data.get("taskToken", ""), fail)


def _send_task_heartbeat(data: Json) -> Response:
    def beat(info: Json) -> None:
        info["heartbeat"] = time.monotonic()

    return _answer(data.get("taskToken", ""), beat)


# --- Integrations ------------------------------------------------------------------------------------------------


def _ask_api(_resource: str, given: Json) -> Json:
    """Send a request to an API of ours (https://docs.aws.amazon.com/step-functions/latest/dg/connect-api-gateway.html)."""
    api = given["ApiEndpoint"].partition(".")[0]
    path = f"/_aws/execute-api/{api}/{given['Stage']}{given.get('Path', '/')}"
    connection = HTTPConnection("127.0.0.1", int(os.environ.get("GATEWAY_PORT", "4566")))
    with turns.waiting(), closing(connection):
        connection.request(given["Method"], path)
        response = connection.getresponse()
        text = response.read().decode()
    if response.status >= HTTPStatus.BAD_REQUEST:
        raise stepfunctions._ExecutionError(f"ApiGateway.{response.status}", text)
    try:
        body = json.loads(text)
    except ValueError:
        body = text
    return {
        "StatusCode": response.status,
        "StatusText": response.reason,
        "Headers": {name: [value] for name, value in response.getheaders()},
        "ResponseBody": body,
    }


def _put_events(_resource: str, given: Json) -> Json:
    """Publish, and fail if any entry failed (https://docs.aws.amazon.com/step-functions/latest/dg/connect-eventbridge.html)."""
    entries = [
        entry
        | ({} if isinstance(entry.get("Detail"), str) else {"Detail": json.dumps(entry.get("Detail", {}))})
        for entry in given.get("Entries", [])
    ]
    status, _headers, body = eventbridge._put_events(given | {"Entries": entries})
    answer: Json = json.loads(body)
    if status != HTTPStatus.OK:
        raise stepfunctions._ExecutionError(f"EventBridge.{answer.get('__type')}", answer.get("message", ""))
    if answer["FailedEntryCount"]:
        raise stepfunctions._ExecutionError("EventBridge.FailedEntry", json.dumps(answer))
    return answer
