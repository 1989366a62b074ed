"""CloudFormation types that our templates use and the emulator lacks or only pretends to know.

Replaces, in `services/cloudformation/provisioners.py`:

- the table of types (15130): Events Archive, StateMachineVersion and StateMachineAlias are absent although the emulator
  has their APIs;
- request validators (6113): an id that names nothing, so no request is ever validated;
- methods (5281): the validator's id is not passed on;
- functions (2401, `_lambda_update`): ReservedConcurrentExecutions is dropped;
- alarms (10574): one on metric math is refused, and with it its whole template;
- SSM parameters (3158): the address of an API has a host that resolves on AWS alone. What a parameter tells is the
  address at which the API answers here, so that whoever discovers it there reaches it.

`INERT` names the types that have no effect on a local cloud; alarms on metric math have none either. Each is logged once, so that nobody takes it for the
real thing. A type in neither table fails the deployment by its name, before anything is created
(`engine.py:301`).
"""

from __future__ import annotations

import json
import logging
import os
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import apigateway_v1, eventbridge, lambda_svc, stepfunctions
from ministack.services.cloudformation import provisioners

from commerce_platform.local_cloud.extension.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("local_cloud.cloudformation")

GUARDS = (
    Guard("cloudformation.provisioners._apigw_request_validator_create", "f9fe42d289fd"),
    Guard("cloudformation.provisioners._apigw_method_create", "9460bc3fd7ff"),
    Guard("cloudformation.provisioners._apigw_method_update", "dcfd9124eea1"),
    Guard("cloudformation.provisioners._lambda_create", "8b2cf80e961d"),
    Guard("cloudformation.provisioners._lambda_update", "4855410e37d7"),
    Guard("cloudformation.provisioners._ssm_put_data", "b95f8ddaaa20"),
    Guard("cloudformation.provisioners._replace_resource", "7898bef08ec0"),
    Guard("cloudformation.provisioners._update_resource", "21b9b1207f59"),
)

INERT = (
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::Budgets::Budget",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentConfig",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::EventSchemas::Registry",
    "AWS::EventSchemas::Schema",
    "AWS::IAM::OIDCProvider",
    "AWS::Logs::QueryDefinition",
    "AWS::Oam::Link",
    "AWS::Oam::Sink",
    "AWS::Synthetics::Canary",
    "AWS::WAFv2::WebACLAssociation",
)
"""Types without a local effect: created, updated and deleted as an id and an ARN, and nothing else."""

# The default endpoint of a REST API: https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-call-api.html
_API_HOST = re.compile(r"https://([a-z0-9]+)\.execute-api\.[a-z0-9-]+\.amazonaws\.com(?=/)")

Properties = dict[str, Any]
Created = tuple[str, dict[str, Any]]
Response = tuple[int, dict[str, str], bytes]

_announced: set[str] = set()


def apply() -> None:
    """Add our types to the emulator's table, and the dropped properties to its own types."""
    for name in INERT:
        provisioners._RESOURCE_HANDLERS.setdefault(name, _inert(name).handlers())
    for name, resource_type in TYPES.items():
        provisioners._RESOURCE_HANDLERS[name] = resource_type.handlers()
        provisioners._REPLACING_PROPERTIES[name] = resource_type.create_only
    _accept_metric_math()
    _tell_addresses_of_here()
    amend("AWS::ApiGateway::Method", _set_validator)
    amend("AWS::Lambda::Function", _set_concurrency)


def amend(resource_type: str, note: Callable[[str, Properties], None]) -> None:
    """Have something done after the emulator has created or updated a resource.

    Args:
        resource_type: The CloudFormation type.
        note: Takes the physical id and the properties.
    """
    handlers = provisioners._RESOURCE_HANDLERS[resource_type]
    create, update = handlers["create"], handlers["update"]

    def create_and_note(logical_id: str, props: Properties, stack_name: str) -> Created:
        created: Created = create(logical_id, props, stack_name)
        note(created[0], props)
        return created

    def update_and_note(physical_id: str, old: Properties, new: Properties, *rest: Any) -> Created:
        updated: Created = update(physical_id, old, new, *rest)
        note(updated[0], new)
        return updated

    handlers |= {"create": create_and_note, "update": update_and_note}


def _accept_metric_math() -> None:
    """Alarms on metric math exist as a name and watch nothing; those on one metric stay the emulator's."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::CloudWatch::Alarm"]
    create, update, delete = handlers["create"], handlers["update"], handlers["delete"]
    inert = _inert("AWS::CloudWatch::Alarm")

    def create_either(logical_id: str, props: Properties, stack_name: str) -> Created:
        made: Created = (inert.create if "Metrics" in props else create)(logical_id, props, stack_name)
        return made

    def update_either(
        physical_id: str, old: Properties, new: Properties, stack_name: str, *rest: Any
    ) -> Created:
        if "Metrics" not in new:
            updated: Created = update(physical_id, old, new, stack_name, *rest)
            return updated
        if "Metrics" not in old:
            delete(physical_id, old)
        return physical_id, inert.update(physical_id, new)

    handlers |= {"create": create_either, "update": update_either}


def _tell_addresses_of_here() -> None:
    put = provisioners._ssm_put_data
    here = rf"http://127.0.0.1:{os.environ.get('GATEWAY_PORT', '4566')}/_aws/execute-api/\1"

    def put_reachable(name: str, props: Properties) -> Properties:
        data: Properties = put(name, props)
        return data | {"Value": _API_HOST.sub(here, data["Value"])}

    provisioners._ssm_put_data = put_reachable


def _set_validator(_physical_id: str, props: Properties) -> None:
    resource = apigateway_v1._resources[props["RestApiId"]][props["ResourceId"]]
    resource["resourceMethods"][props["HttpMethod"]]["requestValidatorId"] = props.get("RequestValidatorId")


def _set_concurrency(name: str, props: Properties) -> None:
    reserved = props.get("ReservedConcurrentExecutions")
    lambda_svc._functions[name]["concurrency"] = None if reserved is None else int(reserved)


@dataclass(frozen=True)
class ResourceType:
    """How the emulator makes, changes and removes one CloudFormation type.

    Attributes:
        create: (logical id, properties, stack name) to (physical id, attributes).
        update: (physical id, new properties) to attributes, for properties that change in place; else none does.
        delete: (physical id, properties).
        create_only: Properties whose change replaces the resource; the emulator creates the new one first and
            deletes the old one in the stack's clean-up phase.
    """

    create: Callable[[str, Properties, str], Created]
    update: Callable[[str, Properties], dict[str, Any]]
    delete: Callable[[str, Properties], object]
    create_only: tuple[str, ...] = ()

    def handlers(self) -> dict[str, Callable[..., Any]]:
        """Give the entry of the emulator's table of types."""

        def update(physical_id: str, _old: Properties, new: Properties, _stack_name: str) -> Created:
            return physical_id, self.update(physical_id, new)

        return {"create": self.create, "update": update, "delete": self.delete}


def _inert(name: str) -> ResourceType:
    service, kind = name.split("::")[1:]

    def create(logical_id: str, props: Properties, stack_name: str) -> Created:
        if name not in _announced:
            _announced.add(name)
            logger.warning("%s is accepted and has no effect on the local cloud", name)
        physical_id = props.get("Name") or f"{stack_name}-{logical_id}-{new_uuid()[:8]}"
        return physical_id, attributes(physical_id)

    def attributes(physical_id: str) -> dict[str, Any]:
        return {"Arn": _arn(service.lower(), f"{kind.lower()}/{physical_id}"), "Id": physical_id}

    return ResourceType(create, lambda physical_id, _props: attributes(physical_id), lambda _id, _props: None)


def _call(function: Callable[..., Response], *args: Any) -> dict[str, Any]:
    """Call one of the emulator's API operations; its refusal fails the resource with the API's own message."""
    status, _headers, body = function(*args)
    if status >= HTTPStatus.BAD_REQUEST:
        raise ValueError(body.decode() if isinstance(body, bytes) else str(body))
    answer: dict[str, Any] = json.loads(body) if body else {}
    return answer


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{get_region()}:{get_account_id()}:{resource}"


def _name(props: Properties, key: str, stack_name: str, logical_id: str, max_length: int) -> str:
    name: str = props.get(key) or provisioners._physical_name(stack_name, logical_id, max_len=max_length)
    return name


# --- EventBridge -------------------------------------------------------------------------------------------------


def _archive_request(name: str, props: Properties) -> Properties:
    pattern = props.get("EventPattern")
    return {
        "ArchiveName": name,
        "EventSourceArn": props.get("SourceArn", ""),
        "Description": props.get("Description", ""),
        "EventPattern": json.dumps(pattern) if isinstance(pattern, dict) else pattern or "",
        "RetentionDays": int(props.get("RetentionDays", 0)),
    }


def _create_archive(logical_id: str, props: Properties, stack_name: str) -> Created:
    name = _name(props, "ArchiveName", stack_name, logical_id, 48)
    _call(eventbridge._create_archive, _archive_request(name, props))
    return name, {"ArchiveName": name, "Arn": _arn("events", f"archive/{name}")}


def _update_archive(name: str, props: Properties) -> dict[str, Any]:
    _call(eventbridge._update_archive, _archive_request(name, props))
    return {"ArchiveName": name, "Arn": _arn("events", f"archive/{name}")}


# --- Step Functions ----------------------------------------------------------------------------------------------


def _create_version(_logical_id: str, props: Properties, _stack_name: str) -> Created:
    request = {"stateMachineArn": props["StateMachineArn"], "description": props.get("Description", "")}
    if props.get("StateMachineRevisionId"):
        request["revisionId"] = props["StateMachineRevisionId"]
    arn = _call(stepfunctions._publish_state_machine_version, request)["stateMachineVersionArn"]
    return arn, {"Arn": arn}


def _alias_routing(props: Properties) -> list[dict[str, Any]]:
    preference = props.get("DeploymentPreference")
    if preference:
        # A gradual deployment ends with all traffic on its version; locally it ends at once.
        return [{"stateMachineVersionArn": preference["StateMachineVersionArn"], "weight": 100}]
    return [
        {"stateMachineVersionArn": route["StateMachineVersionArn"], "weight": int(route["Weight"])}
        for route in props.get("RoutingConfiguration", [])
    ]


def _create_alias(logical_id: str, props: Properties, stack_name: str) -> Created:
    request = {
        "name": _name(props, "Name", stack_name, logical_id, 80),
        "description": props.get("Description", ""),
        "routingConfiguration": _alias_routing(props),
    }
    arn = _call(stepfunctions._create_state_machine_alias, request)["stateMachineAliasArn"]
    return arn, {"Arn": arn}


def _update_alias(arn: str, props: Properties) -> dict[str, Any]:
    request = {
        "stateMachineAliasArn": arn,
        "description": props.get("Description", ""),
        "routingConfiguration": _alias_routing(props),
    }
    _call(stepfunctions._update_state_machine_alias, request)
    return {"Arn": arn}


# --- API Gateway -------------------------------------------------------------------------------------------------


def _create_validator(_logical_id: str, props: Properties, _stack_name: str) -> Created:
    request = {
        "name": props.get("Name", ""),
        "validateRequestBody": _flag(props, "ValidateRequestBody"),
        "validateRequestParameters": _flag(props, "ValidateRequestParameters"),
    }
    validator_id = _call(apigateway_v1._create_request_validator, props["RestApiId"], request)["id"]
    return validator_id, {"RequestValidatorId": validator_id}


def _flag(props: Properties, key: str) -> bool:
    return str(props.get(key, False)).lower() == "true"


TYPES = {
    "AWS::Events::Archive": ResourceType(
        _create_archive,
        _update_archive,
        # What has gone already is no failure of a stack's deletion: the answers of deletions are not looked at.
        lambda name, _props: eventbridge._delete_archive({"ArchiveName": name}),
        create_only=("ArchiveName", "SourceArn"),
    ),
    "AWS::StepFunctions::StateMachineVersion": ResourceType(
        _create_version,
        lambda arn, _props: {"Arn": arn},
        lambda arn, _props: stepfunctions._delete_state_machine_version({"stateMachineVersionArn": arn}),
        create_only=("StateMachineArn", "StateMachineRevisionId", "Description"),
    ),
    "AWS::StepFunctions::StateMachineAlias": ResourceType(
        _create_alias,
        _update_alias,
        lambda arn, _props: stepfunctions._delete_state_machine_alias({"stateMachineAliasArn": arn}),
        create_only=("Name",),
    ),
    "AWS::ApiGateway::RequestValidator": ResourceType(
        _create_validator,
        lambda validator_id, _props: {"RequestValidatorId": validator_id},
        lambda validator_id, props: apigateway_v1._delete_request_validator(props["RestApiId"], validator_id),
        create_only=("RestApiId", "Name", "ValidateRequestBody", "ValidateRequestParameters"),
    ),
}
"""Types that the emulator's own APIs make real."""
