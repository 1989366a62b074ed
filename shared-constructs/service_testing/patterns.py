"""EventBridge event patterns: which events a rule, a pipe's filter or an event source mapping lets through."""

from __future__ import annotations

import ipaddress
import json
import operator
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_NUMERIC: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_MISSING = object()
# Fields that pipes and event source mappings read as JSON when the pattern looks inside them.
_PARSED_FIELDS = frozenset({"body", "data"})


def matches(pattern: Mapping[str, Any], event: Any) -> bool:
    """Whether an event matches a pattern.

    Args:
        pattern: The pattern, as EventBridge takes it.
        event: The event, parsed.

    Raises:
        ValueError: The pattern uses an operator that EventBridge does not know.
    """
    return all(_field(name, condition, event) for name, condition in pattern.items())


def mismatch(pattern: Mapping[str, Any], event: Any, where: str = "") -> str:
    """Why an event does not match a pattern: the first field that is to blame, what it is and what is wanted.

    Args:
        pattern: See `matches`.
        event: One that does not match.
        where: The path of the event's part that this pattern is of.
    """
    for name, condition in pattern.items():
        if not _field(name, condition, event):
            path = f"{where}.{name}".removeprefix(".")
            value = event.get(name) if isinstance(event, dict) else None
            if isinstance(condition, dict) and name != "$or":
                return mismatch(condition, value if isinstance(value, dict) else {}, path)
            found = json.dumps(value) if value is not None else "absent"
            return f"{path} is {found}, wanted is {json.dumps(condition)}"
    raise ValueError("the event matches")


def _field(name: str, condition: Any, event: Any) -> bool:
    if name == "$or":
        return any(matches(alternative, event) for alternative in condition)
    value = event.get(name, _MISSING) if isinstance(event, dict) else _MISSING
    if isinstance(condition, dict):
        if name in _PARSED_FIELDS and isinstance(value, str):
            try:
                value = json.loads(value)
            except json.JSONDecodeError:
                return False
        return matches(condition, value if isinstance(value, dict) else {})
    # An array in the event matches when one of its elements does.
    values = value if isinstance(value, list) and value else [value]
    return any(_leaf(alternative, each) for alternative in condition for each in values)


def _leaf(condition: Any, value: Any) -> bool:
    if not isinstance(condition, dict):
        return value is not _MISSING and type(value) is type(condition) and bool(value == condition)
    ((name, argument),) = condition.items()
    if name == "exists":
        return (value is not _MISSING) is bool(argument)
    if name not in _OPERATORS:
        raise ValueError(
            f"unknown operator {name!r} in a pattern; EventBridge knows exists, {', '.join(_OPERATORS)}"
        )
    return value is not _MISSING and _OPERATORS[name](argument, value)


def _text(argument: Any, value: Any, test: Callable[[str, str], bool]) -> bool:
    if isinstance(argument, dict):
        return isinstance(value, str) and test(value.lower(), argument["equals-ignore-case"].lower())
    return isinstance(value, str) and test(value, argument)


def _anything_but(argument: Any, value: Any) -> bool:
    alternatives = argument if isinstance(argument, list) else [argument]
    for alternative in alternatives:
        if isinstance(alternative, dict):
            ((name, inner),) = alternative.items()
            if any(_leaf({name: each}, value) for each in (inner if isinstance(inner, list) else [inner])):
                return False
        elif _leaf(alternative, value):
            return False
    return True


def _numeric(argument: list[Any], value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return all(
        _NUMERIC[sign](value, limit) for sign, limit in zip(argument[::2], argument[1::2], strict=True)
    )


def _wildcard(argument: str, value: Any) -> bool:
    return (
        isinstance(value, str)
        and re.fullmatch(".*".join(map(re.escape, argument.split("*"))), value) is not None
    )


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "prefix": lambda argument, value: _text(argument, value, str.startswith),
    "suffix": lambda argument, value: _text(argument, value, str.endswith),
    "equals-ignore-case": lambda argument, value: (
        isinstance(value, str) and value.lower() == argument.lower()
    ),
    "anything-but": _anything_but,
    "numeric": _numeric,
    "wildcard": _wildcard,
    "cidr": lambda argument, value: ipaddress.ip_address(value) in ipaddress.ip_network(argument),
}
