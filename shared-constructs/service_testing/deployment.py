"""A synthesized service, deployed into moto: requests through its API, in a test's own process."""

from __future__ import annotations

import json
import os
import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import parse_qs

import boto3
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
    Resource,
    UnknownRouteError,
    apis_from_resources,
    checked,
)
from boto3.dynamodb.types import TypeDeserializer
from moto import mock_aws

from .consumers import FeedResult, feed, published, run_state_machine
from .functions import LocalFunction, environment, proxy_event, proxy_response
from .resources import CREATORS, DeployedResource, Place, made_up_identity
from .templates import Resolver, Template, UnresolvableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import TracebackType

    from service_runtime.envelope import Event

    from .workflows import Execution

ACCOUNT: Final = "123456789012"
"""moto's account."""

_PLATFORM_PATH: Final = re.compile(r"/commerce/(?P<stage>\w+)/platform/(?P<name>[\w-]+)/v\d+")
_FUNCTION_ARN: Final = re.compile(r"/functions/(?P<arn>[^/]+)/invocations")


class Deployment:
    """Templates brought to life in moto; a context manager.

    Tables, queues, buses, topics, parameters, secrets and state machines exist; everything else has a made-up name, so
    that references to it resolve. References between stacks (exports, SSM parameters) resolve among the templates;
    what the platform publishes has stand-ins (a real bus among them); any other missing parameter is an error that says
    how to give it.

    Args:
        templates: stack name → template, from `synthesize`.
        parameters: values of template parameters by name, and of SSM parameters by path.
        region: of everything.
        backend: receives the integration requests instead of moto, for services that moto does not run.

    Attributes:
        calls: every integration request sent, in order.

    Example:
        >>> with Deployment(synthesize(build)) as d:                          # doctest: +SKIP
        ...     r = d.request("PUT", "/products/X", body={...}, claims={"sub": "u", "scope": "commerce/operate"})
        ...     assert r.status == 201 and d.items("Table")
    """

    def __init__(
        self,
        templates: Mapping[str, Template],
        *,
        parameters: Mapping[str, str] | None = None,
        region: str = "eu-west-1",
        backend: Backend | None = None,
    ) -> None:
        self.templates = dict(templates)
        self.region = region
        self._given = dict(parameters or {})
        self._backend = checked(backend or AwsEndpoint())
        self._runs_workflows = backend is None
        self.calls: list[IntegrationRequest] = []
        self._mock = mock_aws()
        self._environment = environment(
            {"AWS_DEFAULT_REGION": region, "AWS_REGION": region, "POWERTOOLS_TRACE_DISABLED": "true"}
        )
        self._resources: dict[tuple[str, str], DeployedResource] = {}
        self._functions: dict[str, LocalFunction] = {}
        self._clients: dict[str, Any] = {}
        self._resolvers = {name: self._resolver(name) for name in self.templates}

    def __enter__(self) -> Self:
        self._environment.__enter__()
        for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
            os.environ.pop(name, None)
        self._mock.start()
        try:
            for stack, template in self.templates.items():
                for logical_id, resource in template.get("Resources", {}).items():
                    if resource["Type"] in CREATORS and self._exists(stack, resource):
                        self._deploy(stack, logical_id)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._mock.stop()
        self._environment.__exit__(kind, error, traceback)

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
            method: the verb.
            path: below the stage, percent-encoded as on the wire, with or without a query string.
            headers: request headers.
            query: query parameters, not encoded; added to those in `path`.
            body: text as it is, anything else as JSON.
            claims: of the caller's verified token; None is a request without a token. The authorizer's part that API
                Gateway does after verifying, scopes, is done; a missing scope is 403.
            identity: of an IAM caller (`userArn`, …); None is an unsigned request.
            api: logical id prefix of the API, when the templates have several.

        Raises:
            UnknownRouteError: no such route; the message lists the routes.
            UnsupportedFeatureError: the method needs what the engine does not know; the message names it.
        """
        gateway = self._gateway(api)
        return gateway.handle(
            _http_request(method, path, headers, query, body), claims=claims, identity=identity
        )

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
        request = _http_request(method, path, headers, query, body)
        routed = gateway.route(request)
        return gateway.render(gateway.open(routed[1], routed[0], claims=claims))

    @property
    def apis(self) -> dict[str, Api]:
        """Logical id → API."""
        refs = {r.ref: r.logical_id for r in self.resources("AWS::ApiGateway::RestApi")}
        return {refs[ref]: api for ref, api in self._apis.items()}

    @cached_property
    def _apis(self) -> dict[str, Api]:
        parts = [
            Resource(logical_id=r.logical_id, type=r.type, ref=r.ref, properties=r.properties)
            for r in self.resources("AWS::ApiGateway::")
        ]
        return apis_from_resources(parts, account=ACCOUNT, region=self.region)

    def _gateway(self, prefix: str) -> Gateway:
        matching = {name: api for name, api in self.apis.items() if name.startswith(prefix)}
        if len(matching) != 1:
            raise LookupError(
                f"{len(matching)} APIs start with {prefix!r}; the templates have: {sorted(self.apis)}"
            )
        return Gateway(next(iter(matching.values())), self._send, proxy=self._proxy)

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
            answer = {
                "__type": "InvalidExecutionInput",
                "message": f"Invalid State Machine Execution Input: {error}",
            }
            return BackendResponse(status=400, body=json.dumps(answer))
        execution = self.run(body["stateMachineArn"], workflow_input)
        outcome = (
            {"output": json.dumps(execution.output)}
            if execution.status == "SUCCEEDED"
            else {"error": execution.error, "cause": execution.cause}
        )
        return BackendResponse(status=200, body=json.dumps({"status": execution.status, **outcome}))

    def _proxy(self, exchange: Exchange) -> HttpResponse:
        if exchange.method is None:
            raise UnknownRouteError(exchange.request.path)
        match = _FUNCTION_ARN.search(exchange.method.integration.uri)
        answer = self.function(match["arn"] if match else exchange.method.integration.uri).invoke(
            proxy_event(exchange)
        )
        response = proxy_response(answer)
        if response is None:
            raise ValueError(f"{exchange.method}: not a proxy integration response (502 on AWS): {answer!r}")
        return response

    # What was deployed ------------------------------------------------------------------------------------------------

    def resources(self, resource_type: str = "") -> list[DeployedResource]:
        """Every resource of a type (`AWS::SQS::Queue`), of a service (`AWS::SQS::`) or at all, properties resolved."""
        return [
            self._deploy(stack, logical_id)
            for stack, template in self.templates.items()
            for logical_id, resource in template.get("Resources", {}).items()
            if _is_of_type(resource["Type"], resource_type) and self._exists(stack, resource)
        ]

    def resource(self, logical_id_prefix: str, resource_type: str = "") -> DeployedResource:
        """The one resource whose logical id starts so, of a type as of `resources`; the error lists the candidates."""
        candidates = self.resources(resource_type)
        found = [resource for resource in candidates if resource.logical_id.startswith(logical_id_prefix)]
        if len(found) != 1:
            names = ", ".join(sorted(f"{r.logical_id} ({r.type})" for r in candidates)) or "none"
            raise LookupError(
                f"{len(found)} resources are {resource_type or 'of any type'} and start with {logical_id_prefix!r}; "
                f"there are: {names}"
            )
        return found[0]

    def client(self, service: str) -> Any:
        """A boto3 client on moto, one per service."""
        if service not in self._clients:
            self._clients[service] = boto3.client(service, region_name=self.region)  # type: ignore[call-overload]  # any
        return self._clients[service]

    def table(self, logical_id_prefix: str = "") -> Any:
        """A boto3 Table resource of the deployed table."""
        name = self.resource(logical_id_prefix, "AWS::DynamoDB::").ref
        return self._dynamodb.Table(name)

    @cached_property
    def _dynamodb(self) -> Any:
        return boto3.resource("dynamodb", region_name=self.region)

    def items(self, logical_id_prefix: str = "") -> list[dict[str, Any]]:
        """All items of a table as Python values, in the order of their keys."""
        deserialize = TypeDeserializer().deserialize
        raw = self.raw_items(self.resource(logical_id_prefix, "AWS::DynamoDB::").ref)
        return [{name: deserialize(value) for name, value in item.items()} for item in raw]

    def raw_items(self, table_name: str) -> list[dict[str, Any]]:
        """All items of a table as DynamoDB's typed JSON, sorted."""
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName=table_name)
        return sorted(
            (item for page in pages for item in page["Items"]),
            key=lambda item: json.dumps(item, sort_keys=True, default=str),
        )

    def messages(self, logical_id_prefix: str = "") -> list[str]:
        """Takes every visible message off a queue and returns the bodies."""
        sqs, url = self.client("sqs"), self.resource(logical_id_prefix, "AWS::SQS::Queue").ref
        return list(_drain(sqs, url))

    def function(self, name_or_arn: str) -> LocalFunction:
        """A function of the templates, by logical id prefix or ARN."""
        functions = self.resources("AWS::Lambda::Function")
        found = [f for f in functions if name_or_arn in (f.ref, f.attributes["Arn"])]
        chosen = found[0] if found else self.resource(name_or_arn, "AWS::Lambda::Function")
        if chosen.ref not in self._functions:
            self._functions[chosen.ref] = LocalFunction(chosen, region=self.region)
        return self._functions[chosen.ref]

    # Events and workflows ---------------------------------------------------------------------------------------------

    def feed(
        self,
        consumer_id: str,
        events: Sequence[Event[Any] | Mapping[str, Any]],
        *,
        receives: int | None = None,
    ) -> FeedResult:
        """Give a queue consumer or projection events, as the bus would; see `consumers.feed`."""
        return feed(self, consumer_id, events, receives=receives)

    def published(self, feed_id: str) -> list[Event[Any]]:
        """The events that a change feed makes of what has happened to its table so far; see `consumers.published`."""
        return published(self, feed_id)

    def run(self, workflow_id: str, workflow_input: Any, **options: Any) -> Execution:
        """Run a workflow to its end, its AWS calls on moto; see `workflows.run_workflow`."""
        return run_state_machine(self, workflow_id, workflow_input, **options)

    # References -------------------------------------------------------------------------------------------------------

    def _exists(self, stack: str, resource: Mapping[str, Any]) -> bool:
        return "Condition" not in resource or self._resolvers[stack].condition(resource["Condition"])

    def _deploy(self, stack: str, logical_id: str) -> DeployedResource:
        """The resource, created on first need, so that those it refers to come first."""
        known = self._resources.get((stack, logical_id))
        if known is not None and known.properties is not _PENDING:
            return known
        resource = self.templates[stack]["Resources"][logical_id]
        place = Place(stack=stack, logical_id=logical_id, account=ACCOUNT, region=self.region)
        create = CREATORS.get(resource["Type"])
        if create is None and known is None:
            # Its name exists before its properties do: a role and its function may refer to each other.
            ref, attributes = made_up_identity(place, resource["Type"])
            self._resources[stack, logical_id] = known = DeployedResource(
                stack=stack, logical_id=logical_id, type=resource["Type"], ref=ref, properties=_PENDING,
                attributes=attributes,
            )  # fmt: skip
        properties = self._resolvers[stack].resolve(resource.get("Properties", {}))
        if create is not None:
            ref, attributes = create(place, properties)
        elif known is not None:
            ref, attributes = known.ref, dict(known.attributes)
        deployed = DeployedResource(
            stack=stack, logical_id=logical_id, type=resource["Type"], ref=ref, properties=properties,
            attributes=attributes, created=create is not None,
        )  # fmt: skip
        self._resources[stack, logical_id] = deployed
        return deployed

    def _identity(self, stack: str, logical_id: str) -> DeployedResource:
        """The resource's names, without resolving the properties of one that is not created."""
        if logical_id not in self.templates[stack].get("Resources", {}):
            raise UnresolvableError(f"{stack} refers to {logical_id!r}, which it does not have")
        known = self._resources.get((stack, logical_id))
        if known is not None:
            return known
        resource_type = self.templates[stack]["Resources"][logical_id]["Type"]
        if resource_type in CREATORS:
            return self._deploy(stack, logical_id)
        place = Place(stack=stack, logical_id=logical_id, account=ACCOUNT, region=self.region)
        ref, attributes = made_up_identity(place, resource_type)
        named = DeployedResource(
            stack=stack,
            logical_id=logical_id,
            type=resource_type,
            ref=ref,
            properties=_PENDING,
            attributes=attributes,
        )
        self._resources[stack, logical_id] = named
        return named

    def _resolver(self, stack: str) -> Resolver:
        template = self.templates[stack]

        def attribute(logical_id: str, name: str) -> str:
            resource = self._identity(stack, logical_id)
            return resource.attributes.get(name, f"{resource.ref}-{name}")

        return Resolver(
            stack,
            template,
            parameter=lambda name: self._parameter(template["Parameters"][name], name),
            reference=lambda logical_id: self._identity(stack, logical_id).ref,
            attribute=attribute,
            imported=self._imported,
            dynamic=self._dynamic,
            account=ACCOUNT,
            region=self.region,
        )

    def _parameter(self, parameter: Mapping[str, Any], name: str) -> str:
        if parameter["Type"].startswith("AWS::SSM::Parameter::Value"):
            return self._ssm_value(self._given.get(name, parameter.get("Default", "")))
        if name in self._given:
            return self._given[name]
        if "Default" in parameter:
            return str(parameter["Default"])
        raise UnresolvableError(
            f"template parameter {name!r} has no default: Deployment(…, parameters={{{name!r}: …}})"
        )

    def _ssm_value(self, path: str) -> str:
        if path in self._given:
            return self._given[path]
        for stack, template in self.templates.items():
            for logical_id, resource in template.get("Resources", {}).items():
                if resource["Type"] != "AWS::SSM::Parameter":
                    continue
                if self._resolvers[stack].resolve(resource["Properties"].get("Name")) == path:
                    return self._deploy(stack, logical_id).attributes["Value"]
        match = _PLATFORM_PATH.fullmatch(path)
        stand_in = self._platform_value(match["stage"], match["name"]) if match else None
        if stand_in is None:
            raise UnresolvableError(
                f"SSM parameter {path!r} is published by no template here; give it: "
                f"Deployment(…, parameters={{{path!r}: …}})"
            )
        self._given[path] = stand_in
        return stand_in

    def _platform_value(self, stage: str, name: str) -> str | None:
        """What the account stack publishes, for a service tested without it."""
        place = Place(
            stack=f"commerce-{stage}-platform", logical_id="stand-in", account=ACCOUNT, region=self.region
        )
        if name in {"event-bus-arn", "event-bus-name"}:
            bus = f"commerce-{stage}"
            events = self.client("events")
            if bus not in {known["Name"] for known in events.list_event_buses()["EventBuses"]}:
                events.create_event_bus(Name=bus)
            return bus if name.endswith("name") else place.arn("events", f"event-bus/{bus}")
        pool = f"{self.region}_standin01"
        return {
            "alarm-topic-arn": place.arn("sns", "alarms"),
            "runtime-layer-arn": place.arn("lambda", "layer:runtime:1"),
            "user-pool-arn": place.arn("cognito-idp", f"userpool/{pool}"),
            "user-pool-id": pool,
            "user-pool-client-id": "standin0client",
        }.get(name)

    def _imported(self, export: str) -> Any:
        for stack, template in self.templates.items():
            for output in template.get("Outputs", {}).values():
                if "Export" in output and self._resolvers[stack].resolve(output["Export"]["Name"]) == export:
                    return self._resolvers[stack].resolve(output["Value"])
        raise UnresolvableError(f"no template here exports {export!r}")

    def _dynamic(self, service: str, key: str) -> str:
        if service == "secretsmanager":
            raise UnresolvableError(
                f"{{{{resolve:secretsmanager:{key}}}}}: give the resource's own value instead"
            )
        return self._ssm_value(key.partition(":")[0])


_PENDING: Final[Mapping[str, Any]] = {}


def _is_of_type(actual: str, wanted: str) -> bool:
    return actual == wanted or ((not wanted or wanted.endswith("::")) and actual.startswith(wanted))


def _drain(sqs: Any, url: str) -> Iterator[str]:
    while received := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in received:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            yield message["Body"]


def _http_request(
    method: str, path: str, headers: Mapping[str, str] | None, query: Mapping[str, str] | None, body: Any
) -> HttpRequest:
    path, _, query_string = path.partition("?")
    parsed: dict[str, list[str]] = parse_qs(query_string, keep_blank_values=True)
    for name, value in (query or {}).items():
        parsed.setdefault(name, []).append(value)
    text = "" if body is None else body if isinstance(body, str) else json.dumps(body)
    return HttpRequest(method=method, path=path, headers=Headers(headers), query=parsed, body=text)
