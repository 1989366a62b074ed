"""What can be seen of an order: one correlation id from its request to its last event, and the business metrics."""

from __future__ import annotations

import json
import re
import secrets
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from service_testing.local_cloud import eventually
from storefront.client import Order

from .conftest import becomes

pytestmark = pytest.mark.e2e

NAMESPACE = "Commerce/local"


def told(commerce, service, term):
    """The events with this text, as the log of events in a service's account has them."""
    pages = (
        commerce.aws("logs", of=service)
        .get_paginator("filter_log_events")
        .paginate(logGroupName="/aws/events/commerce-local", filterPattern=f'"{term}"')
    )
    return [json.loads(line["message"]) for page in pages for line in page["events"]]


def counted(commerce, service, name, **dimensions):
    now = datetime.now(UTC)
    points = commerce.aws("cloudwatch", of=service).get_metric_statistics(
        Namespace=NAMESPACE,
        MetricName=name,
        Dimensions=[
            {"Name": key, "Value": value} for key, value in {"service": service, **dimensions}.items()
        ],
        StartTime=now - timedelta(hours=1),
        EndTime=now + timedelta(minutes=5),
        Period=3600,
        Statistics=["Sum"],
    )["Datapoints"]
    return sum(point["Sum"] for point in points)


def lines(commerce, service, term):
    """Lines with this text in the log groups of a service, whoever named them."""
    logs = commerce.aws("logs", of=service)
    own = re.compile(rf"commerce-?local-?{service}[-/]")
    return [
        line["message"]
        for page in logs.get_paginator("describe_log_groups").paginate()
        for name in (group["logGroupName"] for group in page["logGroups"])
        if own.search(name)
        for line in logs.filter_log_events(logGroupName=name, filterPattern=f'"{term}"')["events"]
    ]


def test_one_correlation_id_leads_from_the_request_to_the_last_event(commerce, operator, customer, sku):
    mine = f"trace-{secrets.token_hex(8)}"
    answer = customer.send(
        "POST",
        "order",
        "/orders",
        body={"items": [{"sku": sku, "quantity": 1}], "paymentMethod": "tok_visa"},
        headers={"Idempotency-Key": secrets.token_hex(16), "X-Correlation-Id": mine},
    )
    assert answer.headers["X-Correlation-Id"] == mine
    order = Order(customer, answer.json()["orderId"])
    becomes(order, "CONFIRMED")
    operator.fulfil(order.id)
    becomes(order, "FULFILLED")
    chain = {
        "OrderPlaced.v1": None,
        "StockReservationRequested.v1": "OrderPlaced.v1",
        "StockReserved.v1": "StockReservationRequested.v1",
        "PaymentRequested.v1": "StockReserved.v1",
        "PaymentCaptured.v1": "PaymentRequested.v1",
        "OrderConfirmed.v1": "PaymentCaptured.v1",
        "OrderFulfilled.v1": None,
    }
    events = eventually(
        lambda: {
            event["detail-type"]: event["detail"]["metadata"]
            for service in ("order", "inventory", "payment")
            for event in told(commerce, service, mine)
        },
        lambda found: found.keys() >= chain.keys(),
    )
    assert {metadata["correlationId"] for metadata in events.values()} == {mine}
    for event, cause in chain.items():
        if cause:
            assert events[event]["causationId"] == events[cause]["eventId"], event
    # The request is the first event's cause, and a line of the access log.
    request = events["OrderPlaced.v1"]["causationId"]
    assert eventually(partial(lines, commerce, "order", request), bool)
    # Functions name it on their lines, the lifecycle's execution has the order's id.
    for service in ("inventory", "payment"):
        assert eventually(partial(lines, commerce, service, mine), bool), service
    assert [line for line in lines(commerce, "order", order.id) if "execution_arn" in line]


def test_what_becomes_of_orders_is_counted(commerce, customer, sku, other_sku):
    def state():
        return {
            "placed": counted(commerce, "order", "OrdersPlaced"),
            "confirmed": counted(commerce, "order", "OrdersConfirmed"),
            "value": counted(commerce, "order", "OrderValue"),
            "declined": counted(commerce, "order", "OrdersCancelled", reason="PAYMENT_DECLINED"),
            "captured": counted(commerce, "payment", "AmountCaptured"),
            "took": counted(commerce, "order", "TimeToConfirm"),
        }

    before = state()
    becomes(customer.place({sku: 2}), "CONFIRMED")
    becomes(customer.place({other_sku: 1}, "tok_declined"), "CANCELLED")
    least = {"placed": 2, "confirmed": 1, "value": 750, "declined": 1, "captured": 500, "took": 1}
    after = eventually(state, lambda now: all(now[name] - before[name] >= least[name] for name in least))
    # Others may order meanwhile, but nothing takes no time or is counted for ever.
    assert after["took"] - before["took"] < 1000 * 60 * (after["confirmed"] - before["confirmed"])
