"""Asking another service by event: the smallest workflow that does it, run from its template."""

import json

import pytest
from aws_cdk import Duration
from service_runtime.envelope import Event, PublishedEvent, event_id
from service_testing import Deployment, synthesize
from service_testing.workflows import aws_call, run_workflow
from shared_constructs import (
    Aggregate,
    Batching,
    ChangeFeed,
    EventRequest,
    ServiceApp,
    ServiceStack,
    ServiceTable,
    StackKind,
    StandardWorkflow,
    Subscription,
)
from states_language.item_update import ItemUpdate

READ = {
    "Type": "Task",
    "Resource": "arn:aws:states:::dynamodb:getItem",
    "Arguments": {
        "TableName": "${Table}",
        "Key": {"pk": {"S": "{% 'LOAN#' & $loanId %}"}, "sk": {"S": "LOAN"}},
        "ConsistentRead": True,
    },
    "Assign": {"version": "{% $number($states.result.Item.version.N) %}"},
}


FOLLOWING = {
    "reply": "answer",
    "then": "Granted",
    "refused": {"Next": "Refused", "Assign": {"why": f"{{% {EventRequest.refusal}.detail %}}"}},
    "changed": "Read again",
    "unanswered": {"Next": "Silence"},
    "table": "Table",
}


class ScoreRequested(PublishedEvent, major=1):
    loan_id: str
    expires_at: str


def request(scope, table, **changes):
    loan = Aggregate(
        table=table,
        aggregate_id="loanId",
        key={"pk": "'LOAN#' & $loanId", "sk": "'LOAN'"},
        open_when="$item.status.S = 'OPEN'",
    )
    options = {
        "aggregate": loan,
        "request": ScoreRequested,
        "accepted": Subscription(source="commerce.scoring", detail_type="ScoreGiven.v1"),
        "rejected": Subscription(source="commerce.scoring", detail_type="ScoreRefused.v1"),
        "rejection": "$data.reason",
        "time_limit": Duration.seconds(60),
        "longest_redelivery": Duration.seconds(30),
        **changes,
    }
    return EventRequest(scope, "Score", **options)


def build(app):
    table = ServiceTable(ServiceStack(app, kind=StackKind.STATEFUL), "Loans", stream=True)
    stack = ServiceStack(app, kind=StackKind.STATELESS)
    score = request(stack, table)
    workflow = StandardWorkflow(
        stack,
        "Decision",
        definition={
            "QueryLanguage": "JSONata",
            "StartAt": "Begin",
            "States": {
                "Begin": {
                    "Type": "Pass",
                    "Assign": {"loanId": "{% $states.input.loanId %}", "answer": None},
                    "Next": "Read",
                },
                "Read": {**READ, "Next": "Ask"},
                "Ask": "${Ask}",
                "Granted": {"Type": "Succeed", "Output": "{% ['granted', $answer, $version] %}"},
                "Refused": {"Type": "Succeed", "Output": "{% [$why, $answer, $version] %}"},
                "Read again": {**READ, "Next": "Changed"},
                "Changed": {"Type": "Succeed"},
                "Silence": {"Type": "Fail", "Error": "Silence"},
            },
        },
        substitutions={
            "Table": table,
            "Ask": score.state(
                **FOLLOWING,
                change=ItemUpdate(values={"desk": {"S": "{% 'scoring of ' & $loanId %}"}}),
            ),
        },
    )
    score.listen(workflow)
    ChangeFeed(stack, "Feed", table=table, events=[score.event])


@pytest.fixture(scope="module")
def templates():
    return synthesize(build, service="lending")


@pytest.fixture
def lending(templates):
    with Deployment(templates) as deployment:
        loans = deployment.table("Loans")
        loans.put_item(Item={"pk": "LOAN#1", "sk": "LOAN", "loanId": "1", "status": "OPEN", "version": 4})
        yield deployment


def asked(deployment):
    return deployment.published("Feed")[-1]


def reply(detail_type, causation, **data):
    return Event.create(
        service="scoring",
        stage="local",
        detail_type=detail_type,
        aggregate_id="1",
        aggregate_version=1,
        data={"loanId": "1", **data},
        causation_id=causation,
    )


def decide(deployment, during):
    return deployment.run("Decision", {"loanId": "1"}, on_callback=lambda _: during())


@pytest.mark.parametrize(
    ("detail_type", "data", "went_on"),
    [
        ("ScoreGiven.v1", {}, "granted"),
        ("ScoreRefused.v1", {"reason": "unknown"}, "unknown"),
        ("ScoreRefused.v1", {"reason": '"' * 40_000}, '"' * 4096),
    ],
)
def test_the_reply_is_what_the_workflow_goes_on_with(lending, detail_type, data, went_on):
    replies = []

    def during():
        replies.append(reply(detail_type, asked(lending).metadata.event_id, **data))
        assert not lending.feed("Score", replies).dead_letters

    execution = decide(lending, during)
    assert execution.output == [went_on, replies[0].metadata.event_id, 5]
    assert execution.path.count("Ask") == 1


@pytest.mark.parametrize(
    ("detail_type", "outcome", "detail"),
    [("ScoreGiven.v1", "accepted", ""), ("ScoreRefused.v1", "rejected", "unknown")],
)
def test_a_wait_of_before_is_answered_as_it_was_before(lending, detail_type, outcome, detail):
    """It has no `rejection`, and takes a refusal as an outcome like any other."""
    asking = {
        "QueryLanguage": "JSONata",
        "StartAt": "Ask",
        "States": {
            "Ask": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:dynamodb:updateItem.waitForTaskToken",
                "Arguments": {
                    "TableName": lending.table("Loans").name,
                    "Key": {"pk": {"S": "LOAN#1"}, "sk": {"S": "LOAN"}},
                    "UpdateExpression": "SET #wait = :wait",
                    "ExpressionAttributeNames": {"#wait": "wait"},
                    "ExpressionAttributeValues": {
                        ":wait": {
                            "M": {"eventId": {"S": "e-1"}, "token": {"S": "{% $states.context.Task.Token %}"}}
                        }
                    },
                },
                "End": True,
            }
        },
    }
    answer = reply(detail_type, "e-1", reason="unknown")
    execution = run_workflow(asking, {}, on_callback=lambda _: lending.feed("Score", [answer]) and None)
    assert execution.output == {"outcome": outcome, "eventId": answer.metadata.event_id, "detail": detail}


def test_whatever_grants_nothing_is_no_grant(lending):
    """What answered waits before took a refusal for a success: it may still run when the new state waits."""
    rejected = {"outcome": "rejected", "eventId": "e-1", "detail": "unknown"}
    execution = lending.run("Decision", {"loanId": "1"}, on_callback=lambda _: rejected)
    assert (execution.error, execution.path[-1]) == ("Silence", "Silence")


def test_the_request_is_told_by_the_write_with_the_id_that_the_wait_expects(lending):
    items = []
    decide(lending, lambda: items.extend(lending.items("Loans")))
    assert items[0]["desk"] == "scoring of 1"
    wait, event = items[0]["wait"], asked(lending)
    assert (
        wait["eventId"]
        == event.metadata.event_id
        == event_id("commerce.lending", "1", 5, "ScoreRequested.v1")
    )
    assert wait["token"] not in json.dumps(event.envelope())
    assert event.data["expiresAt"] > wait["at"]


def test_silence_ends_the_wait(lending):
    execution = decide(lending, lambda: None)
    assert (execution.status, execution.error) == ("FAILED", "Silence")


def test_a_change_since_the_read_refuses_the_wait(lending):
    stale = {"Item": {"version": {"N": "4"}}}
    item = {"pk": "LOAN#1", "sk": "LOAN", "loanId": "1", "status": "OPEN", "version": 5}
    lending.table("Loans").put_item(Item=item)

    def call(integration, arguments):
        return stale if integration.state == "Read" else aws_call(integration, arguments)

    execution = lending.run(
        "Decision", {"loanId": "1"}, call=call, on_callback=lambda _: pytest.fail("it asked")
    )
    assert execution.path[-2:] == ["Read again", "Changed"]
    assert "wait" not in lending.items("Loans")[0]


@pytest.mark.parametrize("case", ["late", "closed", "unknown aggregate"])
def test_replies_that_nobody_waits_for_are_counted_and_change_nothing(lending, case):
    decide(lending, lambda: None)
    causation = asked(lending).metadata.event_id if case == "late" else "0" * 32
    loans = lending.table("Loans")
    if case == "closed":
        loans.update_item(
            Key={"pk": "LOAN#1", "sk": "LOAN"},
            UpdateExpression="SET #s = :s",
            ExpressionAttributeNames={"#s": "status"},
            ExpressionAttributeValues={":s": "CLOSED"},
        )
    if case == "unknown aggregate":
        loans.delete_item(Key={"pk": "LOAN#1", "sk": "LOAN"})
    before = lending.items("Loans")
    outcome = lending.feed("Score", [reply("ScoreGiven.v1", causation)])
    assert "Unexpected reply" in outcome.executions[-1].path
    assert not outcome.dead_letters
    assert lending.items("Loans") == before


def test_each_unexpected_reply_counts_once(templates):
    service = templates["commerce-local-lending"]["Resources"].values()
    (metric,) = [each["Properties"] for each in service if each["Type"] == "AWS::Logs::MetricFilter"]
    assert metric["MetricTransformations"][0]["MetricName"] == "UnexpectedReplies"
    # The log has a line for the state's entry and another one for its exit; both carry its name.
    assert '$.type = "SucceedStateEntered"' in metric["FilterPattern"]
    assert '$.details.name = "Unexpected reply"' in metric["FilterPattern"]


def test_a_reply_to_a_question_that_was_never_asked_ends_in_the_dlq(lending):
    outcome = lending.feed("Score", [reply("ScoreGiven.v1", "0" * 32)])
    assert len(outcome.dead_letters) == 1


def test_what_changes_with_the_question_must_not_change_what_the_question_writes(tmp_path):
    app = ServiceApp(service="lending", outdir=str(tmp_path))
    table = ServiceTable(ServiceStack(app, kind=StackKind.STATEFUL), "Loans", stream=True)
    score = request(ServiceStack(app, kind=StackKind.STATELESS), table)
    change = ItemUpdate(values={"wait": {"S": "for nobody"}})
    with pytest.raises(ValueError, match="wait would be written twice"):
        score.state(**FOLLOWING, change=change)


def test_the_replies_are_consumed_as_the_caller_wants(tmp_path):
    app = ServiceApp(service="lending", outdir=str(tmp_path))
    table = ServiceTable(ServiceStack(app, kind=StackKind.STATEFUL), "Loans", stream=True)
    stack = ServiceStack(app, kind=StackKind.STATELESS)
    score = request(stack, table, customize={"consumer": {"batching": Batching(size=3)}})
    waiting = {"QueryLanguage": "JSONata", "StartAt": "End", "States": {"End": {"Type": "Succeed"}}}
    score.listen(StandardWorkflow(stack, "Waiting", definition=waiting))
    parameters = score.resources.consumer.resources.pipe.source_parameters
    assert parameters.sqs_queue_parameters.batch_size == 3


def test_a_time_limit_below_a_second_is_refused(tmp_path):
    app = ServiceApp(service="lending", outdir=str(tmp_path))
    table = ServiceTable(ServiceStack(app, kind=StackKind.STATEFUL), "Loans", stream=True)
    stack = ServiceStack(app, kind=StackKind.STATELESS)
    with pytest.raises(ValueError, match="at least one second, got 0"):
        request(stack, table, time_limit=Duration.seconds(0))


def test_a_wait_that_one_redelivery_could_outlast_is_refused(tmp_path):
    app = ServiceApp(service="lending", outdir=str(tmp_path))
    table = ServiceTable(ServiceStack(app, kind=StackKind.STATEFUL), "Loans", stream=True)
    stack = ServiceStack(app, kind=StackKind.STATELESS)
    with pytest.raises(ValueError, match=r"at least 180 s, twice the longest redelivery .*90 s\), got 60 s"):
        request(stack, table, longest_redelivery=Duration.seconds(90))


def test_a_wait_outlasts_the_redelivery_of_its_replies_too(tmp_path):
    app = ServiceApp(service="lending", outdir=str(tmp_path))
    table = ServiceTable(ServiceStack(app, kind=StackKind.STATEFUL), "Loans", stream=True)
    stack = ServiceStack(app, kind=StackKind.STATELESS)
    score = request(stack, table, customize={"workflow": {"timeout": Duration.seconds(10)}})
    waiting = {"QueryLanguage": "JSONata", "StartAt": "End", "States": {"End": {"Type": "Succeed"}}}
    with pytest.raises(ValueError, match=r"at least 120 s, .*60 s\), got 60 s"):
        score.listen(StandardWorkflow(stack, "Waiting", definition=waiting))
