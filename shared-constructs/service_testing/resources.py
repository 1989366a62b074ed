"""Resources that the testing kit creates in moto, and the names of those that it only names."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import boto3

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, kw_only=True)
class DeployedResource:
    """A resource of a deployment.

    Attributes:
        ref: its physical id, what `Ref` gives.
        properties: with intrinsic functions computed.
        attributes: what `Fn::GetAtt` gives; others are made up from the id.
        created: whether it exists in moto, or only has a name.
    """

    stack: str
    logical_id: str
    type: str
    ref: str
    properties: Mapping[str, Any]
    attributes: Mapping[str, str] = field(default_factory=dict)
    created: bool = False


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a resource is created."""

    stack: str
    logical_id: str
    account: str
    region: str

    @property
    def default_name(self) -> str:
        """A physical name like CloudFormation's."""
        return f"{self.stack}-{self.logical_id}"

    def client(self, service: str) -> Any:
        """A boto3 client of the region."""
        return boto3.client(service, region_name=self.region)  # type: ignore[call-overload]  # any service

    def arn(self, service: str, resource: str) -> str:
        """An ARN in this account and region (IAM has none)."""
        region = "" if service == "iam" else self.region
        return f"arn:aws:{service}:{region}:{self.account}:{resource}"


Identity = tuple[str, dict[str, str]]
"""`Ref` and the attributes of `Fn::GetAtt`."""


def _table(place: Place, properties: Mapping[str, Any]) -> Identity:
    """A table; of AWS::DynamoDB::GlobalTable its replica in this region."""
    name = properties.get("TableName", place.default_name)
    request = {
        key: properties[key]
        for key in ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "LocalSecondaryIndexes")
        if properties.get(key)
    }
    for index in request.get("GlobalSecondaryIndexes", ()):
        for provisioned in ("WriteProvisionedThroughputSettings", "WriteOnDemandThroughputSettings"):
            index.pop(provisioned, None)
    if "StreamSpecification" in properties:
        view = properties["StreamSpecification"]["StreamViewType"]
        request["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": view}
    dynamodb = place.client("dynamodb")
    table = dynamodb.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", **request)[
        "TableDescription"
    ]
    ttl = properties.get("TimeToLiveSpecification")
    if ttl and ttl.get("AttributeName"):
        dynamodb.update_time_to_live(
            TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": ttl["AttributeName"]}
        )
    attributes = {"Arn": table["TableArn"], "TableId": name}
    if "LatestStreamArn" in table:
        attributes["StreamArn"] = table["LatestStreamArn"]
    return name, attributes


def _queue(place: Place, properties: Mapping[str, Any]) -> Identity:
    name = properties.get("QueueName", place.default_name[-76:])
    names = ("DelaySeconds", "MaximumMessageSize", "MessageRetentionPeriod", "ReceiveMessageWaitTimeSeconds",
             "VisibilityTimeout", "RedrivePolicy", "FifoQueue", "ContentBasedDeduplication")  # fmt: skip
    attributes = {key: _attribute_text(properties[key]) for key in names if key in properties}
    if attributes.get("FifoQueue") == "true" and not name.endswith(".fifo"):
        name += ".fifo"
    url = place.client("sqs").create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url, {"Arn": place.arn("sqs", name), "QueueName": name, "QueueUrl": url}


def _attribute_text(value: Any) -> str:
    return (
        json.dumps(value)
        if isinstance(value, dict)
        else str(value).lower()
        if isinstance(value, bool)
        else str(value)
    )


def _bus(place: Place, properties: Mapping[str, Any]) -> Identity:
    name = properties.get("Name", place.default_name)
    arn = place.client("events").create_event_bus(Name=name)["EventBusArn"]
    return name, {"Arn": arn, "Name": name}


def _topic(place: Place, properties: Mapping[str, Any]) -> Identity:
    name = properties.get("TopicName", place.default_name)
    arn = place.client("sns").create_topic(Name=name)["TopicArn"]
    return arn, {"TopicArn": arn, "TopicName": name}


def _parameter(place: Place, properties: Mapping[str, Any]) -> Identity:
    name, value = properties.get("Name", place.default_name), properties["Value"]
    place.client("ssm").put_parameter(
        Name=name, Value=value, Type=properties.get("Type", "String"), Overwrite=True
    )
    return name, {"Type": properties.get("Type", "String"), "Value": value}


def _secret(place: Place, properties: Mapping[str, Any]) -> Identity:
    name = properties.get("Name", place.default_name)
    rule = properties.get("GenerateSecretString", {})
    value = properties.get("SecretString") or hashlib.sha256(name.encode()).hexdigest()
    if "GenerateStringKey" in rule:
        value = json.dumps({**json.loads(rule["SecretStringTemplate"]), rule["GenerateStringKey"]: value})
    arn = place.client("secretsmanager").create_secret(Name=name, SecretString=value)["ARN"]
    return arn, {"Id": arn}


def _state_machine(place: Place, properties: Mapping[str, Any]) -> Identity:
    name = properties.get("StateMachineName", place.default_name)[-80:]
    arn = place.client("stepfunctions").create_state_machine(
        name=name,
        definition=state_machine_definition(properties),
        roleArn=properties.get("RoleArn", f"arn:aws:iam::{place.account}:role/none"),
        type=properties.get("StateMachineType", "STANDARD"),
    )["stateMachineArn"]
    return arn, {"Arn": arn, "Name": name}


def state_machine_definition(properties: Mapping[str, Any]) -> str:
    """The ASL text of an AWS::StepFunctions::StateMachine, its substitutions filled in."""
    text: str = properties.get("DefinitionString") or json.dumps(properties["Definition"])
    for name, value in properties.get("DefinitionSubstitutions", {}).items():
        text = text.replace(f"${{{name}}}", str(value))
    return text


CREATORS: Final[Mapping[str, Callable[[Place, Mapping[str, Any]], Identity]]] = {
    "AWS::DynamoDB::GlobalTable": _table,
    "AWS::DynamoDB::Table": _table,
    "AWS::Events::EventBus": _bus,
    "AWS::SNS::Topic": _topic,
    "AWS::SQS::Queue": _queue,
    "AWS::SSM::Parameter": _parameter,
    "AWS::SecretsManager::Secret": _secret,
    "AWS::StepFunctions::StateMachine": _state_machine,
}
"""Types that exist in moto; every other type only has a made-up name and attributes."""


def made_up_identity(place: Place, resource_type: str) -> Identity:
    """Name and ARN of a resource that the kit does not create."""
    name = place.default_name
    match resource_type:
        case "AWS::ApiGateway::RestApi":
            api_id = hashlib.sha256(name.encode()).hexdigest()[:10]
            return api_id, {"RestApiId": api_id, "RootResourceId": f"{api_id}-root"}
        case "AWS::Lambda::Function":
            return name, {"Arn": place.arn("lambda", f"function:{name}")}
        case "AWS::Lambda::LayerVersion":
            arn = place.arn("lambda", f"layer:{name}:1")
            return arn, {"LayerVersionArn": arn}
        case "AWS::Logs::LogGroup":
            return name, {"Arn": place.arn("logs", f"log-group:{name}:*")}
        case "AWS::Cognito::UserPool":
            pool = f"{place.region}_{hashlib.sha256(name.encode()).hexdigest()[:9]}"
            return pool, {"Arn": place.arn("cognito-idp", f"userpool/{pool}"), "UserPoolId": pool}
        case _:
            _, service, kind = (
                resource_type.lower().split("::")[:3] if "::" in resource_type else ("", "custom", "x")
            )
            return name, {"Arn": place.arn(service, f"{kind}/{name}")}
