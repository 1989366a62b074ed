"""Rules of Amazon States Language that AWS enforces at deployment or run time and that cfn-lint does not know.

Everything is judged from the definition alone, so the same check serves constructs at synth, `make lint` over
synthesized templates, and tests. Definitions are JSONata throughout: a state in JSONPath is a fault here.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import jsonata

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

State = dict[str, Any]

_JSONPATH_FIELDS = frozenset(
    {
        "InputPath", "OutputPath", "ResultPath", "Parameters", "ResultSelector", "ItemsPath", "SecondsPath",
        "TimestampPath", "TimeoutSecondsPath", "HeartbeatSecondsPath", "MaxConcurrencyPath", "CausePath", "ErrorPath",
        "Result", "Variable",
    }
)  # fmt: skip
_COMMON = frozenset({"Type", "Comment", "QueryLanguage", "Next", "End", "Output", "Assign"})
_FIELDS = {
    "Pass": _COMMON,
    "Task": _COMMON | {"Resource", "Arguments", "Retry", "Catch", "TimeoutSeconds", "HeartbeatSeconds", "Credentials"},
    "Choice": (_COMMON - {"Next", "End"}) | {"Choices", "Default"},
    "Wait": _COMMON | {"Seconds", "Timestamp"},
    "Succeed": frozenset({"Type", "Comment", "QueryLanguage", "Output"}),
    "Fail": frozenset({"Type", "Comment", "QueryLanguage", "Error", "Cause"}),
    "Parallel": _COMMON | {"Branches", "Arguments", "Retry", "Catch"},
    "Map": _COMMON
    | {"Items", "ItemSelector", "ItemProcessor", "MaxConcurrency", "Retry", "Catch", "ItemReader", "ItemBatcher",
       "ResultWriter", "ToleratedFailurePercentage", "ToleratedFailureCount", "Label"},
}  # fmt: skip
_TERMINAL = frozenset({"Succeed", "Fail"})
_CATCHING = frozenset({"Task", "Parallel", "Map"})
# Step Functions developer guide, "Integrating optimized services": actions and patterns of each.
_CALLABLE = frozenset({"", ".waitForTaskToken"})
_OPTIMIZED: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "dynamodb": (frozenset({"getItem", "putItem", "updateItem", "deleteItem"}), frozenset({""})),
    "sqs": (frozenset({"sendMessage"}), _CALLABLE),
    "sns": (frozenset({"publish"}), _CALLABLE),
    "events": (frozenset({"putEvents"}), _CALLABLE),
    "lambda": (frozenset({"invoke"}), _CALLABLE),
    "states": (frozenset({"startExecution"}), _CALLABLE | {".sync", ".sync:2"}),
    "apigateway": (frozenset({"invoke"}), _CALLABLE),
    "http": (frozenset({"invoke"}), frozenset({""})),
}
_RESOURCE = re.compile(
    r"arn:[^:]+:states:::(?P<sdk>aws-sdk:)?(?P<service>[a-z0-9-]+):(?P<action>[A-Za-z]+)(?P<pattern>\..+)?"
)
_SDK_PATTERNS = {"", ".waitForTaskToken"}
# Step Functions developer guide, "Transforming data with JSONata": its own functions; $eval is not offered.
_FUNCTIONS = {*jsonata.Jsonata.static_frame.bindings, "hash", "parse", "partition", "range", "uuid"} - {
    "eval"
}
_LITERAL = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|/\*.*?\*/", re.DOTALL)
_CALLED = re.compile(r"\$([A-Za-z_]\w*)\s*\(")
_BOUND = re.compile(r"\$([A-Za-z_]\w*)\s*:=|[(,]\s*\$([A-Za-z_]\w*)\s*(?=[,)])")
# The same guide: JSONata 2.0.6, which had neither of the operators that 2.1 added (not "(?:" of a pattern).
_LATER_OPERATORS = re.compile(r"\?\?|(?<!\()\?:")
# The aws-sdk integration names DynamoDB's types as the SDK for Java does (Ss, Bool, Nul), in results at least.
_SDK_SPELLED = re.compile(r"[\"'](SS|NS|BS|BOOL|NULL)[\"']\s*:")
_MAX_STATE_NAME = 80


def check_definition(definition: Mapping[str, Any], *, workflow_type: str = "STANDARD") -> list[str]:
    """Find what AWS would refuse, or accept and then fail on.

    Args:
        definition: The state machine, substitutions filled (CDK tokens may stand for values).
        workflow_type: `STANDARD` or `EXPRESS`; Express workflows cannot wait for callbacks or jobs.

    Returns:
        One sentence per fault, each starting with the state's name; empty when the definition is sound.
    """
    faults: list[str] = []
    names: set[str] = set()
    if definition.get("QueryLanguage") != "JSONata":
        faults.append('definition: set "QueryLanguage": "JSONata" at the top; JSONPath is not used here')
    if isinstance(definition.get("TimeoutSeconds"), str):
        faults.append("definition: TimeoutSeconds of a state machine must be a number")
    _check_machine(definition, "definition", workflow_type, names, faults)
    return faults


def advise(definition: Mapping[str, Any]) -> list[str]:
    """What AWS accepts but an experienced reader would question: tasks without Retry or Catch.

    Args:
        definition: The state machine.

    Returns:
        One sentence per remark.
    """
    remarks: list[str] = []
    for name, state in (definition.get("States") or {}).items():
        if state.get("Type") == "Task" and not state.get("Retry"):
            remarks.append(
                f"{name}: no Retry; throttling and passing faults will fail it at the first attempt"
            )
        if state.get("Type") == "Task" and not state.get("Catch"):
            remarks.append(f"{name}: no Catch; its failure is the workflow's failure")
        for inner in _inner_machines(state):
            remarks += advise(inner)
    return remarks


def _check_machine(
    machine: Mapping[str, Any], where: str, workflow_type: str, names: set[str], faults: list[str]
) -> None:
    states: dict[str, State] = machine.get("States") or {}
    start = machine.get("StartAt")
    if start not in states:
        faults.append(f"{where}: StartAt names {start!r}; the states are {', '.join(states) or 'none'}")
    for name, state in states.items():
        if name in names:
            faults.append(f"{name}: state names must be unique in the whole state machine")
        if len(name) > _MAX_STATE_NAME:
            faults.append(
                f"{name}: state names have at most {_MAX_STATE_NAME} characters, this has {len(name)}"
            )
        names.add(name)
        faults += [f"{name}: {fault}" for fault in _check_state(state, states, workflow_type)]
        for inner in _inner_machines(state):
            _check_machine(inner, f"{name} (inside)", workflow_type, names, faults)
    reachable = _reachable(start, states)
    faults += [f"{name}: unreachable; no state leads to it" for name in states if name not in reachable]
    if states and reachable and not any(_ends(states[name]) for name in reachable):
        faults.append(
            f'{where}: no reachable state ends it; one needs "End": true or the type Succeed or Fail'
        )


def _check_state(state: State, siblings: Mapping[str, State], workflow_type: str) -> Iterator[str]:
    kind = state.get("Type")
    if kind not in _FIELDS:
        yield f"Type must be one of {', '.join(_FIELDS)}, got {kind!r}"
        return
    yield from _check_fields(state, kind)
    yield from _check_transitions(state, siblings)
    if kind == "Choice":
        yield from _check_choice(state)
    if kind == "Task":
        yield from _check_task(state, workflow_type)
    if kind == "Wait" and ("Seconds" in state) == ("Timestamp" in state):
        yield "needs exactly one of Seconds and Timestamp"
    if kind in _CATCHING:
        yield from _check_handlers(state)
    for expression in _expressions(
        {k: v for k, v in state.items() if k not in {"ItemProcessor", "Branches"}}
    ):
        yield from _check_expression(expression)


def _check_fields(state: State, kind: str) -> Iterator[str]:
    if state.get("QueryLanguage", "JSONata") != "JSONata":
        yield "QueryLanguage must be JSONata"
    for field in state:
        if field in _JSONPATH_FIELDS:
            yield f"{field} is a JSONPath field, which a JSONata state refuses; use Arguments, Output or Assign"
        elif field not in _FIELDS[kind]:
            yield f"{field} is not a field of a {kind} state; allowed are {', '.join(sorted(_FIELDS[kind]))}"


def _check_transitions(state: State, siblings: Mapping[str, State]) -> Iterator[str]:
    if state["Type"] not in _TERMINAL | {"Choice"} and ("Next" in state) == (state.get("End") is True):
        yield 'needs either "Next" or "End": true, and not both'
    for target in _targets(state):
        if target not in siblings:
            yield f"leads to {target!r}, which is not a state beside it; those are {', '.join(siblings)}"


def _check_choice(state: State) -> Iterator[str]:
    if not state.get("Choices"):
        yield "a Choice needs at least one entry in Choices"
    if "Default" not in state:
        yield "a Choice without Default fails with States.NoChoiceMatched when no condition holds; add one"
    for choice in state.get("Choices", ()):
        condition = choice.get("Condition")
        if not (
            condition is True
            or condition is False
            or (isinstance(condition, str) and _is_expression(condition))
        ):
            yield f"every choice needs a Condition in {{% %}}, got {condition!r}"
        if "Next" not in choice:
            yield "every choice needs Next"


def _check_task(state: State, workflow_type: str) -> Iterator[str]:
    resource = str(state.get("Resource"))
    match = _RESOURCE.fullmatch(resource)
    if match is None:
        yield f"Resource must be a service integration (arn:aws:states:::…), got {resource!r}"
        return
    service, action, pattern = match["service"], match["action"], match["pattern"] or ""
    if match["sdk"]:
        if pattern not in _SDK_PATTERNS:
            yield f"aws-sdk integrations know only the pattern .waitForTaskToken, got {pattern}"
        if service == "dynamodb" and (types := _SDK_SPELLED.findall(str(state.get("Arguments")))):
            yield (
                f"the aws-sdk integration spells the types {', '.join(sorted(set(types)))} in another way than DynamoDB;"
                " write S, N, M or L, which are the same everywhere"
            )
    else:
        yield from _check_optimized(service, action, pattern)
    if pattern and workflow_type == "EXPRESS":
        yield f"an Express workflow cannot use {pattern}: callbacks and jobs need a Standard workflow"
    if pattern == ".waitForTaskToken":
        if "TimeoutSeconds" not in state and "HeartbeatSeconds" not in state:
            yield "a wait for a callback needs TimeoutSeconds: without it a lost answer blocks for a year"
        if "$states.context.Task.Token" not in str(state.get("Arguments")):
            yield "a wait for a callback must hand out $states.context.Task.Token in its Arguments"


def _check_optimized(service: str, action: str, pattern: str) -> Iterator[str]:
    if service not in _OPTIMIZED:
        yield f"there is no optimized integration {service!r} known here; use arn:aws:states:::aws-sdk:{service}:…"
        return
    actions, patterns = _OPTIMIZED[service]
    if action not in actions:
        offered = ", ".join(sorted(actions))
        yield (
            f"the optimized {service} integration offers {offered}, not {action};"
            f" use arn:aws:states:::aws-sdk:{service}:{action}"
        )
    if pattern not in patterns:
        yield (
            f"the optimized {service} integration does not support {pattern};"
            f" use arn:aws:states:::aws-sdk:{service}:{action}{pattern}"
        )


def _check_handlers(state: State) -> Iterator[str]:
    for field in ("Retry", "Catch"):
        handlers = state.get(field, [])
        for position, handler in enumerate(handlers):
            errors = handler.get("ErrorEquals") or []
            if not errors:
                yield f"{field}: every entry needs ErrorEquals"
            if "States.ALL" in errors and (len(errors) > 1 or position < len(handlers) - 1):
                yield f"{field}: States.ALL must stand alone and last"
            if field == "Catch" and "Next" not in handler:
                yield "Catch: every entry needs Next"


@cache
def _check_expression(expression: str) -> tuple[str, ...]:
    """Once for each text: stages and services have most of them in common, and parsing was a tenth of their synthesis."""
    return tuple(_faults(expression))


def _faults(expression: str) -> Iterator[str]:
    source = expression[2:-2]
    try:
        root = jsonata.Jsonata(source).ast
    except jsonata.JException as error:
        yield f"JSONata does not parse ({error}): {source.strip()[:120]}"
        return
    first = root.steps[0] if root.type == "path" else root
    if first.type == "name" or (first.type == "variable" and first.value in {"", "$"}):
        yield f"there is no document at the top of an expression; begin with $states or a variable: {source.strip()[:120]}"
    code = _LITERAL.sub("''", source)
    if later := sorted(set(_LATER_OPERATORS.findall(code))):
        yield f"Step Functions has JSONata 2.0, without {' and '.join(later)}; write $exists(x) ? x : y"
    bound = {name for pair in _BOUND.findall(code) for name in pair if name}
    if unknown := sorted(set(_CALLED.findall(code)) - _FUNCTIONS - bound):
        hint = "; $parse reads JSON text" if "eval" in unknown else ""
        yield f"Step Functions has no function ${', $'.join(unknown)}{hint}"


def _expressions(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for value in node.values():
            yield from _expressions(value)
    elif isinstance(node, list):
        for value in node:
            yield from _expressions(value)
    elif isinstance(node, str) and _is_expression(node):
        yield node


def _is_expression(text: str) -> bool:
    return text.startswith("{%") and text.endswith("%}")


def _inner_machines(state: State) -> list[Mapping[str, Any]]:
    return [machine for machine in (state.get("ItemProcessor"), *state.get("Branches", ())) if machine]


def _targets(state: State) -> list[str]:
    handlers = [*state.get("Choices", ()), *state.get("Catch", ())]
    return [
        t
        for t in (state.get("Next"), state.get("Default"), *(h.get("Next") for h in handlers))
        if t is not None
    ]


def _ends(state: State) -> bool:
    return state.get("End") is True or state.get("Type") in _TERMINAL


def _reachable(start: Any, states: Mapping[str, State]) -> set[str]:
    found: set[str] = set()
    pending = [start] if start in states else []
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += [target for target in _targets(states[name]) if target in states]
    return found
