"""What the templates must say, whatever the constructs become."""

import json

import pytest
from inventory_service.contracts.consumed import CONSUMED
from inventory_service.stack import build
from service_testing import listed, masked, of_type, statements, synthesize
from syrupy.extensions.json import JSONSnapshotExtension


@pytest.fixture(scope="module", params=["dev", "prod"])
def stage(request):
    return request.param


@pytest.fixture(scope="module")
def stacks(stage):
    return synthesize(build, service="inventory", stage=stage)


@pytest.fixture(scope="module")
def service(stacks, stage):
    return stacks[f"commerce-{stage}-inventory"]


def test_the_templates_change_only_when_it_is_meant(stacks, snapshot):
    for name, template in stacks.items():
        assert masked(template) == snapshot(name=name, extension_class=JSONSnapshotExtension)


def test_there_is_one_function_and_it_does_not_transport(service):
    (function,) = of_type(service, "AWS::Lambda::Function")

    assert function["Handler"] == "inventory_service.stock.runtime.handler.handler"
    assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])


def test_stock_and_reservations_survive_and_never_expire(stacks, stage):
    (table,) = stacks[f"commerce-{stage}-inventory-data"]["Resources"].values()

    assert table["Type"] == "AWS::DynamoDB::Table"
    assert table["DeletionPolicy"] == ("Retain" if stage == "prod" else "Delete")
    # Reservations outlive the archive's and the DLQ's retention, else a replay would take stock again.
    assert "TimeToLiveSpecification" not in table["Properties"]


def test_the_function_may_write_its_table_and_nothing_else_of_dynamodb(service):
    granted = {
        action
        for statement in statements(service, "ConsumerFunction")
        for action in listed(statement["Action"])
        if action.startswith("dynamodb:")
    }

    assert granted == {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"}


def test_no_role_has_a_wildcard_action(service):
    actions = [action for statement in statements(service) for action in listed(statement["Action"])]

    assert actions
    assert [action for action in actions if "*" in action] == []


def test_every_event_that_is_consumed_has_a_rule_with_retries_and_a_dlq(service):
    rules = of_type(service, "AWS::Events::Rule")

    assert {rule["EventPattern"]["detail-type"][0] for rule in rules} == set(CONSUMED)
    for rule in rules:
        assert rule["EventPattern"]["source"] == ["commerce.order"]
        (target,) = rule["Targets"]
        assert {"DeadLetterConfig", "RetryPolicy"} <= target.keys()


def test_a_message_is_seen_again_only_when_its_batch_cannot_be_running_any_more(service):
    (function,) = of_type(service, "AWS::Lambda::Function")
    (mapping,) = of_type(service, "AWS::Lambda::EventSourceMapping")
    (queue,) = [queue for queue in of_type(service, "AWS::SQS::Queue") if "RedrivePolicy" in queue]

    assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] == 5
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"]["MaximumConcurrency"] >= 2


def test_every_dlq_has_an_alarm(service):
    alarmed = json.dumps(of_type(service, "AWS::CloudWatch::Alarm"))
    dlqs = [
        name
        for name, each in service["Resources"].items()
        if each["Type"] == "AWS::SQS::Queue" and "Dlq" in name
    ]

    assert len(dlqs) == 2
    assert [name for name in dlqs if name not in alarmed] == []


def test_readers_need_no_token_and_operators_their_scope(service):
    methods = {
        method["HttpMethod"]: (method["AuthorizationType"], method.get("AuthorizationScopes"))
        for method in of_type(service, "AWS::ApiGateway::Method")
        if method["HttpMethod"] != "OPTIONS"
    }

    assert methods == {
        "GET": ("NONE", None),
        "POST": ("COGNITO_USER_POOLS", ["commerce/operate"]),
        "PUT": ("COGNITO_USER_POOLS", ["commerce/operate"]),
    }
