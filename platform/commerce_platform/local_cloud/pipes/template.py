"""Input templates and dynamic paths of a pipe.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-input-transformation.html
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

IMPLICITLY_PARSED = frozenset({"body", "data"})
"""Top-level fields that arrive as JSON text and whose members a path reaches all the same."""

_PLACEHOLDER = re.compile(r"<(\$[^<>]*|aws\.pipes\.[a-z.-]+)>")
_STEP = re.compile(r"\.([\w-]+)|\.(\*)|\[(\d+)\]|\[(\*)\]|\['([^']*)'\]")
_MISSING = object()


class TemplateError(ValueError):
    """A template that does not give what its target needs."""


def select(path: str, event: Any) -> Any:
    """Follow a path of the subset that Pipes supports: names, indices and wildcards.

    Args:
        path: For example `$.body.items[0].sku`.
        event: The event.

    Returns:
        What it leads to, a list where it has a wildcard, or an empty string where it leads nowhere.

    Raises:
        TemplateError: The path is not of the supported subset.
    """
    found = _follow(_steps(path), event)
    return "" if found is _MISSING else found


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    position = 1
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            raise TemplateError(
                f"Path {path!r} is not one that Pipes understands at {path[position:]!r}; "
                "it understands .name, .*, [0], [*] and ['name']"
            )
        name, dot_star, index, star, quoted = match.groups()
        steps.append(
            int(index) if index else "*" if dot_star or star else name if name is not None else quoted
        )
        position = match.end()
    return steps


def _follow(steps: list[str | int], value: Any, depth: int = 0) -> Any:
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if step == "*":
        members = (
            list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
        )
        found = (_follow(rest, member, depth + 1) for member in members)
        return [member for member in found if member is not _MISSING]
    if isinstance(step, int):
        return (
            _follow(rest, value[step], depth + 1)
            if isinstance(value, list) and step < len(value)
            else _MISSING
        )
    if not isinstance(value, dict) or step not in value:
        return _MISSING
    member = value[step]
    if depth == 0 and step in IMPLICITLY_PARSED:
        member = parse_body(member)
    return _follow(rest, member, depth + 1)


def parse_body(body: Any) -> Any:
    """Parse a body that is JSON text.

    Args:
        body: Text, or anything else.

    Returns:
        The parsed value; the body itself where it is not JSON text.
    """
    if not isinstance(body, str):
        return body
    try:
        return json.loads(body)
    except ValueError:
        return body


def with_parsed_body(event: Any) -> Any:
    """Give an event as filters see it: its body parsed.

    Args:
        event: The source's record.

    Returns:
        A copy with the implicitly parsed fields parsed, or the event where it has none.
    """
    parsed = {name: parse_body(event[name]) for name in IMPLICITLY_PARSED & event.keys()}
    return event | parsed if parsed else event


def render(template: str, event: Any, reserved: dict[str, str]) -> Any:
    """Render an input template for one event.

    Args:
        template: JSON with `<$.path>` and `<aws.pipes.…>` in it, one of those alone, or free text.
        event: The event that paths lead into.
        reserved: Values of the reserved variables by name, e.g. `aws.pipes.pipe-name`.

    Returns:
        The payload: a JSON value, or text where the template is free text.

    Raises:
        TemplateError: The result is not JSON although the template is, or a whole JSON body was selected alone.
    """
    text = template.strip()
    alone = _PLACEHOLDER.fullmatch(text)
    if alone:
        value = _value_of(alone[1], event, reserved)
        if alone[1][2:] in IMPLICITLY_PARSED and isinstance(value, dict | list):
            # AWS strips the quotes of a body that is selected alone, which leaves invalid JSON.
            raise TemplateError(
                f'<{alone[1]}> alone delivers a JSON body as invalid JSON on AWS; write {{"name": <{alone[1]}>}}'
            )
        return value
    is_json = text[:1] in ("{", "[", '"')
    rendered, position = [], 0
    for match in _PLACEHOLDER.finditer(text):
        rendered.append(text[position : match.start()])
        quoted = not is_json or _inside_string("".join(rendered))
        rendered.append(_written(_value_of(match[1], event, reserved), quoted=quoted, escape=is_json))
        position = match.end()
    rendered.append(text[position:])
    result = "".join(rendered)
    if not is_json:
        return result
    try:
        return json.loads(result)
    except ValueError as error:
        raise TemplateError(f"The template renders to invalid JSON ({error}): {result}") from error


def _value_of(name: str, event: Any, reserved: dict[str, str]) -> Any:
    if name.startswith("$"):
        return select(name, event)
    if name == "aws.pipes.event.json":
        return with_parsed_body(event) if isinstance(event, dict) else event
    if name == "aws.pipes.event":
        return event
    if name == "aws.pipes.event.ingestion-time":
        return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if name not in reserved:
        raise TemplateError(f"<{name}> is not a reserved variable of Pipes; there are {sorted(reserved)}")
    return reserved[name]


def _inside_string(prefix: str) -> bool:
    return len(re.findall(r'(?<!\\)(?:\\\\)*"', prefix)) % 2 == 1


def _written(value: Any, *, quoted: bool, escape: bool) -> str:
    if not quoted:
        return json.dumps(value)
    text = value if isinstance(value, str) else json.dumps(value)
    return json.dumps(text)[1:-1] if escape else text


def resolve(parameters: Any, event: Any) -> Any:
    """Resolve the dynamic paths in a target's parameters.

    Args:
        parameters: Parameters, in which a text that begins with `$.` is a path into the event.
        event: The event.

    Returns:
        The parameters with values in place of paths.
    """
    if isinstance(parameters, dict):
        return {name: resolve(value, event) for name, value in parameters.items()}
    if isinstance(parameters, list):
        return [resolve(value, event) for value in parameters]
    if isinstance(parameters, str) and parameters.startswith("$."):
        return select(parameters, event)
    return parameters
