"""CloudFormation types that our templates use and the emulator lacks or only pretends to know.

Replaces, in `services/cloudformation/provisioners.py`:

- the table of types (15130): Events Archive, Connection, ApiDestination and EventBusPolicy, StateMachineVersion and
  StateMachineAlias, CompositeAlarm and UserPoolUserToGroupAttachment are absent although the emulator has their APIs;
- request validators (6113): an id that names nothing, so no request is ever validated;
- methods (5281): the validator's id is not passed on;
- functions (2401, `_lambda_update`): ReservedConcurrentExecutions and DeadLetterConfig are dropped;
- alarms (10574): one on metric math fails its stack. Here it is accepted and inert.

`INERT` names the types that have no effect on a local cloud. Each is logged once, so that nobody takes it for the
real thing. A type in neither table fails the deployment by its name, before anything is created
(`engine.py:301`).
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ministack.core.responses import get_account_id, get_region, new_uuid
from ministack.services import apigateway_v1, cloudwatch, cognito, eventbridge, lambda_svc, stepfunctions
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
    Guard("cloudformation.provisioners._cw_metric_alarm_create", "62b3679798aa"),
    Guard("cloudformation.provisioners._cw_metric_alarm_update", "e42f7ad7188a"),
    Guard("cloudformation.provisioners._cw_metric_alarm_delete", "425ae0f71c2e"),
    Guard("cloudformation.provisioners._replace_resource", "7898bef08ec0"),
    Guard("cloudformation.provisioners._update_resource", "21b9b1207f59"),
)

INERT = (
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::ApplicationSignals::ServiceLevelObjective",
    "AWS::Budgets::Budget",
    "AWS::CloudTrail::Trail",
    "AWS::CloudWatch::AnomalyDetector",
    "AWS::CloudWatch::InsightRule",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentConfig",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::EventSchemas::Discoverer",
    "AWS::EventSchemas::Registry",
    "AWS::EventSchemas::RegistryPolicy",
    "AWS::EventSchemas::Schema",
    "AWS::FIS::ExperimentTemplate",
    "AWS::IAM::OIDCProvider",
    "AWS::Logs::AccountPolicy",
    "AWS::Logs::LogAnomalyDetector",
    "AWS::Logs::QueryDefinition",
    "AWS::ResourceGroups::Group",
    "AWS::Synthetics::Canary",
    "AWS::WAFv2::IPSet",
    "AWS::WAFv2::LoggingConfiguration",
    "AWS::WAFv2::RuleGroup",
    "AWS::WAFv2::WebACLAssociation",
    "AWS::XRay::Group",
    "AWS::XRay::ResourcePolicy",
    "AWS::XRay::SamplingRule",
)
"""Types without a local effect: created, updated and deleted as an id and an ARN, and nothing else."""

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
    _keep_the_validator_of_methods()
    _keep_the_limits_of_functions()
    _accept_alarms_on_metric_math()


@dataclass(frozen=True)
class ResourceType:
    """How the emulator makes, changes and removes one CloudFormation type.

    Args:
        create: (logical id, properties, stack name) to (physical id, attributes).
        update: (physical id, new properties) to attributes, for properties that change in place.
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


def announce_inert(what: str) -> None:
    """Say once that something in a template has no effect here.

    Args:
        what: The type, or the type and the property.
    """
    if what not in _announced:
        _announced.add(what)
        logger.warning("%s is accepted and has no effect on the local cloud", what)


def _inert(name: str) -> ResourceType:
    service, kind = name.split("::")[1:]

    def create(logical_id: str, props: Properties, stack_name: str) -> Created:
        announce_inert(name)
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


def _delete_if_present(function: Callable[..., Response], *args: Any) -> None:
    """Delete through an API operation; that the resource has gone already is no failure of a stack's deletion."""
    function(*args)


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


def _connection_request(name: str, props: Properties) -> Properties:
    return {"Name": name} | {
        key: props[key] for key in ("AuthorizationType", "AuthParameters", "Description") if key in props
    }


def _connection_attributes(name: str) -> dict[str, Any]:
    arn = _arn("events", f"connection/{name}")
    return {
        "Arn": arn,
        "ArnForPolicy": arn,
        "SecretArn": _arn("secretsmanager", f"secret:events!connection/{name}"),
    }


def _create_connection(logical_id: str, props: Properties, stack_name: str) -> Created:
    name = _name(props, "Name", stack_name, logical_id, 64)
    _call(eventbridge._create_connection, _connection_request(name, props))
    return name, _connection_attributes(name)


def _update_connection(name: str, props: Properties) -> dict[str, Any]:
    _call(eventbridge._update_connection, _connection_request(name, props))
    return _connection_attributes(name)


_API_DESTINATION = (
    "ConnectionArn",
    "InvocationEndpoint",
    "HttpMethod",
    "InvocationRateLimitPerSecond",
    "Description",
)


def _api_destination_request(name: str, props: Properties) -> Properties:
    return {"Name": name} | {key: props[key] for key in _API_DESTINATION if key in props}


def _api_destination_attributes(name: str) -> dict[str, Any]:
    arn = _arn("events", f"api-destination/{name}")
    return {"Arn": arn, "ArnForPolicy": arn}


def _create_api_destination(logical_id: str, props: Properties, stack_name: str) -> Created:
    name = _name(props, "Name", stack_name, logical_id, 64)
    _call(eventbridge._create_api_destination, _api_destination_request(name, props))
    return name, _api_destination_attributes(name)


def _update_api_destination(name: str, props: Properties) -> dict[str, Any]:
    _call(eventbridge._update_api_destination, _api_destination_request(name, props))
    return _api_destination_attributes(name)


def _put_bus_policy(props: Properties) -> None:
    bus = props.get("EventBusName") or "default"
    if bus not in eventbridge._event_buses:
        raise ValueError(f"Event bus {bus} does not exist.")
    statement_id = props["StatementId"]
    statement = props.get("Statement")
    if statement is None:
        request = {key: props[key] for key in ("Action", "Principal", "Condition") if key in props}
        _call(eventbridge._put_permission, {"EventBusName": bus, "StatementId": statement_id} | request)
        return
    if isinstance(statement, str):
        statement = json.loads(statement)
    policy = eventbridge._event_bus_policies.get(bus) or {"Version": "2012-10-17", "Statement": []}
    others = [other for other in policy["Statement"] if other.get("Sid") != statement_id]
    eventbridge._event_bus_policies[bus] = policy | {
        "Statement": [*others, statement | {"Sid": statement_id}]
    }


def _create_bus_policy(_logical_id: str, props: Properties, _stack_name: str) -> Created:
    _put_bus_policy(props)
    return f"{props.get('EventBusName') or 'default'}|{props['StatementId']}", {}


def _update_bus_policy(_physical_id: str, props: Properties) -> dict[str, Any]:
    _put_bus_policy(props)
    return {}


def _delete_bus_policy(physical_id: str, _props: Properties) -> None:
    bus, statement_id = physical_id.split("|", 1)
    _delete_if_present(eventbridge._remove_permission, {"EventBusName": bus, "StatementId": statement_id})


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


def _update_validator(validator_id: str, props: Properties) -> dict[str, Any]:
    operations = [
        {"op": "replace", "path": f"/{key[0].lower()}{key[1:]}", "value": str(_flag(props, key)).lower()}
        for key in ("ValidateRequestBody", "ValidateRequestParameters")
    ]
    _call(
        apigateway_v1._update_request_validator,
        props["RestApiId"],
        validator_id,
        {"patchOperations": operations},
    )
    return {"RequestValidatorId": validator_id}


def _delete_validator(validator_id: str, props: Properties) -> None:
    _delete_if_present(apigateway_v1._delete_request_validator, props["RestApiId"], validator_id)


def _flag(props: Properties, key: str) -> bool:
    return str(props.get(key, False)).lower() == "true"


def _keep_the_validator_of_methods() -> None:
    handlers = provisioners._RESOURCE_HANDLERS["AWS::ApiGateway::Method"]
    create, update = handlers["create"], handlers["update"]

    def set_validator(props: Properties) -> None:
        resource = apigateway_v1._resources[props["RestApiId"]][props["ResourceId"]]
        resource["resourceMethods"][props["HttpMethod"]]["requestValidatorId"] = props.get(
            "RequestValidatorId"
        )

    def create_with_validator(logical_id: str, props: Properties, stack_name: str) -> Created:
        created: Created = create(logical_id, props, stack_name)
        set_validator(props)
        return created

    def update_with_validator(physical_id: str, old: Properties, new: Properties, stack_name: str) -> Created:
        updated: Created = update(physical_id, old, new, stack_name)
        set_validator(new)
        return updated

    handlers |= {"create": create_with_validator, "update": update_with_validator}


# --- Lambda ------------------------------------------------------------------------------------------------------


def _keep_the_limits_of_functions() -> None:
    handlers = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]
    create, update = handlers["create"], handlers["update"]

    def set_limits(name: str, props: Properties) -> None:
        function = lambda_svc._functions[name]
        reserved = props.get("ReservedConcurrentExecutions")
        function["concurrency"] = None if reserved is None else int(reserved)
        if props.get("DeadLetterConfig"):
            function["config"]["DeadLetterConfig"] = props["DeadLetterConfig"]
        else:
            function["config"].pop("DeadLetterConfig", None)

    def create_with_limits(logical_id: str, props: Properties, stack_name: str) -> Created:
        created: Created = create(logical_id, props, stack_name)
        set_limits(created[0], props)
        return created

    def update_with_limits(physical_id: str, old: Properties, new: Properties, *rest: Any) -> Created:
        updated: Created = update(physical_id, old, new, *rest)
        set_limits(updated[0], new)
        return updated

    handlers |= {"create": create_with_limits, "update": update_with_limits}


# --- CloudWatch --------------------------------------------------------------------------------------------------


def _put_composite_alarm(name: str, props: Properties) -> None:
    request = {key: value for key, value in props.items() if key != "Tags"} | {"AlarmName": name}
    _call(cloudwatch._put_composite_alarm, {}, request, False, True)


def _create_composite_alarm(logical_id: str, props: Properties, stack_name: str) -> Created:
    name = _name(props, "AlarmName", stack_name, logical_id, 255)
    _put_composite_alarm(name, props)
    return name, {"Arn": _arn("cloudwatch", f"alarm:{name}")}


def _update_composite_alarm(name: str, props: Properties) -> dict[str, Any]:
    _put_composite_alarm(name, props)
    return {"Arn": _arn("cloudwatch", f"alarm:{name}")}


def _delete_composite_alarm(name: str, _props: Properties) -> None:
    cloudwatch._composite_alarms.pop(name, None)


def _accept_alarms_on_metric_math() -> None:
    handlers = provisioners._RESOURCE_HANDLERS["AWS::CloudWatch::Alarm"]
    create, update, delete = handlers["create"], handlers["update"], handlers["delete"]

    def inert(physical_id: str) -> Created:
        announce_inert("AWS::CloudWatch::Alarm on metric math")
        return physical_id, {"Arn": _arn("cloudwatch", f"alarm:{physical_id}")}

    def create_any(logical_id: str, props: Properties, stack_name: str) -> Created:
        if "Metrics" in props:
            return inert(_name(props, "AlarmName", stack_name, logical_id, 255))
        created: Created = create(logical_id, props, stack_name)
        return created

    def update_any(
        physical_id: str, old: Properties, new: Properties, stack_name: str, *rest: Any
    ) -> Created:
        if "Metrics" in new:
            delete_any(physical_id, old)
            return inert(new.get("AlarmName") or physical_id)
        if "Metrics" in old:
            created: Created = create(
                physical_id, new | {"AlarmName": new.get("AlarmName", physical_id)}, stack_name
            )
            return created
        updated: Created = update(physical_id, old, new, stack_name, *rest)
        return updated

    def delete_any(physical_id: str, props: Properties) -> None:
        if "Metrics" not in props:
            delete(physical_id, props)

    handlers |= {"create": create_any, "update": update_any, "delete": delete_any}


# --- Cognito -----------------------------------------------------------------------------------------------------


def _create_membership(_logical_id: str, props: Properties, _stack_name: str) -> Created:
    _call(cognito._admin_add_user_to_group, props)
    return "|".join((props["UserPoolId"], props["GroupName"], props["Username"])), {}


TYPES = {
    "AWS::Events::Archive": ResourceType(
        _create_archive,
        _update_archive,
        lambda name, _props: _delete_if_present(eventbridge._delete_archive, {"ArchiveName": name}),
        create_only=("ArchiveName", "SourceArn"),
    ),
    "AWS::Events::Connection": ResourceType(
        _create_connection,
        _update_connection,
        lambda name, _props: _delete_if_present(eventbridge._delete_connection, {"Name": name}),
        create_only=("Name",),
    ),
    "AWS::Events::ApiDestination": ResourceType(
        _create_api_destination,
        _update_api_destination,
        lambda name, _props: _delete_if_present(eventbridge._delete_api_destination, {"Name": name}),
        create_only=("Name",),
    ),
    "AWS::Events::EventBusPolicy": ResourceType(
        _create_bus_policy,
        _update_bus_policy,
        _delete_bus_policy,
        create_only=("EventBusName", "StatementId"),
    ),
    "AWS::StepFunctions::StateMachineVersion": ResourceType(
        _create_version,
        lambda arn, _props: {"Arn": arn},
        lambda arn, _props: _delete_if_present(
            stepfunctions._delete_state_machine_version, {"stateMachineVersionArn": arn}
        ),
        create_only=("StateMachineArn", "StateMachineRevisionId", "Description"),
    ),
    "AWS::StepFunctions::StateMachineAlias": ResourceType(
        _create_alias,
        _update_alias,
        lambda arn, _props: _delete_if_present(
            stepfunctions._delete_state_machine_alias, {"stateMachineAliasArn": arn}
        ),
        create_only=("Name",),
    ),
    "AWS::ApiGateway::RequestValidator": ResourceType(
        _create_validator,
        _update_validator,
        _delete_validator,
        create_only=("RestApiId", "Name"),
    ),
    "AWS::CloudWatch::CompositeAlarm": ResourceType(
        _create_composite_alarm,
        _update_composite_alarm,
        _delete_composite_alarm,
        create_only=("AlarmName",),
    ),
    "AWS::Cognito::UserPoolUserToGroupAttachment": ResourceType(
        _create_membership,
        lambda _id, _props: {},
        lambda _id, props: _delete_if_present(cognito._admin_remove_user_from_group, props),
        create_only=("UserPoolId", "GroupName", "Username"),
    ),
}
"""Types that the emulator's own APIs make real."""
