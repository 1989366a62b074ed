"""API Gateway REST: the whole mapping engine, validators, gateway responses and scopes.

Replaces, in `services/apigateway_v1.py`:

- AWS integrations (2920): sent to Lambda whatever the service, so DynamoDB, Step Functions and EventBridge answer 504;
- SQS integrations (3364): a subset of templates without `#if`, `#foreach` and most of `$util` and `$context`;
- MOCK integrations (3529): neither request nor response template is rendered;
- request validation (2497): a content type without a model falls back to JSON's, no details for the problem document;
- unsupported content types (2540): only `NEVER` is known;
- gateway responses (1514): templates are not rendered, only variables replaced;
- Cognito authorizers (1868): a token without a needed scope is 401, on AWS it is 403;
- who owns an API (906): a caller without credentials is taken for one of the default account, whose APIs alone it finds.

The engine is the testing kit's (`apigateway_engine`), so that a template does here what it does in
a service's tests. Its back end is this emulator: its own handlers for DynamoDB and Step Functions unless IAM is
enforced, everything else over HTTP.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from functools import cache
from typing import TYPE_CHECKING, Any

import requests
from apigateway_engine import (
    Api,
    AwsEndpoint,
    BackendResponse,
    Gateway,
    GatewayEngineError,
    GatewayError,
    GatewayResponse,
    Headers,
    HttpRequest,
    HttpResponse,
    Integration,
    IntegrationResponse,
    Method,
    checked,
    gateway_response,
)
from apigateway_engine.cloudformation import inline_models
from ministack import app
from ministack.core.responses import (
    get_account_id,
    get_region,
    set_request_account_id,
    set_request_region,
)
from ministack.services import apigateway_v1

from commerce_platform.local_cloud.extension.guard import Guard, edit
from commerce_platform.local_cloud.turns import ASKS, turns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apigateway_engine import Backend, Exchange, IntegrationRequest

logger = logging.getLogger("local_cloud.apigateway")

GUARDS = (
    Guard("app.call_service_handler_sync", "64e0d7e63500"),
    Guard("app._dispatch_service_request", "17e5ef6dcfa0"),
    Guard("apigateway_v1.find_api_scope", "19d66149ae1d"),
    Guard("apigateway_v1._handle_execute_in_scope", "60ed5805557f"),
    Guard("apigateway_v1._execute_in_scope", "2ae72b7d5eb6"),
    Guard("apigateway_v1._invoke_lambda_custom_v1", "79d47dae9d00"),
    Guard("apigateway_v1._invoke_sqs_v1", "f1a9ab93150a"),
    Guard("apigateway_v1._invoke_mock_v1", "20f819eee1f9"),
    Guard("apigateway_v1._check_request_validation", "9605a07a083f"),
    Guard("apigateway_v1._check_passthrough_behavior", "b978763f7ce8"),
    Guard("apigateway_v1._gateway_error_response", "c0a3f091df36"),
    Guard("apigateway_v1._validate_cognito_authorizer", "11c3eaecec67"),
    Guard("apigateway_v1._authorize_request_v1", "46b3fe37fe98"),
    Guard("apigateway_v1._put_method", "68269dbdc33e"),
    Guard("apigateway_v1._put_integration", "fd1a612acd01"),
    Guard("apigateway_v1._put_integration_response", "128fe607f6c4"),
)

MAX_CONCURRENT_INTEGRATIONS = 64
"""Integration requests under way at once; each waits in a thread for this emulator's own answer."""

Response = tuple[int, dict[str, Any], bytes]
Record = dict[str, Any]
"""An object of the emulator's store, or its note of a request."""

_request: ContextVar[Record] = ContextVar("request")
_authorizer: ContextVar[Record | None] = ContextVar("authorizer", default=None)
_threads = ThreadPoolExecutor(MAX_CONCURRENT_INTEGRATIONS, thread_name_prefix="apigateway")


def apply() -> None:
    """Put the engine in the place of the emulator's own functions."""
    edit(
        "apigateway_v1._handle_execute_in_scope",
        (
            '"request_id": new_uuid(),',
            '"request_id": new_uuid(), "method": method, "path": path, "body": body,',
        ),
    )
    apigateway_v1._invoke_lambda_custom_v1 = _integrate
    apigateway_v1._invoke_sqs_v1 = _integrate
    apigateway_v1._invoke_mock_v1 = _mock
    apigateway_v1._check_request_validation = _validate
    apigateway_v1._check_passthrough_behavior = lambda _integration, _headers: None
    apigateway_v1._gateway_error_response = _answer
    _distinguish_missing_scopes()
    _remember_the_authorizer()
    _find_apis_of_every_account()


def _find_apis_of_every_account() -> None:
    """An API's id is in its public address and names one API, in whichever account."""
    of_the_callers_account = apigateway_v1.find_api_scope

    def find(api_id: str) -> tuple[str, str] | None:
        scope: tuple[str, str] | None = of_the_callers_account(api_id)
        if scope:
            return scope
        owners = (
            (account, region)
            for (account, region, found), _ in apigateway_v1._rest_apis.all_items()
            if found == api_id
        )
        return next(owners, None)

    apigateway_v1.find_api_scope = find


def _remember_the_authorizer() -> None:
    """MOCK integrations are not told what the authorizer found."""
    original = apigateway_v1._authorize_request_v1

    async def authorize(*request: Any) -> tuple[Any, Record | None]:
        error, context = await original(*request)
        _authorizer.set(context)
        return error, context

    apigateway_v1._authorize_request_v1 = authorize


def _distinguish_missing_scopes() -> None:
    original = apigateway_v1._validate_cognito_authorizer

    async def validate(authorizer: Record, method: Record, *request: Any) -> tuple[Record | None, Any]:
        claims, error = await original(authorizer, {**method, "authorizationScopes": []}, *request)
        needed = set(method.get("authorizationScopes") or ())
        if error is None and needed and not needed & set(apigateway_v1._token_scopes(claims)):
            return None, _refusal(GatewayError("ACCESS_DENIED"))
        return claims, error

    apigateway_v1._validate_cognito_authorizer = validate


# Called by the emulator -----------------------------------------------------------------------------------------------


def _validate(method: Record, api_id: str, request: Record, *_headers_body_query: Any) -> Any:
    _request.set(request)
    exchange = _exchange(request, _method(method, request, api_id))
    try:
        _gateway(exchange.api).validate(exchange)
    except GatewayError as error:
        return _refusal(error)
    return None


async def _integrate(  # the emulator's signature
    integration: Record,
    api_id: str,
    _stage_name: str,
    _stage: Record,
    resource: Record,
    _path: str,
    http_method: str,
    *_headers_body_query_path: Any,
    authorizer_context: Record | None = None,
    caller_identity: Record | None = None,
    **_owner_and_binary: Any,
) -> Response:
    methods = resource["resourceMethods"]
    method = _method(
        {**(methods.get(http_method) or methods["ANY"]), "methodIntegration": integration},
        _request.get(),
        api_id,
    )
    exchange = _exchange(_request.get(), method, authorizer=authorizer_context, identity=caller_identity)
    call = asyncio.get_running_loop().run_in_executor
    return await call(_threads, _run, exchange)


def _mock(integration: Record) -> Response:
    request = _request.get()
    method = _method({"methodIntegration": integration}, request, request["api_id"])
    return _run(_exchange(request, method, authorizer=_authorizer.get()))


def _run(exchange: Exchange) -> Response:
    try:
        with turns.turn(ASKS):
            return _as_emulator(_gateway(exchange.api).integrate(exchange))
    except GatewayEngineError as error:
        message = f"{exchange.method} cannot run on the local cloud: {error}"
        logger.error(message)  # noqa: TRY400  # the message says it all, the stack is the engine's
        return 501, {"Content-Type": "application/json"}, json.dumps({"message": message}).encode()


def _answer(error: Any, request: Record) -> Response:
    refusal = GatewayError(error.response_type, error.message, details=getattr(error, "details", ""))
    exchange = _exchange(request, None)
    return _as_emulator(gateway_response(exchange, refusal))


def _refusal(error: GatewayError) -> Any:
    refusal = apigateway_v1._gw_error(error.response_type, error.message)
    refusal.details = error.details
    return refusal


def _as_emulator(response: HttpResponse) -> Response:
    if response.cause is not None:
        logger.warning("%s %s: %s", response.status, response.gateway_response, response.cause)
    return response.status, dict(response.headers), response.body.encode(errors="replace")


# From the emulator's store --------------------------------------------------------------------------------------------


@cache
def _backend(account: str) -> Backend:
    port = os.environ.get("GATEWAY_PORT", "4566")
    remote = AwsEndpoint(f"http://127.0.0.1:{port}", access_key_id=account)

    def answer(request: IntegrationRequest) -> BackendResponse:
        # Only the server itself enforces IAM.
        if app.AUTH or request.service not in _CALLED_DIRECTLY:
            with turns.waiting():
                return remote(request)
        return copy_context().run(_call, account, request)

    return checked(answer)


# Services that speak JSON and nothing else: called without HTTP.
_CALLED_DIRECTLY = frozenset({"dynamodb", "states"})

TIME_LIMIT_SECONDS = 29
"""API Gateway's integration timeout."""


def _call(account: str, request: IntegrationRequest) -> BackendResponse:
    set_request_account_id(account)
    set_request_region(request.region)
    headers = {name.lower(): value for name, value in request.headers.items()}
    body = request.body.encode(errors="replace")
    call = app.call_service_handler_sync
    try:
        status, found, answer = call(
            app.SERVICE_HANDLERS[request.service],
            request.http_method,
            request.path,
            headers,
            body,
            {},
            timeout=TIME_LIMIT_SECONDS,
        )
    except TimeoutError as error:
        raise requests.Timeout(str(error)) from error
    except Exception as error:
        # As the server answers for a handler that fails.
        logger.exception("%s:%s failed", request.service, request.action)
        status, found = 500, {"Content-Type": "application/json"}
        answer = json.dumps({"__type": "InternalError", "message": str(error)})
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    return BackendResponse(status=status, headers=found, body=text)


def _gateway(api: Api) -> Gateway:
    return Gateway(api, _backend(api.account))


def _exchange(
    request: Record,
    method: Method | None,
    *,
    authorizer: Mapping[str, Any] | None = None,
    identity: Mapping[str, Any] | None = None,
) -> Exchange:
    api = _api(request)
    headers = Headers(request["headers"])
    body = request["body"] or b""
    received = HttpRequest(
        method=request["method"],
        path=request["path"],
        headers=headers,
        query={name: [v] if isinstance(v, str) else list(v) for name, v in request["query_params"].items()},
        body=body.decode(errors="replace") if isinstance(body, bytes) else body,
        path_parameters=request["path_params"],
        source_ip=headers.get("X-Forwarded-For", "127.0.0.1").partition(",")[0].strip(),
    )
    return _gateway(api).open(
        received, method, authorizer=authorizer, identity=identity, request_id=request["request_id"]
    )


def _api(request: Record) -> Api:
    api_id, stage = request["api_id"], request["stage"] or {}
    deployed = apigateway_v1._deployed_gateway_responses.get(api_id, {}).get(stage.get("deploymentId"))
    customised = apigateway_v1._gateway_responses.get(api_id, {}) if deployed is None else deployed
    return Api(
        api_id=api_id,
        stage=request["stage_name"],
        account=get_account_id(),
        region=get_region(),
        stage_variables=stage.get("variables") or {},
        gateway_responses={
            kind: GatewayResponse(
                status_code=int(found["statusCode"]) if found.get("statusCode") else None,
                response_parameters=found.get("responseParameters") or {},
                response_templates=found.get("responseTemplates") or {},
            )
            for kind, found in customised.items()
        },
    )


def _method(found: Record, request: Record, api_id: str) -> Method:
    validator = apigateway_v1._request_validators.get(api_id, {}).get(found.get("requestValidatorId")) or {}
    names = found.get("requestModels") or {}
    schemas = {
        name: json.loads(model["schema"] or "{}")
        for name, model in apigateway_v1._models.get(api_id, {}).items()
        if names and isinstance(model.get("schema"), str)
    }
    return Method(
        http_method=found.get("httpMethod") or request["method"],
        resource_path=request["resource_path"],
        request_parameters=found.get("requestParameters") or {},
        request_models={
            kind: inline_models(schemas[name], schemas) for kind, name in names.items() if name in schemas
        },
        validate_body=bool(validator.get("validateRequestBody")),
        validate_parameters=bool(validator.get("validateRequestParameters")),
        integration=_integration(found.get("methodIntegration") or {}),
    )


def _integration(found: Record) -> Integration:
    return Integration(
        type=found.get("type", ""),
        uri=found.get("uri") or "",
        http_method=found.get("httpMethod") or "POST",
        passthrough_behavior=found.get("passthroughBehavior") or "WHEN_NO_MATCH",
        request_parameters=found.get("requestParameters") or {},
        request_templates=found.get("requestTemplates") or {},
        responses=tuple(
            IntegrationResponse(
                status_code=int(response["statusCode"]),
                selection_pattern=response.get("selectionPattern") or "",
                response_parameters=response.get("responseParameters") or {},
                response_templates=response.get("responseTemplates") or {},
            )
            for response in (found.get("integrationResponses") or {}).values()
        ),
    )
