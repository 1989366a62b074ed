"""What services without functions say: workflows, APIs and queues write to log groups."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Cloud

WORKFLOW = {
    "QueryLanguage": "JSONata",
    "StartAt": "Price",
    "States": {
        "Price": {"Type": "Pass", "Output": {"total": "{% $states.input.price * 2 %}"}, "Next": "Refuse"},
        "Refuse": {"Type": "Fail", "Error": "TooDear", "Cause": "beyond the limit"},
    },
}


def logged(cloud: Cloud, group: str, pattern: str = "") -> list[Any]:
    found = cloud.client("logs").filter_log_events(logGroupName=group, filterPattern=pattern)["events"]
    return [json.loads(event["message"]) for event in found]


def run_logged(cloud: Cloud, **configuration: Any) -> list[Any]:
    """Run the workflow with a logging configuration and give what it wrote."""
    group = "/aws/vendedlogs/states/price"
    cloud.client("logs").create_log_group(logGroupName=group)
    destination = {"cloudWatchLogsLogGroup": {"logGroupArn": cloud.arn("logs", f"log-group:{group}:*")}}
    machine = cloud.client("stepfunctions").create_state_machine(
        name="price",
        definition=json.dumps(WORKFLOW),
        roleArn=cloud.role,
        type="EXPRESS",
        loggingConfiguration={"destinations": [destination], **configuration},
    )["stateMachineArn"]
    assert cloud.execute(machine, {"price": 21})["status"] == "FAILED"
    return logged(cloud, group)


def test_an_execution_writes_its_history_in_the_form_of_step_functions(cloud: Cloud):
    lines = run_logged(cloud, level="ALL", includeExecutionData=True)
    kinds = [line["type"] for line in lines]
    assert kinds == [
        "ExecutionStarted",
        "PassStateEntered",
        "PassStateExited",
        "FailStateEntered",
        "ExecutionFailed",
    ]
    entered, exited = lines[1:3]
    assert entered["details"] == {
        "name": "Price",
        "input": '{"price": 21}',
        "inputDetails": {"truncated": False},
    }
    assert json.loads(exited["details"]["output"]) == {"total": 42}
    assert (entered["id"], entered["previous_event_id"]) == ("2", "1")
    assert entered["execution_arn"].startswith(cloud.arn("states", "execution:price:"))
    assert entered["event_timestamp"].isdigit()
    assert lines[-1]["details"] == {"error": "TooDear", "cause": "beyond the limit"}


def test_without_execution_data_no_input_or_output_is_written(cloud: Cloud):
    lines = run_logged(cloud, level="ALL", includeExecutionData=False)
    assert lines[1]["details"] == {"name": "Price"}
    assert not any({"input", "output"} & line["details"].keys() for line in lines)


@pytest.mark.parametrize(
    ("level", "kinds"),
    [("ERROR", ["FailStateEntered", "ExecutionFailed"]), ("FATAL", ["ExecutionFailed"]), ("OFF", [])],
)
def test_the_level_decides_what_is_written(cloud: Cloud, level: str, kinds: list[str]):
    assert [line["type"] for line in run_logged(cloud, level=level, includeExecutionData=True)] == kinds


def test_a_running_execution_is_logged_as_it_goes_and_nothing_twice(cloud: Cloud):
    group = "waiting"
    cloud.client("logs").create_log_group(logGroupName=group)
    states = {"Wait": {"Type": "Wait", "Seconds": 1, "End": True}}
    outputs = cloud.deploy(
        {
            "Machine": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {
                    "StateMachineName": "waiting",
                    "RoleArn": cloud.role,
                    "DefinitionString": json.dumps({"StartAt": "Wait", "States": states}),
                    "LoggingConfiguration": {
                        "Level": "ALL",
                        "IncludeExecutionData": True,
                        "Destinations": [
                            {
                                "CloudWatchLogsLogGroup": {
                                    "LogGroupArn": cloud.arn("logs", f"log-group:{group}:*")
                                }
                            }
                        ],
                    },
                },
            }
        },
        Outputs={"Arn": {"Value": {"Ref": "Machine"}}},
    )
    sfn = cloud.client("stepfunctions")
    execution = sfn.start_execution(stateMachineArn=outputs["Arn"], input="{}")["executionArn"]
    cloud.eventually(lambda: "WaitStateEntered" in [line["type"] for line in logged(cloud, group)])
    assert len(logged(cloud, group)) == 2
    cloud.ended(execution)
    cloud.eventually(lambda: len(logged(cloud, group)) >= 4)
    assert [line["type"] for line in logged(cloud, group)] == [
        "ExecutionStarted",
        "WaitStateEntered",
        "WaitStateExited",
        "ExecutionSucceeded",
    ]


def api(cloud: Cloud, group: str) -> str:
    """Deploy an API with an access log and give its URL."""
    log = '{"id":"$context.requestId","method":"$context.httpMethod","path":"$context.resourcePath",'
    log += '"status":"$context.status","ms":"$context.responseLatency","trace":"$context.xrayTraceId",'
    log += '"error":"$context.error.responseType"}'
    outputs = cloud.deploy(
        {
            "Log": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": group}},
            "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": group}},
            "Item": {
                "Type": "AWS::ApiGateway::Resource",
                "Properties": {
                    "RestApiId": {"Ref": "Api"},
                    "ParentId": {"Fn::GetAtt": ["Api", "RootResourceId"]},
                    "PathPart": "{id}",
                },
            },
            "Get": {
                "Type": "AWS::ApiGateway::Method",
                "Properties": {
                    "RestApiId": {"Ref": "Api"},
                    "ResourceId": {"Ref": "Item"},
                    "HttpMethod": "GET",
                    "AuthorizationType": "NONE",
                    "Integration": {
                        "Type": "MOCK",
                        "RequestTemplates": {"application/json": '{"statusCode": 200}'},
                        "IntegrationResponses": [{"StatusCode": "200"}],
                    },
                    "MethodResponses": [{"StatusCode": "200"}],
                },
            },
            "Deployment": {
                "Type": "AWS::ApiGateway::Deployment",
                "DependsOn": "Get",
                "Properties": {"RestApiId": {"Ref": "Api"}},
            },
            "Stage": {
                "Type": "AWS::ApiGateway::Stage",
                "Properties": {
                    "RestApiId": {"Ref": "Api"},
                    "DeploymentId": {"Ref": "Deployment"},
                    "StageName": "v1",
                    "AccessLogSetting": {
                        "DestinationArn": cloud.arn("logs", f"log-group:{group}"),
                        "Format": log,
                    },
                },
            },
        },
        stack=group,
        Outputs={"Id": {"Value": {"Ref": "Api"}}},
    )
    return f"{cloud.endpoint}/_aws/execute-api/{outputs['Id']}/v1"


def test_a_stage_writes_one_line_per_request_in_its_own_format(public_cloud: Cloud):
    url = api(public_cloud, "access-answered")
    with urllib.request.urlopen(f"{url}/42", timeout=5) as answer:  # noqa: S310 - loopback
        assert answer.status == 200
    (line,) = logged(public_cloud, "access-answered")
    assert line | {"id": "", "ms": ""} == {
        "id": "",
        "method": "GET",
        "path": "/{id}",
        "status": "200",
        "ms": "",
        "trace": "-",
        "error": "-",
    }
    assert int(line["ms"]) < 5000


def test_a_request_that_the_gateway_refuses_is_logged_with_the_reason(public_cloud: Cloud):
    url = api(public_cloud, "access-refused")
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{url}/no/such/route", timeout=5)  # noqa: S310 - loopback
    (line,) = logged(public_cloud, "access-refused")
    assert (line["status"], line["error"]) == ("403", "MISSING_AUTHENTICATION_TOKEN")


def test_messages_are_told_of_after_they_were_deleted(cloud: Cloud):
    queue = cloud.queue("orders")
    queue.send({"orderId": "order-one"}, {"orderId": "order-two"})
    queue.receive(2)
    lines = logged(cloud, "/local-cloud/queues", '"order-one"')
    assert [(line["queue"], line["action"]) for line in lines] == [("orders", "sent"), ("orders", "received")]
    assert json.loads(lines[0]["body"]) == {"orderId": "order-one"}


def test_each_receipt_of_a_message_is_told_of_once(cloud: Cloud):
    dead = cloud.queue("dead")
    policy = json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": 2})
    queue = cloud.queue("orders", VisibilityTimeout="0", RedrivePolicy=policy)
    queue.send("again")

    def told() -> list[tuple[str, str]]:
        return [(line["queue"], line["action"]) for line in logged(cloud, "/local-cloud/queues")]

    sqs = cloud.client("sqs")
    sqs.receive_message(QueueUrl=queue.url)
    assert told() == [("orders", "sent"), ("orders", "received")]
    sqs.receive_message(QueueUrl=queue.url)
    assert told() == [("orders", "sent"), ("orders", "received"), ("orders", "received")]
    sqs.receive_message(QueueUrl=queue.url)  # which moves it
    dead.receive()
    assert sorted(told()) == [
        ("dead", "received"),
        ("dead", "sent"),
        ("orders", "received"),
        ("orders", "received"),
        ("orders", "sent"),
    ]


def test_a_message_that_nobody_received_is_told_of_once(cloud: Cloud):
    cloud.queue("orders").send("waiting")
    for _ in range(2):
        (line,) = logged(cloud, "/local-cloud/queues")
        assert (line["action"], line["body"]) == ("sent", "waiting")


def counted(cloud: Cloud, name: str, *dimensions: tuple[str, str]) -> float:
    now = datetime.now(UTC)
    points = cloud.client("cloudwatch").get_metric_statistics(
        Namespace="Test",
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions],
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=10),
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    return float(sum(point["Sum"] for point in points))


def test_events_of_a_rule_are_written_to_its_log_group_and_counted_by_its_filters(cloud: Cloud):
    group = "/aws/events/facts"
    logs = cloud.client("logs")
    logs.create_log_group(logGroupName=group)
    events = cloud.client("events")
    events.put_rule(Name="facts", EventPattern='{"source": ["commerce.x"]}')
    events.put_targets(Rule="facts", Targets=[{"Id": "log", "Arn": cloud.arn("logs", f"log-group:{group}")}])
    filters = {
        "Ended": (
            '{ ($.source = "commerce.x") && ($.detail-type = "Ended.v1") }',
            "1",
            {"reason": "$.detail.reason"},
        ),
        "Cost": ("{ $.detail.cost > 2 || ($.detail.cost = 1) }", "$.detail.cost", {}),
        "Odd": ("[ip, user]", "1", {}),
    }
    for name, (pattern, value, dimensions) in filters.items():
        transformation = {"metricName": name, "metricNamespace": "Test", "metricValue": value}
        logs.put_metric_filter(
            logGroupName=group,
            filterName=name,
            filterPattern=pattern,
            metricTransformations=[transformation | ({"dimensions": dimensions} if dimensions else {})],
        )
    details: list[dict[str, Any]] = [
        {"reason": "LATE", "cost": 1},
        {"reason": "LATE", "cost": 2},
        {"reason": "LOST", "cost": 3},
        {"cost": "9"},
    ]
    entries = [
        {"Source": "commerce.x", "DetailType": "Ended.v1", "Detail": json.dumps(each)} for each in details
    ]
    other = {"Source": "commerce.x", "DetailType": "Begun.v1", "Detail": '{"reason": "LATE"}'}
    events.put_events(Entries=[*entries, other])

    assert cloud.eventually(lambda: counted(cloud, "Ended", ("reason", "LATE")) == 2)
    assert counted(cloud, "Ended", ("reason", "LOST")) == 1
    assert [counted(cloud, "Cost"), counted(cloud, "Odd")] == [4, 0]
    lines = logged(cloud, group)
    assert [line["detail"] for line in lines] == [*details, {"reason": "LATE"}]
    assert {line["detail-type"] for line in lines} == {"Ended.v1", "Begun.v1"}
    assert counted(cloud, "Ended", ("reason", "LATE")) == 2
