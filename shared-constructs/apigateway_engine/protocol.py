"""What AWS's front ends refuse before a service looks at a request, and emulators let through or stumble over.

A direct integration answers bad input by sending a request that the service refuses. Emulators store `{"N": "abc"}` or
fail inside on a body that is not JSON, so these checks run before them, on botocore's own model of each operation.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import botocore.session
from botocore.exceptions import UnknownServiceError
from botocore.model import OperationNotFoundError
from botocore.validate import ParamValidator

from apigateway_engine.integration import Backend, BackendResponse, IntegrationRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.model import OperationModel

_MODEL_NAMES: Final = {"states": "stepfunctions"}
_DYNAMODB_NUMBER_DIGITS: Final = 38
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html
_DYNAMODB_EXPONENT: Final = range(-130, 126)
_UNREADABLE: Final = "com.amazon.coral.service#SerializationException"
_INVALID: Final = "com.amazon.coral.validate#ValidationException"
# AWS's JSON protocols pass over members that they do not know.
_IGNORED: Final = ("unknown field", "unable to encode to json")


def checked(backend: Backend) -> Backend:
    """A back end that refuses what AWS refuses before the service itself does.

    Args:
        backend: Answers what is well-formed.
    """

    def call(request: IntegrationRequest) -> BackendResponse:
        refusal = _refusal(request)
        return backend(request) if refusal is None else refusal

    return call


def _refusal(request: IntegrationRequest) -> BackendResponse | None:
    if not any("x-amz-json" in value for value in request.headers.values()):
        return None
    try:
        parameters = json.loads(request.body)
        # Half a surrogate pair, which JSON can escape, is no text. AWS does not say what becomes of it.
        (json.dumps(parameters, ensure_ascii=False) if "\\u" in request.body else request.body).encode()
    except (ValueError, RecursionError):
        return _error(_UNREADABLE, "")
    operation = _operation(request.service, request.action)
    if operation is None:
        return _error("com.amazon.coral.service#UnknownOperationException", "")
    if not isinstance(parameters, dict):
        return _error(_UNREADABLE, "Start of structure expected")
    return _misshapen(parameters, operation) or (
        _misnumbered(parameters) if request.service == "dynamodb" else None
    )


def _misshapen(parameters: dict[str, Any], operation: OperationModel) -> BackendResponse | None:
    """Wrong JSON types, missing members, lengths and unions, as the operation's model has them."""
    if operation.input_shape is None:
        return None
    report = ParamValidator().validate(parameters, operation.input_shape)
    for reason, name, _ in report._errors:  # noqa: SLF001  # the report's text alone does not tell them apart
        if reason == "invalid type":
            return _error(_UNREADABLE, f"{name}: unexpected type")
        if reason not in _IGNORED:
            return _error(_INVALID, f"{name}: {reason}")
    return None


def _misnumbered(parameters: dict[str, Any]) -> BackendResponse | None:
    """Texts that are no DynamoDB numbers where a number is due."""
    for number in _numbers(parameters):
        if not _is_dynamodb_number(number):
            return _error(_INVALID, f"The parameter cannot be converted to a numeric value: {number}")
    return None


def _error(kind: str, message: str) -> BackendResponse:
    body = json.dumps({"__type": kind, "message": message})
    return BackendResponse(status=400, headers={"Content-Type": "application/x-amz-json-1.0"}, body=body)


@lru_cache(maxsize=128)
def _operation(service: str, action: str) -> OperationModel | None:
    try:
        model = _session().get_service_model(_MODEL_NAMES.get(service, service))
        return model.operation_model(action)
    except (UnknownServiceError, OperationNotFoundError):
        return None


@lru_cache(maxsize=1)
def _session() -> botocore.session.Session:
    return botocore.session.Session()


def _numbers(value: Any) -> Iterator[str]:
    """Every number in typed JSON, wherever attribute values occur in a request."""
    if isinstance(value, dict):
        if len(value) == 1 and isinstance(value.get("N"), str):
            yield value["N"]
        elif len(value) == 1 and isinstance(value.get("NS"), list):
            yield from value["NS"]
        else:
            for item in value.values():
                yield from _numbers(item)
    elif isinstance(value, list):
        for item in value:
            yield from _numbers(item)


def _is_dynamodb_number(text: str) -> bool:
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text, re.ASCII):
        return False
    try:
        number = Decimal(text)
    except InvalidOperation:
        return False
    significant = number.normalize()
    return not number or (
        len(significant.as_tuple().digits) <= _DYNAMODB_NUMBER_DIGITS
        and significant.adjusted() in _DYNAMODB_EXPONENT
    )
