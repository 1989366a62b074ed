"""Orders that were under way when the lifecycle got its present definition: their executions keep the one before.

Both go when every stage has had the present definition for longer than an order can wait, with the answer to waits
without `rejection` in the EventRequest's workflow.
"""

from pathlib import Path

import pytest
from service_testing import aws_call, run_workflow
from states_language.definition import load, substitute

BEFORE = Path(__file__).with_name("lifecycle_before.asl.yaml")
STATUSES = ["PLACED", "STOCK_RESERVED", "PAID", "CONFIRMED"]


def run(shop, order_id, *, stock=None, payment=None, call=aws_call):
    """The order's execution, as it goes on under the definition that it began with."""
    during = {
        "ReserveStock": stock or shop.stock_reserved,
        "RequestPayment": payment or shop.payment_captured,
    }
    definition = substitute(load(BEFORE), {"OrdersTable": shop.deployment.table("Orders").name})
    execution = run_workflow(
        definition,
        {"orderId": order_id},
        call=call,
        on_callback=lambda wait: during[wait.state](),
        name=order_id,
    )
    assert execution.status == "SUCCEEDED", (execution.error, execution.cause)


def ends(shop, order_id, reason, *statuses):
    order = shop.order(order_id)
    assert order.get("reason") == reason
    assert [entry["status"] for entry in order["timeline"]] == [*statuses]
    assert "wait" not in shop.item(order_id)
    told = [event.detail_type for event in shop.events()][-1]
    assert told == ("OrderCancelled.v1" if reason else "OrderConfirmed.v1")
    assert len(shop.events(told)) == 1


def test_an_order_under_way_is_confirmed(shop):
    order_id = shop.placed()
    run(shop, order_id)
    ends(shop, order_id, None, *STATUSES)


def test_stock_that_is_short_still_ends_an_order_under_way(shop):
    order_id = shop.placed()
    run(shop, order_id, stock=shop.stock_rejected)
    ends(shop, order_id, "OUT_OF_STOCK", "PLACED", "CANCELLED")
    assert shop.order(order_id)["timeline"][-1]["detail"] == "OUT_OF_STOCK: BRIOCHE (0 left)"


def test_a_declined_payment_still_ends_an_order_under_way(shop):
    order_id = shop.placed()
    run(shop, order_id, payment=shop.payment_declined)
    ends(shop, order_id, "PAYMENT_DECLINED", *STATUSES[:2], "CANCELLED")


@pytest.mark.parametrize(("wait", "before"), [("stock", STATUSES[:1]), ("payment", STATUSES[:2])])
@pytest.mark.parametrize("replied", [False, True])
def test_a_cancellation_during_a_wait_ends_an_order_under_way(shop, wait, before, replied):
    order_id = shop.placed()
    answer = {"stock": shop.stock_reserved, "payment": shop.payment_captured}[wait]

    def during():
        if replied:
            answer()
        assert shop.cancel(order_id).status == 202

    run(shop, order_id, **{wait: during})
    ends(shop, order_id, "CUSTOMER_REQUEST", *before, "CANCELLED")


@pytest.mark.parametrize(
    ("state", "before"), [("ReserveStock", 1), ("RequestPayment", 1), ("MarkPaid", 2), ("Confirm", 3)]
)
def test_a_cancellation_just_before_a_write_ends_an_order_under_way(shop, state, before):
    order_id = shop.placed()

    def cancel_just_before(integration, arguments):
        if integration.state == state:
            shop.cancel(order_id)
        return aws_call(integration, arguments)

    run(shop, order_id, call=cancel_just_before)
    ends(shop, order_id, "CUSTOMER_REQUEST", *STATUSES[:before], "CANCELLED")
