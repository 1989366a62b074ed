"""What is read off a template: parts, and what flows between them."""

import json

import pytest
from catalogue.model import Flow, Kind
from catalogue.templates import Reading, settings, verb_of


def resource(kind, path, **properties):
    return {
        "Type": kind,
        "Properties": properties,
        "Metadata": {"aws:cdk:path": f"commerce-dev-shop/{path}/Resource"},
    }


def arn(logical_id):
    return {"Fn::GetAtt": [logical_id, "Arn"]}


TABLE = {
    "Resources": {
        "Shelf": resource("AWS::DynamoDB::Table", "Shelf/Table", KeySchema=[{"AttributeName": "pk"}])
    },
    "Outputs": {"Out": {"Value": arn("Shelf"), "Export": {"Name": "data:Shelf"}}},
}
IMPORTED = {"Fn::ImportValue": "data:Shelf"}
SERVICE = {
    "Resources": {
        "Dead": resource("AWS::SQS::Queue", "Work/Dlq", MessageRetentionPeriod=1209600),
        "Work": resource(
            "AWS::SQS::Queue",
            "Work/Queue",
            RedrivePolicy={"deadLetterTargetArn": arn("Dead"), "maxReceiveCount": 3},
        ),
        "Flow": resource(
            "AWS::StepFunctions::StateMachine",
            "Handle/StateMachine",
            RoleArn=arn("Role"),
            DefinitionString={
                "Fn::Join": [
                    "",
                    ['{"StartAt":"A","States":{"A":{"Type":"Pass","Table":"', IMPORTED, '","End":true}}}'],
                ]
            },
        ),
        "Role": resource("AWS::IAM::Role", "Handle/Role"),
        "Policy": resource(
            "AWS::IAM::Policy",
            "Handle/Policy",
            Roles=[{"Ref": "Role"}],
            PolicyDocument={
                "Statement": [
                    {"Action": ["dynamodb:PutItem", "dynamodb:GetItem"], "Resource": IMPORTED},
                    {"Action": "logs:PutLogEvents", "Resource": "*"},
                ]
            },
        ),
        "Pipe": resource(
            "AWS::Pipes::Pipe",
            "Work/Pipe",
            Source=arn("Work"),
            SourceParameters={"SqsQueueParameters": {"BatchSize": 10}},
            Target={"Ref": "Flow"},
        ),
    }
}


@pytest.fixture
def reading(tmp_path):
    files = []
    for name, template in {"data": TABLE, "service": SERVICE}.items():
        files.append(tmp_path / f"{name}.template.json")
        files[-1].write_text(json.dumps(template))
    return Reading.of("shop", files)


def test_parts_have_the_names_that_their_constructs_have(reading):
    assert {part.id: part.kind for part in reading.parts.values()} == {
        "shop/table/shelf": Kind.TABLE,
        "shop/dead-letter-queue/work": Kind.DLQ,
        "shop/queue/work": Kind.QUEUE,
        "shop/workflow/handle": Kind.WORKFLOW,
        "shop/pipe/work": Kind.PIPE,
    }


def test_flows_follow_queues_pipes_and_permissions_across_stacks(reading):
    assert reading.flows == {
        Flow(source="shop/queue/work", target="shop/dead-letter-queue/work", what="gives up to"),
        Flow(source="shop/queue/work", target="shop/pipe/work", what="feeds"),
        Flow(source="shop/pipe/work", target="shop/workflow/handle", what="starts"),
        Flow(source="shop/workflow/handle", target="shop/table/shelf", what="reads and writes"),
    }


def test_a_workflows_definition_names_the_parts_it_refers_to(reading):
    assert reading.parts["Flow"].definition["States"]["A"]["Table"] == "{shop/table/shelf}"


@pytest.mark.parametrize(
    ("action", "verb"),
    [
        ("dynamodb:Query", "reads"),
        ("dynamodb:UpdateItem", "writes"),
        ("states:StartSyncExecution", "starts"),
        ("states:SendTaskSuccess", "answers"),
        ("sqs:ReceiveMessage", ""),
        ("xray:PutTraceSegments", ""),
    ],
)
def test_a_permission_is_a_flow_or_none(action, verb):
    assert verb_of(action) == verb


def test_times_are_said_in_their_largest_unit():
    assert settings(Kind.DLQ, {"MessageRetentionPeriod": 1209600, "VisibilityTimeout": 90}) == {
        "messages are kept for": "14 days",
        "a message in work is hidden for": "90 s",
    }
