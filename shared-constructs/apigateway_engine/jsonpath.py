"""JSONPath as API Gateway's `$input.json` and `$input.path` take it: names, indexes, wildcards and deep scans."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from apigateway_engine.errors import UnsupportedFeatureError
from apigateway_engine.java import MISSING, JsonList

if TYPE_CHECKING:
    from collections.abc import Iterator

_STEP: Final = re.compile(
    r"(?P<deep>\.\.)?(?:(?P<all>\.?\*|\[\s*\*\s*\])|\.?(?P<name>[^.\[\]()*?'\"]+)|\[\s*(?P<index>-?\d+)\s*\]"
    r"|\[\s*(?P<quote>['\"])(?P<quoted>(?:(?!(?P=quote))[^\\]|\\.)*)(?P=quote)\s*\])"
)
# Every member of an object or array.
_ALL: Final = object()


def find(document: Any, path: str) -> Any:
    """The value at a path.

    Args:
        document: Decoded JSON.
        path: For example `$.items[0].name`; a path without `$` is taken as relative to the root, as on AWS.

    Returns:
        The value, MISSING when a definite path leads nowhere, or the (possibly empty) list of matches of an indefinite
        path (wildcard, deep scan).

    Raises:
        UnsupportedFeatureError: Filters, functions, slices and whatever else this engine does not know.
    """
    steps = _parse(path)
    values = [document]
    for deep, selector in steps:
        candidates = [inner for value in values for inner in _descend(value)] if deep else values
        values = [found for value in candidates for found in _select(value, selector)]
    if any(deep or selector is _ALL for deep, selector in steps):
        return JsonList(values)
    return values[0] if values else MISSING


@lru_cache(maxsize=1024)
def _parse(path: str) -> tuple[tuple[bool, Any], ...]:
    rest = path.strip().removeprefix("$")
    steps: list[tuple[bool, Any]] = []
    position = 0
    while position < len(rest):
        match = _STEP.match(rest, position)
        if match is None:
            raise UnsupportedFeatureError(
                f"JSONPath {path!r}: {rest[position:]!r} is not known to this engine; it knows .name, ['name'], [0], "
                "[*], ..name"
            )
        selector: Any = match["name"]
        if match["all"]:
            selector = _ALL
        elif match["index"]:
            selector = int(match["index"])
        elif match["quote"]:
            selector = re.sub(r"\\(.)", r"\1", match["quoted"])
        steps.append((bool(match["deep"]), selector))
        position = match.end()
    return tuple(steps)


def _select(value: Any, selector: Any) -> list[Any]:
    if selector is _ALL:
        return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    if isinstance(selector, int):
        inside = isinstance(value, list) and -len(value) <= selector < len(value)
    else:
        inside = isinstance(value, dict) and selector in value
    return [value[selector]] if inside else []


def _descend(value: Any) -> Iterator[Any]:
    yield value
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        yield from _descend(child)
