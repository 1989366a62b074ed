"""Stacks deployed into moto from their templates, in a test's own process."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self
from unittest.mock import patch

from boto3.dynamodb.types import TypeDeserializer
from moto import mock_aws

from service_testing import aws
from service_testing.functions import LocalFunction
from service_testing.intrinsics import Resolver, UnresolvableError
from service_testing.resources import CREATORS, DeployedResource, Identity, made_up_identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from service_testing.templates import Template

_PLATFORM_PATH: Final = re.compile(r"/commerce/(?P<stage>\w+)/platform/(?P<name>[\w-]+)/v\d+")
# What the CDK appends to the logical id that it makes of a construct's path.
_HASH: Final = re.compile(r"[0-9A-F]{8}$")
# SQS gives no more at once; where moto gives fewer, there are none left.
_MOST_MESSAGES: Final = 10
_ENVIRONMENT: Final = {
    "AWS_DEFAULT_REGION": aws.REGION,
    "AWS_REGION": aws.REGION,
    "POWERTOOLS_TRACE_DISABLED": "true",
}


class Stacks:
    """Templates brought to life in moto; a context manager.

    Tables, queues, buses, topics, parameters, secrets and state machines exist (a queue without a name of its own once
    something refers to it); everything else has a made-up name, so that references to it resolve. References between
    stacks (exports, SSM parameters) resolve among the templates;
    what the platform publishes has stand-ins (a real bus among them); any other missing parameter is an error that says
    how to give it.

    Args:
        templates: Stack name → template, from `synthesize`.
        parameters: Values of template parameters by name, and of SSM parameters by path.
    """

    def __init__(
        self, templates: Mapping[str, Template], *, parameters: Mapping[str, str] | None = None
    ) -> None:
        self._given = dict(parameters or {})
        self._templates = dict(templates)
        self._resolvers = {stack: Resolver(stack, each, self) for stack, each in self._templates.items()}
        self._identities: dict[tuple[str, str], Identity] = {}
        self._resources: dict[tuple[str, str], DeployedResource] = {}
        self._by_type: dict[str, list[DeployedResource]] = {}
        self._functions: dict[str, LocalFunction] = {}
        self._entered = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as entered:
            entered.enter_context(patch.dict(os.environ, _ENVIRONMENT))
            for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
                os.environ.pop(name, None)
            entered.enter_context(mock_aws())
            for stack, logical_id, resource in self._declared:
                if resource["Type"] in CREATORS and not _is_only_referred_to(resource):
                    self._identity(stack, logical_id)
            self._entered = entered.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._entered.close()

    # What was deployed ------------------------------------------------------------------------------------------------

    def resources(self, resource_type: str = "") -> list[DeployedResource]:
        """Every resource of a type (`AWS::SQS::Queue`), of a service (`AWS::SQS::`) or at all, properties resolved."""
        if resource_type not in self._by_type:
            kind = resource_type.removesuffix("::") + "::" if resource_type else ""
            self._by_type[resource_type] = [
                self._resource(stack, logical_id, resource)
                for stack, logical_id, resource in self._declared
                if f"{resource['Type']}::".startswith(kind)
            ]
        return [*self._by_type[resource_type]]

    def resource(self, construct_id: str, resource_type: str = "") -> DeployedResource:
        """The one resource of a construct, of a type as of `resources`.

        Args:
            construct_id: The ids from the stack inwards, `Earning/Orders`, as far as they are needed to tell it from others;
                a logical id begins with the same without slashes, so that one serves as well.
            resource_type: See `resources`.

        Raises:
            LookupError: None is called so, or several are; lists the names there are.
        """
        candidates = self.resources(resource_type)
        found = [
            resource for resource in candidates if resource.logical_id.startswith(logical_name(construct_id))
        ]
        if len(found) != 1:
            kind = resource_type.removesuffix("::") or "resource"
            raise LookupError(
                misnamed(construct_id, kind, len(found), [each.logical_id for each in candidates])
            )
        return found[0]

    def client(self, service: str) -> Any:
        """A boto3 client on moto."""
        return aws.client(service)

    def table(self, construct_id: str = "") -> Any:
        """A boto3 Table resource of the deployed table."""
        name = self.resource(construct_id, "AWS::DynamoDB::").ref
        return aws.dynamodb().Table(name)

    def items(self, construct_id: str = "") -> list[dict[str, Any]]:
        """All items of a table as Python values, in the order of their texts."""
        table = self.resource(construct_id, "AWS::DynamoDB::").ref
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName=table)
        items = sorted((item for page in pages for item in page["Items"]), key=_ordered)
        deserialize = TypeDeserializer().deserialize
        return [{name: deserialize(value) for name, value in item.items()} for item in items]

    def messages(self, construct_id: str = "") -> list[str]:
        """Takes every visible message off a queue and returns the bodies."""
        url = self.resource(construct_id, "AWS::SQS::Queue").ref
        return [message["Body"] for message in self.take(url)]

    def take(self, queue_url: str) -> Iterator[dict[str, Any]]:
        """Every visible message of a queue as SQS gives it, deleted once looked at."""
        for message in self.receive(queue_url):
            self.client("sqs").delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
            yield message

    def receive(self, queue_url: str) -> Iterator[dict[str, Any]]:
        """Every visible message of a queue as SQS gives it, received once."""
        everything = {"AttributeNames": ["All"], "MessageAttributeNames": ["All"]}
        while True:
            answer = self.client("sqs").receive_message(
                QueueUrl=queue_url, MaxNumberOfMessages=_MOST_MESSAGES, **everything
            )
            found = answer.get("Messages", [])
            yield from found
            if len(found) < _MOST_MESSAGES:
                return

    def function(self, name_or_arn: str) -> LocalFunction:
        """A function of the templates, by construct id (see `resource`) or ARN, of an alias too: there is one version here."""
        functions = self.resources("AWS::Lambda::Function")
        found = [f for f in functions if aws.unqualified(name_or_arn) in (f.ref, f.attributes["Arn"])]
        chosen = found[0] if found else self.resource(name_or_arn, "AWS::Lambda::Function")
        return self._functions.setdefault(chosen.ref, LocalFunction(chosen))

    # References (`intrinsics.References`) -----------------------------------------------------------------------------

    def parameter(self, stack: str, name: str) -> str:
        """The value of a template parameter."""
        declared = self._templates[stack]["Parameters"][name]
        if declared["Type"].startswith("AWS::SSM::Parameter::Value"):
            return self._ssm_value(self._given.get(name, declared.get("Default", "")))
        if name in self._given:
            return self._given[name]
        if "Default" in declared:
            return str(declared["Default"])
        raise UnresolvableError(
            f"template parameter {name!r} has no default: Deployment(…, parameters={{{name!r}: …}})"
        )

    def ref(self, stack: str, logical_id: str) -> str:
        """`Ref` of a resource."""
        return self._identity(stack, logical_id)[0]

    def attribute(self, stack: str, logical_id: str, name: str) -> str:
        """`Fn::GetAtt` of a resource; one that is not known is made up from its name."""
        ref, attributes = self._identity(stack, logical_id)
        return attributes.get(name, f"{ref}-{name}")

    def exported(self, name: str) -> Any:
        """The value of an export of any of the stacks."""
        for stack, template in self._templates.items():
            resolve = self._resolvers[stack].resolve
            for output in template.get("Outputs", {}).values():
                if "Export" in output and resolve(output["Export"]["Name"]) == name:
                    return resolve(output["Value"])
        raise UnresolvableError(f"no template here exports {name!r}")

    def dynamic(self, service: str, key: str) -> str:
        """The value of `{{resolve:ssm:key}}`."""
        if service == "secretsmanager":
            raise UnresolvableError(
                f"{{{{resolve:secretsmanager:{key}}}}}: give the resource's own value instead"
            )
        return self._ssm_value(key.partition(":")[0])

    @cached_property
    def _declared(self) -> Sequence[tuple[str, str, dict[str, Any]]]:
        """Stack, logical id and declaration of every resource whose condition holds."""
        return [
            (stack, logical_id, resource)
            for stack, template in self._templates.items()
            for logical_id, resource in template.get("Resources", {}).items()
            if "Condition" not in resource or self._resolvers[stack].condition(resource["Condition"])
        ]

    def _resource(self, stack: str, logical_id: str, declared: Mapping[str, Any]) -> DeployedResource:
        if (stack, logical_id) not in self._resources:
            ref, attributes = self._identity(stack, logical_id)
            properties = self._resolvers[stack].resolve(declared.get("Properties", {}))
            self._resources[stack, logical_id] = DeployedResource(
                logical_id=logical_id,
                type=declared["Type"],
                ref=ref,
                properties=properties,
                attributes=attributes,
            )
        return self._resources[stack, logical_id]

    def _identity(self, stack: str, logical_id: str) -> Identity:
        """The resource's names: it is created on first need, so that those it refers to come first.

        One that is only named needs no properties for that: a role and its function may refer to each other.
        """
        if (stack, logical_id) not in self._identities:
            resource = self._templates[stack].get("Resources", {}).get(logical_id)
            if resource is None:
                raise UnresolvableError(f"{stack} refers to {logical_id!r}, which it does not have")
            name, create = f"{stack}-{logical_id}", CREATORS.get(resource["Type"])
            self._identities[stack, logical_id] = (
                create(name, self._resolvers[stack].resolve(resource.get("Properties", {})))
                if create
                else made_up_identity(name, resource["Type"])
            )
        return self._identities[stack, logical_id]

    def _ssm_value(self, path: str) -> str:
        if path not in self._given:
            self._given[path] = self._published(path) or _stand_in(path)
        return self._given[path]

    def _published(self, path: str) -> str | None:
        """The value of an SSM parameter of any of the stacks."""
        for stack, logical_id, resource in self._declared:
            if resource["Type"] != "AWS::SSM::Parameter":
                continue
            if self._resolvers[stack].resolve(resource["Properties"].get("Name")) == path:
                return self.attribute(stack, logical_id, "Value")
        return None


def _is_only_referred_to(resource: Mapping[str, Any]) -> bool:
    """Whether it is a queue whose name only a reference can tell: half the time that a deployment takes are its queues."""
    name = resource.get("Properties", {}).get("QueueName")
    return resource["Type"] == "AWS::SQS::Queue" and not isinstance(name, str)


def logical_name(construct_id: str) -> str:
    """The beginning of the logical ids below a construct: its path without separators.

    Args:
        construct_id: The ids from the stack inwards, `Earning/Orders`.
    """
    return construct_id.replace("/", "").replace("-", "")


def misnamed(construct_id: str, kind: str, found: int, logical_ids: Iterable[str]) -> str:
    """What to say of a name that means nothing, or several things.

    Args:
        construct_id: As a test has written it.
        kind: Of what.
        found: How many it means.
        logical_ids: What there is of the kind.
    """
    names = ", ".join(sorted({_HASH.sub("", each) for each in logical_ids})) or "none"
    how = "none" if not found else f"{found}"
    return (
        f"{how} called {construct_id!r}: {kind} is named by the construct ids from the stack inwards, as in 'Earning/Orders' "
        f"or, without the slashes, 'EarningOrders'; there are: {names}"
    )


def _stand_in(path: str) -> str:
    """What the account stack publishes, for a service tested without it."""
    match = _PLATFORM_PATH.fullmatch(path)
    name = match["name"] if match else ""
    if match and name in {"event-bus-arn", "event-bus-name"}:
        bus, events = f"commerce-{match['stage']}", aws.client("events")
        if bus not in {known["Name"] for known in events.list_event_buses()["EventBuses"]}:
            events.create_event_bus(Name=bus)
        return bus if name.endswith("name") else aws.arn("events", f"event-bus/{bus}")
    pool, operators = f"{aws.REGION}_standin01", f"{aws.REGION}_standin02"
    known = {
        "event-log-name": f"/aws/events/commerce-{match['stage']}" if match else "",
        "alarm-topic-arn": aws.arn("sns", "alarms"),
        "schema-registry-name": f"commerce-{match['stage']}" if match else "",
        "runtime-layer-arn": aws.arn("lambda", "layer:runtime:1"),
        "user-pool-arn": aws.arn("cognito-idp", f"userpool/{pool}"),
        "user-pool-id": pool,
        "user-pool-client-id": "standin0client",
        "operator-pool-arn": aws.arn("cognito-idp", f"userpool/{operators}"),
    }
    if name not in known:
        raise UnresolvableError(
            f"SSM parameter {path!r} is published by no template here; give it: "
            f"Deployment(…, parameters={{{path!r}: …}})"
        )
    return known[name]


def _ordered(item: Any) -> str:
    return str(sorted(item.items()))
