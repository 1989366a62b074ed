"""The answers that API Gateway gives itself, as problem documents.

These templates are filled in by simple substitution, not by Velocity.
https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aws_cdk.aws_apigateway import ResponseType

from shared_constructs.direct_api.outcomes import INTERNAL, TIMED_OUT, UNAVAILABLE, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk.aws_apigateway import RestApi

_CREDENTIALS: Final = "The request carries no valid access token."
_FORBIDDEN: Final = "The caller may not do this."

GATEWAY_RESPONSES: Final[dict[str, Problem]] = {
    "ACCESS_DENIED": Problem(403, _FORBIDDEN),
    "API_CONFIGURATION_ERROR": INTERNAL,
    "AUTHORIZER_CONFIGURATION_ERROR": INTERNAL,
    "AUTHORIZER_FAILURE": INTERNAL,
    "BAD_REQUEST_BODY": Problem(400, "The body does not fit its model."),
    "BAD_REQUEST_PARAMETERS": Problem(400, "A required parameter or header is missing."),
    "DEFAULT_4XX": Problem(400, "The request could not be understood."),
    "DEFAULT_5XX": INTERNAL,
    "EXPIRED_TOKEN": Problem(401, "The request's signature has expired."),
    "INTEGRATION_FAILURE": UNAVAILABLE,
    "INTEGRATION_TIMEOUT": TIMED_OUT,
    "INVALID_API_KEY": Problem(403, _FORBIDDEN),
    "INVALID_SIGNATURE": Problem(403, "The request's signature is not valid."),
    # What API Gateway answers for an unknown route (and for an unsigned request to an IAM route).
    "MISSING_AUTHENTICATION_TOKEN": Problem(404, "There is no such route."),
    "QUOTA_EXCEEDED": Problem(429, "The caller's quota is used up.", retry_after_seconds=60),
    "REQUEST_TOO_LARGE": Problem(413, "The request is larger than 10 MB."),
    "RESOURCE_NOT_FOUND": Problem(404, "There is no such route."),
    "THROTTLED": Problem(429, "Too many requests; try again.", retry_after_seconds=1),
    "UNAUTHORIZED": Problem(401, _CREDENTIALS),
    "UNSUPPORTED_MEDIA_TYPE": Problem(415, "The body must be application/json."),
    # The web ACL has one rule, on how much an address sends.
    "WAF_FILTERED": Problem(429, "Too many requests from this address; wait.", retry_after_seconds=300),
}
"""Response type -> answer. Every type is listed, so that the two defaults, whose status varies, answer none of them."""

DETAILS: Final[dict[str, str]] = {
    "BAD_REQUEST_BODY": '"The body does not fit its model. $context.error.validationErrorString"',
    "BAD_REQUEST_PARAMETERS": "$context.error.messageString",
    "DEFAULT_4XX": "$context.error.messageString",
}
"""What API Gateway knows about the failure beyond the type; both substitute as JSON strings, quotes included or inside."""


def add_gateway_responses(rest_api: RestApi, cors_headers: Mapping[str, str]) -> None:
    """Make every answer that API Gateway gives itself a problem document.

    Args:
        rest_api: The API.
        cors_headers: Headers that let browser pages read the answers.
    """
    for response_type, problem in GATEWAY_RESPONSES.items():
        headers = {"Content-Type": "'application/problem+json'", "X-Correlation-Id": "context.requestId"}
        if problem.retry_after_seconds is not None:
            headers["Retry-After"] = f"'{problem.retry_after_seconds}'"
        if response_type == "UNAUTHORIZED":
            headers["WWW-Authenticate"] = "'Bearer'"
        rest_api.add_gateway_response(
            response_type.title().replace("_", ""),
            type=ResponseType.of(response_type),
            status_code=str(problem.status),
            response_headers={**headers, **cors_headers},
            templates={"application/json": problem.json(detail=DETAILS.get(response_type))},
        )
