"""Pipes do what AWS's do: filter, enrich, transform, deliver, retry, give up."""

from __future__ import annotations

import json
import time

import pytest
from botocore.exceptions import ClientError
from commerce_platform.local_cloud.pipes.runner import LONGEST_BACKOFF_SECONDS, Batch, Delivery, StreamSource


def pipe(cloud, source, target, *, name="pipe", stream=None, queue=None, filters=(), **properties):
    """Deploy a pipe from a template, as services do."""
    parameters = {}
    if ":dynamodb:" in source:
        parameters["DynamoDBStreamParameters"] = {"StartingPosition": "LATEST"} | (stream or {})
    elif queue:
        parameters["SqsQueueParameters"] = queue
    if filters:
        patterns = [{"Pattern": json.dumps(pattern)} for pattern in filters]
        parameters["FilterCriteria"] = {"Filters": patterns}
    resource = {"Name": name, "RoleArn": cloud.role, "Source": source, "Target": target} | properties
    cloud.deploy(
        {"Pipe": {"Type": "AWS::Pipes::Pipe", "Properties": resource | {"SourceParameters": parameters}}},
        stack=f"stack-{name}",
    )


def express(cloud, result, *, name="express"):
    """An Express workflow of one state; `result` is its output in JSONata."""
    states = {"Only": {"Type": "Pass", "Output": result, "End": True}}
    definition = {"QueryLanguage": "JSONata", "StartAt": "Only", "States": states}
    return cloud.state_machine(definition, name=name, kind="EXPRESS")


def bus_with_queue(cloud):
    bus, seen = cloud.bus(), cloud.queue("seen")
    cloud.rule_to(seen, {"account": [{"exists": True}]}, bus="bus")
    return bus, seen


BUS = {"EventBridgeEventBusParameters": {"Source": "commerce.x", "DetailType": "Changed.v1"}}
REFUSED = {"EventBridgeEventBusParameters": {"Source": "aws.x", "DetailType": "Changed.v1"}}
"""Only AWS may speak as `aws.…`: PutEvents answers 200 with a failed entry."""


def test_a_change_of_a_table_is_on_the_bus_within_a_tenth_of_a_second(cloud):
    bus, seen = bus_with_queue(cloud)
    pipe(cloud, cloud.table(), bus, TargetParameters=BUS)
    latencies = []
    for index in range(10):
        started = time.perf_counter()
        cloud.put(f"item-{index}")
        [event] = seen.receive()
        latencies.append(time.perf_counter() - started)
        assert event["detail"]["dynamodb"]["Keys"] == {"pk": {"S": f"item-{index}"}}
        assert (event["source"], event["detail-type"]) == ("commerce.x", "Changed.v1")
    # Not the slowest: the machine may be busy with something else.
    assert sorted(latencies)[3] < 0.1


def test_an_event_without_parameters_is_named_after_its_pipe(cloud):
    bus, seen = bus_with_queue(cloud)
    pipe(cloud, cloud.table(), bus)
    cloud.put("a")
    [event] = seen.receive()
    assert (event["source"], event["detail-type"]) == ("Pipe pipe", "Event from aws:dynamodb")


def test_every_record_carries_the_images_of_its_own_change(cloud):
    bus, seen = bus_with_queue(cloud)
    pipe(cloud, cloud.table(), bus, stream={"BatchSize": 10}, TargetParameters=BUS)
    dynamodb = cloud.client("dynamodb")
    for _ in range(25):
        dynamodb.update_item(
            TableName="table",
            Key={"pk": {"S": "a"}},
            UpdateExpression="ADD #version :one",
            ExpressionAttributeNames={"#version": "version"},
            ExpressionAttributeValues={":one": {"N": "1"}},
        )
    images = [event["detail"]["dynamodb"] for event in seen.receive(25)]
    assert [int(image["NewImage"]["version"]["N"]) for image in images] == list(range(1, 26))
    assert [int(image["OldImage"]["version"]["N"]) for image in images[1:]] == list(range(1, 25))


def test_filters_on_typed_json_let_through_what_matches_any_of_them(cloud):
    bus, seen = bus_with_queue(cloud)
    image = "NewImage"
    pipe(
        cloud,
        cloud.table(),
        bus,
        filters=[
            {
                "eventName": ["INSERT"],
                "dynamodb": {
                    image: {"pk": {"S": [{"prefix": "ORDER#"}]}, "gone": {"BOOL": [{"exists": False}]}}
                },
            },
            {"dynamodb": {image: {"status": {"S": [{"anything-but": ["OLD"]}]}}}},
        ],
        TargetParameters=BUS,
    )
    cloud.put("CART#1")
    cloud.put("ORDER#1")
    cloud.put("ORDER#2", gone={"BOOL": True})
    cloud.put("OTHER#1", status={"S": "OLD"})
    cloud.put("OTHER#2", status={"S": "NEW"})
    keys = [event["detail"]["dynamodb"]["Keys"]["pk"]["S"] for event in seen.receive(2)]
    assert keys == ["ORDER#1", "OTHER#2"]


def test_an_express_workflow_enriches_the_batch_and_dynamic_parameters_read_its_answer(cloud):
    bus, seen = bus_with_queue(cloud)
    enrichment = express(
        cloud,
        "{% [$states.input.({'kind': eventName & '.v1', 'data': {'key': dynamodb.Keys.pk.S}})] %}",
    )
    pipe(
        cloud,
        cloud.table(),
        bus,
        stream={"BatchSize": 10},
        Enrichment=enrichment,
        TargetParameters={
            "EventBridgeEventBusParameters": {"Source": "commerce.x", "DetailType": "$.kind"},
            "InputTemplate": '{"data": <$.data>, "key": "<$.data.key>", "pipe": "<aws.pipes.pipe-name>"}',
        },
    )
    cloud.put("a")
    cloud.put('quote " and \\')
    first, second = seen.receive(2)
    assert (first["detail-type"], first["detail"]) == (
        "INSERT.v1",
        {"data": {"key": "a"}, "key": "a", "pipe": "pipe"},
    )
    assert second["detail"]["key"] == 'quote " and \\'


def test_an_enrichment_that_answers_nothing_ends_the_batch_without_the_target(cloud):
    queue, target = cloud.queue("source"), cloud.queue("target")
    pipe(
        cloud, queue.arn, target.arn, Enrichment=express(cloud, "{% $states.input[body='keep'] ? [1] : [] %}")
    )
    queue.send("drop")
    cloud.eventually(lambda: sum(queue.depth().values()) == 0)
    queue.send("keep")
    assert target.receive() == [1]


def test_a_function_enriches_a_message_through_a_template(cloud):
    queue, target = cloud.queue("source"), cloud.queue("target")
    function = cloud.function("def handler(events, context): return [e['n'] * 2 for e in events]")
    pipe(
        cloud,
        queue.arn,
        target.arn,
        Enrichment=function,
        EnrichmentParameters={"InputTemplate": '{"n": <$.body.number>}'},
    )
    queue.send({"number": 21})
    assert target.receive() == [42]


def test_messages_that_match_no_filter_are_deleted_from_the_queue(cloud):
    queue, target = cloud.queue("source"), cloud.queue("target")
    pipe(
        cloud,
        queue.arn,
        target.arn,
        filters=[{"body": {"$or": [{"kind": ["keep"]}, {"size": [{"numeric": [">", 5]}]}]}}],
        TargetParameters={"InputTemplate": "<$.body.kind>"},
    )
    queue.send("not json", {"kind": "drop", "size": 5}, {"kind": "keep"}, {"kind": "big", "size": 6})
    assert sorted(target.receive(2)) == ["big", "keep"]
    cloud.eventually(lambda: sum(queue.depth().values()) == 0)
    assert target.depth()["visible"] == 0


def test_a_synchronous_workflow_gets_the_batch_as_a_list_and_its_success_deletes_the_messages(cloud):
    queue, done = cloud.queue("source"), cloud.queue("done")
    states = {
        "Send": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage",
            "Arguments": {
                "QueueUrl": done.url,
                "MessageBody": "{% $string([$states.input.body.$parse($)]) %}",
            },
            "End": True,
        }
    }
    definition = {"QueryLanguage": "JSONata", "StartAt": "Send", "States": states}
    workflow = cloud.state_machine(definition, kind="EXPRESS")
    queue.send({"n": 1}, {"n": 2})
    pipe(
        cloud,
        queue.arn,
        workflow,
        queue={"BatchSize": 10},
        TargetParameters={"StepFunctionStateMachineParameters": {"InvocationType": "REQUEST_RESPONSE"}},
    )
    assert done.receive() == [[{"n": 1}, {"n": 2}]]
    cloud.eventually(lambda: sum(queue.depth().values()) == 0)


def test_a_failed_workflow_returns_the_messages_and_the_queue_dead_letters_them(cloud):
    dlq = cloud.queue("dlq")
    queue = cloud.queue(
        "source",
        VisibilityTimeout="1",
        RedrivePolicy=json.dumps({"deadLetterTargetArn": dlq.arn, "maxReceiveCount": 2}),
    )
    definition = {"StartAt": "No", "States": {"No": {"Type": "Fail", "Error": "Refused"}}}
    pipe(cloud, queue.arn, cloud.state_machine(definition, kind="EXPRESS"))
    queue.send({"n": 1})
    assert dlq.receive() == [{"n": 1}]


def test_fire_and_forget_starts_a_standard_workflow_for_the_batch(cloud):
    machine = cloud.state_machine({"StartAt": "Ok", "States": {"Ok": {"Type": "Succeed"}}})
    target = {"StepFunctionStateMachineParameters": {"InvocationType": "FIRE_AND_FORGET"}}
    queue = cloud.queue("source")
    pipe(cloud, queue.arn, machine, TargetParameters=target | {"InputTemplate": '{"n": <$.body.n>}'})
    queue.send({"n": 1})
    sfn = cloud.client("stepfunctions")
    [execution] = cloud.eventually(lambda: sfn.list_executions(stateMachineArn=machine)["executions"])
    assert json.loads(cloud.ended(execution["executionArn"])["output"]) == [{"n": 1}]


def test_only_the_messages_that_a_target_reports_come_back(cloud):
    seen = cloud.queue("seen")
    queue = cloud.queue("source", VisibilityTimeout="1")
    function = cloud.function(
        f"""
        import json, boto3
        sqs = boto3.client("sqs")
        def handler(events, context):
            numbers = [json.loads(event["body"]) for event in events]
            sqs.send_message(QueueUrl={seen.url!r}, MessageBody=json.dumps(numbers))
            first = [event for event in events if event["attributes"]["ApproximateReceiveCount"] == "1"]
            bad = [event for event in first if json.loads(event["body"]) == 2]
            return {{"batchItemFailures": [{{"itemIdentifier": event["messageId"]}} for event in bad]}}
        """,
        Timeout=10,
    )
    # Warm, so that the batch is done before its visibility timeout.
    cloud.client("lambda").invoke(FunctionName=function, Payload="[]")
    queue.send(1, 2, 3)
    pipe(cloud, queue.arn, function, queue={"BatchSize": 10})
    assert seen.receive(3) == [[], [1, 2, 3], [2]]
    cloud.eventually(lambda: sum(queue.depth().values()) == 0)


def test_a_poisoned_record_is_bisected_out_and_its_position_dead_lettered(cloud):
    bus, seen = bus_with_queue(cloud)
    dlq = cloud.queue("dlq")
    enrichment = cloud.function(
        """
        def handler(events, context):
            keys = [event["dynamodb"]["Keys"]["pk"]["S"] for event in events]
            if "poison" in keys:
                raise ValueError("poison")
            return [{"key": key} for key in keys]
        """
    )
    stream = {
        "BatchSize": 10,
        "MaximumBatchingWindowInSeconds": 1,
        "MaximumRetryAttempts": 1,
        "OnPartialBatchItemFailure": "AUTOMATIC_BISECT",
        "DeadLetterConfig": {"Arn": dlq.arn},
    }
    source = cloud.table()
    pipe(cloud, source, bus, stream=stream, Enrichment=enrichment, TargetParameters=BUS)
    for key in ("a", "b", "poison", "c", "d"):
        cloud.put(key)
    assert [event["detail"]["key"] for event in seen.receive(4, within=15)] == ["a", "b", "c", "d"]
    [letter] = dlq.receive()
    assert letter["context"] == {
        "condition": "RetryAttemptsExhausted",
        "partnerResourceArn": cloud.arn("pipes", "pipe/pipe"),
    }
    position = letter["DDBStreamBatchInfo"]
    assert (position["batchSize"], position["streamArn"]) == (1, source)
    assert position["startSequenceNumber"] == position["endSequenceNumber"]
    assert "poison" not in json.dumps(letter)


def test_parallel_batches_of_a_stream_keep_the_order_of_each_key(cloud):
    bus, seen = bus_with_queue(cloud)
    slow = cloud.function(
        """
        import time
        def handler(events, context):
            time.sleep(0.3)
            return [event["dynamodb"]["NewImage"] for event in events]
        """,
        Timeout=10,
    )
    stream = {"BatchSize": 1, "ParallelizationFactor": 10}
    pipe(cloud, cloud.table(), bus, stream=stream, Enrichment=slow, TargetParameters=BUS)
    keys = [f"key-{index}" for index in range(8)]
    started = time.perf_counter()
    for version in range(3):
        for key in keys:
            cloud.put(key, version={"N": str(version)})
    events = [event["detail"] for event in seen.receive(24, within=20)]
    # One after the other they would take 24 times as long as one.
    assert time.perf_counter() - started < 24 * 0.3
    for key in keys:
        versions = [event["version"]["N"] for event in events if event["pk"]["S"] == key]
        assert versions == ["0", "1", "2"]


def test_a_record_older_than_its_limit_is_given_up(cloud):
    dlq = cloud.queue("dlq")
    stream = {"MaximumRecordAgeInSeconds": 0, "DeadLetterConfig": {"Arn": dlq.arn}}
    pipe(cloud, cloud.table(), cloud.bus(), stream=stream, TargetParameters=REFUSED)
    cloud.put("a")
    [letter] = dlq.receive()
    assert letter["context"]["condition"] == "RecordAgeExpired"


def test_attempts_without_limit_stay_apart_by_the_longest_pause():
    record = {"dynamodb": {"ApproximateCreationDateTime": time.time()}}
    source, batch = StreamSource(), Batch([record], attempts=5_000)
    source.lanes[0] = [batch]
    before = time.monotonic()
    source.settle({"Arn": "arn:pipe", "SourceParameters": {}}, batch, Delivery(failed=[0]))
    [again] = source.lanes[0]
    assert again.attempts == 5_001
    assert again.not_before - before == pytest.approx(LONGEST_BACKOFF_SECONDS, abs=1)


def test_entries_that_the_bus_refuses_are_retried_until_it_takes_them(cloud):
    bus, seen = bus_with_queue(cloud)
    source = cloud.table()
    mixed = {
        "EventBridgeEventBusParameters": {
            "DetailType": "Changed.v1",
            "Source": "$.dynamodb.NewImage.source.S",
        }
    }
    stream = {"BatchSize": 10, "MaximumBatchingWindowInSeconds": 1}
    pipe(cloud, source, bus, stream=stream, TargetParameters=mixed)
    cloud.put("taken", source={"S": "commerce.x"})
    cloud.put("refused", source={"S": "aws.x"})
    assert [event["detail"]["dynamodb"]["Keys"]["pk"]["S"] for event in seen.receive()] == ["taken"]
    pipe(cloud, source, bus, stream=stream, TargetParameters=BUS)
    assert [event["detail"]["dynamodb"]["Keys"]["pk"]["S"] for event in seen.receive()] == ["refused"]
    time.sleep(0.2)
    assert seen.depth()["visible"] == 0


def test_a_batch_waits_for_its_window_and_no_longer_once_it_is_full(cloud):
    bus = cloud.queue("target")
    source = cloud.table()
    batches = express(cloud, "{% [$string($count($states.input))] %}")
    stream = {"BatchSize": 3, "MaximumBatchingWindowInSeconds": 1}
    pipe(cloud, source, bus.arn, stream=stream, Enrichment=batches)
    started = time.monotonic()
    for key in "abcde":
        cloud.put(key)
    assert bus.receive(1) == [3]
    assert time.monotonic() - started < 0.9
    assert bus.receive(1) == [2]
    assert time.monotonic() - started >= 0.9


def test_a_slow_pipe_holds_up_no_other(cloud):
    slow_source, fast_source, target = cloud.queue("slow"), cloud.queue("fast"), cloud.queue("target")
    slow = cloud.function("import time\ndef handler(e, c): time.sleep(3)", Timeout=10)
    pipe(cloud, slow_source.arn, slow, name="slow-pipe", queue={"BatchSize": 1})
    pipe(cloud, fast_source.arn, target.arn, name="fast-pipe")
    slow_source.send(*range(5))
    time.sleep(0.1)
    started = time.monotonic()
    fast_source.send("quick")
    assert len(target.receive()) == 1
    assert time.monotonic() - started < 1


def test_a_stopped_pipe_holds_its_records_until_it_is_started(cloud):
    bus, seen = bus_with_queue(cloud)
    pipe(cloud, cloud.table(), bus, DesiredState="STOPPED", TargetParameters=BUS)
    cloud.put("held")
    time.sleep(0.2)
    assert seen.depth()["visible"] == 0
    cloud.client("pipes").start_pipe(Name="pipe")
    assert len(seen.receive()) == 1


def test_an_updated_template_changes_the_filter_of_a_running_pipe(cloud):
    bus, seen = bus_with_queue(cloud)
    source = cloud.table()
    for wanted in ("a", "b"):
        pipe(
            cloud,
            source,
            bus,
            filters=[{"dynamodb": {"Keys": {"pk": {"S": [wanted]}}}}],
            TargetParameters=BUS,
        )
        cloud.put("a", before={"S": wanted})
        cloud.put("b", before={"S": wanted})
        [event] = seen.receive()
        assert event["detail"]["dynamodb"]["Keys"]["pk"]["S"] == wanted


def test_a_pipe_describes_what_it_was_given(cloud):
    queue, target = cloud.queue("source"), cloud.queue("target")
    pipes = cloud.client("pipes")
    given = {
        "SourceParameters": {"SqsQueueParameters": {"BatchSize": 2}},
        "TargetParameters": {"InputTemplate": "<$.body.n>"},
    }
    pipes.create_pipe(Name="api", Source=queue.arn, Target=target.arn, RoleArn=cloud.role, **given)
    found = pipes.describe_pipe(Name="api")
    assert {key: found[key] for key in given} == given
    queue.send({"n": 1})
    assert target.receive() == [1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Target": "arn:aws:kinesis:eu-west-1:1:stream/x"}, "runs no pipe with Target"),
        ({"Source": "arn:aws:kafka:eu-west-1:1:cluster/x"}, "runs no pipe with Source"),
        ({"SourceParameters": {"SqsQueueParameters": {"BatchSize": 11}}}, "BatchSize must be at most 10"),
        ({"SourceParameters": {"FilterCriteria": {"Filters": [{"Pattern": "[]"}]}}}, "Filter pattern"),
    ],
)
def test_a_pipe_that_cannot_run_is_refused_when_it_is_made(cloud, changes, message):
    given = {"Source": cloud.queue("source").arn, "Target": cloud.queue("target").arn} | changes
    with pytest.raises(ClientError, match=message):
        cloud.client("pipes").create_pipe(Name="api", RoleArn=cloud.role, **given)
