"""What a trace makes of events, messages, histories and log lines."""

from __future__ import annotations

import io
import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from commerce_platform.cli import trace
from commerce_platform.cli.trace import Step, Trail
from rich.console import Console

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
BEGAN_MS = round(BEGAN.timestamp() * 1000)


def event(event_id, aggregate, correlation, causation, **data):
    return {
        "detailType": "Happened.v1",
        "metadata": {
            "eventId": event_id,
            "aggregateId": aggregate,
            "correlationId": correlation,
            "causationId": causation,
            "occurredAt": "2026-01-01T00:00:00.250Z",
            "service": "order",
        },
        "data": data,
    }


def test_a_trail_leads_from_the_order_over_its_correlation_to_the_requests_that_began_it():
    placed = event("e1", "order-1", "c1", "request-1")
    answer = event("e2", "order-1", "c1", "e1")
    elsewhere = event("e3", "stock-7", "c1", "e2", sku="X")
    other = event("e4", "order-2", "c2", "request-2")
    trail = Trail("order-1", [placed, answer, elsewhere, other])
    assert trail.events == [placed, answer, elsewhere]
    assert trail.terms == ["order-1", "c1", "request-1"]
    assert list(trail.steps())[2] == Step(BEGAN_MS + 250, "event", "order", "Happened.v1  {sku: X}")


def test_an_event_of_another_aggregate_that_names_the_order_is_about_it():
    assert Trail("order-1", [event("e1", "payment-9", "c1", "r", orderId="order-1")]).terms == [
        "order-1",
        "c1",
        "r",
    ]


def test_a_correlation_is_looked_for_like_an_aggregate():
    placed, other = event("e1", "order-1", "c1", "request-1"), event("e2", "order-2", "c2", "request-2")
    trail = Trail("c1", [placed, other])
    assert (trail.events, trail.terms) == ([placed], ["c1", "request-1"])


def test_the_heading_tells_whose_it_is_and_how_it_began_and_ended():
    placed = event("e1", "order-1", "c1", "r", customerId="ada")
    ended = event("e2", "order-1", "c1", "e1")
    ended |= {"detailType": "Ended.v1"}
    ended["metadata"] = {**ended["metadata"], "occurredAt": "2026-01-01T00:00:01.750Z"}
    elsewhere = event("e3", "stock-7", "c1", "e2")
    said = Trail("order-1", [ended, elsewhere, placed]).heading
    clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(BEGAN_MS / 1000))
    assert said == f"order-1, Happened.v1 at {clock}, Ended.v1 1.5 s later, customer ada"
    assert Trail("order-1", []).heading == ""


def test_a_line_fits_its_columns_and_begins_with_when_and_who(monkeypatch):
    steps = [Step(BEGAN_MS, "event", "order", "x" * 500), Step(BEGAN_MS + 1500, "log", "cart", "two\nlines")]
    monkeypatch.setattr(trace, "find", lambda *_: ("order-0001, ended", steps))
    said = Console(file=io.StringIO(), width=80)
    trace.show([], "order-0001", said)
    heading, first, second, counted = said.file.getvalue().splitlines()
    assert heading == "order-0001, ended"
    assert (len(first), first[-1]) == (120, "…")
    assert second.split() == ["1,500", "ms", "cart", "log", "two", "lines"]
    assert counted == "1 event, 1 log"


def test_without_events_only_the_order_itself_is_looked_for():
    assert Trail("order-1", []).terms == ["order-1"]


@pytest.mark.parametrize(
    ("physical", "named"),
    [
        (
            "commerce-local-order-LifecycleStartStateMachine7FC3917F-827634CCCDCDAE",
            ("order", "LifecycleStart"),
        ),
        ("commerce-local-inventory-ChangesDlq526906E7-07D04B68BF616", ("inventory", "ChangesDlq")),
        ("/aws/cloudformation/commerce-local-cart/CartsWritesLogs9882B1C4", ("cart", "CartsWritesLogs")),
        ("anything", ("", "anything")),
    ],
)
def test_physical_names_tell_the_service_and_the_construct(physical, named):
    assert trace.named(physical) == named


def message(queue, identifier, action, at, body="{}"):
    return {"queue": queue, "messageId": identifier, "action": action, "at": at, "body": body}


def test_a_message_is_one_step_with_the_time_it_waited():
    body = json.dumps({"detail-type": "OrderPlaced.v1"})
    queue = "commerce-local-order-PlacedQueueFA768B7C-9417"
    (step,) = trace.message_steps(
        [message(queue, "m1", "received", 107, body), message(queue, "m1", "sent", 100, body)]
    )
    assert step == Step(100, "queue", "order", "PlacedQueue: OrderPlaced.v1, received after 7 ms")


def test_a_message_in_a_dead_letter_queue_is_a_step_of_its_own():
    sent, dead = message("q", "m1", "sent", 1), message("dlq", "m1", "sent", 1, "not JSON")
    assert [step.what for step in trace.message_steps([sent, dead])] == [
        "q: message, not received",
        "dlq: message, not received",
    ]


def history(*events):
    return [
        {"id": number, "type": kind, "timestamp": BEGAN + timedelta(milliseconds=at), **details}
        for number, (at, kind, details) in enumerate(events, 1)
    ]


def entered(name):
    return {"stateEnteredEventDetails": {"name": name}}


def exited(name):
    return {"stateExitedEventDetails": {"name": name}}


RETRIED = history(
    (0, "ExecutionStarted", {}),
    (1, "PassStateEntered", entered("Begin")),
    (2, "PassStateExited", exited("Begin")),
    (3, "TaskStateEntered", entered("Reserve")),
    (4, "TaskFailed", {"taskFailedEventDetails": {"error": "Throttled"}}),
    (50, "TaskStateExited", exited("Reserve")),
    (51, "TaskStateEntered", entered("Pay")),
)


def test_each_task_of_a_lifecycle_is_a_step_with_its_duration_and_what_it_overcame():
    steps = list(trace.history_steps("commerce-local-order-Saga12345678", RETRIED, in_full=True))
    assert [(step.at - BEGAN_MS, step.what) for step in steps] == [
        (0, "Saga started"),
        (3, "Saga: Reserve, 47 ms, after Throttled"),
        (51, "Saga: Pay, not left"),
    ]


def test_an_express_execution_is_one_step():
    ended = [*RETRIED[:6], *history((60, "ExecutionSucceeded", {}))]
    (step,) = trace.history_steps("commerce-local-order-Price12345678", ended, in_full=False)
    assert step == Step(BEGAN_MS, "workflow", "order", "Price succeeded in 60 ms  Reserve")


def test_log_lines_are_told_by_what_wrote_them():
    group = "/aws/cloudformation/commerce-local-order/ApiAccessLog12345678"
    access = {"httpMethod": "POST", "resourcePath": "/orders", "status": "202", "responseLatencyMs": "43"}
    assert trace.line_step(group, 5, json.dumps(access)) == Step(
        5, "request", "order", "POST /orders answered 202 in 43 ms"
    )
    own = {
        "level": "INFO",
        "message": "reserved",
        "timestamp": "2026-01-01 00:00:00,005+0000",
        "status": "RESERVED",
    }
    assert trace.line_step(group, 9, json.dumps(own)) == Step(
        BEGAN_MS + 5, "log", "order", "INFO reserved  {status: RESERVED}"
    )
    metric = {
        "_aws": {"Timestamp": 7, "CloudWatchMetrics": [{"Metrics": [{"Name": "Reserved"}]}]},
        "Reserved": [1.0],
    }
    assert trace.line_step(group, 9, json.dumps(metric)) == Step(7, "log", "order", "metric Reserved 1.0")
    assert trace.line_step(group, 9, "plain\n") == Step(9, "log", "order", "plain")
