"""Request validators: required parameters, then the body against its model (JSON Schema draft 4)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jsonschema import Draft4Validator

from apigateway_engine import java

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

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
    errors = sorted(
        Draft4Validator(schema).iter_errors(document), key=lambda error: list(map(str, error.path))
    )
    return [_message(error) for error in errors] or None


def _message(error: ValidationError) -> str:  # noqa: PLR0911  # one case per keyword
    """The sentence that the validator of API Gateway writes, for the keywords whose sentence is known."""
    expected: Any = error.validator_value
    found: Any = error.instance
    match error.validator:
        case "required":
            absent = sorted(name for name in expected if name not in found)
            return f"object has missing required properties ({java.json_text(absent)})"
        case "additionalProperties":
            allowed = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
            extra = sorted(name for name in found if name not in allowed)
            return (
                f"object instance has properties which are not allowed by the schema: {java.json_text(extra)}"
            )
        case "type":
            allowed_types = java.json_text(sorted([expected] if isinstance(expected, str) else expected))
            return (
                f"instance type ({_type_name(found)}) does not match any allowed primitive type "
                f"(allowed: {allowed_types})"
            )
        case "pattern":
            return f'ECMA 262 regex "{expected}" does not match input string "{found}"'
        case "minLength":
            return f'string "{found}" is too short (length: {len(found)}, required minimum: {expected})'
        case "maxLength":
            return f'string "{found}" is too long (length: {len(found)}, maximum allowed: {expected})'
        case "minimum":
            return (
                f"numeric instance is lower than the required minimum (minimum: {expected}, found: {found})"
            )
        case "maximum":
            return (
                f"numeric instance is greater than the required maximum (maximum: {expected}, found: {found})"
            )
        case "enum":
            return f"instance value ({java.json_text(found)}) not found in enum (possible values: {java.json_text(expected)})"
        case _:
            return error.message


def _type_name(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    names = {
        dict: "object",
        list: "array",
        str: "string",
        int: "integer",
        float: "number",
        type(None): "null",
    }
    return names[type(value)]
