"""REST handlers: the Powertools resolver, with every error a problem document and every line correlated."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import ServiceError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from service_runtime.envelope import correlation_id_or_new
from service_runtime.observability import business_context, logger
from service_runtime.problems import CONTENT_TYPE, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.event_handler import CORSConfig

CORRELATION_HEADER = "X-Correlation-Id"
# Where a request's parts sit in a validation error's location; the field's own path follows.
_LOCATIONS = frozenset({"body", "query", "path", "header"})


def request_correlation_id(event: Mapping[str, Any]) -> str:
    """Correlation id of an API Gateway request: the caller's if acceptable, else the request's own id.

    Args:
        event: the proxy event.
    """
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    given = headers.get(CORRELATION_HEADER.lower())
    if given and correlation_id_or_new(given) == given:
        return str(given)
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
        return _response(Problem(400, detail="The request is not valid.", errors=errors))

    def service_error(error: ServiceError) -> Response[str]:
        return _response(Problem(error.status_code, detail=str(error.msg)))

    def unexpected(error: Exception) -> Response[str]:
        logger.error("request failed", exc_info=error)
        return _response(Problem(500, detail="The request could not be served. Try again later."))

    app.exception_handler(Problem)(_response)
    app.exception_handler(RequestValidationError)(invalid)
    app.exception_handler(ServiceError)(service_error)
    app.exception_handler(Exception)(unexpected)


class RestResolver(APIGatewayRestResolver):
    """A Powertools resolver whose log lines and answers, the failed ones included, carry the correlation id."""

    def resolve(self, event: Any, context: Any) -> dict[str, Any]:
        """Serve one API Gateway proxy event."""
        raw = event if isinstance(event, dict) else event.raw_event
        correlation_id = request_correlation_id(raw)
        with business_context(correlation_id=correlation_id):
            answer = super().resolve(event, context)
        answer.setdefault("multiValueHeaders", {})[CORRELATION_HEADER] = [correlation_id]
        return answer


def rest_resolver(*, cors: CORSConfig | None = None) -> RestResolver:
    """A resolver with request validation, problem documents and the correlation id in logs and answers.

    Args:
        cors: cross-origin settings; default none.
    """
    app = RestResolver(cors=cors, enable_validation=True)
    problem_responses(app)
    return app


def _field(location: tuple[Any, ...]) -> str:
    path = location[1:] if location and location[0] in _LOCATIONS else location
    return ".".join(str(part) for part in path) or "body"


def _response(problem: Problem) -> Response[str]:
    return Response(
        status_code=problem.status.value,
        content_type=CONTENT_TYPE,
        headers=dict(problem.headers),
        body=json.dumps(problem.document()),
    )
