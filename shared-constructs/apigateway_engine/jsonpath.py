"""JSONPath as API Gateway's `$input.json` and `$input.path` take it (Jayway's dialect, without filters)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from apigateway_engine.errors import TemplateExecutionError, UnsupportedFeatureError
from apigateway_engine.java import MISSING, JsonList

if TYPE_CHECKING:
    from collections.abc import Iterator

_STEP = re.compile(
    r"(?P<deep>\.\.)(?:(?P<deep_name>[\w-]+)|(?P<deep_all>\*)|(?=\[))"
    r"|\.(?P<all>\*)|\.(?P<name>[^.\[\]()]+)"
    r"|\[\s*(?:(?P<any>\*)|(?P<filter>\?.*?)|(?P<slice>-?\d*:-?\d*)|(?P<indexes>-?\d+(?:\s*,\s*-?\d+)*)"
    r"|(?P<names>(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")(?:\s*,\s*(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"))*))\s*\]"
)
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")


def find(document: Any, path: str) -> Any:
    """The value at a path.

    Args:
        document: decoded JSON.
        path: for example `$.items[0].name`; a path without `$` is taken as relative to the root, as on AWS.

    Returns:
        The value, MISSING when a definite path leads nowhere, or the (possibly empty) list of matches of an indefinite
        path (wildcard, slice, deep scan, several names or indexes).
    """
    definite, steps = _parse(path)
    values = [document]
    for deep, selectors in steps:
        candidates = [inner for value in values for inner in _descend(value)] if deep else values
        values = [
            found for value in candidates for selector in selectors for found in _select(value, selector)
        ]
    if definite:
        return values[0] if values else MISSING
    return JsonList(values)


@lru_cache(maxsize=1024)
def _parse(path: str) -> tuple[bool, tuple[tuple[bool, tuple[Any, ...]], ...]]:
    text = path.strip()
    rest = text[1:] if text.startswith("$") else f".{text}" if text and not text.startswith("[") else text
    steps: list[tuple[bool, tuple[Any, ...]]] = []
    definite, position, pending_deep = True, 0, False
    while position < len(rest):
        match = _STEP.match(rest, position)
        if match is None:
            if "?" in rest[position:] or "(" in rest[position:]:
                raise UnsupportedFeatureError(
                    f"JSONPath filters and functions are not known to this engine: {path!r}"
                )
            raise TemplateExecutionError(f"InvalidPathException: {path!r} at {rest[position:]!r}")
        if match["filter"]:
            raise UnsupportedFeatureError(
                f"JSONPath filters and functions are not known to this engine: {path!r}"
            )
        position = match.end()
        deep = pending_deep or bool(match["deep"])
        selectors = _selectors(match)
        pending_deep = deep and not selectors
        definite = (
            definite and not deep and len(selectors) == 1 and not isinstance(selectors[0], slice | _All)
        )
        if selectors:
            steps.append((deep, selectors))
    return definite, tuple(steps)


class _All:
    """Every member of an object or array."""


def _selectors(match: re.Match[str]) -> tuple[Any, ...]:
    if match["all"] or match["any"] or match["deep_all"]:
        return (_All(),)
    if match["name"] or match["deep_name"]:
        return (match["name"] or match["deep_name"],)
    if match["names"]:
        return tuple(re.sub(r"\\(.)", r"\1", one or other) for one, other in _QUOTED.findall(match["names"]))
    if match["indexes"]:
        return tuple(int(index) for index in match["indexes"].split(","))
    if match["slice"]:
        start, _, stop = match["slice"].partition(":")
        return (slice(int(start) if start else None, int(stop) if stop else None),)
    return ()


def _select(value: Any, selector: Any) -> list[Any]:
    if isinstance(selector, _All):
        return (
            list(value.values())
            if isinstance(value, dict)
            else list(value)
            if isinstance(value, list)
            else []
        )
    if isinstance(selector, slice):
        return value[selector] if isinstance(value, list) else []
    if isinstance(selector, int):
        inside = isinstance(value, list) and -len(value) <= selector < len(value)
        return [value[selector]] if inside else []
    return [value[selector]] if isinstance(value, dict) and selector in value else []


def _descend(value: Any) -> Iterator[Any]:
    yield value
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        yield from _descend(child)
