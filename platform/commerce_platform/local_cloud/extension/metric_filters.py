"""Metric filters count: a line that is written to a log group becomes points of the metrics that its filters name.

Replaces, in `services/cloudwatch_logs.py`: metric filters (1811), which are kept and never asked. Lines are deferred
(`deferred_logs`) and counted when they are written: before their group is read, and before metrics are
(`services/cloudwatch.py`, 726 and 831). Patterns over JSON with `=`, `!=`, `<`, `<=`, `>`, `>=`, `&&`, `||` and brackets are
understood (https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html); another kind counts
nothing and is logged. As on AWS, a filter counts a line only if it has the value and all the dimensions that the filter names.
A point has the time of its line. What functions write themselves (EMF) is not counted.
"""

from __future__ import annotations

import json
import logging
import operator
import re
from functools import cache, wraps
from typing import TYPE_CHECKING, Any

from ministack.core.responses import request_scope
from ministack.services import cloudwatch, cloudwatch_logs

from commerce_platform.local_cloud.extension import deferred_logs
from commerce_platform.local_cloud.extension.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from commerce_platform.local_cloud.extension.deferred_logs import Group, Line

logger = logging.getLogger("local_cloud.metric_filters")

GUARDS = (
    Guard("cloudwatch_logs._put_metric_filter", "f32105a1de44"),
    Guard("cloudwatch._get_metric_statistics", "332ec61708c8"),
    Guard("cloudwatch._get_metric_data", "bf6a8e1132a2"),
    Guard("cloudwatch._metric_bucket", "be62c5f1548d"),
    Guard("cloudwatch._dims_key", "a304eb3ef986"),
)

Json = dict[str, Any]

_TOKEN = re.compile(
    r"""\s*(?:(?P<mark>&&|\|\||[()])|(?P<path>\$[\w.\-]+)|(?P<compare><=|>=|!=|=|<|>)|(?P<value>"[^"]*"|[\w.\-]+))"""
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def apply() -> None:
    """Count what is written, and have it written before metrics are read."""
    write = deferred_logs.write

    def write_and_count(group: Group, stream: str, lines: list[Line]) -> None:
        write(group, stream, lines)
        for one in _filters(group):
            _count(group, one, lines)

    deferred_logs.write = write_and_count
    for name in ("_get_metric_statistics", "_get_metric_data"):
        setattr(cloudwatch, name, _after_counting(getattr(cloudwatch, name)))


def _after_counting(read: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(read)
    def read_all(*request: Any, **options: Any) -> Any:
        for group in deferred_logs.unread():
            if any(_filters(group)):
                deferred_logs.write_out(group)
        return read(*request, **options)

    return read_all


def _filters(group: Group) -> Iterator[Json]:
    with request_scope(group.account, group.region):
        found = [
            each for each in cloudwatch_logs._metric_filters.values() if each["logGroupName"] == group.name
        ]
    return iter(found)


def _count(group: Group, one: Json, lines: Iterable[Line]) -> None:
    matches = pattern(one["filterPattern"])
    for at, message in lines:
        try:
            line = json.loads(message)
        except ValueError:
            continue
        if matches(line):
            for each in one["metricTransformations"]:
                _add_point(group, each, at, line)


def _add_point(group: Group, transformation: Json, at: int, line: Json) -> None:
    given = transformation["metricValue"]
    value = selected(line, given) if given.startswith("$") else given
    dimensions = {
        name: selected(line, path) for name, path in (transformation.get("dimensions") or {}).items()
    }
    if value is None or None in dimensions.values():
        return
    told = {name: str(each) for name, each in dimensions.items()}
    key = (transformation["metricNamespace"], transformation["metricName"], cloudwatch._dims_key(told))
    point = {
        "Timestamp": at / 1000,
        "Value": float(value),
        "Unit": transformation.get("unit", "None"),
        "Dimensions": told,
    }
    with request_scope(group.account, group.region):
        cloudwatch._metric_bucket(key).append(point)


def selected(line: Any, path: str) -> Any:
    """The value at a path such as `$.detail.data.reason`; None where there is none."""
    for name in path.split(".")[1:]:
        line = line.get(name) if isinstance(line, dict) else None
    return line


@cache
def pattern(text: str) -> Callable[[Any], bool]:
    """A filter pattern as a test of parsed lines.

    Args:
        text: `{ ($.source = "a") && ($.total > 3) }`.
    """
    try:
        return _parsed(text.strip())
    except (ValueError, IndexError) as error:
        logger.warning("A metric filter counts nothing here, %s: %s", text, error)
        return lambda _line: False


def _parsed(text: str) -> Callable[[Any], bool]:
    if not (text.startswith("{") and text.endswith("}")):
        raise ValueError("it is no pattern over JSON")
    tokens = _tokens(text[1:-1].strip())
    test = _either(tokens)
    if tokens:
        raise ValueError(f"{tokens[-1][1]!r} is unexpected")
    return test


def _tokens(text: str) -> list[tuple[str, str]]:
    """Kind and text of each token, the first one last."""
    found, position = [], 0
    while position < len(text):
        token = _TOKEN.match(text, position)
        if not token:
            raise ValueError(f"{text[position:]!r} is not understood")
        found.append((str(token.lastgroup), str(token[str(token.lastgroup)])))
        position = token.end()
    return found[::-1]


def _either(tokens: list[tuple[str, str]]) -> Callable[[Any], bool]:
    tests = [_all(tokens)]
    while tokens and tokens[-1][1] == "||":
        tokens.pop()
        tests.append(_all(tokens))
    return lambda line: any(test(line) for test in tests)


def _all(tokens: list[tuple[str, str]]) -> Callable[[Any], bool]:
    tests = [_one(tokens)]
    while tokens and tokens[-1][1] == "&&":
        tokens.pop()
        tests.append(_one(tokens))
    return lambda line: all(test(line) for test in tests)


def _one(tokens: list[tuple[str, str]]) -> Callable[[Any], bool]:
    kind, text = tokens.pop()
    if text == "(":
        test = _either(tokens)
        if tokens.pop()[1] != ")":
            raise ValueError("a bracket is not closed")
        return test
    compare, wanted = tokens.pop(), tokens.pop()
    if (kind, compare[0], wanted[0]) != ("path", "compare", "value"):
        raise ValueError(f"{text} {compare[1]} {wanted[1]} is no comparison")
    return _comparison(text, _COMPARE[compare[1]], wanted[1])


def _comparison(path: str, compare: Callable[[Any, Any], bool], wanted: str) -> Callable[[Any], bool]:
    expected: str | float = wanted[1:-1] if wanted.startswith('"') else float(wanted)

    def test(line: Any) -> bool:
        value = selected(line, path)
        if isinstance(expected, str):
            return isinstance(value, str) and compare(value, expected)
        return isinstance(value, int | float) and not isinstance(value, bool) and compare(value, expected)

    return test
