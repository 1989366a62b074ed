import json

import pytest
from boto3.dynamodb.types import TypeSerializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from service_runtime.envelope import PublishedEvent, event_id
from service_testing import synthesize
from service_testing.consumers import events_of
from shared_constructs import ChangeFeed, DomainEvent, ServiceStack, ServiceTable, StackKind

# Characters that DynamoDB stores and JSON can carry: everything but lone surrogates.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT | st.just(""),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=12,
)


def typed(item):
    return {name: TypeSerializer().serialize(value) for name, value in item.items()}


def order(version, **fields):
    return typed(
        {"pk": "ORDER#1", "sk": "ORDER", "orderId": "o-1", "version": version, "status": "PLACED", **fields}
    )


def types(events):
    return [event.detail_type for event in events]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(aggregate=TEXT, version=st.integers(1, 10**9))
def test_jsonata_and_python_give_every_event_the_same_id(deployment, aggregate, version):
    (event,) = events_of(deployment, "Feed", new=order(version, orderId=aggregate))
    assert event.metadata.event_id == event_id("commerce.order", aggregate, version, "OrderChanged.v1")
    assert event.metadata.aggregate_id == aggregate


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON, values=st.lists(JSON, max_size=3))
def test_any_item_arrives_as_the_same_json(deployment, value, values):
    (event,) = events_of(deployment, "Feed", new=order(1, note=value, lines=values))
    assert event.data["note"] == value
    assert event.data["lines"] == values


def test_sets_and_binary_values_arrive_as_json(deployment):
    new = order(1) | {"note": {"SS": ["a", "b"]}, "lines": {"L": [{"NS": ["1", "2.5"]}, {"B": "aGk="}]}}
    (event,) = events_of(deployment, "Feed", new=new)
    assert event.data["note"] == ["a", "b"]
    assert event.data["lines"] == [[1, 2.5], "aGk="]


def test_the_envelope_carries_correlation_causation_and_time_of_the_change(deployment):
    new = order(3, correlationId="c-1", causationId="r-9", updatedAt="2026-11-21T06:40:00Z")
    metadata = events_of(deployment, "Feed", new=new)[0].metadata
    assert (metadata.correlation_id, metadata.causation_id) == ("c-1", "r-9")
    assert metadata.occurred_at == "2026-11-21T06:40:00Z"
    assert (metadata.service, metadata.stage, metadata.domain) == ("order", "local", "commerce")
    assert (metadata.schema_version, metadata.aggregate_version) == ("1.0", 3)


def test_an_item_without_correlation_correlates_by_its_own_event(deployment):
    metadata = events_of(deployment, "Feed", new=order(1))[0].metadata
    assert metadata.correlation_id == metadata.causation_id == metadata.event_id
    assert metadata.occurred_at == "2023-11-14T22:13:20.000Z"


def test_one_change_may_mean_several_events_or_none(deployment):
    placed, confirmed = order(1), order(2, status="CONFIRMED")
    assert types(events_of(deployment, "Feed", new=confirmed, old=placed)) == [
        "OrderChanged.v1",
        "OrderConfirmed.v1",
    ]
    later = order(3, status="CONFIRMED")
    assert types(events_of(deployment, "Feed", new=later, old=confirmed)) == ["OrderChanged.v1"]
    other = typed({"pk": "PRODUCT#1", "sk": "PRODUCT", "version": 1})
    assert events_of(deployment, "Feed", new=other) == []


def test_a_change_that_keeps_the_version_tells_nothing(deployment):
    assert events_of(deployment, "Feed", new=order(2, note="read"), old=order(2)) == []


def test_a_removed_item_tells_nothing(deployment):
    table = deployment.table("Table")
    table.put_item(Item={"pk": "O", "sk": "O", "orderId": "o-1", "version": 1})
    table.delete_item(Key={"pk": "O", "sk": "O"})
    assert types(deployment.published("Feed")) == ["OrderChanged.v1"]


def test_the_feed_reads_what_the_table_really_streamed(deployment):
    table = deployment.table("Table")
    item = {"pk": "O", "sk": "O", "orderId": "o-1", "version": 1, "status": "PLACED", "lines": [{"sku": "a"}]}
    table.put_item(Item=item)
    table.update_item(
        Key={"pk": "O", "sk": "O"},
        UpdateExpression="SET #s = :s, version = version + :one",
        ExpressionAttributeNames={"#s": "status"},
        ExpressionAttributeValues={":s": "CONFIRMED", ":one": 1},
    )
    event = deployment.published("Feed")
    assert [(e.detail_type, e.metadata.aggregate_version) for e in event] == [
        ("OrderChanged.v1", 1), ("OrderChanged.v1", 2), ("OrderConfirmed.v1", 2),
    ]  # fmt: skip
    assert event[0].data["lines"] == [{"sku": "a"}]


def put_orders(deployment, count):
    for number in range(count):
        deployment.table("Table").put_item(
            Item={"pk": f"O#{number}", "sk": "O", "orderId": f"o-{number}", "version": 1, "status": "PLACED"}
        )


@pytest.fixture
def received(deployment):
    """What reaches the bus, caught by a queue."""
    queue = deployment.client("sqs").create_queue(QueueName="spy")["QueueUrl"]
    events = deployment.client("events")
    arn = deployment.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])[
        "Attributes"
    ]
    events.put_rule(Name="spy", EventBusName="commerce-local", EventPattern='{"source": ["commerce.order"]}')
    events.put_targets(
        Rule="spy", EventBusName="commerce-local", Targets=[{"Id": "spy", "Arn": arn["QueueArn"]}]
    )

    def drain():
        found = []
        while (
            messages := deployment.client("sqs")
            .receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
            .get("Messages")
        ):
            found += [json.loads(message["Body"]) for message in messages]
        return found

    return drain


def test_republish_emits_every_item_again_with_the_same_ids(deployment, received):
    put_orders(deployment, 45)  # three pages, the last of them short
    first = {event.metadata.event_id for event in deployment.published("Feed")}
    execution = deployment.run("FeedRepublish", {})
    assert execution.output == {"emitted": 45, "startKey": None}
    again = received()
    assert {event["detail"]["metadata"]["eventId"] for event in again} == first
    assert {event["detail-type"] for event in again} == {"OrderChanged.v1"}


def test_republish_continues_where_another_execution_stopped(deployment, received):
    put_orders(deployment, 30)
    page = deployment.client("dynamodb").scan(TableName=deployment.table("Table").name, Limit=25)
    output = deployment.run("FeedRepublish", {"startKey": page["LastEvaluatedKey"]}).output
    assert output == {"emitted": 5, "startKey": None}
    assert len(received()) == 5


def test_republish_of_one_partition_emits_only_that(deployment, received):
    put_orders(deployment, 3)
    assert deployment.run("FeedRepublish", {"pk": "O#1"}).output["emitted"] == 1
    assert [event["detail"]["data"]["orderId"] for event in received()] == ["o-1"]


def test_republish_of_an_empty_table_emits_nothing(deployment, received):
    assert deployment.run("FeedRepublish", {}).output == {"emitted": 0, "startKey": None}
    assert received() == []


def put_large_orders(deployment, count, name):
    lines = [{"sku": f"SKU-{n:08}", "name": name, "quantity": 2, "amountMinor": 129_900} for n in range(50)]
    for number in range(count):
        deployment.table("Table").put_item(
            Item={
                "pk": f"O#{number}",
                "sk": "O",
                "orderId": f"o-{number}",
                "version": 1,
                "status": "CONFIRMED",
                "lines": lines,
            }
        )


# Twenty at once: the items are too much for a state; or only what they mean is, as each means two events.
@pytest.mark.parametrize("name", ["Ein schöner, langer Name " * 6, "Ein schöner, langer Name " * 5], ids=len)
def test_republish_of_orders_of_fifty_lines_stays_below_what_a_state_may_hold(deployment, received, name):
    put_large_orders(deployment, 20, name)
    execution = deployment.run("FeedRepublish", {})
    assert (execution.output, execution.error) == ({"emitted": 40, "startKey": None}, None)
    sizes = [len(json.dumps(each).encode()) for v in execution.visits for each in (v.input, v.output)]
    assert max(sizes) <= 262_144
    assert {e["detail"]["data"]["orderId"] for e in received()} == {f"o-{n}" for n in range(20)}
    one = deployment.run("FeedRepublish", {"pk": "O#7"})
    assert one.output == {"emitted": 2, "startKey": None}


def test_republish_names_where_an_item_is_that_no_state_can_hold(deployment):
    deployment.table("Table").put_item(
        Item={"pk": "O#1", "sk": "O", "orderId": "o-1", "version": 1, "note": "x" * 300_000}
    )
    execution = deployment.run("FeedRepublish", {})
    assert (execution.status, execution.error) == ("FAILED", "ItemTooLarge")


def pipe_of(templates):
    resources = templates["commerce-local-order"]["Resources"]
    return next(
        r["Properties"]
        for i, r in resources.items()
        if i.startswith("FeedPipe") and r["Type"] == "AWS::Pipes::Pipe"
    )


def test_a_batch_can_never_exceed_what_the_bus_takes(templates):
    parameters = pipe_of(templates)["SourceParameters"]["DynamoDBStreamParameters"]
    assert parameters["BatchSize"] * 2 == 10  # two events are declared, which do not exclude each other


def test_changes_that_mean_more_than_a_bus_takes_fail_their_batch(deployment):
    confirmed = {"eventName": "INSERT", "dynamodb": {"NewImage": order(1, status="CONFIRMED")}}
    confirmed["dynamodb"]["ApproximateCreationDateTime"] = 1_700_000_000
    assert len(deployment.run("FeedEnrichment", [confirmed] * 5).output) == 10

    execution = deployment.run("FeedEnrichment", [confirmed] * 6)

    assert (execution.status, execution.error) == ("FAILED", "States.QueryEvaluationError")
    assert "a bus takes 10 events at once, these changes mean 12" in execution.cause


def test_a_record_that_cannot_pass_is_isolated_given_up_by_its_age_and_told(templates):
    parameters = pipe_of(templates)["SourceParameters"]["DynamoDBStreamParameters"]
    assert parameters["OnPartialBatchItemFailure"] == "AUTOMATIC_BISECT"
    assert parameters["MaximumRetryAttempts"] == -1
    assert parameters["MaximumRecordAgeInSeconds"] == 23 * 3600  # below the stream's own 24 hours
    assert "Arn" in parameters["DeadLetterConfig"]


def test_records_of_one_shard_do_not_wait_for_each_other(templates):
    parameters = pipe_of(templates)["SourceParameters"]["DynamoDBStreamParameters"]
    assert parameters["ParallelizationFactor"] == 10


def test_the_pipe_speaks_for_its_own_service_only(templates):
    resources = templates["commerce-local-order"]["Resources"]
    policies = [
        r["Properties"]["PolicyDocument"] for r in resources.values() if r["Type"] == "AWS::IAM::Policy"
    ]
    puts = [s for p in policies for s in p["Statement"] if s["Action"] == "events:PutEvents"]
    assert len(puts) == 2  # the pipe and republish
    assert all(s["Condition"] == {"StringEquals": {"events:source": "commerce.order"}} for s in puts)


class ThingDone(PublishedEvent, major=1):
    id: str


THING = DomainEvent(ThingDone, aggregate_id="id")


def feed_of(*feeds, stream=True, **options):
    def build(app):
        table = ServiceTable(ServiceStack(app, kind=StackKind.STATEFUL), "Table", stream=stream)
        stack = ServiceStack(app, kind=StackKind.STATELESS)
        for number, events in enumerate(feeds):
            ChangeFeed(stack, f"Feed{number}", table=table, events=events, **options)

    return build


def alarms_of(templates):
    resources = templates["commerce-local-test"]["Resources"].values()
    return [each["Properties"] for each in resources if each["Type"] == "AWS::CloudWatch::Alarm"]


@pytest.fixture(scope="module")
def unread():
    (alarm,) = [
        each for each in alarms_of(synthesize(feed_of([THING]))) if "forgets" in each["AlarmDescription"]
    ]
    return alarm


def fires(alarm, **metrics):
    """Whether one period with these sums is above the threshold; what is not given has no data."""
    expressions = [each["Expression"] for each in alarm["Metrics"] if "Expression" in each]
    functions = {"IF": lambda c, a, b: a if c else b, "FILL": lambda v, other: other if v is None else v}
    names = {each["Id"]: metrics.get(each["Id"]) for each in alarm["Metrics"]}
    value = eval(expressions[0].replace(" AND ", " and "), functions | names)  # noqa: S307 - metric math of ours
    return alarm["ComparisonOperator"] == "GreaterThanThreshold" and value > alarm["Threshold"]


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        ({}, False),  # nobody writes
        ({"writes": 12.0, "reads": 7200.0, "handled": 3.0}, False),
        ({"writes": 12.0, "reads": 7200.0}, False),  # the filter lets none of these changes through
        ({"writes": 12.0, "handled": 3.0}, False),  # even if AWS counted no reads of its own pipes
        ({"reads": 7200.0}, False),
        ({"writes": 12.0}, True),
        ({"writes": 0.5, "reads": 0.0, "handled": 0.0}, True),
    ],
)
def test_somebody_is_told_when_the_table_changes_and_the_pipe_does_not_run(unread, metrics, told):
    assert fires(unread, **metrics) is told
    assert unread["TreatMissingData"] == "notBreaching"


def test_a_stopped_pipe_is_noticed_by_its_own_stream_and_name(unread):
    metrics = {each["Id"]: each["MetricStat"] for each in unread["Metrics"] if "MetricStat" in each}
    names = {
        id_: (of["Metric"]["Namespace"], of["Metric"]["MetricName"], of["Stat"])
        for id_, of in metrics.items()
    }
    assert names == {
        "writes": ("AWS/DynamoDB", "ConsumedWriteCapacityUnits", "Sum"),
        "reads": ("AWS/DynamoDB", "SuccessfulRequestLatency", "SampleCount"),
        "handled": ("AWS/EventBridge/Pipes", "Invocations", "Sum"),
    }
    assert {of["Period"] for of in metrics.values()} == {1800}
    dimensions = {d["Name"]: d["Value"] for d in metrics["reads"]["Metric"]["Dimensions"]}
    assert dimensions["Operation"] == "GetRecords"
    assert dimensions["StreamLabel"]["Fn::Select"][0] == 3
    (pipe,) = metrics["handled"]["Metric"]["Dimensions"]
    assert (pipe["Name"], pipe["Value"]["Ref"].startswith("Feed0Pipe")) == ("PipeName", True)


def test_a_feeds_alarms_can_be_customized():
    alarms = alarms_of(synthesize(feed_of([THING], customize={"alarms": {"evaluation_periods": 4}})))
    feeds = [alarm for alarm in alarms if alarm["EvaluationPeriods"] == 4]
    assert len(feeds) == 3


def test_an_expression_that_does_not_parse_fails_the_synthesis():
    broken = DomainEvent(ThingDone, aggregate_id="id", data={"id": "$new.id ~>"})
    with pytest.raises(RuntimeError, match="JSONata does not parse"):
        synthesize(feed_of([broken]))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (feed_of([THING], [THING]), "already reads the stream"),
        (feed_of([]), "1 to 10 kinds"),
        (feed_of([THING, THING]), "share their id: ThingDone.v1"),
        (feed_of([THING], stream=False), "has no stream"),
        (feed_of([THING], customize={"pipe": {"target": "x"}}), "target of pipe cannot be customized"),
    ],
)
def test_a_feed_that_cannot_work_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        synthesize(build)


@pytest.mark.parametrize(
    "expression", ["$new", "$keys($new)[0]", "$new.(id)", "$lookup($old, 'id')", "$new."]
)
def test_an_image_is_read_by_names_because_only_those_are_there(expression):
    with pytest.raises(ValueError, match=r"ThingDone\.v1 must read an image by an attribute's name"):
        DomainEvent(ThingDone, aggregate_id="id", data={"id": expression})


def test_only_what_an_event_names_is_turned_into_json(templates):
    definition = json.dumps(templates["commerce-local-order"])
    assert (
        "NewImage.{'causationId': causationId, 'correlationId': correlationId, 'lines': lines" in definition
    )
    assert "OldImage.{'status': status, 'version': version}" in definition


def test_a_field_that_the_model_does_not_have_is_refused():
    with pytest.raises(ValueError, match=r"ThingDone\.v1 has no field idd; its fields are id"):
        DomainEvent(ThingDone, aggregate_id="id", data={"idd": "1"})
