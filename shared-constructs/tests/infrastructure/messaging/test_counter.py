"""Sums in which each event is one, whatever the bus, the queue and the table make of it."""

import json
import uuid
from collections import Counter as Multiset
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat

import pytest
from aws_cdk import Duration
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from service_runtime.envelope import Event, PublishedEvent, WireModel, rfc3339
from service_runtime.money import Money
from service_testing import Deployment, WorkflowError, actions_on, aws_call, statements, synthesize
from shared_constructs import (
    Batching,
    ChangeFeed,
    Counter,
    DomainEvent,
    ServiceStack,
    ServiceTable,
    StackKind,
    Subscription,
)
from shared_constructs.change_feed import exists
from shared_constructs.counter import GRACE

CONFIRMED, CONFIRMED_V2, RETURNED = "OrderConfirmed.v1", "OrderConfirmed.v2", "OrderReturned.v1"
CANCELLED = "Transaction cancelled, please refer cancellation reasons for specific reasons "
KEPT = Duration.days(90)


class Order(WireModel):
    """What the service reads of orders."""

    order_id: str
    customer_id: str
    total: Money
    gift: str | bool | None = None
    tip: int | str | None = None


class PointsEarned(PublishedEvent, major=1):
    customer_id: str
    order_id: str
    points: int


class PointsChanged(PublishedEvent, major=1):
    customer_id: str
    points: int


def subscribed(*types, source="commerce.order"):
    return [Subscription(source=source, detail_type=each) for each in types]


def build(app):
    table = ServiceTable(ServiceStack(app, kind=StackKind.STATEFUL), "Points", stream=True, ttl=True)
    stack = ServiceStack(app, kind=StackKind.STATELESS)
    spent = {"points": "$floor($data.total.amountMinor / 100)", "orders": "1"}
    member = {"pk": "'MEMBER#' & $data.customerId", "sk": "'POINTS'"}
    Counter(
        stack,
        "Earning",
        table=table,
        subscriptions=[
            *subscribed(CONFIRMED, CONFIRMED_V2, RETURNED),
            *subscribed(CONFIRMED, source="commerce.kiosk"),
        ],
        model=Order,
        key=member,
        add=spent,
        once="$data.orderId",
        attributes={"customerId": "$data.customerId"},
        entry={"orderId": "$data.orderId", "gift": "$data.gift"},
    )
    Counter(
        stack,
        "Tips",
        table=table,
        subscriptions=subscribed(CONFIRMED),
        model=Order,
        key=member | {"sk": "'TIPS'"},
        add={"tips": "$data.tip"},
        expires_after=KEPT,
    )
    ChangeFeed(
        stack,
        "Feed",
        table=table,
        events=[
            DomainEvent(PointsEarned, aggregate_id="orderId", when=exists("once")),
            DomainEvent(PointsChanged, aggregate_id="customerId", when=~exists("once")),
        ],
    )


@pytest.fixture(scope="module")
def templates():
    return synthesize(build, service="loyalty")


@pytest.fixture
def loyalty(templates):
    with Deployment(templates) as deployed:
        yield deployed


def confirmed(order="o-1", customer="ada", cents=1180, *, version=4, kind=CONFIRMED, at=None, **data):
    event = Event.create(
        service="order",
        stage="local",
        detail_type=kind,
        aggregate_id=order,
        aggregate_version=version,
        data={
            "orderId": order,
            "customerId": customer,
            "total": {"amountMinor": cents, "currency": "EUR"},
            **data,
        },
    ).envelope()
    if at:
        event["detail"]["metadata"]["occurredAt"] = rfc3339(at)
    return event


def sums(deployment, name="points"):
    """What the counters say, by customer."""
    return {
        item["pk"].removeprefix("MEMBER#"): item[name]
        for item in deployment.items("Points/Table")
        if name in item and "once" not in item
    }


def reasons(execution, state):
    return [visit.cause for visit in execution.visits if visit.state == state]


def worked(deployment, events, call, counter="Earning"):
    """One receive of a batch, the calls made as `call` makes them: the execution, and who has to come again."""
    messages = [{"messageId": str(number), "body": json.dumps(event)} for number, event in enumerate(events)]
    execution = deployment.run(f"{counter}Workflow", messages, call=call)
    failed = {int(each["itemIdentifier"]) for each in execution.output["batchItemFailures"]}
    return execution, [event for number, event in enumerate(events) if number in failed]


def failing(*errors):
    """DynamoDB, refusing the first calls."""
    left = chain(errors, repeat(None))

    def call(integration, arguments):
        if error := next(left):
            raise WorkflowError(*error)
        return aws_call(integration, arguments)

    return call


def cancelled(*each):
    return ("DynamoDb.TransactionCanceledException", f"{CANCELLED}[{', '.join(each)}]")


CONFLICT = cancelled("None", "TransactionConflict")


# What is written -------------------------------------------------------------------------------------------------------
def test_an_event_is_an_entry_and_adds_to_the_counter(loyalty):
    event = confirmed(gift="card")
    loyalty.feed("Earning", [event])
    metadata = event["detail"]["metadata"]
    counter, entry = sorted(loyalty.items("Points"), key=lambda item: item["sk"])
    assert counter["updatedAt"] == entry["updatedAt"]
    assert datetime.now(UTC) - datetime.fromisoformat(entry["updatedAt"]) < timedelta(minutes=1)
    common = {
        "pk": "MEMBER#ada",
        "points": 11,
        "orders": 1,
        "version": 1,
        "customerId": "ada",
        "updatedAt": counter["updatedAt"],
        "correlationId": metadata["correlationId"],
        "causationId": metadata["eventId"],
    }
    assert counter == common | {"sk": "POINTS"}
    assert entry == common | {
        "sk": "POINTS#order.OrderConfirmed#o-1",
        "once": "o-1",
        "orderId": "o-1",
        "gift": "card",
    }


def test_the_feed_publishes_the_entry_and_the_sum(loyalty):
    events = [confirmed("o-1"), confirmed("o-2", cents=500)]
    for event in events:
        loyalty.feed("Earning", [event])
    told = [
        (each.detail_type, each.metadata.aggregate_id, each.metadata.aggregate_version, each.data["points"])
        for each in loyalty.published("Feed")
    ]
    assert sorted(told) == [
        ("PointsChanged.v1", "ada", 1, 11),
        ("PointsChanged.v1", "ada", 2, 16),
        ("PointsEarned.v1", "o-1", 1, 11),
        ("PointsEarned.v1", "o-2", 1, 5),
    ]
    causes = {each.metadata.causation_id for each in loyalty.published("Feed")}
    assert causes == {event["detail"]["metadata"]["eventId"] for event in events}


def test_an_amount_may_be_negative(loyalty):
    loyalty.feed("Earning", [confirmed("o-1", cents=1000), confirmed("o-2", cents=-300)])
    assert sums(loyalty) == {"ada": 7}


# Once ------------------------------------------------------------------------------------------------------------------
def test_a_repeated_event_ends_well_and_adds_nothing(loyalty):
    loyalty.feed("Earning", [confirmed()])
    outcome = loyalty.feed("Earning", [confirmed(), confirmed(version=5)])
    assert len(outcome.handled) == 2
    assert outcome.executions[0].path.count("Counted before") == 2
    assert outcome.executions[0].path.count("Add") == 2, "a duplicate is not tried again"
    assert sums(loyalty) == {"ada": 11}


def test_a_fact_counts_once_in_whichever_major_and_another_fact_for_itself(loyalty):
    loyalty.feed(
        "Earning", [confirmed(), confirmed(kind=CONFIRMED_V2), confirmed(kind=RETURNED, cents=-1180)]
    )
    assert sums(loyalty, "orders") == {"ada": 2}
    assert sums(loyalty) == {"ada": -1}
    loyalty.feed("Earning", [confirmed() | {"source": "commerce.kiosk"}])
    assert sums(loyalty, "orders") == {"ada": 3}


def test_an_event_is_itself_by_its_id_unless_something_better_is_named(loyalty):
    loyalty.feed("Tips", [confirmed(tip=1), confirmed(tip=1), confirmed(tip=1, version=5)])
    assert sums(loyalty, "tips") == {"ada": 2}


def test_no_two_counters_share_an_entry_and_no_entry_is_counted_on():
    def odd(app):
        table = ServiceTable(ServiceStack(app, kind=StackKind.STATEFUL), "Points")
        Counter(
            ServiceStack(app, kind=StackKind.STATELESS),
            "Earning",
            table=table,
            subscriptions=subscribed(CONFIRMED),
            model=Order,
            key={"pk": "'MEMBERS'", "sk": "$data.customerId"},
            add={"orders": "1"},
            once="$data.orderId",
        )

    one = confirmed("order.OrderConfirmed#b", "a#order.OrderConfirmed#x")
    with Deployment(synthesize(odd, service="loyalty")) as deployed:
        deployed.feed("Earning", [confirmed("x#order.OrderConfirmed#order.OrderConfirmed#b", "a"), one])
        assert {i["sk"]: i["orders"] for i in deployed.items("Points") if "once" not in i} == {
            "a": 1,
            "a#order.OrderConfirmed#x": 1,
        }
        # A customer's name that is an entry's key: what is there is another's, and is not touched.
        entry = "a#order.OrderConfirmed#y"
        deployed.feed("Earning", [confirmed("y", "a")])
        outcome = deployed.feed("Earning", [confirmed("z", entry)])
        assert len(outcome.dead_letters) == 1
        assert "[None, ConditionalCheckFailed]" in reasons(outcome.executions[0], "Refused")[0]
        assert next(i["orders"] for i in deployed.items("Points") if i["sk"] == entry) == 1


ORDERS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 99_999)), min_size=1, max_size=5).flatmap(
    lambda orders: st.lists(st.sampled_from(range(len(orders))), max_size=6).flatmap(
        lambda repeated: st.tuples(st.just(orders), st.permutations([*range(len(orders)), *repeated]))
    )
)
LOST = ("DynamoDb.InternalServerErrorException", "the answer was lost")
FATES = st.lists(st.sampled_from([None, CONFLICT, cancelled("ThrottlingError", "None"), LOST]), max_size=12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ORDERS, FATES)
def test_any_order_repetition_and_trouble_ends_in_the_same_sums(loyalty, history, fates):
    orders, delivered = history
    run = uuid.uuid4().hex  # customers of its own for each example
    left = [confirmed(f"{run}-{n}", f"{run}-{orders[n][0]}", orders[n][1]) for n in delivered]
    coming = iter(fates)

    def call(integration, arguments):
        fate = next(coming, None)
        if fate and fate is not LOST:
            raise WorkflowError(*fate)
        answer = aws_call(integration, arguments)
        if fate:
            raise WorkflowError(*fate)
        return answer

    while left:
        _, left = worked(loyalty, left, call)

    expected = Multiset()
    for customer, cents in orders:
        expected[f"{run}-{customer}"] += cents // 100
    found = {
        customer: loyalty.table("Points").get_item(Key={"pk": f"MEMBER#{customer}", "sk": "POINTS"})["Item"]
        for customer in expected
    }
    assert {customer: item["points"] for customer, item in found.items()} == dict(expected)
    assert sum(item["version"] for item in found.values()) == len(orders)


# Trouble ---------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "reason",
    [
        CONFLICT,
        cancelled("TransactionConflict", "None"),
        cancelled("None", "ThrottlingError"),
        cancelled("None", "ProvisionedThroughputExceeded"),
    ],
    ids=str,
)
def test_a_conflict_is_tried_again(loyalty, reason):
    execution, left = worked(loyalty, [confirmed()], failing(reason, reason))
    assert execution.path.count("Add") == 3
    assert left == []
    assert sums(loyalty) == {"ada": 11}


def test_a_conflict_that_stays_is_left_to_the_queue(loyalty):
    execution, left = worked(loyalty, [confirmed()], failing(*[CONFLICT] * 3))
    assert execution.path.count("Add") == 3
    assert len(left) == 1
    assert sums(loyalty) == {}
    assert worked(loyalty, left, aws_call)[1] == []
    assert sums(loyalty) == {"ada": 11}


def test_a_duplicate_that_meets_a_conflict_is_a_duplicate(loyalty):
    execution, left = worked(
        loyalty, [confirmed()], failing(cancelled("ConditionalCheckFailed", "TransactionConflict"))
    )
    assert execution.path.count("Add") == 1
    assert left == []


def test_what_no_repetition_helps_is_not_repeated(loyalty):
    execution, left = worked(loyalty, [confirmed()], failing(cancelled("None", "ValidationError")))
    assert execution.path.count("Add") == 1
    assert len(left) == 1
    assert "ValidationError" in reasons(execution, "Refused")[0]


def test_an_event_that_breaks_the_contract_adds_nothing(loyalty):
    broken = confirmed()
    broken["detail"]["data"]["total"]["amountMinor"] = "11.80"
    outcome = loyalty.feed("Earning", [broken, confirmed("o-2")])
    assert [letter.body["detail"] for letter in outcome.dead_letters] == [broken["detail"]]
    (reason,) = reasons(outcome.executions[0], "Contract broken")
    assert reason == "detail.data.total.amountMinor must be integer, got string"
    assert sums(loyalty, "orders") == {"ada": 1}


@pytest.mark.parametrize(
    ("counter", "data", "reason"),
    [
        ("Tips", {"tip": "a lot"}, "tips must be a number, got string"),
        ("Tips", {}, "tips must be a number, got nothing"),
        ("Earning", {"gift": True}, "gift must be text or a number, got boolean"),
    ],
)
def test_what_cannot_be_added_is_dead_lettered_with_the_reason(loyalty, counter, data, reason):
    outcome = loyalty.feed(counter, [confirmed(**data)])
    assert len(outcome.dead_letters) == 1
    assert reasons(outcome.executions[0], "Not countable") == [reason]
    assert loyalty.items("Points") == []


# Entries that expire ---------------------------------------------------------------------------------------------------
def test_an_entry_is_kept_for_longer_than_its_event_is_accepted(loyalty):
    at = datetime.now(UTC) - timedelta(days=89)
    loyalty.feed("Tips", [confirmed(tip=1, at=at)])
    counter, entry = sorted(loyalty.items("Points"), key=lambda item: item["sk"])
    kept = at + timedelta(days=90, seconds=GRACE.to_seconds())
    assert 0 <= float(entry["expiresAtEpoch"]) - kept.timestamp() <= 1
    assert "expiresAtEpoch" not in counter


def test_an_event_older_than_the_entries_is_refused(loyalty):
    old = confirmed(tip=1, at=datetime.now(UTC) - timedelta(days=91))
    outcome = loyalty.feed("Tips", [old])
    assert len(outcome.dead_letters) == 1
    assert (
        "older than entries are kept (7776000 seconds)" in reasons(outcome.executions[0], "Not countable")[0]
    )
    assert loyalty.items("Points") == []


def test_without_expiry_the_oldest_event_counts_and_is_remembered(loyalty):
    old = confirmed(at=datetime(2001, 1, 1, tzinfo=UTC))
    loyalty.feed("Earning", [old, old])
    assert sums(loyalty) == {"ada": 11}
    assert not any("expiresAtEpoch" in item for item in loyalty.items("Points"))


# What is built ---------------------------------------------------------------------------------------------------------
def test_the_workflow_may_put_and_update_in_its_table_alone(templates):
    template = templates["commerce-local-loyalty"]
    assert actions_on(template, "dynamodb:", "EarningWorkflowRole") == {
        "dynamodb:PutItem",
        "dynamodb:UpdateItem",
    }
    (resource,) = {
        json.dumps(statement["Resource"])
        for statement in statements(template, "EarningWorkflowRole")
        if "dynamodb:PutItem" in statement["Action"]
    }
    assert "ExportsOutputFnGetAttPoints" in resource
    assert "*" not in resource


def one(**arguments):
    def build(app):
        data = ServiceStack(app, kind=StackKind.STATEFUL)
        given = {
            "table": ServiceTable(data, "Table"),
            "subscriptions": [],
            "model": Order,
            "key": {"pk": "$data.customerId"},
            "add": {"orders": "1"},
        }
        Counter(ServiceStack(app, kind=StackKind.STATELESS), "C", **given | arguments)

    return synthesize(build, service="loyalty")


def test_its_parts_are_customized_as_constructs_of_their_own():
    consumer = {"batching": Batching(size=2), "customize": {"dlq": {"queue_name": "lost"}}}
    customize = {"workflow": {"timeout": Duration.seconds(7)}, "consumer": consumer}
    resources = one(customize=customize)["commerce-local-loyalty"]["Resources"].values()
    queues = [each["Properties"] for each in resources if each["Type"] == "AWS::SQS::Queue"]
    assert [queue["QueueName"] for queue in queues if "RedrivePolicy" not in queue] == ["lost"]
    assert [queue["VisibilityTimeout"] for queue in queues if "VisibilityTimeout" in queue] == [42]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"key": {}}, "needs its item's key"),
        ({"add": {}}, "at least one amount"),
        ({"add": {"pk": "1"}}, "pk is written twice"),
        ({"attributes": {"a": "1"}, "entry": {"a": "2"}}, "a is written twice"),
        ({"add": {"version": "1"}}, "version is written by the counter itself"),
        ({"entry": {"once": "1"}}, "once is written by the counter itself"),
        ({"add": {"a": "$data.prize"}}, "data.prize, which Order does not have"),
        ({"once": "$data.tip"}, "tip is optional"),
        ({"key": {"pk": "$data.gift"}}, "gift is optional"),
        ({"expires_after": Duration.days(13)}, "at least 14 days, .* got 13"),
        ({"expires_after": Duration.days(90)}, r"ServiceTable\('Table', ttl=True\)"),
    ],
)
def test_a_counter_that_contradicts_itself_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        one(**arguments)
