"""The answers that API Gateway gives itself, as problem documents.

These templates are filled in by simple substitution, not by Velocity.
https://docs.aws.amazon.com/apigateway/latest/developerguide/supported-gateway-response-types.html
"""

from __future__ import annotations

from typing import Final

from shared_constructs.direct_api.outcomes import Problem

_CREDENTIALS: Final = "The request carries no valid access token."
_FORBIDDEN: Final = "The caller may not do this."
_FAULT: Final = "The request could not be processed."

#: Response type -> answer. Every type is listed, so that the two defaults, whose status varies, answer none of them.
GATEWAY_RESPONSES: Final[dict[str, Problem]] = {
    "ACCESS_DENIED": Problem(403, _FORBIDDEN),
    "API_CONFIGURATION_ERROR": Problem(500, _FAULT),
    "AUTHORIZER_CONFIGURATION_ERROR": Problem(500, _FAULT),
    "AUTHORIZER_FAILURE": Problem(500, _FAULT),
    "BAD_REQUEST_BODY": Problem(400, "The body does not fit its model."),
    "BAD_REQUEST_PARAMETERS": Problem(400, "A required parameter or header is missing."),
    "DEFAULT_4XX": Problem(400, "The request could not be understood."),
    "DEFAULT_5XX": Problem(500, _FAULT),
    "EXPIRED_TOKEN": Problem(401, "The request's signature has expired."),
    "INTEGRATION_FAILURE": Problem(503, "The service is busy; try again.", retry_after_seconds=1),
    "INTEGRATION_TIMEOUT": Problem(504, "The request took too long; its outcome is unknown."),
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
    "WAF_FILTERED": Problem(403, _FORBIDDEN),
}

#: What API Gateway knows about the failure beyond the type; both substitute as JSON strings, quotes included or inside.
DETAILS: Final[dict[str, str]] = {
    "BAD_REQUEST_BODY": '"The body does not fit its model. $context.error.validationErrorString"',
    "BAD_REQUEST_PARAMETERS": "$context.error.messageString",
    "DEFAULT_4XX": "$context.error.messageString",
}
