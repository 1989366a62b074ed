"""Amazon States Language as data: load a definition, fill its named substitutions, see which integrations it uses.

Definitions are JSON or YAML files (`.asl.json`, `.asl.yaml`) in JSONata. A substitution is written `${Name}`:
alone in a string it takes the value's own type, inside a longer string or a JSONata expression its text. Longer
expressions lie in `.jsonata` files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Definition = dict[str, Any]

_HERE = Path(__file__).parent
_PLACEHOLDER = re.compile(r"\$\{([A-Za-z][A-Za-z0-9_]*)\}")
_RESOURCE = re.compile(
    r"arn:aws[a-z-]*:states:::(?P<sdk>aws-sdk:)?(?P<service>[a-z0-9-]+):(?P<action>[A-Za-z]+)"
    r"(?P<pattern>\.sync|\.sync:2|\.waitForTaskToken)?"
)


@dataclass(frozen=True, kw_only=True)
class TaskIntegration:
    """One task of a definition and the AWS call it makes.

    Attributes:
        state: Name of the Task state.
        resource: Its `Resource` as written.
        service: The service's name in the ARN (`dynamodb`, `sfn`, …).
        action: The action in camelCase (`updateItem`).
        pattern: `""`, `".sync"`, `".sync:2"` or `".waitForTaskToken"`.
        sdk: Whether it is an `aws-sdk:` integration rather than an optimized one.
        body: The whole state.
    """

    state: str
    resource: str
    service: str
    action: str
    pattern: str
    sdk: bool
    body: Definition

    @property
    def substitutions(self) -> frozenset[str]:
        """Names of the substitutions that the state uses."""
        return frozenset(_PLACEHOLDER.findall(json.dumps(self.body)))


def load(source: Path | Mapping[str, Any]) -> Definition:
    """Read a definition.

    Args:
        source: Path of a `.json`, `.yaml` or `.yml` file, or the definition itself.

    Raises:
        ValueError: The file has another suffix, cannot be parsed (says where), or does not hold an object.
    """
    if isinstance(source, Mapping):
        return json.loads(json.dumps(source))  # type: ignore[no-any-return]
    if source.suffix == ".json":
        try:
            definition = json.loads(source.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{source} is no JSON: {error}") from error
    elif source.suffix in {".yaml", ".yml"}:
        import yaml  # noqa: PLC0415 - only for those who write YAML

        try:
            # From the file, so that an error tells its name with line and column.
            with source.open(encoding="utf-8") as file:
                # libyaml's takes a tenth of the time; not every build of PyYAML has it.
                definition = yaml.load(file, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
        except yaml.YAMLError as error:
            raise ValueError(f"{source} is no YAML: {error}") from error
    else:
        raise ValueError(f"a definition is a .json, .yaml or .yml file, got {source}")
    if not isinstance(definition, dict):
        raise ValueError(f"{source} must hold an object, got {type(definition).__name__}")  # noqa: TRY004 - its content
    return definition


def expression(source: Path, **values: Any) -> str:
    """Read a JSONata file and fill its named substitutions.

    Args:
        source: Path of a `.jsonata` file.
        **values: As in `substitute`.

    Raises:
        ValueError: As in `substitute`.
    """
    text: str = substitute({"expression": source.read_text(encoding="utf-8").strip()}, values)["expression"]
    return text


def library(name: Literal["plain", "typed"]) -> str:
    """A JSONata function that definitions share, as an expression to bind: `$plain := <it>;`.

    Args:
        name: `plain` turns a map of DynamoDB's typed attributes into plain JSON; `typed` turns any JSON value into
            a typed attribute.
    """
    return expression(_HERE / f"{name}.jsonata")


def substitute(definition: Definition, values: Mapping[str, Any], *, partial: bool = False) -> Definition:
    """Fill the named substitutions of a definition.

    Args:
        definition: With `${Name}` in strings and keys.
        values: By name; strings, numbers, booleans, lists or objects. Inside a longer string only scalars fit.
        partial: Whether names without a value may stay, to be filled later.

    Raises:
        ValueError: A name without a value, a value without its name in the definition, or a list or object inside a
            longer string.
    """
    used = set(_PLACEHOLDER.findall(json.dumps(definition)))
    if not partial and (missing := sorted(used - set(values))):
        given = ", ".join(sorted(values)) or "none"
        raise ValueError(
            f"the definition uses {', '.join(missing)}, but the substitutions given are: {given}"
        )
    if unused := sorted(set(values) - used):
        raise ValueError(f"substitutions not used by the definition: {', '.join(unused)}")
    filled: Definition = _fill(definition, values)
    return filled


def states(definition: Mapping[str, Any]) -> Iterator[tuple[str, Definition]]:
    """Every state of a definition with its name, those inside Map and Parallel included."""
    for name, state in (definition.get("States") or {}).items():
        yield name, state
        for inner in (state.get("ItemProcessor") or state.get("Iterator"), *state.get("Branches", ())):
            if inner:
                yield from states(inner)


def integrations(definition: Mapping[str, Any]) -> Iterator[TaskIntegration]:
    """The AWS calls that a definition makes, one per Task state.

    Raises:
        ValueError: A Task's resource is not a service integration (`arn:aws:states:::…`).
    """
    for name, state in states(definition):
        if state.get("Type") == "Task":
            yield integration_of(name, state)


def integration_of(name: str, state: Definition) -> TaskIntegration:
    """The AWS call that a Task state makes.

    Args:
        name: The state's name.
        state: The state.

    Raises:
        ValueError: Its resource is not a service integration (`arn:aws:states:::…`).
    """
    match = _RESOURCE.fullmatch(str(state.get("Resource")))
    if match is None:
        raise ValueError(
            f"state {name!r}: Resource must be a service integration like arn:aws:states:::dynamodb:getItem or"
            f" arn:aws:states:::aws-sdk:dynamodb:query, got {state.get('Resource')!r}"
        )
    return TaskIntegration(
        state=name,
        resource=state["Resource"],
        service=match["service"],
        action=match["action"],
        pattern=match["pattern"] or "",
        sdk=bool(match["sdk"]),
        body=state,
    )


def per_record_definition(definition: Definition) -> Definition:
    """Wrap what to do with one event into what to do with a batch of SQS messages (see `per_record.asl.yaml`).

    Args:
        definition: Starts with the EventBridge event as its input; its output is ignored.
    """
    wrapper = substitute(load(_HERE / "per_record.asl.yaml"), {"FirstState": definition["StartAt"]})
    (branch,) = wrapper["States"]["Each message"]["ItemProcessor"]["States"]["Handle"]["Branches"]
    branch["States"] |= definition["States"]
    return {**definition, **wrapper}


def _fill(node: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(node, dict):
        return {_fill_text(key, values): _fill(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [_fill(item, values) for item in node]
    if isinstance(node, str):
        if alone := _PLACEHOLDER.fullmatch(node):
            return values.get(alone[1], node)
        return _fill_text(node, values)
    return node


def _fill_text(text: str, values: Mapping[str, Any]) -> str:
    def value(match: re.Match[str]) -> str:
        found = values.get(match[1], match[0])
        if isinstance(found, str):
            return found
        if isinstance(found, (bool, int, float)):
            return json.dumps(found)
        raise ValueError(
            f"{match[1]} is a {type(found).__name__}: it must stand alone in its string, got {text!r}"
        )

    return _PLACEHOLDER.sub(value, text)
