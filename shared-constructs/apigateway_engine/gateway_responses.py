"""What the gateway answers itself: its errors and their customised responses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from apigateway_engine import velocity
from apigateway_engine.model import GatewayResponse, Headers, HttpResponse
from apigateway_engine.responses import choose_template, overridden, with_header

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apigateway_engine.exchange import Exchange

GATEWAY_RESPONSE_STATUS: Final[Mapping[str, int]] = {
    "ACCESS_DENIED": 403, "API_CONFIGURATION_ERROR": 500, "AUTHORIZER_CONFIGURATION_ERROR": 500,
    "AUTHORIZER_FAILURE": 500, "BAD_REQUEST_BODY": 400, "BAD_REQUEST_PARAMETERS": 400, "EXPIRED_TOKEN": 403,
    "INTEGRATION_FAILURE": 504, "INTEGRATION_TIMEOUT": 504, "INVALID_API_KEY": 403, "INVALID_SIGNATURE": 403,
    "MISSING_AUTHENTICATION_TOKEN": 403, "QUOTA_EXCEEDED": 429, "REQUEST_TOO_LARGE": 413, "RESOURCE_NOT_FOUND": 404,
    "THROTTLED": 429, "UNAUTHORIZED": 401, "UNSUPPORTED_MEDIA_TYPE": 415, "WAF_FILTERED": 403,
}  # fmt: skip
"""https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html"""

_MESSAGES: Final = {
    "ACCESS_DENIED": "User is not authorized to access this resource",
    "BAD_REQUEST_BODY": "Invalid request body",
    "INTEGRATION_FAILURE": "Internal server error",
    "INTEGRATION_TIMEOUT": "Endpoint request timed out",
    "MISSING_AUTHENTICATION_TOKEN": "Missing Authentication Token",
    "UNAUTHORIZED": "Unauthorized",
    "UNSUPPORTED_MEDIA_TYPE": "Unsupported Media Type",
}
# x-amzn-ErrorType of the gateway's own answers.
_ERROR_TYPES: Final = {
    "ACCESS_DENIED": "AccessDeniedException",
    "API_CONFIGURATION_ERROR": "InternalServerErrorException",
    "BAD_REQUEST_BODY": "BadRequestException",
    "BAD_REQUEST_PARAMETERS": "BadRequestException",
    "MISSING_AUTHENTICATION_TOKEN": "MissingAuthenticationTokenException",
    "THROTTLED": "TooManyRequestsException",
    "UNAUTHORIZED": "UnauthorizedException",
}
_DEFAULT_TEMPLATE: Final = '{"message":$context.error.messageString}'


class GatewayError(Exception):
    """The gateway answers itself, with the gateway response of this type."""

    def __init__(
        self,
        response_type: str,
        message: str | None = None,
        *,
        details: str = "",
        cause: Exception | None = None,
    ) -> None:
        super().__init__(f"{response_type}: {message or cause or ''}")
        self.response_type = response_type
        self.message = (
            message if message is not None else _MESSAGES.get(response_type, "Internal server error")
        )
        self.details = details
        self.cause = cause


def gateway_response(exchange: Exchange, error: GatewayError) -> HttpResponse:
    """The gateway's answer to an error: customised, else DEFAULT_4XX or DEFAULT_5XX, else API Gateway's own."""
    own_status = GATEWAY_RESPONSE_STATUS.get(error.response_type, 500)
    family = "DEFAULT_5XX" if own_status >= 500 else "DEFAULT_4XX"  # noqa: PLR2004  # the 5xx family
    responses = exchange.api.gateway_responses
    custom = responses.get(error.response_type) or responses.get(family) or GatewayResponse()
    exchange.context["error"] = {
        "message": error.message,
        "messageString": json.dumps(error.message, ensure_ascii=False),
        "responseType": error.response_type,
        # Between the quotes that AWS's own examples put around it, so escaped.
        "validationErrorString": json.dumps(error.details, ensure_ascii=False)[1:-1],
    }
    headers = {"Content-Type": "application/json", "x-amzn-RequestId": exchange.context["requestId"]}
    if error.response_type in _ERROR_TYPES:
        headers["x-amzn-ErrorType"] = _ERROR_TYPES[error.response_type]
    for target, source in custom.response_parameters.items():
        value = exchange.value(source)
        if value is not None:
            headers = with_header(headers, target.removeprefix("gatewayresponse.header."), value)
    accept, template = choose_template(custom.response_templates, exchange.request)
    body = velocity.render(template or _DEFAULT_TEMPLATE, exchange.variables(exchange.request.body))
    if accept and "content-type" not in {t.lower().rpartition(".")[2] for t in custom.response_parameters}:
        headers["Content-Type"] = accept
    status, headers = overridden(exchange, custom.status_code or own_status, headers)
    return HttpResponse(
        status=status,
        headers=Headers(headers),
        body=body,
        gateway_response=error.response_type,
        cause=error.cause,
    )
