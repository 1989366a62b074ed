"""Request validators: required parameters, then the body against its model (JSON Schema draft 4)."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from jsonschema import Draft4Validator
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from apigateway_engine import java

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apigateway_engine.model import HttpRequest, Method


def missing_parameters(method: Method, request: HttpRequest) -> list[str]:
    """Required parameters that are absent or blank, by name; only presence is checked, as on AWS."""
    missing = []
    for source, required in method.request_parameters.items():
        _, _, location, name = source.split(".", 3)
        if location == "header":
            value: Any = request.headers.get(name)
        elif location == "querystring":
            value = next(iter(request.query.get(name, ())), None)
        else:
            value = request.path_parameters.get(name)
        if required and not (value and value.strip()):
            missing.append(name)
    return missing


def body_errors(method: Method, request: HttpRequest) -> list[str] | None:
    """What the model of the request's content type has against the body.

    A content type without a model, and without `$default`, is not validated at all, as on AWS.

    Returns:
        None when the body is accepted; otherwise the messages (none when the body is not JSON).
    """
    models = {key.lower(): model for key, model in method.request_models.items()}
    schema = models.get(request.media_type, models.get("$default"))
    if schema is None:
        return None
    try:
        document = json.loads(request.body)
    except (json.JSONDecodeError, RecursionError):
        return []
    errors = sorted(_Validator(schema).iter_errors(document), key=lambda error: list(map(str, error.path)))
    return [_message(error) for error in errors] or None


def _pattern(_validator: object, pattern: str, found: object, _schema: object) -> Iterator[ValidationError]:
    if isinstance(found, str) and not _ecma_262(pattern).search(found):
        yield ValidationError(f"{found!r} does not match {pattern!r}")


@lru_cache(maxsize=512)
def _ecma_262(pattern: str) -> re.Pattern[str]:
    r"""A schema's pattern, whose `$` is the very end: Python's would also match before a last line feed."""
    escapes_and_classes = r"(\\.|\[(?:\\.|[^\]\\])*\])"
    return re.compile(re.sub(rf"{escapes_and_classes}|\$", lambda found: found[1] or r"\Z", pattern))


_Validator: Final = extend(Draft4Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]  # so its stubs


# What the validator of API Gateway writes, for the keywords whose sentence is known.
_SENTENCES: Final = {
    "pattern": 'ECMA 262 regex "{expected}" does not match input string "{found}"',
    "minLength": 'string "{found}" is too short (length: {length}, required minimum: {expected})',
    "maxLength": 'string "{found}" is too long (length: {length}, maximum allowed: {expected})',
    "minimum": "numeric instance is lower than the required minimum (minimum: {expected}, found: {found})",
    "maximum": "numeric instance is greater than the required maximum (maximum: {expected}, found: {found})",
    "enum": "instance value ({found_json}) not found in enum (possible values: {expected_json})",
    "required": "object has missing required properties ({names})",
    "additionalProperties": "object instance has properties which are not allowed by the schema: {names}",
    "type": "instance type ({type}) does not match any allowed primitive type (allowed: {names})",
}
_TYPES: Final = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
}


def _message(error: ValidationError) -> str:
    keyword = str(error.validator)
    found: Any = error.instance
    expected: Any = error.validator_value
    names: Any = []
    if keyword == "required":
        names = [name for name in expected if name not in found]
    elif keyword == "additionalProperties":
        names = found.keys() - error.schema.get("properties", {}).keys()  # type: ignore[union-attr]  # not a boolean
    elif keyword == "type":
        names = [expected] if isinstance(expected, str) else expected
    return _SENTENCES.get(keyword, error.message.replace("{", "{{").replace("}", "}}")).format(
        expected=expected,
        expected_json=java.json_text(expected),
        found=found,
        found_json=java.json_text(found),
        length=len(found) if isinstance(found, str) else 0,
        names=java.json_text(sorted(names)),
        type=_TYPES.get(type(found), "null"),
    )
