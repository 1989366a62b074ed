"""What outlives its stack is in nobody's way when the stack is deployed again: read from every snapshot of production."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEMPLATES = {
    path.name.partition("[prod][")[2].removesuffix("].json"): json.loads(path.read_text())["Resources"]
    for path in sorted(ROOT.glob("*/tests/infrastructure/**/__snapshots__/**/*[[]prod[]]*.json"))
}
HOW_TO = ROOT / "docs" / "how-to" / "deploy-a-deleted-data-stack.md"

NAMES = {
    "AWS::ApiGateway::Account": None,
    "AWS::Cognito::UserPool": "UserPoolName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::EventSchemas::Registry": "RegistryName",
    "AWS::Events::Archive": "ArchiveName",
    "AWS::Events::EventBus": "Name",
    "AWS::IAM::Role": "RoleName",
    "AWS::KMS::Key": None,
    "AWS::Lambda::LayerVersion": None,
    "AWS::Lambda::Version": None,
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::SecretsManager::Secret": "Name",
    "AWS::StepFunctions::StateMachineVersion": None,
}
"""Type → the property with the name that collides; none where AWS makes one up. A type that is not here has to be looked up."""

NAMED = {
    (
        "commerce-prod-platform-data",
        "AWS::Events::EventBus",
    ): "services and other accounts know the bus by its name, and its archive can be replayed to no other",
    (
        "commerce-prod-platform-data",
        "AWS::Logs::LogGroup",
    ): "EventBridge writes to groups below /aws/events/ only, so CloudFormation cannot make a name up",
}
"""What is retained with a name of ours, and why: adopted by an import before the stack is deployed again."""


def retained():
    for stack, resources in TEMPLATES.items():
        for logical_id, each in resources.items():
            if each.get("DeletionPolicy", "Delete") != "Delete":
                yield stack, logical_id, each


def fixed_name(resource):
    """The name that a resource would have in the next stack, too; one with the stack's own id is another each time."""
    name = resource.get("Properties", {}).get(NAMES[resource["Type"]])
    return None if '"AWS::StackId"' in json.dumps(name) else name


def test_what_is_retained_has_no_name_of_ours_but_for_what_is_listed_with_its_reason():
    assert len(TEMPLATES) >= 12
    assert {(stack, each["Type"]) for stack, _, each in retained() if fixed_name(each)} == NAMED.keys()


def test_the_way_to_deploy_a_data_stack_again_names_each_of_them():
    text = HOW_TO.read_text()
    for stack, logical_id, each in retained():
        if (stack, each["Type"]) in NAMED and fixed_name(each):
            assert f'"{logical_id}": {{"{NAMES[each["Type"]]}":' in text


@pytest.mark.parametrize(
    "kind", ["AWS::DynamoDB::Table", "AWS::Cognito::UserPool", "AWS::SecretsManager::Secret"]
)
def test_whatever_holds_what_exists_nowhere_else_is_named_by_the_how_to(kind):
    text = HOW_TO.read_text()
    missing = [
        f"{stack} {logical_id}"
        for stack, logical_id, each in retained()
        if each["Type"] == kind and f'"{logical_id}"' not in text
    ]
    assert missing == []
