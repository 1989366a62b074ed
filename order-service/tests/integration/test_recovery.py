"""No order is stranded: whatever becomes of its lifecycle, of notices and of its first event, it ends."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from service_testing.workflows import WorkflowError, aws_call

OPEN_FOR_LONG = timedelta(minutes=30)
"""Longer than both waits, 5 and 15 minutes."""


@pytest.fixture
def late(shop):
    """Makes an order older, whatever its status."""

    def age(order_id, by=OPEN_FOR_LONG):
        then = (datetime.now(UTC) - by).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        # By itself, as time does: neither version nor feed.
        shop.write(
            order_id,
            "SET createdAt = :then, updatedAt = :then, gsi2sk = :position",
            {":then": then, ":position": f"{then}#{order_id}"},
        )
        return order_id

    return age


def sweep(shop):
    """One scheduled sweep, and what the queue makes of it."""
    execution = shop.deployment.run("RecoverySweep", {})
    assert execution.status == "SUCCEEDED", (execution.error, execution.cause)
    outcome = shop.deployment.feed("LifecycleInterruptions", [])
    assert not outcome.dead_letters
    return [body["orderId"] for body in outcome.handled]


def outcome(shop, order_id):
    order = shop.item(order_id)
    return order["status"], order.get("reason"), [entry["status"] for entry in order["timeline"]]


TIMED_OUT = ("CANCELLED", "TIMED_OUT", ["PLACED", "CANCELLED"])


# ------------------------------------------------------------------------------------------------- lifecycles that died
@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_a_saga_that_dies_does_not_leave_its_order_open(shop, status):
    order_id = shop.placed()
    for _ in range(2):
        shop.lifecycle_died(order_id, status)
    assert outcome(shop, order_id) == TIMED_OUT


def test_a_saga_that_dies_after_confirming_changes_nothing(shop):
    order_id = shop.placed()
    shop.run(order_id)
    shop.lifecycle_died(order_id)
    assert shop.order(order_id)["status"] == "CONFIRMED"


def test_nobody_has_to_be_told_that_a_lifecycle_died(shop, late):
    order_id = shop.placed()

    def die():
        raise WorkflowError("States.Runtime", "the execution breaks")

    with pytest.raises(AssertionError, match="the execution breaks"):
        shop.run(order_id, payment=die)
    shop.execution(order_id, stopped=True)
    assert sweep(shop) == []
    late(order_id)
    assert sweep(shop) == [order_id]
    assert outcome(shop, order_id) == ("CANCELLED", "TIMED_OUT", ["PLACED", "STOCK_RESERVED", "CANCELLED"])
    assert "wait" not in shop.item(order_id)
    assert shop.last("OrderCancelled.v1").data["reason"] == "TIMED_OUT"
    assert sweep(shop) == []


def test_an_order_that_its_lifecycle_left_open_is_closed(shop, late):
    order_id = late(shop.placed())
    shop.execution(order_id)

    def succeeded(integration, arguments):
        result = aws_call(integration, arguments)
        return {**result, "Status": "SUCCEEDED"} if integration.action == "describeExecution" else result

    recover(shop, order_id, call=succeeded)
    assert outcome(shop, order_id) == TIMED_OUT


def test_a_lifecycle_that_runs_is_left_alone(shop, late):
    order_id = late(shop.placed())
    shop.execution(order_id)
    assert sweep(shop) == [order_id]
    shop.notice(order_id, "FAILED")
    assert outcome(shop, order_id) == ("PLACED", None, ["PLACED"])


def test_open_orders_of_every_partition_are_swept_and_no_closed_one(shop, late):
    template = shop.item(late(shop.placed()))
    statuses = ["PLACED", "STOCK_RESERVED", "PAID", "CONFIRMED", "CANCELLED", "FULFILLED"]
    orders = {
        f"{digit}{number:031x}": statuses[number % 6] for number, digit in enumerate("0123456789abcdef" * 2)
    }
    with shop.deployment.table("Orders").batch_writer() as batch:
        batch.delete_item(Key={"pk": template["pk"], "sk": "ORDER"})
        for order_id, status in orders.items():
            index = {
                "gsi2pk": f"STATUS#{status}#{order_id[0]}",
                "gsi2sk": f"{template['createdAt']}#{order_id}",
            }
            batch.put_item(
                Item={**template, "pk": f"ORDER#{order_id}", "orderId": order_id, "status": status, **index}
            )
    opened = {order_id for order_id, status in orders.items() if status in statuses[:3]}
    assert shop.deployment.run("RecoverySweep", {}).status == "SUCCEEDED"
    found = [json.loads(body)["orderId"] for body in shop.deployment.messages("LifecycleInterruptionsQueue")]
    assert sorted(found) == sorted(opened)


def test_two_sweeps_at_once_end_an_order_once(shop, late):
    order_id = late(shop.placed())
    shop.execution(order_id, stopped=True)
    for _ in range(2):
        assert shop.deployment.run("RecoverySweep", {}).status == "SUCCEEDED"
    assert not shop.deployment.feed("LifecycleInterruptions", []).dead_letters
    assert outcome(shop, order_id) == TIMED_OUT
    assert len(shop.events("OrderCancelled.v1")) == 1


# ------------------------------------------------------------------------------------------- lifecycles that never began
def test_a_first_event_that_got_lost_is_told_again_and_the_order_is_confirmed(shop, late):
    order_id = shop.placed()
    (lost,) = shop.events("OrderPlaced.v1")
    late(order_id)
    assert sweep(shop) == [order_id]
    (told,) = shop.republished()
    assert (told.detail_type, told.metadata.event_id) == ("OrderPlaced.v1", lost.metadata.event_id)
    assert not shop.feed("Placed", told).dead_letters
    shop.run(order_id)
    assert outcome(shop, order_id)[0] == "CONFIRMED"
    assert sweep(shop) == []


def test_an_order_of_weeks_ago_charges_no_card_today(shop, late):
    order_id = late(shop.placed(), by=timedelta(weeks=3))
    redriven = shop.event("order", "OrderPlaced.v1", order_id, {"orderId": order_id})
    then = shop.item(order_id)["createdAt"]
    metadata = redriven.metadata.model_copy(update={"occurred_at": then})
    result = shop.feed("Placed", redriven.model_copy(update={"metadata": metadata}))
    assert not result.dead_letters
    assert shop.executions() == []
    assert sweep(shop) == [order_id]
    assert shop.executions() == []
    assert outcome(shop, order_id) == TIMED_OUT


def test_an_order_of_today_begins(shop):
    order_id = shop.placed()
    shop.feed("Placed", shop.last("OrderPlaced.v1"))
    assert shop.executions() == [order_id]


# ------------------------------------------------------------------------------------------------------- what interferes
def recover(shop, order_id, **options):
    message = [{"messageId": "1", "body": json.dumps({"orderId": order_id})}]
    execution = shop.deployment.run("RecoveryRecover", message, **options)
    assert execution.output == {"batchItemFailures": []}
    return execution


def before_cancelling(action):
    """Lets something happen between the look at the execution and the write."""
    happened = []

    def call(integration, arguments):
        if integration.state == "Cancel" and not happened:
            happened.append(True)
            action()
        return aws_call(integration, arguments)

    return call


def test_a_customer_who_cancels_meanwhile_is_the_reason(shop):
    order_id = shop.placed()
    shop.execution(order_id, stopped=True)
    recover(shop, order_id, call=before_cancelling(lambda: shop.cancel(order_id)))
    assert outcome(shop, order_id) == ("CANCELLED", "CUSTOMER_REQUEST", ["PLACED", "CANCELLED"])


def test_a_lifecycle_that_confirms_meanwhile_wins(shop):
    order_id = shop.placed()
    shop.execution(order_id, stopped=True)
    recover(shop, order_id, call=before_cancelling(lambda: shop.run(order_id)))
    assert outcome(shop, order_id)[0] == "CONFIRMED"


def test_another_write_meanwhile_is_read_and_the_order_ends_all_the_same(shop):
    order_id = shop.placed()
    shop.execution(order_id, stopped=True)
    write = before_cancelling(lambda: shop.write(order_id, "ADD version :one", {":one": 1}))
    assert recover(shop, order_id, call=write).path.count("Cancel") == 2
    assert outcome(shop, order_id) == TIMED_OUT


def test_what_cannot_be_looked_at_is_looked_at_again(shop):
    order_id = shop.placed()

    def throttled(integration, arguments):
        if integration.action == "describeExecution":
            raise WorkflowError("Sfn.ThrottlingException", "too many requests")
        return aws_call(integration, arguments)

    message = [{"messageId": "1", "body": json.dumps({"orderId": order_id})}]
    execution = shop.deployment.run("RecoveryRecover", message, call=throttled)
    assert execution.output == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert outcome(shop, order_id)[0] == "PLACED"


def test_an_order_that_is_not_there_is_no_poison(shop):
    shop.notice("0" * 32, "ABORTED")


@pytest.mark.parametrize("confirmed", [False, True])
def test_a_cancellation_asked_for_in_the_old_way_is_still_one(shop, confirmed):
    order_id = shop.placed()
    if confirmed:
        shop.run(order_id)
    shop.execution(order_id)
    shop.write(
        order_id, "SET cancelRequested = :now ADD version :one", {":now": "2026-11-21T08:00:00Z", ":one": 1}
    )
    request = shop.event("order", "OrderCancellationRequested.v1", order_id, {"orderId": order_id})
    message = [{"messageId": "1", "body": json.dumps(request.envelope())}]
    assert shop.deployment.run("RecoveryRecover", message).output == {"batchItemFailures": []}
    assert outcome(shop, order_id)[:2] == ("CANCELLED", "CUSTOMER_REQUEST")
