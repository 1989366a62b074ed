"""Queues, rules and event source mappings where the emulator departs from AWS."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError
from commerce_platform.local_cloud.extension import event_source_mapping
from ministack.services import lambda_svc


def dead_lettered(cloud, count):
    """A queue whose dead-letter queue holds `count` messages."""
    dlq = cloud.queue("dlq")
    policy = json.dumps({"deadLetterTargetArn": dlq.arn, "maxReceiveCount": 1})
    source = cloud.queue("source", VisibilityTimeout="0", RedrivePolicy=policy)
    source.send(*range(count))
    sqs = cloud.client("sqs")

    def all_moved():
        sqs.receive_message(QueueUrl=source.url, MaxNumberOfMessages=10)
        return dlq.depth()["visible"] == count

    cloud.eventually(all_moved)
    return source, dlq


def test_a_redrive_returns_messages_to_the_queue_they_came_from_as_new_ones(cloud):
    source, dlq = dead_lettered(cloud, 3)
    sqs = cloud.client("sqs")
    sqs.start_message_move_task(SourceArn=dlq.arn)
    [task] = sqs.list_message_move_tasks(SourceArn=dlq.arn)["Results"]
    assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 3)
    assert dlq.depth()["visible"] == 0
    answer = sqs.receive_message(QueueUrl=source.url, MaxNumberOfMessages=10, AttributeNames=["All"])
    assert sorted(message["Body"] for message in answer["Messages"]) == ["0", "1", "2"]
    assert {message["Attributes"]["ApproximateReceiveCount"] for message in answer["Messages"]} == {"1"}


def test_a_redrive_goes_where_it_is_told(cloud):
    source, dlq = dead_lettered(cloud, 2)
    other = cloud.queue("other")
    cloud.client("sqs").start_message_move_task(SourceArn=dlq.arn, DestinationArn=other.arn)
    assert sorted(other.receive(2)) == [0, 1]
    assert source.depth() == {"visible": 0, "in_flight": 0}


def test_only_a_dead_letter_queue_is_redriven(cloud):
    with pytest.raises(ClientError, match="must be configured as a Dead Letter Queue"):
        cloud.client("sqs").start_message_move_task(SourceArn=cloud.queue("plain").arn)


def test_a_dead_letter_queue_knows_its_sources(cloud):
    source, dlq = dead_lettered(cloud, 0)
    assert cloud.client("sqs").list_dead_letter_source_queues(QueueUrl=dlq.url)["queueUrls"] == [source.url]


def test_an_event_for_a_target_that_is_gone_goes_to_the_dead_letter_queue(cloud):
    events, dlq, target = cloud.client("events"), cloud.queue("dlq"), cloud.queue("target")
    cloud.rule_to(target, {"source": ["commerce.x"]}, DeadLetterConfig={"Arn": dlq.arn})
    cloud.client("sqs").delete_queue(QueueUrl=target.url)
    events.put_events(Entries=[{"Source": "commerce.x", "DetailType": "Fact.v1", "Detail": '{"n": 1}'}])
    answer = cloud.client("sqs").receive_message(QueueUrl=dlq.url, MessageAttributeNames=["All"])
    [message] = answer["Messages"]
    attributes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert (attributes["ERROR_CODE"], attributes["TARGET_ARN"]) == ("NO_RESOURCE", target.arn)
    assert json.loads(message["Body"])["detail"] == {"n": 1}


def test_a_rule_that_invokes_a_function_retries_and_dead_letters_its_failure(cloud):
    dlq = cloud.queue("dlq")
    function = cloud.function(
        "def handler(event, context): raise ValueError(event['detail']['n'])",
        DeadLetterConfig={"TargetArn": dlq.arn},
    )
    cloud.client("lambda").put_function_event_invoke_config(FunctionName="function", MaximumRetryAttempts=0)
    events = cloud.client("events")
    events.put_rule(Name="rule", EventPattern='{"source": ["commerce.x"]}')
    events.put_targets(Rule="rule", Targets=[{"Id": "function", "Arn": function}])
    events.put_events(Entries=[{"Source": "commerce.x", "DetailType": "Fact.v1", "Detail": '{"n": 1}'}])
    assert len(dlq.receive()) == 1


def consumer(cloud, source, queue, **options):
    cloud.function(source, Timeout=10)
    # Warm, so that a batch is done before its visibility timeout.
    cloud.client("lambda").invoke(FunctionName="function", Payload='{"Records": []}')
    cloud.client("lambda").create_event_source_mapping(
        FunctionName="function", EventSourceArn=queue.arn, BatchSize=10, **options
    )


def test_a_mapping_filters_with_every_operator_of_event_patterns(cloud):
    queue, seen = cloud.queue("source"), cloud.queue("seen")
    pattern = {"body": {"$or": [{"kind": [{"wildcard": "order-*"}]}, {"size": [{"numeric": [">", 5]}]}]}}
    consumer(
        cloud,
        f"""
        import boto3
        sqs = boto3.client("sqs")
        def handler(event, context):
            for record in event["Records"]:
                sqs.send_message(QueueUrl={seen.url!r}, MessageBody=record["body"])
        """,
        queue,
        FilterCriteria={"Filters": [{"Pattern": json.dumps(pattern)}]},
    )
    queue.send({"kind": "cart-1"}, {"kind": "order-1"}, {"size": 5}, {"size": 6})
    found = seen.receive(2)
    assert sorted(json.dumps(message) for message in found) == ['{"kind": "order-1"}', '{"size": 6}']
    cloud.eventually(lambda: sum(queue.depth().values()) == 0)


@pytest.mark.parametrize("identifier", ["", None, "unknown"])
def test_an_identifier_that_names_no_message_fails_the_whole_batch(cloud, identifier):
    dlq = cloud.queue("dlq")
    policy = json.dumps({"deadLetterTargetArn": dlq.arn, "maxReceiveCount": 1})
    queue = cloud.queue("source", VisibilityTimeout="1", RedrivePolicy=policy)
    queue.send("a", "b")
    consumer(
        cloud,
        f"def handler(e, c): return {{'batchItemFailures': [{{'itemIdentifier': {identifier!r}}}]}}",
        queue,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    assert sorted(dlq.receive(2)) == ["a", "b"]


def test_a_partial_response_returns_only_the_messages_it_names(cloud):
    dlq = cloud.queue("dlq")
    policy = json.dumps({"deadLetterTargetArn": dlq.arn, "maxReceiveCount": 1})
    queue = cloud.queue("source", VisibilityTimeout="1", RedrivePolicy=policy)
    queue.send("good", "bad")
    consumer(
        cloud,
        """
        def handler(event, context):
            bad = [record["messageId"] for record in event["Records"] if record["body"] == "bad"]
            return {"batchItemFailures": [{"itemIdentifier": each} for each in bad]}
        """,
        queue,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    assert dlq.receive(within=20) == ["bad"]
    time.sleep(0.1)
    assert dlq.depth()["visible"] == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"Source": ""}, "InvalidArgument"),
        ({"DetailType": ""}, "InvalidArgument"),
        ({"Detail": "[1]"}, "MalformedDetail"),
        ({"Detail": "{"}, "MalformedDetail"),
    ],
)
def test_an_entry_that_is_no_event_is_refused_and_its_neighbours_are_taken(cloud, changes, code):
    seen = cloud.queue("seen")
    cloud.rule_to(seen, {"source": ["commerce.x"]})
    good = {"Source": "commerce.x", "DetailType": "Fact.v1", "Detail": '{"n": 1}'}
    answer = cloud.client("events").put_events(Entries=[good, good | changes, good])
    assert answer["FailedEntryCount"] == 1
    assert [entry.get("ErrorCode") for entry in answer["Entries"]] == [None, code, None]
    assert len(seen.receive(2)) == 2


def _mapping(**scaling: int) -> dict[str, Any]:
    return {"UUID": uuid.uuid4().hex, "BatchSize": 10, "ScalingConfig": scaling}


def _queue_of(count: int, *, since: float = 0.0) -> dict[str, Any]:
    """A queue whose messages have been visible for some seconds."""
    return {"messages": [{"visible_at": time.time() - since} for _ in range(count)]}


@pytest.mark.parametrize(
    ("count", "since", "batches"),
    [(0, 0, 2), (9, -60, 2), (10, -60, 2), (10, 0, 7), (1, 1, 7)],
    ids=["empty", "delayed", "many delayed", "a full batch", "one that waits"],
)
def test_more_batches_than_two_are_for_messages_that_wait(count, since, batches):
    needed = event_source_mapping._gathering(lambda_svc._sqs_esm_concurrency)
    queue = _queue_of(count, since=since)

    assert needed(_mapping(MaximumConcurrency=7), {}, {}, queue) == batches
    assert needed(_mapping(MaximumConcurrency=2), {}, {}, queue) == 2
    assert needed(_mapping(MaximumConcurrency=7), {}, {}, queue | {"is_fifo": True}) == 1


def test_slow_batches_do_not_hold_up_others_and_are_never_more_than_allowed(cloud):
    queue = cloud.queue(VisibilityTimeout="60")
    cloud.table()
    function = cloud.function(
        """
        import os, time
        import boto3

        def handler(event, context):
            began = time.time()
            time.sleep(2)
            for record in event["Records"]:
                boto3.client("dynamodb").put_item(TableName="table", Item={
                    "pk": {"S": record["messageId"]}, "by": {"S": context.aws_request_id},
                    "began": {"N": str(began)}, "ended": {"N": str(time.time())}})
        """,
        Timeout=30,
    )
    cloud.client("lambda").create_event_source_mapping(
        FunctionName=function, EventSourceArn=queue.arn, BatchSize=10, ScalingConfig={"MaximumConcurrency": 3}
    )

    for number in range(6):
        queue.send(number)
        time.sleep(0.3)

    def done() -> Any:
        found = cloud.client("dynamodb").scan(TableName="table")["Items"]
        return found if len(found) == 6 else None

    items = cloud.eventually(done, within=90)
    spans = {item["by"]["S"]: (float(item["began"]["N"]), float(item["ended"]["N"])) for item in items}
    assert max(sum(a <= b < end for a, end in spans.values()) for b, _ in spans.values()) == 3
