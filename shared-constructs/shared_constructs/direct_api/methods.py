"""What a route's method consists of in API Gateway."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from aws_cdk import aws_apigateway as apigateway

from shared_constructs.direct_api.authorisation import Authorisation, Scopes
from shared_constructs.direct_api.bindings import RouteError
from shared_constructs.direct_api.cors import RESPONSE_HEADERS, Cors
from shared_constructs.direct_api.values import Source
from shared_constructs.direct_api.vtl import MAX_TEMPLATE_BYTES

if TYPE_CHECKING:
    from aws_cdk import aws_iam as iam

    from shared_constructs.direct_api.functions import InvokeFunction
    from shared_constructs.direct_api.integration import MethodIntegration


def check_parameters(integration: MethodIntegration, path: str, auth: Authorisation) -> None:
    """Check what the templates read against what the route has.

    Raises:
        RouteError: A path parameter is missing or unused, or a claim is read without a token.
    """
    names = set(_names_in(path))
    used = {
        name for each in integration.bindings for source, name in each.parameters if source is Source.PATH
    }
    if unknown := sorted(used - names):
        raise RouteError(
            f"path parameters {unknown} are used but not in the route, which has {sorted(names)}"
        )
    if unused := sorted(names - used):
        raise RouteError(f"path parameters {unused} are in the route but not used; use or remove them")
    claims = sorted({name for each in integration.bindings for name in each.claims})
    if claims and not isinstance(auth, Scopes):
        raise RouteError(f"claims {claims} need auth=Scopes(…): without a verified token there are none")


def of_function(operation: InvokeFunction, path: str) -> dict[str, Any]:
    """Return the options of a method that a function answers."""
    return {
        "integration": apigateway.LambdaIntegration(operation.target, proxy=True, allow_test_invoke=False),
        "request_parameters": {f"method.request.path.{each}": True for each in _names_in(path)} or None,
    }


def of_service(integration: MethodIntegration, *, role: iam.IRole, cors: Cors | None) -> dict[str, Any]:
    """Return the options of a method that calls an AWS service.

    Args:
        integration: The call and its answers.
        role: That API Gateway takes on for the call.
        cors: Which pages may read the answers.

    Raises:
        RouteError: A template is too large.
    """
    cors_headers = ("Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Vary") if cors else ()
    return {
        "integration": apigateway.AwsIntegration(
            service=integration.service,
            action=integration.action,
            path=integration.path,
            integration_http_method="POST",
            options=apigateway.IntegrationOptions(
                credentials_role=role,
                passthrough_behavior=apigateway.PassthroughBehavior.NEVER,
                request_parameters={
                    f"integration.request.header.{name}": f"'{value}'"
                    for name, value in integration.headers.items()
                }
                or None,
                request_templates={
                    "application/json": _sized(integration.request_template(), "request", role)
                },
                integration_responses=_responses(integration, role, cors),
            ),
        ),
        "request_parameters": {
            f"method.request.{source}.{name}": parameter.required
            for bindings in integration.bindings
            for (source, name), parameter in bindings.parameters.items()
        }
        or None,
        "method_responses": [
            apigateway.MethodResponse(
                status_code=str(status),
                response_parameters={
                    f"method.response.header.{each}": True for each in (*RESPONSE_HEADERS, *cors_headers)
                },
            )
            for status in (integration.status, 400, 500)
        ],
    }


def _responses(
    integration: MethodIntegration, role: iam.IRole, cors: Cors | None
) -> list[apigateway.IntegrationResponse]:
    templates = integration.response_templates()
    cors_headers, head = (cors.headers(), cors.template()) if cors else ({}, "")
    problem = {"Content-Type": "'application/problem+json'"}
    groups: tuple[tuple[int, str | None, str, dict[str, str]], ...] = (
        (integration.status, r"2\d{2}", "200", {}),
        (400, r"4\d{2}", "400", problem),
        # No pattern: whatever is not known is an error, never a success.
        (500, None, "500", problem),
    )
    return [
        apigateway.IntegrationResponse(
            status_code=str(status),
            selection_pattern=pattern,
            response_parameters={
                f"method.response.header.{name}": value for name, value in (headers | cors_headers).items()
            }
            or None,
            response_templates={
                "application/json": _sized(head + templates[group], f"response {group}", role)
            },
        )
        for status, pattern, group, headers in groups
    ]


def _sized(template: str, what: str, role: iam.IRole) -> str:
    size = len(json.dumps(role.stack.resolve(template)).encode())
    if size > MAX_TEMPLATE_BYTES:
        raise RouteError(
            f"the {what} template has {size:,} bytes, API Gateway allows {MAX_TEMPLATE_BYTES:,}; use a smaller model"
        )
    return template


def _names_in(path: str) -> list[str]:
    return re.findall(r"\{([^}]*)\}", path)
