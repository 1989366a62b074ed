"""One request through one REST API: authorise, validate, map, integrate, map back, or answer itself."""

from __future__ import annotations

import datetime as dt
import json
import logging
import re
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

import requests

from apigateway_engine import java, velocity
from apigateway_engine.errors import (
    InvalidBodyError,
    InvalidTemplateError,
    TemplateExecutionError,
    UnknownRouteError,
    UnsupportedFeatureError,
)
from apigateway_engine.exchange import Exchange, body_value, claim_texts
from apigateway_engine.gateway_responses import GatewayError, gateway_response
from apigateway_engine.integration import (
    Backend,
    BackendResponse,
    IntegrationRequest,
    create_integration_request,
)
from apigateway_engine.model import Api, Headers, HttpRequest, HttpResponse, IntegrationResponse, Method
from apigateway_engine.responses import choose_template, overridden, with_header
from apigateway_engine.validation import body_errors, missing_parameters
from apigateway_engine.variables import create_context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LOG: Final = logging.getLogger(__name__)

MAX_PAYLOAD_BYTES: Final = 10 * 1024 * 1024
"""Payload size of a REST API; a fixed quota."""


class Gateway:
    """Serves an API.

    Args:
        api: The API; also replaced whole when it changes.
        backend: Sends integration requests; `AwsEndpoint()` by default, so that moto can intercept it.
        proxy: Answers AWS_PROXY integrations; without one such a method is an `UnsupportedFeatureError`.
        clock: The request time; UTC now by default.
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
            request: Without path parameters; routing finds them.
            claims: Of a verified token; None means that no token came.
            identity: `$context.identity` of an IAM caller (`userArn`, `accountId`, …).

        Raises:
            UnknownRouteError: When no method serves the request (AWS answers 403 MISSING_AUTHENTICATION_TOKEN; a test
                that hits it has mistyped a path).
            UnsupportedFeatureError, InvalidTemplateError: when the API cannot be run faithfully.
        """
        method, request = self.route(request)
        exchange = self.open(request, method, claims=claims, identity=identity)
        try:
            _authorize(method, claims, identity)
            self.validate(exchange)
        except GatewayError as error:
            return gateway_response(exchange, error)
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
        known = dict(authorizer) if authorizer else {} if claims is None else {"claims": claim_texts(claims)}
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
            return gateway_response(
                exchange, GatewayError("BAD_REQUEST_BODY", str(error), details=str(error), cause=error)
            )
        except TemplateExecutionError as error:
            _LOG.warning("%s: %s", method, error)
            return gateway_response(exchange, GatewayError("API_CONFIGURATION_ERROR", cause=error))
        except GatewayError as error:
            return gateway_response(exchange, error)

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
            value = exchange.value(source)
            if value is not None:
                mapped[location][name] = value
        for location, values in exchange.context["requestOverride"].items():
            mapped[location] |= {name: java.to_string(value) for name, value in values.items()}
        return create_integration_request(
            self._fill_uri(integration.uri, mapped["path"]),
            http_method=integration.http_method, headers=mapped["header"], query=mapped["querystring"], body=body,
        )  # fmt: skip

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
        accept, template = choose_template(selected.response_templates, exchange.request)
        body = answer.body
        if template is not None and accept is not None:
            headers["Content-Type"] = accept
            try:
                body = velocity.render(template, exchange.variables(answer.body))
            except InvalidBodyError as error:
                raise TemplateExecutionError(f"the back end's answer is not JSON: {error}") from error
        for target, source in selected.response_parameters.items():
            value = exchange.value(source, answer)
            if value is not None:
                headers = with_header(headers, target.removeprefix("method.response.header."), value)
        headers["x-amzn-RequestId"] = exchange.context["requestId"]
        status, headers = overridden(exchange, selected.status_code, headers)
        return HttpResponse(status=status, headers=Headers(headers), body=body)


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


def _select(method: Method, answer: BackendResponse) -> IntegrationResponse:
    """The integration response whose pattern matches the whole status (or a function's errorMessage), else the default."""
    tested: str | None = str(answer.status)
    if ":lambda:path/" in method.integration.uri:
        failed = "x-amz-function-error" in Headers(answer.headers)
        tested = body_value(answer.body, "errorMessage") if failed else None
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
