"""What a trace makes of events, messages, histories and log lines."""

from __future__ import annotations

import io
import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from commerce_platform.cli import steps, trace
from commerce_platform.cli.causes import compensations, tree
from commerce_platform.cli.steps import Execution, Step
from commerce_platform.cli.trace import Trail
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
    at = BEGAN_MS + 250
    assert trail.known == {"e1": at, "e2": at, "e3": at, "request-1": 0}
    assert list(trail.steps())[2] == Step(
        at, "event", "order", "Happened.v1  {sku: X}", cause="e2", id="e3", outcome="Happened.v1"
    )


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


def test_the_heading_tells_whose_it_is_and_how_it_began_and_ended_in_its_own_service():
    placed = event("e1", "order-1", "c1", "r", customerId="ada")
    ended, payment = (event(each, "order-1", "c1", "e1", reason="LATE") for each in ("e2", "e4"))
    ended |= {"detailType": "Ended.v1"}
    ended["metadata"] |= {"occurredAt": "2026-01-01T00:00:01.750Z"}
    payment["metadata"] |= {"occurredAt": "2026-01-01T00:00:09.750Z", "service": "payment"}
    elsewhere = event("e3", "stock-7", "c1", "e2")
    said = Trail("order-1", [payment, ended, elsewhere, placed]).heading
    clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(BEGAN_MS / 1000))
    assert said == f"order-1, Happened.v1 at {clock}, Ended.v1 (LATE) 1.5 s later, customer ada"
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
        ("commerce-local-inventory-Consumer-Orders-69BA606F", ("inventory", "Consumer-Orders")),
        ("/aws/cloudformation/commerce-local-cart/CartsWritesLogs9882B1C4", ("cart", "CartsWritesLogs")),
        ("anything", ("", "anything")),
    ],
)
def test_physical_names_tell_the_service_and_the_construct(physical, named):
    assert steps.named(physical) == named


KNOWN = {"event-one": 100, "event-two": 200, "request-one": 0}


def test_what_names_several_is_set_off_by_the_latest_of_them():
    body = json.dumps({"eventId": "event-two", "causationId": "event-one", "correlationId": "request-one"})
    assert steps.latest(json.dumps({"body": body}), KNOWN) == "event-two"
    assert steps.latest("nothing that is known", KNOWN) == ""


def message(queue, identifier, action, at, body="{}"):
    return {"queue": queue, "messageId": identifier, "action": action, "at": at, "body": body}


def test_a_message_is_one_step_with_the_time_it_waited_below_its_event():
    body = json.dumps({"detail-type": "OrderPlaced.v1", "detail": {"eventId": "event-one"}})
    queue = "commerce-local-order-PlacedQueueFA768B7C-9417"
    told = [message(queue, "m1", "received", 107, body), message(queue, "m1", "sent", 100, body)]
    (step,) = steps.message_steps(told, KNOWN)
    assert step == Step(100, "queue", "order", "PlacedQueue: received after 7 ms", "event-one")
    (step,) = steps.message_steps(told, {})
    assert step == Step(100, "queue", "order", "PlacedQueue: OrderPlaced.v1, received after 7 ms")


def test_a_message_that_is_tried_again_says_when():
    at = (1000, 1005, 3005, 63_005)
    told = [message("q", "m1", "received" if index else "sent", each) for index, each in enumerate(at)]
    (step,) = steps.message_steps(reversed(told), {})
    assert step.what == "q: message, received after 5 ms, again after 2,005 ms, 62,005 ms"


def test_a_message_in_a_dead_letter_queue_is_a_step_of_its_own():
    sent, dead = message("q", "m1", "sent", 1), message("dlq", "m1", "sent", 1, "not JSON")
    assert [step.what for step in steps.message_steps([sent, dead], {})] == [
        "q: message, not received",
        "dlq: message, not received",
    ]


def history(*events):
    return [
        {"id": number, "type": kind, "timestamp": BEGAN + timedelta(milliseconds=at), **details}
        for number, (at, kind, details) in enumerate(events, 1)
    ]


def started(given):
    return {"executionStartedEventDetails": {"input": json.dumps(given)}}


def ended(output):
    return {"executionSucceededEventDetails": {"output": json.dumps(output)}}


def entered(name, given="{}"):
    return {"stateEnteredEventDetails": {"name": name, "input": given}}


def exited(name):
    return {"stateExitedEventDetails": {"name": name}}


def failed(error):
    return {"taskFailedEventDetails": {"error": error}}


RETRIED = history(
    (0, "ExecutionStarted", started({"eventId": "event-one"})),
    (1, "PassStateEntered", entered("Begin")),
    (2, "PassStateExited", exited("Begin")),
    (3, "TaskStateEntered", entered("Reserve")),
    (4, "TaskFailed", failed("Throttled")),
    (9, "TaskFailed", failed("Throttled")),
    (49, "TaskSucceeded", {}),
    (50, "TaskStateExited", exited("Reserve")),
    (51, "TaskStateEntered", entered("Pay", '{"eventId": "event-two"}')),
    (60, "TaskFailed", failed("Declined")),
    (61, "TaskStateExited", exited("Pay")),
    (62, "TaskStateEntered", entered("Cancel")),
)


def test_each_task_of_a_lifecycle_is_a_step_with_what_it_overcame_and_what_it_did_not():
    saga = Execution("commerce-local-order-Saga12345678", RETRIED, is_express=False)
    assert [(step.at - BEGAN_MS, step.what) for step in saga.steps(KNOWN, "event-one")] == [
        (0, "Saga started"),
        (3, "Saga: Reserve, 47 ms, tried again 2 times after Throttled"),
        (51, "Saga: Pay, 10 ms, ended by Declined, caught"),
        (62, "Saga: Cancel, not left"),
    ]


def test_a_task_stands_below_the_answer_that_its_predecessor_has_waited_for():
    saga = Execution("commerce-local-order-Saga12345678", RETRIED, is_express=False)
    causes = [step.cause for step in saga.steps(KNOWN, saga.cause(KNOWN))]
    assert causes == ["event-one", "event-one", "event-two", "event-two"]


def test_an_express_execution_is_one_step():
    done = [*RETRIED[:8], *history((60, "ExecutionSucceeded", {}))]
    price = Execution("commerce-local-order-Price12345678", done, is_express=True)
    (step,) = price.steps(KNOWN, "event-one")
    assert step == Step(BEGAN_MS, "workflow", "order", "Price succeeded in 60 ms  Reserve", cause="event-one")
    refused = [
        *RETRIED[:8],
        *history((60, "ExecutionFailed", {"executionFailedEventDetails": {"error": "TooDear"}})),
    ]
    (step,) = Execution("commerce-local-order-Price12345678", refused, is_express=True).steps(KNOWN, "")
    assert step.what == "Price failed with TooDear in 60 ms  Reserve"


@pytest.mark.parametrize(
    ("made", "told", "cause"),
    [
        (
            [{"detailType": "Two.v1", "detail": {"eventId": "event-two", "causationId": "event-one"}}],
            "is published",
            "event-two",
        ),
        ([], "is no event", "event-one"),
    ],
)
def test_a_tables_change_stands_below_the_event_that_is_made_of_it(made, told, cause):
    record = {"eventSource": "aws:dynamodb", "NewImage": {"causationId": {"S": "event-one"}}}
    done = history((0, "ExecutionStarted", started([record])), (3, "ExecutionSucceeded", ended(made)))
    feed = Execution("commerce-local-order-ChangesEnrichment12345678", done, is_express=True)
    (step,) = feed.steps(KNOWN, feed.cause(KNOWN))
    assert (step.what, step.cause) == (f"the table's change {told}: ChangesEnrichment, 3 ms", cause)


def test_log_lines_are_told_by_what_wrote_them():
    group = "/aws/cloudformation/commerce-local-order/ApiAccessLog12345678"

    def told(line, at=9):
        return steps.line_step(group, at, line if isinstance(line, str) else json.dumps(line), KNOWN)

    access = {"httpMethod": "POST", "resourcePath": "/orders", "status": "202", "responseLatencyMs": "43"}
    assert told(access | {"requestId": "request-one"}, 5) == Step(
        5, "request", "order", "POST /orders answered 202 in 43 ms", id="request-one"
    )
    own = {
        "level": "INFO",
        "message": "reserved",
        "timestamp": "2026-01-01 00:00:00,005+0000",
        "status": "RESERVED",
        "reason": "ASKED",
        "eventId": "event-one",
    }
    assert told(own) == Step(
        BEGAN_MS + 5,
        "log",
        "order",
        "INFO reserved  {status: RESERVED, reason: ASKED}",
        "event-one",
        outcome="RESERVED (ASKED)",
    )
    metric = {
        "_aws": {"Timestamp": 7, "CloudWatchMetrics": [{"Metrics": [{"Name": "Reserved"}]}]},
        "Reserved": [1.0],
        "eventId": "event-two",
    }
    assert told(metric) == Step(7, "log", "order", "metric Reserved 1.0", "event-two")
    assert told("plain\n") == Step(9, "log", "order", "plain")


def fact(at, service, name, cause, identifier):
    return Step(at, "event", service, name, cause=cause, id=identifier, outcome=name)


def said(at, service, outcome, cause):
    return Step(at, "log", service, outcome.lower(), cause=cause, outcome=outcome)


CANCELLED = [
    Step(0, "request", "order", "POST /orders", id="r1"),
    fact(1, "order", "Placed.v1", "r1", "e1"),
    said(9, "stock", "RESERVED", "e1"),
    said(11, "mail", "SENT", "e1"),
    fact(4, "stock", "Reserved.v1", "e1", "e2"),
    Step(20, "request", "order", "POST cancellation", id="r2"),
    fact(21, "order", "OrderCancelled.v1", "r2", "e3"),
    said(25, "stock", "RELEASED", "e3"),
    fact(26, "bank", "Refunded.v1", "e3", "e4"),
    fact(30, "order", "OrderClosed.v1", "e4", "e5"),
    Step(31, "log", "", "of nobody", cause="gone"),
]


def test_a_step_stands_below_its_cause_what_was_done_before_what_came_of_it():
    assert [f"{before}{step.what}" for before, step in tree(CANCELLED)] == [
        "POST /orders",
        "└ Placed.v1",
        "  ├ reserved",
        "  ├ sent",
        "  └ Reserved.v1",
        "POST cancellation",
        "└ OrderCancelled.v1",
        "  ├ released",
        "  └ Refunded.v1",
        "    └ OrderClosed.v1",
        "of nobody",
    ]


def test_events_that_name_each_other_as_causes_are_shown_once():
    circle = [
        fact(1, "order", "A.v1", "b", "a"),
        fact(2, "order", "B.v1", "a", "b"),
        said(3, "order", "C", "b"),
    ]
    assert sorted(step.what for _, step in tree(circle)) == ["A.v1", "B.v1", "c"]
    own = fact(1, "order", "A.v1", "a", "a")
    assert list(tree([own])) == [("", own)]


def test_what_others_did_since_a_cancellation_has_compensated():
    undone, compensated = compensations(CANCELLED)
    assert (undone.what, [(step.service, step.outcome) for step in compensated]) == (
        "OrderCancelled.v1",
        [("stock", "RELEASED"), ("bank", "Refunded.v1")],
    )
    assert compensations(CANCELLED[:6]) == (None, [])


def test_a_trace_tells_what_was_compensated_and_marks_it(monkeypatch):
    monkeypatch.setattr(trace, "find", lambda *_: ("order-0001, cancelled", sorted(CANCELLED)))
    out = Console(file=io.StringIO(), width=120)
    trace.show([], "order-0001", out)
    _, compensated, *lines = out.file.getvalue().splitlines()
    assert compensated == "Compensated: stock RELEASED 4 ms later, bank Refunded.v1 5 ms later"
    assert [line.split("log")[-1].split("event")[-1].strip() for line in lines if "↩" in line] == [
        "├ ↩ released",
        "└ ↩ Refunded.v1",
    ]


def test_a_trace_of_what_was_cancelled_before_anybody_had_done_anything_says_so(monkeypatch):
    monkeypatch.setattr(trace, "find", lambda *_: ("", CANCELLED[5:7]))
    out = Console(file=io.StringIO(), width=120)
    trace.show([], "order-0001", out)
    assert out.file.getvalue().startswith("Compensated: nothing, as nothing had been done yet\n")
