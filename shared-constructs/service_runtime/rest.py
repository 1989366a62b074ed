"""REST handlers: the Powertools resolver, with every error a problem document and every line correlated."""

from __future__ import annotations

import base64
import json
import os
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NoReturn

from aws_lambda_powertools.event_handler import APIGatewayRestResolver
from aws_lambda_powertools.event_handler.exceptions import ServiceError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from service_runtime.envelope import correlation_id_or_new
from service_runtime.observability import business_context, logger
from service_runtime.problems import CONTENT_TYPE, Problem, ProblemDocument
from service_runtime.retries import THROTTLED, error_codes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_lambda_powertools.event_handler.openapi.types import OpenAPIResponse
    from pydantic import BaseModel

_JSON = "application/json"
CORRELATION_HEADER = "X-Correlation-Id"
ORIGINS_VARIABLE = "CORS_ORIGINS"
# What a validation error's location begins with when it is not in the body.
_PARAMETERS = frozenset({("query",), ("path",), ("header",)})
EVERY_ROUTES_PROBLEMS: Final[dict[int, str]] = {
    HTTPStatus.BAD_REQUEST: "The request is not valid.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: f"The body must be {_JSON}.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The request could not be processed.",
    HTTPStatus.SERVICE_UNAVAILABLE: "The service is busy; try again.",
}
# Behind a custom domain, a proxy event's path begins with the base path that holds the API's major version.
_BASE_PATH = re.compile(r"^/v[1-9][0-9]*(?=/)")


def request_correlation_id(event: Mapping[str, Any]) -> str:
    """Correlation id of an API Gateway request: the caller's if acceptable, else the request's own id.

    Args:
        event: The proxy event.
    """
    given = _header(event, CORRELATION_HEADER)
    if given and correlation_id_or_new(given) == given:
        return given
    return correlation_id_or_new((event.get("requestContext") or {}).get("requestId"))


class RestResolver(APIGatewayRestResolver):
    """A Powertools resolver that takes JSON only and whose log lines and answers carry the correlation id.

    Every error is a problem document (RFC 9457), of one shape with those of API Gateway's direct routes: a `Problem`
    answers as it says, also from an exception handler of the service's own; a failed request validation is 400 with
    one entry per fault of the body; a path with a control character is 400; Powertools' own errors (404 of an unknown route, …) keep their status; a throttled
    AWS call is 503; anything else is logged with its cause and answered 500 without it.

    Args:
        origins: Browser origins that may read the answers, `*` for any.
    """

    def __init__(self, *, origins: Sequence[str]) -> None:
        super().__init__(enable_validation=True, strip_prefixes=[_BASE_PATH])
        self._origins = origins
        self.exception_handler(RequestValidationError)(_invalid)
        self.exception_handler(ServiceError)(_refused)

    def resolve(self, event: Any, context: Any) -> dict[str, Any]:
        """Serve one API Gateway proxy event."""
        raw = event if isinstance(event, dict) else event.raw_event
        correlation_id = request_correlation_id(raw)
        with business_context(correlation_id=correlation_id):
            try:
                _check_path(raw)
                answer = super().resolve(_with_json_body(raw), context)
            except Exception as error:  # noqa: BLE001 - every error has an answer
                problem = error if isinstance(error, Problem) else _unexpected(error)
                request_id = (raw.get("requestContext") or {}).get("requestId")
                answer = {
                    "statusCode": problem.status.value,
                    "body": json.dumps(problem.document(instance=request_id or correlation_id)),
                    "isBase64Encoded": False,
                    "multiValueHeaders": {"Content-Type": [CONTENT_TYPE], **_lists(problem.headers)},
                }
        headers = answer.setdefault("multiValueHeaders", {})
        headers.update(_lists({CORRELATION_HEADER: correlation_id, **self._cors_headers(raw)}))
        return answer

    def _cors_headers(self, event: Mapping[str, Any]) -> dict[str, str]:
        """On every answer, problems included; the preflight is the gateway's."""
        exposed = {"Access-Control-Expose-Headers": f"{CORRELATION_HEADER},Retry-After"}
        if "*" in self._origins:
            return {"Access-Control-Allow-Origin": "*", **exposed}
        caller = _header(event, "Origin")
        if caller and caller in self._origins:
            return {"Access-Control-Allow-Origin": caller, **exposed, "Vary": "Origin"}
        return {"Vary": "Origin"} if self._origins else {}


def rest_resolver(*, origins: Sequence[str] | None = None) -> RestResolver:
    """A resolver with request validation, problem documents, CORS and the correlation id in logs and answers.

    Args:
        origins: Browser origins that may read the answers; default those of the variable `CORS_ORIGINS`, separated
            by commas, none without it.
    """
    if origins is None:
        origins = tuple(filter(None, os.environ.get(ORIGINS_VARIABLE, "").split(",")))
    return RestResolver(origins=origins)


def answers(
    status: HTTPStatus, model: type[BaseModel] | None = None, *, problems: Mapping[int, str] | None = None
) -> dict[int, OpenAPIResponse]:
    """What a route answers, for its `responses`: published, and nothing at run time.

    Args:
        status: Of success.
        model: Of its body; none by default.
        problems: Status and detail of each problem of the route's own; those of every route are added.
    """
    content = {"content": {_JSON: {"model": model}}} if model else {}
    found: dict[int, Any] = {status.value: {"description": status.phrase, **content}}
    answered: dict[int, str] = {**EVERY_ROUTES_PROBLEMS, **(problems or {})}
    for problem, detail in answered.items():
        found[int(problem)] = {"description": detail, "content": {CONTENT_TYPE: {"model": ProblemDocument}}}
    return found


def _check_path(event: Mapping[str, Any]) -> None:
    """Refuse what cannot be printed: Powertools' routes end in `$`, so that a path would lose a last line feed.

    Raises:
        Problem: 400.
    """
    if not (event.get("path") or "").isprintable():
        raise Problem(HTTPStatus.BAD_REQUEST, detail="The path holds characters that cannot be printed.")


def _with_json_body(event: dict[str, Any]) -> dict[str, Any]:
    """The event with a body that can be parsed as JSON, or none.

    Powertools would also read forms, and fails on other types, on integers of thousands of digits and on JSON that
    is nested too deeply.

    Raises:
        Problem: 415 for a body of another type, 400 for one that is not JSON.
    """
    body = event.get("body")
    if not body:
        return event
    given = _header(event, "Content-Type") or _JSON
    if given.partition(";")[0].strip().lower() != _JSON:
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail=f"The body must be {_JSON}, got {given[:100]!r}."
        )
    try:
        text = base64.b64decode(body).decode() if event.get("isBase64Encoded") else body
        json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Problem(HTTPStatus.BAD_REQUEST, detail="The body is not valid JSON.") from error
    others = {
        name: value for name, value in (event.get("headers") or {}).items() if name.lower() != "content-type"
    }
    return {**event, "headers": {**others, "content-type": _JSON}, "body": text, "isBase64Encoded": False}


def _header(event: Mapping[str, Any], name: str) -> str | None:
    headers = event.get("headers") or {}
    return next((value for given, value in headers.items() if given.lower() == name.lower()), None)


def _lists(headers: Mapping[str, str]) -> dict[str, list[str]]:
    return {name: [value] for name, value in headers.items()}


def _invalid(error: RequestValidationError) -> NoReturn:
    """Faults of the body are named one by one, those of parameters in the detail, as direct routes do."""
    faults = [(tuple(map(str, fault["loc"])), fault["msg"]) for fault in error.errors()]
    body = [
        {"pointer": _pointer(at), "detail": message} for at, message in faults if at[:1] not in _PARAMETERS
    ]
    parameters = [f"{' '.join(at)}: {message}." for at, message in faults if at[:1] in _PARAMETERS]
    detail = " ".join(["The request is not valid.", *parameters])
    raise Problem(HTTPStatus.BAD_REQUEST, detail=detail, errors=body) from error


def _pointer(location: tuple[str, ...]) -> str:
    """RFC 6901, as a URI fragment."""
    path = location[1:] if location[:1] == ("body",) else location
    return "#" + "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)


def _refused(error: ServiceError) -> NoReturn:
    raise Problem(error.status_code, detail=str(error.msg)) from error


def _unexpected(error: Exception) -> Problem:
    if error_codes(error) & THROTTLED:
        logger.warning("request throttled", exc_info=error)
        return Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            detail="The service is busy; try again.",
            headers={"Retry-After": "1"},
        )
    logger.error("request failed", exc_info=error)
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail="The request could not be processed.")
