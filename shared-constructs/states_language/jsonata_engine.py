"""JSONata as AWS Step Functions evaluates it: the language of jsonata.org plus its own functions, minus `$eval`.

Two engines stand behind `evaluate`: `jlens`, written in Rust, where it has a wheel, and `jsonata-python`
elsewhere. Both are held to the reference implementation over every expression of the platform's templates
(`tests/contracts/test_jsonata_engines.py`).
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
import uuid
from copy import copy
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jsonata import Jsonata
from jsonata.functions import Functions
from jsonata.utils import Utils

try:
    import jlens
except ImportError:  # a platform without a wheel
    jlens = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# Step Functions developer guide, "Transforming data with JSONata": the algorithms of $hash.
_ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
_MAX_RANGE = 1_000
_VARIABLE = re.compile(r"\$(\w+)")

UNDEFINED = object()
"""What `evaluate` returns when an expression gives nothing at all (JSON's null is `None`)."""

TIME_LIMIT_SECONDS = 30.0
"""How long an expression may take. The service gives it a second of its own hardware; two hundred may share two cores here."""


class QueryEvaluationError(Exception):
    """An expression could not be evaluated, or gave nothing where a value is needed."""


def evaluate(expression: str, variables: Mapping[str, Any]) -> Any:
    """Evaluate one expression; any number of threads may do so at once.

    Args:
        expression: JSONata, without `{% %}`.
        variables: JSON values by name, without `$`.

    Returns:
        The result, or `UNDEFINED`.

    Raises:
        QueryEvaluationError: It does not parse, fails, or takes longer than `TIME_LIMIT_SECONDS`; begins with
            JSONata's error code where there is one.
    """
    try:
        return ENGINE(expression, variables)
    except Exception as error:
        raise _failure(expression, error) from error


def evaluate_together(expressions: Sequence[str], variables: Mapping[str, Any]) -> list[Any] | None:
    """Evaluate the expressions of one template at once, in half the time that they take one after the other.

    Args:
        expressions: JSONata, each without `{% %}`.
        variables: As `evaluate` takes them, the same for all.

    Returns:
        The results in order. None if one fails or gives nothing (evaluated each by itself they tell which and why), and
        where there is nothing to be gained.
    """
    if not jlens or len(expressions) < 2:  # noqa: PLR2004 - one alone
        return None
    try:
        found = with_jlens(_joined(tuple(expressions)), variables)
    except Exception:  # noqa: BLE001 - told by whoever evaluates each by itself
        return None
    return [found[str(place)] for place in range(len(found))] if len(found) == len(expressions) else None


def _failure(expression: str, error: Exception) -> QueryEvaluationError:
    code = getattr(error, "code", None) or getattr(error, "error", None)
    return QueryEvaluationError(f"{f'{code}: ' if code else ''}{error} in {expression.strip()}")


def evaluate_input(expression: str, given: str) -> str | None:
    """Evaluate an expression that `reads_only_input`, from JSON text to JSON text, while other threads run.

    Args:
        expression: JSONata, without `{% %}`.
        given: `$states.input` as JSON.

    Returns:
        The result as JSON, or nothing.

    Raises:
        QueryEvaluationError: As `evaluate`.
    """
    try:
        found: str | None = _of_input(expression).evaluate_json(given, timeout=TIME_LIMIT_SECONDS)
    except Exception as error:
        raise _failure(expression, error) from error
    return found


@lru_cache(maxsize=4096)
def reads_only_input(expression: str) -> bool:
    """Say whether `evaluate_input` can evaluate an expression: with `jlens`, and what needs nothing but `$states.input`."""
    if not jlens:
        return False
    try:
        reads: dict[str, Any] = dict(_compiled_by_jlens(expression).reads())
    except jlens.JlensError:
        return False
    states = reads["bindings"].pop("states", None)
    alone = (
        isinstance(states, dict) and states.keys() == {"input"} and not reads["bindings"].keys() - FUNCTIONS
    )
    return alone and not reads.get("input")


def with_jlens(expression: str, variables: Mapping[str, Any]) -> Any:
    """Evaluate with `jlens`; see `evaluate`."""
    compiled = _compiled_by_jlens(expression)
    # The whole of `$states` takes a hundred times longer to hand over than what one expression reads of it.
    bindings = {name: _cut(variables[name], tree) for name, tree in _read_by(expression) if name in variables}
    found = compiled.evaluate(None, bindings, timeout=TIME_LIMIT_SECONDS)
    # As text the two can be told apart: null is "null", nothing is None.
    if found is None and compiled.evaluate_json(None, bindings, timeout=TIME_LIMIT_SECONDS) is None:
        return UNDEFINED
    return found


def with_jsonata_python(expression: str, variables: Mapping[str, Any]) -> Any:
    """Evaluate with `jsonata-python`; see `evaluate`."""
    # Parsed once; with an environment of its own for each evaluation, since threads share it.
    compiled = copy(_compiled_by_jsonata_python(expression))
    compiled.environment = compiled.create_frame(Jsonata.static_frame)
    compiled.environment.set_runtime_bounds(TIME_LIMIT_SECONDS * 1000, None)
    # Undefined and null are different things in JSON: only one of them may be stored.
    compiled.set_output_convert_nulls(False)
    for name, function in {**FUNCTIONS, **_CORRECTED}.items():
        compiled.register_lambda(name, function)
    # The library takes $now and $millis from whichever expression was compiled last in this thread.
    Jsonata.CURRENT.jsonata = compiled
    found = compiled.evaluate(None, {name: _nulls_in(value) for name, value in variables.items()})
    return UNDEFINED if found is None else _plain(found)


@lru_cache(maxsize=4096)
def _compiled_by_jlens(expression: str) -> jlens.Expression:
    compiled = jlens.Expression(expression)
    for name, function in FUNCTIONS.items():
        compiled.register_function(name, function)
    return compiled


@lru_cache(maxsize=4096)
def _joined(expressions: tuple[str, ...]) -> str:
    """One expression for several: members of an object, since an array's constructor would flatten what they give."""
    for expression in expressions:
        # What is no expression alone must not become one between the parentheses.
        _compiled_by_jlens(expression)
    return "{" + ",".join(f'"{place}":({each}\n)' for place, each in enumerate(expressions)) + "}"


@lru_cache(maxsize=4096)
def _of_input(expression: str) -> jlens.Expression:
    """An expression whose `$states.input` is its whole input document."""
    return _compiled_by_jlens(f"($states := {{'input': $$}}; ({expression}\n))")


@lru_cache(maxsize=4096)
def _read_by(expression: str) -> tuple[tuple[str, Any], ...]:
    """Name the variables that an expression reads, each with the tree of its members, or True for all of it."""
    reads: dict[str, Any] = dict(_compiled_by_jlens(expression).reads()["bindings"])
    # A variable with a function's name is no variable to the analysis.
    for name in _VARIABLE.findall(expression):
        reads.setdefault(name, True)
    return tuple(reads.items())


def _cut(value: Any, tree: Any) -> Any:
    """Leave out members that are not read; a list is taken as it is."""
    if tree is True or not isinstance(value, dict):
        return value
    return {name: _cut(value[name], inner) for name, inner in tree.items() if name in value}


@lru_cache(maxsize=4096)
def _compiled_by_jsonata_python(expression: str) -> Jsonata:
    return Jsonata(expression)


def _parse(text: str) -> Any:
    # Of text that is `null` and nothing else jlens makes nothing: it takes `None` from a function for that.
    return json.loads(text)


def _hash(text: str, algorithm: str) -> str:
    return hashlib.new(_ALGORITHMS[algorithm], text.encode()).hexdigest()


def _partition(items: list[Any], size: float) -> list[list[Any]]:
    whole = items if isinstance(items, list) else [items]
    step = math.floor(size)
    return [list(whole[start : start + step]) for start in range(0, len(whole), step)]


def _range(start: float, end: float, step: float) -> list[int]:
    by = math.floor(step)
    numbers = list(range(math.floor(start), math.floor(end) + (1 if by > 0 else -1), by))
    if len(numbers) > _MAX_RANGE:
        raise ValueError(f"$range gives at most {_MAX_RANGE} numbers, asked for {len(numbers)}")
    return numbers


def _random(seed: float | None = None) -> float:
    return random.Random(seed).random()  # noqa: S311 - $random promises no secrecy


def _eval(*_: Any) -> Any:
    raise NameError("Step Functions has no $eval; $parse reads JSON text")


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "parse": _parse,
    "hash": _hash,
    "partition": _partition,
    "range": _range,
    "random": _random,
    "uuid": lambda: str(uuid.uuid4()),
    "eval": _eval,
}
"""What Step Functions adds to JSONata, and `$eval`, which it refuses."""


def _to_millis(timestamp: str | None = None, picture: str | None = None) -> Any:
    if picture is None and timestamp is not None and "T" not in timestamp:
        raise ValueError(f"D3110: $toMillis takes an ISO 8601 timestamp, got {timestamp!r}")
    return Functions.datetime_to_millis(timestamp, picture)


def _replace(text: str | None = None, pattern: Any = None, replacement: Any = None, limit: Any = None) -> Any:
    if hasattr(pattern, "search") and (found := pattern.search("")) and not found.group():
        raise ValueError("D1004: the pattern of $replace matches an empty string")
    return Functions.replace(text, pattern, replacement, limit)


# Where jsonata-python gives a value and the reference fails, and its own null.
_CORRECTED: dict[str, Callable[..., Any]] = {
    "parse": lambda text: _nulls_in(_parse(text)),
    "toMillis": _to_millis,
    "replace": _replace,
}

ENGINE = with_jlens if jlens else with_jsonata_python
"""The engine in use."""


def _nulls_in(value: Any) -> Any:
    if value is None:
        return Utils.NULL_VALUE
    if isinstance(value, dict):
        return {name: _nulls_in(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_nulls_in(item) for item in value]
    return value


def _plain(value: Any) -> Any:
    if value is Utils.NULL_VALUE:
        return None
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    raise QueryEvaluationError(f"a result must be JSON, got a {type(value).__name__}")
