"""REST handlers: the Powertools resolver, with every error a problem document and every line correlated."""

from __future__ import annotations

import base64
import json
import os
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import ServiceError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from service_runtime.envelope import correlation_id_or_new
from service_runtime.observability import business_context, logger
from service_runtime.problems import CONTENT_TYPE, Problem
from service_runtime.retries import THROTTLED, error_codes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CORRELATION_HEADER = "X-Correlation-Id"
ORIGINS_VARIABLE = "CORS_ORIGINS"
# Where a request's parts sit in a validation error's location; the field's own path follows.
_LOCATIONS = frozenset({"body", "query", "path", "header"})
# Behind a custom domain, a proxy event's path begins with the base path that holds the API's major version.
_BASE_PATH = re.compile(r"^/v[1-9][0-9]*(?=/)")
_JSON = "application/json"


def request_correlation_id(event: Mapping[str, Any]) -> str:
    """Correlation id of an API Gateway request: the caller's if acceptable, else the request's own id.

    Args:
        event: the proxy event.
    """
    given = _header(event, CORRELATION_HEADER)
    if given and correlation_id_or_new(given) == given:
        return given
    return correlation_id_or_new((event.get("requestContext") or {}).get("requestId"))


def problem_responses(app: APIGatewayRestResolver) -> None:
    """Answer every error of a resolver as a problem document (RFC 9457).

    ``Problem`` answers as it says; a failed request validation is 400 with one entry per field; Powertools' own
    errors (404 of an unknown route, …) keep their status; anything else is logged with its cause and answered 500
    without it.

    Args:
        app: the resolver; call this before its first request.
    """

    def invalid(error: RequestValidationError) -> Response[str]:
        errors = [{"field": _field(fault["loc"]), "message": fault["msg"]} for fault in error.errors()]
        return problem_response(Problem(400, detail="The request is not valid.", errors=errors))

    def service_error(error: ServiceError) -> Response[str]:
        return problem_response(Problem(error.status_code, detail=str(error.msg)))

    def unexpected(error: Exception) -> Response[str]:
        if error_codes(error) & THROTTLED:
            logger.warning("request throttled", exc_info=error)
            return problem_response(
                Problem(503, detail="Too busy. Try again later.", headers={"Retry-After": "1"})
            )
        logger.error("request failed", exc_info=error)
        return problem_response(Problem(500, detail="The request could not be served. Try again later."))

    app.exception_handler(Problem)(problem_response)
    app.exception_handler(RequestValidationError)(invalid)
    app.exception_handler(ServiceError)(service_error)
    app.exception_handler(Exception)(unexpected)


class RestResolver(APIGatewayRestResolver):
    """A Powertools resolver that takes JSON only and whose log lines and answers carry the correlation id.

    Args:
        origins: browser origins that may read the answers, ``*`` for any.
    """

    def __init__(self, *, origins: Sequence[str]) -> None:
        super().__init__(enable_validation=True, strip_prefixes=[_BASE_PATH])
        self._origins = origins

    def resolve(self, event: Any, context: Any) -> dict[str, Any]:
        """Serve one API Gateway proxy event."""
        raw = event if isinstance(event, dict) else event.raw_event
        correlation_id = request_correlation_id(raw)
        with business_context(correlation_id=correlation_id):
            try:
                answer = super().resolve(_with_json_body(raw), context)
            except Problem as problem:
                answer = {
                    "statusCode": problem.status.value,
                    "body": json.dumps(problem.document()),
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
        origins: browser origins that may read the answers; default those of the variable ``CORS_ORIGINS``, separated
            by commas, none without it.
    """
    if origins is None:
        origins = tuple(filter(None, os.environ.get(ORIGINS_VARIABLE, "").split(",")))
    app = RestResolver(origins=origins)
    problem_responses(app)
    return app


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


def _field(location: tuple[Any, ...]) -> str:
    path = location[1:] if location and location[0] in _LOCATIONS else location
    return ".".join(str(part) for part in path) or "body"


def problem_response(problem: Problem) -> Response[str]:
    """The answer that tells a problem; for exception handlers of a service's own.

    Args:
        problem: what to tell.
    """
    return Response(
        status_code=problem.status.value,
        content_type=CONTENT_TYPE,
        headers=dict(problem.headers),
        body=json.dumps(problem.document()),
    )
