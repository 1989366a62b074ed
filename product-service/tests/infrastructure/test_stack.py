"""What the templates must say, whatever the constructs become."""

import json

import pytest
from product_service.stack import build
from service_testing import listed, masked, of_type, statements, synthesize
from syrupy.extensions.json import JSONSnapshotExtension


@pytest.fixture(scope="module", params=["dev", "prod"])
def stage(request):
    return request.param


@pytest.fixture(scope="module")
def stacks(stage):
    return synthesize(build, service="product", stage=stage)


@pytest.fixture(scope="module")
def service(stacks, stage):
    return stacks[f"commerce-{stage}-product"]


def test_the_templates_change_only_when_it_is_meant(stacks, snapshot):
    for name, template in stacks.items():
        assert masked(template) == snapshot(name=name, extension_class=JSONSnapshotExtension)


def test_there_is_no_function(stacks):
    assert [name for name, template in stacks.items() if of_type(template, "AWS::Lambda::Function")] == []


def test_the_products_survive_in_a_stack_of_their_own(stacks, stage):
    (table,) = stacks[f"commerce-{stage}-product-data"]["Resources"].values()

    assert table["Type"] == "AWS::DynamoDB::Table"
    assert (
        table["DeletionPolicy"] == table["UpdateReplacePolicy"] == ("Retain" if stage == "prod" else "Delete")
    )
    assert bool(table["Properties"].get("DeletionProtectionEnabled")) is (stage == "prod")
    assert table["Properties"]["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert table["Properties"]["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}


def test_readers_need_no_token_and_operators_their_scope(service):
    methods = {
        method["HttpMethod"]: (method["AuthorizationType"], method.get("AuthorizationScopes"))
        for method in of_type(service, "AWS::ApiGateway::Method")
    }

    assert methods.pop("OPTIONS", ("NONE", None)) == ("NONE", None)
    assert methods == {
        "GET": ("NONE", None),
        "PUT": ("COGNITO_USER_POOLS", ["commerce/operate"]),
        "DELETE": ("COGNITO_USER_POOLS", ["commerce/operate"]),
    }


def test_every_body_is_checked_against_a_model_and_other_content_types_are_refused(service):
    (put,) = [m for m in of_type(service, "AWS::ApiGateway::Method") if m["HttpMethod"] == "PUT"]

    assert "RequestValidatorId" in put
    assert "application/json" in put["RequestModels"]
    assert put["Integration"]["PassthroughBehavior"] == "NEVER"


def test_the_api_may_do_to_the_table_what_its_routes_do_and_nothing_else(service):
    granted = {
        action
        for statement in statements(service)
        for action in listed(statement["Action"])
        if action.startswith("dynamodb:")
    }
    feed = {
        f"dynamodb:{action}" for action in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")
    }

    # Scan, and Query of the table itself, are the operator's republish workflow.
    assert granted - feed == {"dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:Scan"}


def test_no_role_has_a_wildcard_action(stacks):
    actions = [a for t in stacks.values() for s in statements(t) for a in listed(s["Action"])]

    assert actions
    assert [action for action in actions if "*" in action] == []


def test_the_service_speaks_only_for_itself(service):
    speaking = [s for s in statements(service) if "events:PutEvents" in listed(s["Action"])]

    assert speaking
    assert [s["Condition"] for s in speaking] == [
        {"StringEquals": {"events:source": "commerce.product"}} for _ in speaking
    ]


def test_every_queue_is_encrypted_and_keeps_what_was_given_up_for_a_fortnight_with_an_alarm(service):
    queues = {
        name: each["Properties"] for name, each in service["Resources"].items() if "Queue" in each["Type"]
    }
    queues = {name: queue for name, queue in queues.items() if "MessageRetentionPeriod" in queue}
    alarmed = json.dumps(of_type(service, "AWS::CloudWatch::Alarm"))

    assert len(queues) == len(of_type(service, "AWS::SQS::Queue")) >= 1
    for logical_id, queue in queues.items():
        assert queue["SqsManagedSseEnabled"] is True
        assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
        assert logical_id in alarmed


def test_the_feed_gives_up_in_finite_time_and_says_what(service):
    (pipe,) = of_type(service, "AWS::Pipes::Pipe")
    source = pipe["SourceParameters"]["DynamoDBStreamParameters"]

    assert source["StartingPosition"] == "TRIM_HORIZON"
    assert source["BatchSize"] <= 10
    assert 0 < source["MaximumRetryAttempts"] < 10_000
    assert 60 <= source["MaximumRecordAgeInSeconds"] < 24 * 3600
    assert source["OnPartialBatchItemFailure"] == "AUTOMATIC_BISECT"
    assert "Fn::GetAtt" in source["DeadLetterConfig"]["Arn"]


def test_others_find_the_api_by_its_parameter(service, stage):
    names = [parameter["Name"] for parameter in of_type(service, "AWS::SSM::Parameter")]

    assert f"/commerce/{stage}/product/api-url/v1" in names
