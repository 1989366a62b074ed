"""One request through one REST API: authorise, validate, map, integrate, map back, or answer itself."""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

import requests

from apigateway_engine import java, jsonpath, velocity
from apigateway_engine.errors import (
    InvalidBodyError,
    InvalidTemplateError,
    TemplateExecutionError,
    UnknownRouteError,
    UnsupportedFeatureError,
)
from apigateway_engine.integration import (
    Backend,
    BackendResponse,
    IntegrationRequest,
    create_integration_request,
)
from apigateway_engine.model import (
    Api,
    GatewayResponse,
    Headers,
    HttpRequest,
    HttpResponse,
    IntegrationResponse,
    Method,
)
from apigateway_engine.validation import body_errors, missing_parameters
from apigateway_engine.variables import create_context, create_variables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_LOG: Final = logging.getLogger(__name__)

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
_ERROR_TYPES: Final = {
    "ACCESS_DENIED": "AccessDeniedException",
    "API_CONFIGURATION_ERROR": "InternalServerErrorException",
    "BAD_REQUEST_BODY": "BadRequestException",
    "BAD_REQUEST_PARAMETERS": "BadRequestException",
    "MISSING_AUTHENTICATION_TOKEN": "MissingAuthenticationTokenException",
    "THROTTLED": "TooManyRequestsException",
    "UNAUTHORIZED": "UnauthorizedException",
}
"""x-amzn-ErrorType of the gateway's own answers."""
_DEFAULT_TEMPLATE: Final = '{"message":$context.error.messageString}'
MAX_PAYLOAD_BYTES: Final = 10 * 1024 * 1024
"""Payload size of a REST API; a fixed quota."""


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


@dataclass(kw_only=True)
class Exchange:
    """One request on its way: what mapping needs to know of it."""

    api: Api
    request: HttpRequest
    method: Method | None
    context: dict[str, Any]

    def variables(self, body: str) -> dict[str, Any]:
        """The roots for a template over `body`."""
        return create_variables(self.api, self.request, self.context, body)


class Gateway:
    """Serves an API.

    Args:
        api: the API; also replaced whole when it changes.
        backend: sends integration requests; `AwsEndpoint()` by default, so that moto can intercept it.
        proxy: answers AWS_PROXY integrations; without one such a method is an `UnsupportedFeatureError`.
        clock: the request time; UTC now by default.
    """

    def __init__(
        self,
        api: Api,
        backend: Backend,
        *,
        proxy: Callable[[Exchange], HttpResponse] | None = None,
        clock: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self.api = api
        self._backend = backend
        self._proxy = proxy
        self._clock = clock

    def handle(
        self,
        request: HttpRequest,
        *,
        claims: Mapping[str, Any] | None = None,
        identity: Mapping[str, Any] | None = None,
    ) -> HttpResponse:
        """Answer a client's request.

        Args:
            request: without path parameters; routing finds them.
            claims: of a verified token; None means that no token came.
            identity: `$context.identity` of an IAM caller (`userArn`, `accountId`, …).

        Raises:
            UnknownRouteError: when no method serves the request (AWS answers 403 MISSING_AUTHENTICATION_TOKEN; a test
                that hits it has mistyped a path).
            UnsupportedFeatureError, InvalidTemplateError: when the API cannot be run faithfully.
        """
        method, request = self.route(request)
        exchange = self.open(request, method, claims=claims, identity=identity)
        try:
            _authorize(method, claims, identity)
            self.validate(exchange)
        except GatewayError as error:
            return self.answer(exchange, error)
        return self.integrate(exchange)

    def route(self, request: HttpRequest) -> tuple[Method, HttpRequest]:
        """The method that serves a request, and the request with its path parameters decoded."""
        routed = self.api.route(request.method, request.path)
        if routed is None:
            routes = "; ".join(sorted(map(str, self.api.methods))) or "none"
            raise UnknownRouteError(f"no route {request.method} {request.path}; routes are: {routes}")
        method, path_parameters = routed
        decoded = {name: unquote(value, errors="replace") for name, value in path_parameters.items()}
        return method, replace(request, path_parameters=decoded)

    def open(
        self,
        request: HttpRequest,
        method: Method | None,
        *,
        claims: Mapping[str, Any] | None = None,
        identity: Mapping[str, Any] | None = None,
        authorizer: Mapping[str, Any] | None = None,
        request_id: str | None = None,
    ) -> Exchange:
        """Begin an exchange of an already routed request."""
        known = dict(authorizer) if authorizer else {} if claims is None else {"claims": _claim_texts(claims)}
        context = create_context(
            self.api, method, request, request_id=request_id or str(uuid.uuid4()), now=self._clock(),
            authorizer=known, identity=identity,
        )  # fmt: skip
        return Exchange(api=self.api, request=request, method=method, context=context)

    def validate(self, exchange: Exchange) -> None:
        """Run the method's request validator; raises `GatewayError` when it refuses."""
        method, request = _method(exchange), exchange.request
        if len(request.body.encode(errors="replace")) > MAX_PAYLOAD_BYTES:
            raise GatewayError("REQUEST_TOO_LARGE", "Request Too Long")
        if method.validate_parameters and (missing := missing_parameters(method, request)):
            text = f"Missing required request parameters: [{', '.join(missing)}]"
            raise GatewayError("BAD_REQUEST_PARAMETERS", text, details=text)
        if method.validate_body and (errors := body_errors(method, request)) is not None:
            raise GatewayError("BAD_REQUEST_BODY", details=f"[{', '.join(errors)}]" if errors else "")

    def integrate(self, exchange: Exchange) -> HttpResponse:
        """Call the integration and map its answer; the gateway's own errors included."""
        method = _method(exchange)
        try:
            if method.integration.type == "AWS_PROXY":
                if self._proxy is None:
                    raise UnsupportedFeatureError(f"{method}: AWS_PROXY is not served here")
                return self._proxy(exchange)
            if method.integration.type == "MOCK":
                answer = self._mock(exchange)
            elif method.integration.type == "AWS":
                answer = self._call(self.render(exchange))
            else:
                raise UnsupportedFeatureError(
                    f"{method}: integration type {method.integration.type} is not known"
                )
            return self._map_response(exchange, answer)
        except InvalidBodyError as error:
            return self.answer(
                exchange, GatewayError("BAD_REQUEST_BODY", str(error), details=str(error), cause=error)
            )
        except TemplateExecutionError as error:
            _LOG.warning("%s: %s", method, error)
            return self.answer(exchange, GatewayError("API_CONFIGURATION_ERROR", cause=error))
        except GatewayError as error:
            return self.answer(exchange, error)

    def render(self, exchange: Exchange) -> IntegrationRequest:
        """The integration request of an AWS integration: templates, then request parameters, then overrides."""
        integration = _method(exchange).integration
        body = self._render_request_template(exchange)
        mapped: dict[str, dict[str, str]] = {"header": {}, "querystring": {}, "path": {}}
        for target, source in integration.request_parameters.items():
            _, _, location, name = target.split(".", 3)
            if location not in mapped:
                raise UnsupportedFeatureError(
                    f"request parameter {target!r}: only header, querystring and path"
                )
            value = self._request_value(exchange, source)
            if value is not None:
                mapped[location][name] = value
        for location, values in exchange.context["requestOverride"].items():
            mapped[location] |= {name: java.to_string(value) for name, value in values.items()}
        return create_integration_request(
            self._fill_uri(integration.uri, mapped["path"]),
            http_method=integration.http_method, headers=mapped["header"], query=mapped["querystring"], body=body,
        )  # fmt: skip

    def answer(self, exchange: Exchange, error: GatewayError) -> HttpResponse:
        """The gateway response of an error: customised, else DEFAULT_4XX or DEFAULT_5XX, else API Gateway's own."""
        own_status = GATEWAY_RESPONSE_STATUS.get(error.response_type, 500)
        family = "DEFAULT_5XX" if own_status >= 500 else "DEFAULT_4XX"  # noqa: PLR2004  # the 5xx family
        responses = self.api.gateway_responses
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
            value = self._gateway_response_value(exchange, source)
            if value is not None:
                headers = _with_header(headers, target.removeprefix("gatewayresponse.header."), value)
        accept, template = _choose(custom.response_templates, exchange.request)
        body = velocity.render(template or _DEFAULT_TEMPLATE, exchange.variables(exchange.request.body))
        if accept and "content-type" not in {
            t.lower().rpartition(".")[2] for t in custom.response_parameters
        }:
            headers["Content-Type"] = accept
        status, headers = _overridden(exchange, custom.status_code or own_status, headers)
        return HttpResponse(
            status=status,
            headers=Headers(headers),
            body=body,
            gateway_response=error.response_type,
            cause=error.cause,
        )

    # Request side -----------------------------------------------------------------------------------------------------

    def _render_request_template(self, exchange: Exchange) -> str:
        integration = _method(exchange).integration
        templates = {
            key.partition(";")[0].strip().lower(): text for key, text in integration.request_templates.items()
        }
        template = templates.get(exchange.request.media_type)
        if template is not None:
            return velocity.render(template, exchange.variables(exchange.request.body))
        behavior = integration.passthrough_behavior.upper()
        if behavior not in ("WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"):
            raise UnsupportedFeatureError(f"passthrough behaviour {behavior!r}")
        if behavior == "NEVER" or (behavior == "WHEN_NO_TEMPLATES" and templates):
            raise GatewayError("UNSUPPORTED_MEDIA_TYPE")
        return exchange.request.body

    def _request_value(self, exchange: Exchange, source: str) -> str | None:
        """A mapping expression of integration.request.*; None when the source is absent, which drops the parameter."""
        request = exchange.request
        if (common := self._common_value(exchange, source)) is not _NOT_COMMON:
            return None if common is None else java.to_string(common)
        match source.split(".", 3):
            case ["method", "request", "header" | "multivalueheader" as location, name]:
                values: Sequence[str] = request.headers.get_all(name)
                return (
                    None if not values else ",".join(values) if location.startswith("multi") else values[-1]
                )
            case ["method", "request", "querystring" | "multivaluequerystring" as location, name]:
                values = request.query.get(name, ())
                return (
                    None if not values else ",".join(values) if location.startswith("multi") else values[-1]
                )
            case ["method", "request", "path", name]:
                return request.path_parameters.get(name)
            case ["method", "request", "body", *path]:
                return _body_value(request.body, path)
        raise UnsupportedFeatureError(f"mapping expression {source!r} of an integration request is not known")

    def _common_value(self, exchange: Exchange, source: str) -> Any:
        if len(source) > 1 and source[0] == source[-1] == "'":
            return source[1:-1]
        root, _, rest = source.partition(".")
        if root not in ("context", "stageVariables"):
            return _NOT_COMMON
        value: Any = exchange.context if root == "context" else dict(self.api.stage_variables)
        for name in rest.split("."):
            value = value.get(name) if isinstance(value, dict) else None
        return value

    def _fill_uri(self, uri: str, path: Mapping[str, str]) -> str:
        uri = re.sub(
            r"\$\{stageVariables\.(\w+)\}", lambda match: self.api.stage_variables.get(match[1], ""), uri
        )
        return re.sub(
            r"\{(\w+)\}", lambda match: quote(path[match[1]], safe="") if match[1] in path else match[0], uri
        )

    # Back end ---------------------------------------------------------------------------------------------------------

    def _call(self, request: IntegrationRequest) -> BackendResponse:
        try:
            return self._backend(request)
        except requests.Timeout as error:
            raise GatewayError("INTEGRATION_TIMEOUT", cause=error) from error
        except requests.ConnectionError as error:
            raise GatewayError("INTEGRATION_FAILURE", cause=error) from error

    def _mock(self, exchange: Exchange) -> BackendResponse:
        """MOCK: the rendered request's statusCode selects the integration response; the body is not passed on."""
        rendered = self._render_request_template(exchange)
        try:
            status = int(json.loads(rendered)["statusCode"])
        except (json.JSONDecodeError, KeyError, TypeError, ValueError):
            lenient = re.search(r"[\"']?statusCode[\"']?\s*:\s*[\"']?(\d{3})", rendered)
            if lenient is None:
                message = f"a MOCK integration's request template must give a statusCode, got {rendered!r}"
                raise GatewayError("API_CONFIGURATION_ERROR", cause=TemplateExecutionError(message)) from None
            status = int(lenient[1])
        return BackendResponse(status=status)

    # Response side ----------------------------------------------------------------------------------------------------

    def _map_response(self, exchange: Exchange, answer: BackendResponse) -> HttpResponse:
        selected = _select(_method(exchange), answer)
        headers: dict[str, str] = {"Content-Type": "application/json"}
        accept, template = _choose(selected.response_templates, exchange.request)
        body = answer.body
        if template is not None and accept is not None:
            headers["Content-Type"] = accept
            try:
                body = velocity.render(template, exchange.variables(answer.body))
            except InvalidBodyError as error:
                raise TemplateExecutionError(f"the back end's answer is not JSON: {error}") from error
        for target, source in selected.response_parameters.items():
            value = self._response_value(exchange, answer, source)
            if value is not None:
                headers = _with_header(headers, target.removeprefix("method.response.header."), value)
        headers["x-amzn-RequestId"] = exchange.context["requestId"]
        status, headers = _overridden(exchange, selected.status_code, headers)
        return HttpResponse(status=status, headers=Headers(headers), body=body)

    def _response_value(self, exchange: Exchange, answer: BackendResponse, source: str) -> str | None:
        if (common := self._common_value(exchange, source)) is not _NOT_COMMON:
            return None if common is None else java.to_string(common)
        match source.split(".", 3):
            case ["integration", "response", "header" | "multivalueheader", name]:
                return Headers(answer.headers).get(name)
            case ["integration", "response", "body", *path]:
                return _body_value(answer.body, path)
        raise UnsupportedFeatureError(
            f"mapping expression {source!r} of an integration response is not known"
        )

    def _gateway_response_value(self, exchange: Exchange, source: str) -> str | None:
        if source.startswith("method.request."):
            return self._request_value(exchange, source)
        if (common := self._common_value(exchange, source)) is not _NOT_COMMON:
            return None if common is None else java.to_string(common)
        raise UnsupportedFeatureError(f"mapping expression {source!r} of a gateway response is not known")


_NOT_COMMON: Final = object()


def _method(exchange: Exchange) -> Method:
    if exchange.method is None:
        raise UnknownRouteError(f"no method serves {exchange.request.method} {exchange.request.path}")
    return exchange.method


def _authorize(method: Method, claims: Mapping[str, Any] | None, identity: Mapping[str, Any] | None) -> None:
    match method.authorization_type:
        case "NONE":
            return
        case "COGNITO_USER_POOLS":
            if claims is None:
                raise GatewayError("UNAUTHORIZED")
            granted = str(claims.get("scope", "")).split()
            if method.authorization_scopes and not set(method.authorization_scopes) & set(granted):
                raise GatewayError("ACCESS_DENIED")
        case "AWS_IAM":
            if identity is None:
                raise GatewayError("MISSING_AUTHENTICATION_TOKEN")
        case other:
            raise UnsupportedFeatureError(f"{method}: authorization type {other} is not known to this engine")


def _claim_texts(claims: Mapping[str, Any]) -> dict[str, str]:
    """Claims as templates see them: all text, a list as `[a b]`."""
    return {
        name: f"[{' '.join(map(java.to_string, value))}]"
        if isinstance(value, list)
        else java.to_string(value)
        for name, value in claims.items()
    }


def _body_value(body: str, path: list[str]) -> str | None:
    if not path:
        return body
    try:
        found = jsonpath.find(json.loads(body), "$." + path[0])
    except json.JSONDecodeError:
        return None
    if found is java.MISSING or found is None:
        return None
    return found if isinstance(found, str) else java.json_text(found)


def _select(method: Method, answer: BackendResponse) -> IntegrationResponse:
    """The integration response whose pattern matches the whole status (or a function's errorMessage), else the default."""
    tested: str | None = str(answer.status)
    if ":lambda:path/" in method.integration.uri:
        failed = "x-amz-function-error" in Headers(answer.headers)
        tested = _body_value(answer.body, ["errorMessage"]) if failed else None
    patterned = [response for response in method.integration.responses if response.selection_pattern]
    if tested is not None:
        for response in patterned:
            if java.java_regex(response.selection_pattern).fullmatch(tested):
                return response
    for response in method.integration.responses:
        if not response.selection_pattern:
            return response
    cause = InvalidTemplateError(f"{method}: no integration response for {tested!r} and no default one")
    raise GatewayError("API_CONFIGURATION_ERROR", cause=cause)


def _choose(templates: Mapping[str, str], request: HttpRequest) -> tuple[str | None, str | None]:
    """The template for the Accept header, else application/json, else the first; with its content type."""
    if not templates:
        return None, None
    accepted = [part.partition(";")[0].strip() for part in request.headers.get("Accept", "").split(",")]
    for media_type in (*accepted, "application/json"):
        if media_type in templates:
            return media_type, templates[media_type]
    return next(iter(templates.items()))


def _with_header(headers: Mapping[str, str], name: str, value: str) -> dict[str, str]:
    return {key: known for key, known in headers.items() if key.lower() != name.lower()} | {name: value}


def _overridden(exchange: Exchange, status: int, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
    override = exchange.context["responseOverride"]
    for name, value in (override.get("header") or {}).items():
        headers = _with_header(headers, name, java.to_string(value))
    return int(override.get("status") or status), headers
