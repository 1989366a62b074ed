"""Run a workflow from its definition: no server, its AWS calls on moto.

Understands what the definitions of this platform use: Task (service integrations, with callbacks), Pass, Choice, Map,
Parallel, Wait, Succeed and Fail in JSONata, with Arguments, Output, Assign, Retry and Catch. Time does not pass: waits
and the pauses between retries are recorded, not slept.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from botocore.exceptions import ClientError, ParamValidationError
from states_language.definition import TaskIntegration, integration_of
from states_language.jsonata_engine import UNDEFINED, QueryEvaluationError, evaluate

from service_testing.aws import client

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

State = dict[str, Any]

MAX_STATE_BYTES = 262_144
"""Step Functions quotas: a state's input or output has at most 256 KiB."""

MAX_ERROR = 256
MAX_CAUSE = 32_768
"""Step Functions API reference, `TaskFailedEventDetails`: characters of a failure's error and cause."""

MAX_STATES = 10_000
"""A definition that loops for ever should fail a test, not hang it."""

# Task tokens that runs in this process wait for, each with the answers it got: other runs answer them by
# `sendTaskSuccess` and `sendTaskFailure`, as one workflow answers another's wait on AWS.
_WAITING: dict[str, list[Any]] = {}

_CLIENTS = {"sfn": "stepfunctions", "states": "stepfunctions", "eventbridge": "events"}
# How errors are named: optimized integrations use the service's own spelling, SDK integrations the Java SDK's.
_OPTIMIZED_NAMES = {"dynamodb": "DynamoDB", "events": "EventBridge", "sqs": "SQS", "states": "StepFunctions"}
_SDK_NAMES = {"dynamodb": "DynamoDb", "events": "EventBridge"}


class WorkflowError(Exception):
    """A state failed.

    Attributes:
        error: The error's name (`DynamoDB.ConditionalCheckFailedException`, `States.QueryEvaluationError`, …).
        cause: Its explanation.
    """

    def __init__(self, error: str, cause: str) -> None:
        self.error = error
        self.cause = cause
        super().__init__(f"{error}: {cause}")


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One state that was entered.

    Attributes:
        state: Its name.
        input: Its input.
        output: What it gave on, None if it failed.
        error: The error's name if it failed.
        cause: Its explanation.
    """

    state: str
    input: Any
    output: Any = None
    error: str | None = None
    cause: str | None = None


@dataclass(frozen=True, kw_only=True)
class Execution:
    """What became of a run.

    Attributes:
        status: `SUCCEEDED` or `FAILED`.
        output: The output of a successful run.
        error: The error's name of a failed one.
        cause: Its explanation.
        visits: The states in the order in which they ended, retries included.
    """

    status: str
    output: Any = None
    error: str | None = None
    cause: str | None = None
    visits: list[Visit] = field(default_factory=list)

    @property
    def path(self) -> list[str]:
        """Names of the states visited."""
        return [visit.state for visit in self.visits]


@dataclass(frozen=True, kw_only=True)
class Callback:
    """A task that waits for a callback.

    Attributes:
        state: Its name.
        token: The task token it gave away.
        arguments: What it called with.
    """

    state: str
    token: str
    arguments: dict[str, Any]


def aws_call(integration: TaskIntegration, arguments: dict[str, Any]) -> Any:
    """Make the AWS call of a task on moto, as Step Functions makes it.

    Args:
        integration: Service and action.
        arguments: The evaluated Arguments; names in PascalCase, JSON where the API wants text.

    Raises:
        WorkflowError: The call failed; named as Step Functions names it.
    """
    service = _CLIENTS.get(integration.service, integration.service)
    if service == "stepfunctions" and integration.action in _ANSWERS:
        return _answer(arguments["TaskToken"], _ANSWERS[integration.action](arguments))
    api = client(service)
    operation = api.meta.service_model.operation_model(integration.action[0].upper() + integration.action[1:])
    try:
        answer = getattr(api, xform_name(operation.name))(**_parameters(operation.input_shape, arguments))
    except ParamValidationError as error:
        raise WorkflowError(
            "States.Runtime", f"the parameters could not be used to start the task: {error}"
        ) from error
    except ClientError as error:
        raise WorkflowError(_error_name(integration, error.response["Error"]["Code"]), str(error)) from error
    answer.pop("ResponseMetadata", None)
    result = json.loads(json.dumps(answer, default=_text))
    if service == "events" and not integration.sdk and result.get("FailedEntryCount"):
        raise WorkflowError("EventBridge.FailedEntry", json.dumps(result["Entries"]))
    return {name[0].upper() + name[1:]: value for name, value in result.items()}


def _answer(token: str, answer: Any) -> dict[str, Any]:
    answers = _WAITING.get(token)
    if answers is None:
        raise WorkflowError("Sfn.TaskDoesNotExistException", "no task waits for this token")
    if answers:
        raise WorkflowError("Sfn.TaskTimedOutException", "the task has been answered already")
    answers.append(answer)
    return {}


def _failure(arguments: dict[str, Any]) -> WorkflowError:
    error, cause = arguments.get("Error", ""), arguments.get("Cause", "")
    if len(error) > MAX_ERROR or len(cause) > MAX_CAUSE:
        raise WorkflowError(
            "Sfn.SfnException", f"an error or a cause is longer than {MAX_ERROR}, {MAX_CAUSE}"
        )
    return WorkflowError(error, cause)


_ANSWERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "sendTaskSuccess": lambda arguments: json.loads(arguments["Output"]),
    "sendTaskFailure": _failure,
}


def run_workflow(
    definition: Mapping[str, Any],
    workflow_input: Any,
    *,
    call: Callable[[TaskIntegration, dict[str, Any]], Any] = aws_call,
    on_callback: Callable[[Callback], Any] | None = None,
    name: str | None = None,
) -> Execution:
    """Run a workflow to its end.

    Args:
        definition: The state machine, substitutions and intrinsics resolved.
        workflow_input: Its input, any JSON.
        call: Makes a task's call; default `aws_call`.
        on_callback: What happens while a task waits for a callback; called after the task's own call. It returns the
            task's output, raises `WorkflowError`, or returns None to leave the answer to a `sendTaskSuccess` or
            `sendTaskFailure` that another run made meanwhile (a consumer fed from here); a task that got no answer times out.
        name: The execution's name; default a UUID.

    Returns:
        The execution; a failure of the workflow is a result, not an exception.
    """
    run = _Run(call, on_callback, name or str(uuid.uuid4()), workflow_input)
    try:
        output = run.machine(definition, workflow_input, {}, {})
    except WorkflowError as error:
        return Execution(status="FAILED", error=error.error, cause=error.cause, visits=run.visits)
    return Execution(status="SUCCEEDED", output=output, visits=run.visits)


class _Run:
    def __init__(
        self,
        call: Callable[[TaskIntegration, dict[str, Any]], Any],
        on_callback: Callable[[Callback], Any] | None,
        name: str,
        workflow_input: Any,
    ) -> None:
        self._call = call
        self._on_callback = on_callback
        self._execution = {
            "Id": f"arn:aws:states:eu-west-1:111111111111:execution:workflow:{name}",
            "Input": workflow_input,
            "Name": name,
            "StartTime": _now(),
            "RedriveCount": 0,
        }
        self.visits: list[Visit] = []

    def machine(
        self,
        machine: Mapping[str, Any],
        machine_input: Any,
        variables: dict[str, Any],
        context: dict[str, Any],
    ) -> Any:
        """Run the states of a machine or of a Map's or Parallel's part; variables are the part's own copy."""
        name: str | None = machine["StartAt"]
        value = machine_input
        while name is not None:
            if len(self.visits) >= MAX_STATES:
                raise WorkflowError("States.Runtime", f"more than {MAX_STATES} states were entered")
            name, value = self._state(name, machine["States"][name], value, variables, context)
        return value

    def _state(
        self, name: str, state: State, value: Any, variables: dict[str, Any], context: dict[str, Any]
    ) -> tuple[str | None, Any]:
        scope = _Scope(
            variables=variables,
            states={
                "input": value,
                "context": {
                    **context,
                    "Execution": self._execution,
                    "State": {"Name": name, "EnteredTime": _now(), "RetryCount": 0},
                },
            },
        )
        attempts: dict[int, int] = {}
        while True:
            try:
                following, output = self._attempt(name, state, scope)
            except WorkflowError as error:
                self.visits.append(Visit(state=name, input=value, error=error.error, cause=error.cause))
                if _retries(state, error, attempts):
                    scope.context["State"]["RetryCount"] += 1
                    continue
                following, output = _caught(state, error, scope)
            else:
                self.visits.append(Visit(state=name, input=value, output=output))
            # Outside of what the state catches: between states nothing does on AWS.
            _check_size(f"{name}: its output", output)
            for variable, assigned in scope.variables.items():
                _check_size(f"{name}: the variable {variable}", assigned)
            return following, output

    def _attempt(self, name: str, state: State, scope: _Scope) -> tuple[str | None, Any]:
        kind = state["Type"]
        if kind == "Choice":
            return _choose(name, state, scope)
        if kind == "Fail":
            raise WorkflowError(
                str(scope.value(state.get("Error", ""))), str(scope.value(state.get("Cause", "")))
            )
        if kind in {"Task", "Map", "Parallel"}:
            result = {"Task": self._task, "Map": self._map, "Parallel": self._parallel}[kind](
                name, state, scope
            )
            scope = scope.extended(result=result)
            default = result
        else:
            default = scope.states["input"]
        output = scope.value(state["Output"]) if "Output" in state else default
        scope.assign(state)
        return (None if kind == "Succeed" or state.get("End") else state["Next"]), output

    def _task(self, name: str, state: State, scope: _Scope) -> Any:
        integration = integration_of(name, state)
        token = str(uuid.uuid4())
        waits = integration.pattern == ".waitForTaskToken"
        if waits:
            scope.context["Task"] = {"Token": token}
        arguments = scope.value(state.get("Arguments", {}))
        _check_size(f"{name}: its arguments", arguments)
        result = self._call(integration, arguments)
        _check_size(f"{name}: its result", result)
        if not waits:
            return result
        if self._on_callback is None:
            raise WorkflowError("States.Timeout", f"{name} waits for a callback and nobody answers it")
        answers = _WAITING[token] = []
        try:
            returned = self._on_callback(Callback(state=name, token=token, arguments=arguments))
        finally:
            del _WAITING[token]
        if returned is not None:
            return returned
        if not answers:
            raise WorkflowError("States.Timeout", f"{name} waits for a callback and nobody answers it")
        if isinstance(answers[0], WorkflowError):
            raise answers[0]
        return answers[0]

    def _map(self, name: str, state: State, scope: _Scope) -> list[Any]:
        items = scope.value(state["Items"]) if "Items" in state else scope.states["input"]
        if not isinstance(items, list):
            raise WorkflowError(
                "States.QueryEvaluationError", f"{name}: Items must be an array, got {items!r}"
            )
        results = []
        for index, item in enumerate(items):
            context = {**scope.context, "Map": {"Item": {"Index": index, "Value": item}}}
            part = _Scope(variables=scope.variables, states={**scope.states, "context": context})
            part_input = part.value(state["ItemSelector"]) if "ItemSelector" in state else item
            results.append(self.machine(state["ItemProcessor"], part_input, dict(scope.variables), context))
        return results

    def _parallel(self, _: str, state: State, scope: _Scope) -> list[Any]:
        branch_input = scope.value(state["Arguments"]) if "Arguments" in state else scope.states["input"]
        return [
            self.machine(branch, branch_input, dict(scope.variables), scope.context)
            for branch in state["Branches"]
        ]


@dataclass(kw_only=True)
class _Scope:
    """What an expression sees: the machine's variables and `$states`."""

    variables: dict[str, Any]
    states: dict[str, Any]

    @property
    def context(self) -> dict[str, Any]:
        context: dict[str, Any] = self.states["context"]
        return context

    def extended(self, **more: Any) -> _Scope:
        return _Scope(variables=self.variables, states={**self.states, **more})

    def value(self, template: Any) -> Any:
        if isinstance(template, dict):
            return {name: self.value(item) for name, item in template.items()}
        if isinstance(template, list):
            return [self.value(item) for item in template]
        if isinstance(template, str) and template.startswith("{%") and template.endswith("%}"):
            try:
                found = evaluate(template[2:-2], {**self.variables, "states": self.states})
            except QueryEvaluationError as error:
                raise WorkflowError("States.QueryEvaluationError", str(error)) from error
            if found is UNDEFINED:
                raise WorkflowError("States.QueryEvaluationError", f"undefined: {template}")
            return found
        return template

    def assign(self, state: State) -> None:
        # All expressions of one Assign see the variables as they were before.
        self.variables.update(
            {name: self.value(template) for name, template in state.get("Assign", {}).items()}
        )


def _choose(name: str, state: State, scope: _Scope) -> tuple[str, Any]:
    for choice in state["Choices"]:
        held = scope.value(choice["Condition"])
        if not isinstance(held, bool):
            raise WorkflowError(
                "States.QueryEvaluationError", f"{name}: a Condition must give true or false, got {held!r}"
            )
        if held:
            output = scope.value(choice["Output"]) if "Output" in choice else scope.states["input"]
            scope.assign(choice)
            return choice["Next"], output
    if "Default" not in state:
        raise WorkflowError("States.NoChoiceMatched", f"{name}: no condition held")
    output = scope.value(state["Output"]) if "Output" in state else scope.states["input"]
    scope.assign(state)
    return state["Default"], output


def _matches(errors: list[str], error: str) -> bool:
    # States.Runtime and States.DataLimitExceeded end an execution whatever is caught, except by their own name.
    if error in errors:
        return True
    if error in {"States.Runtime", "States.DataLimitExceeded"}:
        return False
    return "States.ALL" in errors or ("States.TaskFailed" in errors and not error.startswith("States."))


def _check_size(what: str, value: Any) -> None:
    if len(json.dumps(value, ensure_ascii=False).encode()) > MAX_STATE_BYTES:
        raise WorkflowError("States.DataLimitExceeded", f"{what} exceeds {MAX_STATE_BYTES} bytes")


def _retries(state: State, error: WorkflowError, attempts: dict[int, int]) -> bool:
    for position, retrier in enumerate(state.get("Retry", ())):
        if _matches(retrier["ErrorEquals"], error.error):
            attempts[position] = attempts.get(position, 0) + 1
            return bool(attempts[position] <= retrier.get("MaxAttempts", 3))
    return False


def _caught(state: State, error: WorkflowError, scope: _Scope) -> tuple[str, Any]:
    for catcher in state.get("Catch", ()):
        if _matches(catcher["ErrorEquals"], error.error):
            error_output = {"Error": error.error, "Cause": error.cause}
            failed = scope.extended(errorOutput=error_output)
            output = failed.value(catcher["Output"]) if "Output" in catcher else error_output
            failed.assign(catcher)
            return catcher["Next"], output
    raise error


def _parameters(shape: Any, value: Any) -> Any:
    """Arguments as boto3 wants them: member names in the API's own case, JSON as text where a member is text."""
    if shape is None:
        return value
    if shape.type_name == "structure" and isinstance(value, dict):
        members = {name.lower(): name for name in shape.members}
        named = {members.get(name.lower(), name): item for name, item in value.items()}
        return {name: _parameters(shape.members.get(name), item) for name, item in named.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [_parameters(shape.member, item) for item in value]
    if shape.type_name == "map" and isinstance(value, dict):
        return {name: _parameters(shape.value, item) for name, item in value.items()}
    if shape.type_name == "string" and isinstance(value, (dict, list)):
        return json.dumps(value)
    return value


def _error_name(integration: TaskIntegration, code: str) -> str:
    names = _SDK_NAMES if integration.sdk else _OPTIMIZED_NAMES
    service = names.get(integration.service, integration.service.capitalize())
    return f"{service}.{code}" if code.endswith("Exception") else f"{service}.{code}Exception"


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
