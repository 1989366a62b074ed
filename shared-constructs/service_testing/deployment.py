"""A synthesized service, deployed into moto: requests through its API, events, workflows."""

from __future__ import annotations

import json
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from apigateway_engine import (
    Api,
    AwsEndpoint,
    Backend,
    BackendResponse,
    Exchange,
    Gateway,
    Headers,
    HttpRequest,
    HttpResponse,
    IntegrationRequest,
    UnknownRouteError,
    apis_from_resources,
    checked,
)

from service_testing.aws import ACCOUNT, REGION
from service_testing.consumers import FeedResult, feed, published, run_state_machine
from service_testing.functions import proxy_event, proxy_response
from service_testing.stacks import Stacks, logical_name, misnamed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from service_runtime.envelope import Event

    from service_testing.templates import Template
    from service_testing.workflows import Execution

_FUNCTION_ARN: Final = re.compile(r"/functions/(?P<arn>[^/]+)/invocations")


class Deployment(Stacks):
    """A service brought to life in moto from its templates; see `Stacks` for what exists and how references resolve.

    Args:
        templates: Stack name → template, from `synthesize`.
        parameters: Values of template parameters by name, and of SSM parameters by path.
        backend: Receives the integration requests instead of moto, for services that moto does not run.

    Attributes:
        calls: Every integration request sent, in order.

    Examples:
        >>> with Deployment(synthesize(build)) as d:                          # doctest: +SKIP
        ...     r = d.request("PUT", "/products/X", body={...}, claims={"sub": "u", "scope": "commerce/operate"})
        ...     assert r.status == 201 and d.items("Table")
    """

    def __init__(
        self,
        templates: Mapping[str, Template],
        *,
        parameters: Mapping[str, str] | None = None,
        backend: Backend | None = None,
    ) -> None:
        super().__init__(templates, parameters=parameters)
        self._backend = checked(backend or AwsEndpoint())
        self._runs_workflows = backend is None
        self.calls: list[IntegrationRequest] = []

    # Requests ---------------------------------------------------------------------------------------------------------

    def request(  # the parts of an HTTP request
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        claims: Mapping[str, Any] | None = None,
        identity: Mapping[str, Any] | None = None,
        api: str = "",
    ) -> HttpResponse:
        """Send a request to the deployed API and return what its client would receive.

        Args:
            method: The verb.
            path: Below the stage, percent-encoded as on the wire, with or without a query string.
            headers: Request headers.
            query: Query parameters, not encoded; added to those in `path`.
            body: Text as it is, anything else as JSON.
            claims: Of the caller's verified token; None is a request without a token. The authorizer's part that API
                Gateway does after verifying, scopes, is done; a missing scope is 403.
            identity: Of an IAM caller (`userArn`, …); None is an unsigned request.
            api: Construct id of the API (see `Stacks.resource`), when the templates have several.

        Raises:
            UnknownRouteError: No such route; the message lists the routes.
            UnsupportedFeatureError: The method needs what the engine does not know; the message names it.
        """
        request = _http_request(method, path, headers, query, body)
        return self._gateway(api).handle(request, claims=claims, identity=identity)

    def render(  # the parts of an HTTP request
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        claims: Mapping[str, Any] | None = None,
        api: str = "",
    ) -> IntegrationRequest:
        """The request that the route would send to its AWS service, without sending it; arguments as of `request`.

        Authorisation and validation are not run.
        """
        gateway = self._gateway(api)
        route, request = gateway.route(_http_request(method, path, headers, query, body))
        return gateway.render(gateway.open(request, route, claims=claims))

    @cached_property
    def apis(self) -> dict[str, Api]:
        """Logical id → API."""
        return apis_from_resources(self.resources("AWS::ApiGateway::"), account=ACCOUNT, region=REGION)

    def _gateway(self, prefix: str) -> Gateway:
        matching = [api for name, api in self.apis.items() if name.startswith(logical_name(prefix))]
        if len(matching) != 1:
            raise LookupError(misnamed(prefix, "an API", len(matching), self.apis))
        return Gateway(matching[0], self._send, proxy=self._proxy)

    def _send(self, request: IntegrationRequest) -> BackendResponse:
        self.calls.append(request)
        if self._runs_workflows and (request.service, request.action) == ("states", "StartSyncExecution"):
            return self._start_sync_execution(request)
        return self._backend(request)

    def _start_sync_execution(self, request: IntegrationRequest) -> BackendResponse:
        """Run an Express workflow, since moto's interpreter does not know JSONata."""
        body = request.json()
        try:
            workflow_input = json.loads(body["input"])
        except json.JSONDecodeError as error:
            message = f"Invalid State Machine Execution Input: {error}"
            return BackendResponse(
                status=400, body=json.dumps({"__type": "InvalidExecutionInput", "message": message})
            )
        execution = self.run(body["stateMachineArn"], workflow_input)
        result = (
            {"output": json.dumps(execution.output)}
            if execution.status == "SUCCEEDED"
            else {"error": execution.error, "cause": execution.cause}
        )
        return BackendResponse(status=200, body=json.dumps({"status": execution.status, **result}))

    def _proxy(self, exchange: Exchange) -> HttpResponse:
        if exchange.method is None:
            raise UnknownRouteError(exchange.request.path)
        uri = exchange.method.integration.uri
        match = _FUNCTION_ARN.search(uri)
        answer = self.function(match["arn"] if match else uri).invoke(proxy_event(exchange))
        response = proxy_response(answer)
        if response is None:
            raise ValueError(f"{exchange.method}: not a proxy integration response (502 on AWS): {answer!r}")
        return response

    # Events and workflows ---------------------------------------------------------------------------------------------

    def feed(
        self,
        consumer_id: str,
        events: Sequence[Event[Any] | Mapping[str, Any]],
        *,
        receives: int | None = None,
    ) -> FeedResult:
        """Give a queue consumer, projection or counter events, as the bus would; see `consumers.feed`."""
        return feed(self, consumer_id, events, receives=receives)

    def published(self, feed_id: str) -> list[Event[Any]]:
        """The events that a change feed makes of what has happened to its table so far; see `consumers.published`."""
        return published(self, feed_id)

    def run(self, workflow_id: str, workflow_input: Any, **options: Any) -> Execution:
        """Run a workflow to its end, its AWS calls on moto; see `workflows.run_workflow`."""
        return run_state_machine(self, workflow_id, workflow_input, **options)


def _http_request(
    method: str, path: str, headers: Mapping[str, str] | None, query: Mapping[str, str] | None, body: Any
) -> HttpRequest:
    path, _, query_string = path.partition("?")
    parsed: dict[str, list[str]] = parse_qs(query_string, keep_blank_values=True)
    for name, value in (query or {}).items():
        parsed.setdefault(name, []).append(value)
    text = "" if body is None else body if isinstance(body, str) else json.dumps(body)
    return HttpRequest(method=method, path=path, headers=Headers(headers), query=parsed, body=text)
