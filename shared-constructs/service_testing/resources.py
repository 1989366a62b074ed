"""Resources that the testing kit creates in moto, and the names of those that it only names."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from apigateway_engine import Resource

from service_testing.aws import ACCOUNT, REGION, arn, client, unqualified

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, kw_only=True)
class DeployedResource(Resource):
    """A resource of a deployment.

    Attributes:
        attributes: What `Fn::GetAtt` gives; others are made up from the id.
    """

    attributes: Mapping[str, str] = field(default_factory=dict)


Identity = tuple[str, dict[str, str]]
"""`Ref` and the attributes of `Fn::GetAtt`."""


def _table(default_name: str, properties: Mapping[str, Any]) -> Identity:
    name = properties.get("TableName", default_name)
    request = {
        key: properties[key]
        for key in ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "LocalSecondaryIndexes")
        if properties.get(key)
    }
    if "StreamSpecification" in properties:
        view = properties["StreamSpecification"]["StreamViewType"]
        request["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": view}
    table = client("dynamodb").create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **request)[
        "TableDescription"
    ]
    attributes = {"Arn": table["TableArn"], "TableId": name}
    if "LatestStreamArn" in table:
        attributes["StreamArn"] = table["LatestStreamArn"]
    return name, attributes


def _queue(default_name: str, properties: Mapping[str, Any]) -> Identity:
    name = properties.get("QueueName", default_name[-76:])
    names = ("DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds",
             "VisibilityTimeout", "RedrivePolicy", "FifoQueue", "ContentBasedDeduplication")  # fmt: skip
    attributes = {key: _attribute_text(properties[key]) for key in names if key in properties}
    if attributes.get("FifoQueue") == "true" and not name.endswith(".fifo"):
        name += ".fifo"
    url = client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, {"Arn": arn("sqs", name), "QueueName": name, "QueueUrl": url}


def _attribute_text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | bool) else str(value)


def _bus(default_name: str, properties: Mapping[str, Any]) -> Identity:
    name = properties.get("Name", default_name)
    bus = client("events").create_event_bus(Name=name)["EventBusArn"]
    return name, {"Arn": bus, "Name": name}


def _topic(default_name: str, properties: Mapping[str, Any]) -> Identity:
    name = properties.get("TopicName", default_name)
    topic = client("sns").create_topic(Name=name)["TopicArn"]
    return topic, {"TopicArn": topic, "TopicName": name}


def _parameter(default_name: str, properties: Mapping[str, Any]) -> Identity:
    name, value = properties.get("Name", default_name), properties["Value"]
    client("ssm").put_parameter(Name=name, Value=value, Type=properties.get("Type", "String"), Overwrite=True)
    return name, {"Type": properties.get("Type", "String"), "Value": value}


def _secret(default_name: str, properties: Mapping[str, Any]) -> Identity:
    name = properties.get("Name", default_name)
    rule = properties.get("GenerateSecretString", {})
    value = properties.get("SecretString") or hashlib.sha256(name.encode()).hexdigest()
    if "GenerateStringKey" in rule:
        value = json.dumps({**json.loads(rule["SecretStringTemplate"]), rule["GenerateStringKey"]: value})
    secret = client("secretsmanager").create_secret(Name=name, SecretString=value)["ARN"]
    return secret, {"Id": secret}


def _state_machine(default_name: str, properties: Mapping[str, Any]) -> Identity:
    name = properties.get("StateMachineName", default_name)[-80:]
    if properties.get("StateMachineType") == "EXPRESS":
        # The kit runs these itself; a Standard one's executions are moto's to remember.
        return (machine := arn("states", f"stateMachine:{name}")), {"Arn": machine, "Name": name}
    machine = client("stepfunctions").create_state_machine(
        name=name,
        definition=state_machine_definition(properties),
        roleArn=properties.get("RoleArn", f"arn:aws:iam::{ACCOUNT}:role/none"),
        type=properties.get("StateMachineType", "STANDARD"),
    )["stateMachineArn"]
    return machine, {"Arn": machine, "Name": name}


def _function_alias(_default_name: str, properties: Mapping[str, Any]) -> Identity:
    alias = arn("lambda", f"function:{properties['FunctionName']}:{properties['Name']}")
    return alias, {"AliasArn": alias}


def _machine_version(_default_name: str, properties: Mapping[str, Any]) -> Identity:
    version = f"{properties['StateMachineArn']}:1"
    return version, {"Arn": version}


def _machine_alias(_default_name: str, properties: Mapping[str, Any]) -> Identity:
    alias = (
        f"{unqualified(properties['DeploymentPreference']['StateMachineVersionArn'])}:{properties['Name']}"
    )
    return alias, {"Arn": alias}


def state_machine_definition(properties: Mapping[str, Any]) -> str:
    """The ASL text of an AWS::StepFunctions::StateMachine, its substitutions filled in."""
    text: str = properties.get("DefinitionString") or json.dumps(properties["Definition"])
    for name, value in properties.get("DefinitionSubstitutions", {}).items():
        text = text.replace(f"${{{name}}}", str(value))
    return text


CREATORS: Final[Mapping[str, Callable[[str, Mapping[str, Any]], Identity]]] = {
    "AWS::DynamoDB::Table": _table,
    "AWS::Events::EventBus": _bus,
    "AWS::Lambda::Alias": _function_alias,
    "AWS::SNS::Topic": _topic,
    "AWS::SQS::Queue": _queue,
    "AWS::SSM::Parameter": _parameter,
    "AWS::SecretsManager::Secret": _secret,
    "AWS::StepFunctions::StateMachine": _state_machine,
    "AWS::StepFunctions::StateMachineAlias": _machine_alias,
    "AWS::StepFunctions::StateMachineVersion": _machine_version,
}
"""Types that exist in moto, and aliases and versions, whose names follow from what they stand for; every other type only has a made-up name and attributes."""


def made_up_identity(name: str, resource_type: str) -> Identity:
    """Name and ARN of a resource that the kit does not create."""
    match resource_type:
        case "AWS::ApiGateway::RestApi":
            api_id = hashlib.sha256(name.encode()).hexdigest()[:10]
            return api_id, {"RestApiId": api_id, "RootResourceId": f"{api_id}-root"}
        case "AWS::Lambda::Function":
            return name, {"Arn": arn("lambda", f"function:{name}")}
        case "AWS::Lambda::LayerVersion":
            layer = arn("lambda", f"layer:{name}:1")
            return layer, {"LayerVersionArn": layer}
        case "AWS::Logs::LogGroup":
            return name, {"Arn": arn("logs", f"log-group:{name}:*")}
        case "AWS::Cognito::UserPool":
            pool = f"{REGION}_{hashlib.sha256(name.encode()).hexdigest()[:9]}"
            return pool, {"Arn": arn("cognito-idp", f"userpool/{pool}"), "UserPoolId": pool}
        case _:
            _, service, kind = f"{resource_type.lower()}::custom::x".split("::")[:3]
            return name, {"Arn": arn(service, f"{kind}/{name}")}
