"""JSONata as AWS Step Functions evaluates it: the language of jsonata.org plus its own functions, minus ``$eval``."""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from jsonata import Jsonata
from jsonata.utils import Utils

if TYPE_CHECKING:
    from collections.abc import Mapping

# Step Functions developer guide, "Transforming data with JSONata": the algorithms of $hash.
_ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512"}
_DEFAULT_ALGORITHM = "SHA-256"
_MAX_RANGE = 1_000

#: What ``evaluate`` returns when an expression gives nothing at all (JSON's null is ``None``).
UNDEFINED = object()


class QueryEvaluationError(Exception):
    """An expression could not be evaluated, or gave nothing where a value is needed."""


def evaluate(expression: str, variables: Mapping[str, Any]) -> Any:
    """Evaluate one expression.

    Args:
        expression: JSONata, without ``{% %}``.
        variables: values by name, without ``$``.

    Returns:
        The result, or ``UNDEFINED``.

    Raises:
        QueryEvaluationError: it does not parse, or fails.
    """
    try:
        compiled = _compiled(expression)
        # The library takes $now and $millis from whichever expression was compiled last in this thread.
        Jsonata.CURRENT.jsonata = compiled
        found = compiled.evaluate(None, {name: _nulls_in(value) for name, value in variables.items()})
    except Exception as error:
        raise QueryEvaluationError(f"{error} in {expression.strip()}") from error
    if found is None:
        return UNDEFINED
    return _plain(found)


@lru_cache(maxsize=512)
def _compiled(expression: str) -> Jsonata:
    compiled = Jsonata(expression)
    # Undefined and null are different things in JSON: only one of them may be stored.
    compiled.set_output_convert_nulls(False)
    for name, function in _FUNCTIONS.items():
        compiled.register_lambda(name, function)
    return compiled


def _parse(text: str) -> Any:
    return _nulls_in(json.loads(text))


def _hash(text: str, algorithm: str | None = None) -> str:
    return hashlib.new(_ALGORITHMS[algorithm or _DEFAULT_ALGORITHM], text.encode()).hexdigest()


def _partition(items: list[Any], size: int) -> list[list[Any]]:
    whole = items if isinstance(items, list) else [items]
    return [list(whole[start : start + size]) for start in range(0, len(whole), size)]


def _range(start: int, end: int, step: int) -> list[int]:
    numbers = list(range(int(start), int(end) + (1 if step > 0 else -1), int(step)))
    if len(numbers) > _MAX_RANGE:
        raise ValueError(f"$range gives at most {_MAX_RANGE} numbers, asked for {len(numbers)}")
    return numbers


def _random(seed: float | None = None) -> float:
    return random.Random(seed).random()  # noqa: S311 - $random promises no secrecy


def _eval(*_: Any) -> Any:
    raise NameError("Step Functions has no $eval; $parse reads JSON text")


_FUNCTIONS: dict[str, Any] = {
    "parse": _parse,
    "hash": _hash,
    "partition": _partition,
    "range": _range,
    "random": _random,
    "uuid": lambda: str(uuid.uuid4()),
    "eval": _eval,
}


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
