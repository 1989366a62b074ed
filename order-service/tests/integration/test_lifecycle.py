"""The saga, run from the synthesized definitions: its paths, and every interleaving that could break it."""

import json
from datetime import datetime

import pytest
from service_contracts import Contracts
from service_testing.workflows import WorkflowError, aws_call

OPERATOR = {"sub": "operator-1", "scope": "openid commerce/operate"}
STATUSES = ["PLACED", "STOCK_RESERVED", "PAID", "CONFIRMED"]


def timeline(order):
    return [entry["status"] for entry in order["timeline"]]


def is_in_order(order):
    """Whether the timeline's times, which workflows and API Gateway write, rise."""
    times = [datetime.fromisoformat(entry["at"]) for entry in order["timeline"]]
    return times == sorted(times)


def test_an_order_is_reserved_paid_and_confirmed(shop):
    order_id = shop.placed()
    shop.run(order_id)
    order = shop.order(order_id)
    assert order["status"] == "CONFIRMED"
    assert [(entry["status"], entry["service"]) for entry in order["timeline"]] == [
        ("PLACED", "order"),
        ("STOCK_RESERVED", "inventory"),
        ("PAID", "payment"),
        ("CONFIRMED", "order"),
    ]
    assert is_in_order(order)
    assert shop.item(order_id)["version"] == 4
    assert [event.detail_type for event in shop.events()] == [
        "OrderPlaced.v1",
        "StockReservationRequested.v1",
        "PaymentRequested.v1",
        "OrderConfirmed.v1",
    ]


def test_a_confirmed_order_says_what_was_paid(shop):
    order_id = shop.placed()
    shop.run(order_id)
    total = shop.last("OrderPlaced.v1").data["total"]
    assert total["amountMinor"] > 0
    assert shop.last("OrderConfirmed.v1").data["total"] == total


def test_a_confirmed_order_says_how_long_it_took(shop):
    order_id = shop.placed()
    shop.run(order_id)
    began, *_, confirmed = (datetime.fromisoformat(each["at"]) for each in shop.order(order_id)["timeline"])
    took = shop.last("OrderConfirmed.v1").data["timeToConfirmMs"]
    assert 0 <= took == pytest.approx((confirmed - began).total_seconds() * 1000, abs=50)


def test_a_confirmed_order_enters_four_states_and_is_never_read(shop):
    order_id = shop.placed()
    calls = []

    def note(integration, arguments):
        calls.append(integration.action)
        return aws_call(integration, arguments)

    execution = shop.run(order_id, call=note)
    assert execution.path == ["Begin", "ReserveStock", "RequestPayment", "Confirm"]
    assert execution.output == {"orderId": order_id, "status": "CONFIRMED"}
    assert calls == ["updateItem"] * 3


def test_each_event_names_the_one_that_it_answers(shop):
    order_id = shop.placed()
    replies = []

    def answer(request, fact, consumer):
        replies.append(shop.reply(shop.last(request), fact))
        shop.feed(consumer, replies[-1])

    shop.run(
        order_id,
        stock=lambda: answer("StockReservationRequested.v1", "StockReserved.v1", "Stock"),
        payment=lambda: answer("PaymentRequested.v1", "PaymentCaptured.v1", "Payment"),
    )
    reserved, captured = (reply.metadata.event_id for reply in replies)
    causes = {event.detail_type: event.metadata.causation_id for event in shop.events()}
    placed = shop.last("OrderPlaced.v1").metadata.event_id
    assert causes["StockReservationRequested.v1"] == placed
    assert (causes["PaymentRequested.v1"], causes["OrderConfirmed.v1"]) == (reserved, captured)


@pytest.mark.parametrize(
    ("wait", "request_type", "fact", "data"),
    [
        ("stock", "StockReservationRequested.v1", "StockRejected.v1", {"reason": "EXPIRED", "shortages": []}),
        ("payment", "PaymentRequested.v1", "PaymentDeclined.v1", {"reason": "card_declined"}),
    ],
)
def test_a_cancellation_names_the_refusal_that_it_answers(shop, wait, request_type, fact, data):
    order_id = shop.placed()
    refusals = []

    def refuse():
        refusals.append(shop.reply(shop.last(request_type), fact, **data))
        assert not shop.feed(wait.title(), refusals[-1]).dead_letters

    execution = shop.run(order_id, **{wait: refuse})
    assert execution.path[-2:] == [{"stock": "ReserveStock", "payment": "RequestPayment"}[wait], "Cancel"]
    assert shop.last("OrderCancelled.v1").metadata.causation_id == refusals[0].metadata.event_id


def test_every_event_keeps_its_contract_and_no_task_token_leaves_the_service(shop):
    order_id = shop.placed()
    tokens = []

    def watch(answer):
        def during():
            tokens.append(shop.item(order_id)["wait"]["token"])
            answer()

        return during

    shop.run(order_id, stock=watch(shop.stock_reserved), payment=watch(shop.payment_captured))
    assert len({event.metadata.correlation_id for event in shop.events()}) == 1
    shop.fulfil(order_id)
    told = [event.envelope() for event in shop.events()]
    for envelope in told:
        Contracts("order_service").check_event(envelope)
    assert len(set(tokens)) == 2
    assert not any(token in json.dumps(told) for token in tokens)


def test_the_saga_starts_once_per_order(shop):
    order_id = shop.placed()
    placed = shop.last("OrderPlaced.v1")
    started = []

    def start(integration, arguments):
        if integration.action != "startExecution":
            return aws_call(integration, arguments)
        if arguments["Name"] in started:
            raise WorkflowError("Sfn.ExecutionAlreadyExistsException", "exists")
        started.append(arguments["Name"])
        return {}

    message = [{"messageId": "1", "body": json.dumps(placed.envelope())}]
    for _ in range(2):
        execution = shop.deployment.run("LifecycleStart", message, call=start)
        assert execution.output == {"batchItemFailures": []}
    assert started == [order_id]


def test_stock_that_is_short_cancels_the_order_and_says_which(shop):
    order_id = shop.placed()
    shop.run(order_id, stock=shop.stock_rejected)
    order = shop.order(order_id)
    assert (order["status"], order["reason"]) == ("CANCELLED", "OUT_OF_STOCK")
    assert order["timeline"][-1]["detail"] == "OUT_OF_STOCK: BRIOCHE (0 left)"
    assert not shop.events("PaymentRequested.v1")


def test_a_reservation_that_was_asked_for_too_late_timed_out_and_was_not_short(shop):
    order_id = shop.placed()
    shop.run(order_id, stock=shop.stock_request_expired)
    order = shop.order(order_id)
    assert (order["status"], order["reason"]) == ("CANCELLED", "TIMED_OUT")
    assert order["timeline"][-1]["detail"] == "TIMED_OUT: EXPIRED"
    assert shop.last("OrderCancelled.v1").data["reason"] == "TIMED_OUT"


def test_a_declined_payment_cancels_the_order(shop):
    order_id = shop.placed()
    shop.run(order_id, payment=shop.payment_declined)
    order = shop.order(order_id)
    assert (order["status"], order["reason"]) == ("CANCELLED", "PAYMENT_DECLINED")
    cancelled = shop.last("OrderCancelled.v1")
    assert cancelled.data == {"orderId": order_id, "reason": "PAYMENT_DECLINED"}


@pytest.mark.parametrize("silent", ["stock", "payment"])
def test_silence_cancels_the_order_and_a_reply_after_that_changes_nothing(shop, silent):
    order_id = shop.placed()
    shop.run(order_id, **{silent: lambda: None})
    order = shop.order(order_id)
    assert (order["status"], order["reason"]) == ("CANCELLED", "TIMED_OUT")
    before = shop.item(order_id)
    late = {
        "stock": lambda: shop.feed(
            "Stock", shop.reply(shop.last("StockReservationRequested.v1"), "StockReserved.v1")
        ),
        "payment": lambda: shop.feed(
            "Payment", shop.reply(shop.last("PaymentRequested.v1"), "PaymentCaptured.v1")
        ),
    }[silent]()
    assert "Unexpected reply" in late.executions[-1].path
    assert not late.dead_letters
    assert shop.item(order_id) == before


def test_a_repeated_stock_reply_during_the_payment_wait_is_not_taken_for_the_payment(shop):
    order_id = shop.placed()

    def payment():
        again = shop.reply(shop.last("StockReservationRequested.v1"), "StockReserved.v1")
        outcome = shop.feed("Stock", again, again)
        assert not outcome.dead_letters
        assert "Answer" not in outcome.executions[-1].path
        assert shop.order(order_id)["status"] == "STOCK_RESERVED"
        shop.payment_captured()

    shop.run(order_id, payment=payment)
    assert timeline(shop.order(order_id)) == STATUSES


def test_a_refusal_that_is_told_at_length_is_cut(shop):
    """The cause of a task's failure has a limit, whatever another service says."""
    order_id = shop.placed()
    shortages = [{"sku": '"' * 1000, "available": 0}] * 50

    def refuse():
        request = shop.last("StockReservationRequested.v1")
        refusal = shop.reply(request, "StockRejected.v1", reason="OUT_OF_STOCK", shortages=shortages)
        assert not shop.feed("Stock", refusal).dead_letters

    shop.run(order_id, stock=refuse)
    order = shop.order(order_id)
    assert (order["status"], order["reason"]) == ("CANCELLED", "OUT_OF_STOCK")
    assert len(order["timeline"][-1]["detail"]) == len("OUT_OF_STOCK: ") + 4096


def test_an_answer_that_is_delivered_twice_counts_once(shop):
    order_id = shop.placed()

    def payment():
        captured = shop.reply(shop.last("PaymentRequested.v1"), "PaymentCaptured.v1")
        outcome = shop.feed("Payment", captured, captured)
        assert outcome.executions[-1].path.count("Answer") == 2
        assert "Unexpected reply" in outcome.executions[-1].path
        assert not outcome.dead_letters

    shop.run(order_id, payment=payment)
    assert timeline(shop.order(order_id)) == STATUSES


def test_a_reply_to_a_request_that_was_never_made_ends_in_the_dlq(shop):
    order_id = shop.placed()
    forged = shop.event("payment", "PaymentCaptured.v1", order_id, {"orderId": order_id}, causation="0" * 32)
    outcome = shop.feed("Payment", forged)
    assert len(outcome.dead_letters) == 1
    assert shop.order(order_id)["status"] == "PLACED"


def test_a_reply_about_an_unknown_order_is_only_counted(shop):
    stray = shop.event("payment", "PaymentCaptured.v1", "0" * 32, {"orderId": "0" * 32})
    outcome = shop.feed("Payment", stray)
    assert not outcome.dead_letters
    assert "Unexpected reply" in outcome.executions[-1].path


# ------------------------------------------------------------------------------------------------ cancellation
def is_cancelled_by_its_customer(shop, order_id, *before):
    order = shop.order(order_id)
    assert (order["status"], order["reason"]) == ("CANCELLED", "CUSTOMER_REQUEST")
    assert timeline(order) == [*before, "CANCELLED"]
    assert order["timeline"][-1]["detail"] == "CUSTOMER_REQUEST"
    assert [event.data for event in shop.events("OrderCancelled.v1")] == [
        {"orderId": order_id, "reason": "CUSTOMER_REQUEST"}
    ]


def test_a_cancellation_is_one_write_that_tells_everybody(shop):
    order_id = shop.placed()
    before = shop.item(order_id)
    answer = shop.cancel(order_id, headers={"X-Correlation-Id": "another-story"})
    assert answer.status == 202
    is_cancelled_by_its_customer(shop, order_id, "PLACED")
    item = shop.item(order_id)
    assert item["version"] == before["version"] + 1
    assert is_in_order(item)
    cancelled = shop.last("OrderCancelled.v1").metadata
    assert cancelled.correlation_id == before["correlationId"]
    assert cancelled.causation_id == answer.headers["x-amzn-RequestId"] != before["causationId"]


def test_a_cancelled_order_is_listed_as_cancelled(shop):
    order_id = shop.placed()
    shop.cancel(order_id)
    for status, found in (("CANCELLED", [order_id]), ("PLACED", [])):
        page = shop.deployment.request(
            "GET", "/operations/orders", query={"status": status}, claims=OPERATOR
        ).json()
        assert [order["orderId"] for order in page["items"]] == found


def test_a_cancellation_before_the_saga_starts_ends_it_at_once(shop):
    order_id = shop.placed()
    assert shop.cancel(order_id).status == 202
    shop.run(order_id)
    is_cancelled_by_its_customer(shop, order_id, "PLACED")
    assert not shop.events("StockReservationRequested.v1")


@pytest.mark.parametrize(("wait", "before"), [("stock", STATUSES[:1]), ("payment", STATUSES[:2])])
def test_a_cancellation_ends_the_wait_without_waking_it(shop, wait, before):
    """Nobody answers: the wait runs out, which costs nothing, and changes nothing."""
    order_id = shop.placed()

    def during():
        assert shop.cancel(order_id).status == 202
        assert "wait" not in shop.item(order_id)

    shop.run(order_id, **{wait: during})
    is_cancelled_by_its_customer(shop, order_id, *before)


@pytest.mark.parametrize(
    ("wait", "request_type", "fact", "before"),
    [
        ("stock", "StockReservationRequested.v1", "StockReserved.v1", STATUSES[:1]),
        ("payment", "PaymentRequested.v1", "PaymentCaptured.v1", STATUSES[:2]),
    ],
)
def test_a_reply_after_the_cancellation_is_only_counted(shop, wait, request_type, fact, before):
    order_id = shop.placed()

    def during():
        shop.cancel(order_id)
        late = shop.feed(wait.title(), shop.reply(shop.last(request_type), fact))
        assert "Unexpected reply" in late.executions[-1].path
        assert not late.dead_letters

    shop.run(order_id, **{wait: during})
    is_cancelled_by_its_customer(shop, order_id, *before)


@pytest.mark.parametrize(("wait", "before"), [("stock", STATUSES[:1]), ("payment", STATUSES[:2])])
def test_a_cancellation_beats_the_reply_that_came_just_before_it(shop, wait, before):
    """The wait is answered already, and the next write sees the cancellation."""
    order_id = shop.placed()
    answer = {"stock": shop.stock_reserved, "payment": shop.payment_captured}[wait]

    def during():
        answer()
        shop.cancel(order_id)

    shop.run(order_id, **{wait: during})
    is_cancelled_by_its_customer(shop, order_id, *before)


@pytest.mark.parametrize(("state", "steps"), [("ReserveStock", 1), ("RequestPayment", 1), ("Confirm", 2)])
def test_a_cancellation_just_before_any_write_is_seen_by_that_write(shop, state, steps):
    order_id = shop.placed()
    cancelled = []

    def cancel_just_before(integration, arguments):
        if integration.state == state and not cancelled:
            cancelled.append(shop.cancel(order_id).status)
        return aws_call(integration, arguments)

    shop.run(order_id, call=cancel_just_before)
    assert cancelled == [202]
    is_cancelled_by_its_customer(shop, order_id, *STATUSES[:steps])


def test_a_cancellation_between_the_decision_to_cancel_and_its_write_is_the_one_that_counts(shop):
    order_id = shop.placed()

    def cancel_just_before(integration, arguments):
        if integration.state == "Cancel":
            shop.cancel(order_id)
        return aws_call(integration, arguments)

    shop.run(order_id, stock=shop.stock_rejected, call=cancel_just_before)
    is_cancelled_by_its_customer(shop, order_id, "PLACED")


def test_a_confirmed_order_is_cancelled_without_its_saga(shop):
    order_id = shop.placed()
    shop.run(order_id)
    assert shop.cancel(order_id).status == 202
    is_cancelled_by_its_customer(shop, order_id, *STATUSES)


@pytest.mark.parametrize("told", [False, True])
def test_an_order_whose_saga_died_is_cancelled_by_its_customer_whoever_is_told(shop, told):
    """Step Functions tells of a death with best effort only."""
    order_id = shop.placed()

    def die():
        raise WorkflowError("States.Runtime", "the execution died")

    with pytest.raises(AssertionError):
        shop.run(order_id, payment=die)
    assert shop.order(order_id)["status"] == "STOCK_RESERVED"
    assert shop.cancel(order_id).status == 202
    if told:
        shop.lifecycle_died(order_id)
    is_cancelled_by_its_customer(shop, order_id, *STATUSES[:2])


def test_cancelling_again_is_the_same_cancellation(shop):
    order_id = shop.placed()
    assert [shop.cancel(order_id).status for _ in range(2)] == [202, 202]
    is_cancelled_by_its_customer(shop, order_id, "PLACED")
    assert shop.item(order_id)["version"] == 2


def test_a_cancelled_or_fulfilled_order_cannot_be_cancelled(shop):
    cancelled, fulfilled = shop.placed(), shop.placed()
    shop.run(cancelled, stock=shop.stock_rejected)
    shop.run(fulfilled)
    assert shop.fulfil(fulfilled).status == 202
    assert shop.cancel(cancelled).status == 409
    assert shop.cancel(fulfilled).status == 409


def test_the_item_alone_says_which_operator_fulfilled_the_order(shop):
    order_id = shop.placed()
    shop.run(order_id)
    shop.fulfil(order_id, claims={"sub": "operator-9", "scope": "commerce/operate"})
    (item,) = [each for each in shop.deployment.items("Orders") if each["orderId"] == order_id]
    assert item["fulfilledBy"] == "operator-9"
    assert "operator-9" not in json.dumps(shop.order(order_id))


def test_a_cancelled_order_cannot_be_fulfilled(shop):
    order_id = shop.placed()
    shop.run(order_id)
    shop.cancel(order_id)
    assert shop.fulfil(order_id).status == 409
    assert shop.order(order_id)["status"] == "CANCELLED"


@pytest.mark.parametrize("confirmed", [False, True])
def test_a_wish_to_cancel_from_before_it_was_a_change_of_state_is_still_fulfilled(shop, confirmed):
    order_id = shop.placed()

    def wish():
        values = {":now": "2026-11-21T08:00:00Z", ":one": 1}
        shop.write(order_id, "SET cancelRequested = :now ADD version :one", values)

    if confirmed:
        shop.run(order_id)
        wish()
        requested = {"source": "commerce.order", "detail": {"data": {"orderId": order_id}}}
        message = [{"messageId": "1", "body": json.dumps(requested)}]
        for _ in range(2):
            execution = shop.deployment.run("RecoveryRecover", message)
            assert execution.output == {"batchItemFailures": []}
    else:
        shop.run(order_id, stock=lambda: (wish(), shop.stock_reserved())[1])
    is_cancelled_by_its_customer(shop, order_id, *STATUSES[: 4 if confirmed else 1])


def test_fulfilment_is_told_once(shop):
    order_id = shop.placed()
    assert shop.fulfil(order_id).status == 409
    shop.run(order_id)
    assert [shop.fulfil(order_id).status for _ in range(2)] == [202, 202]
    assert timeline(shop.order(order_id)) == [*STATUSES, "FULFILLED"]
    assert len(shop.events("OrderFulfilled.v1")) == 1


# ---------------------------------------------------------------------------------------------------- accidents
@pytest.mark.parametrize(
    ("state", "request_type", "fact", "asks"),
    [
        (
            "ReserveStock",
            "StockReservationRequested.v1",
            "StockReserved.v1",
            ["ReserveStock", "RequestPayment"],
        ),
        (
            "RequestPayment",
            "PaymentRequested.v1",
            "PaymentCaptured.v1",
            ["ReserveStock", "RequestPaymentAgain"],
        ),
    ],
)
def test_a_wait_whose_answer_is_lost_is_asked_again_and_told_once(shop, state, request_type, fact, asks):
    """Step Functions retries the task: its first write stands, so the version refuses the second, and it asks anew."""
    order_id = shop.placed()
    execution = shop.run(order_id, call=losing_the_answer_of(state))
    requests = shop.events(request_type)
    assert len({request.metadata.event_id for request in requests}) == 2
    answered = [visit.state for visit in execution.visits if visit.error is None and visit.state in asks]
    assert answered == asks
    assert timeline(shop.order(order_id)) == STATUSES
    # The reply to the first request comes after all: the item knows that it asked.
    consumer = {"ReserveStock": "Stock", "RequestPayment": "Payment"}[state]
    outcome = shop.feed(consumer, shop.reply(requests[0], fact))
    assert not outcome.dead_letters


@pytest.mark.parametrize("lost", ["Confirm", "Cancel"])
def test_a_last_write_whose_answer_is_lost_is_made_once(shop, lost):
    order_id = shop.placed()
    stock = shop.stock_rejected if lost == "Cancel" else None
    execution = shop.run(order_id, stock=stock, call=losing_the_answer_of(lost))
    assert execution.path[-3:] == ["ReadOrder", "Decide", "Ended"]
    last = ["PLACED", "CANCELLED"] if lost == "Cancel" else STATUSES
    assert timeline(shop.order(order_id)) == last


@pytest.mark.parametrize(
    ("state", "before"),
    [("ReserveStock", 1), ("RequestPayment", 1), ("RequestPaymentAgain", 2), ("Confirm", 2)],
)
def test_a_write_that_never_succeeds_cancels_the_order(shop, state, before):
    order_id = shop.placed()
    lose = losing_the_answer_of("RequestPayment")

    def call(integration, arguments):
        if integration.state == state:
            raise WorkflowError("DynamoDb.ThrottlingException", "too many")
        return (lose if state == "RequestPaymentAgain" else aws_call)(integration, arguments)

    shop.run(order_id, call=call)
    order = shop.order(order_id)
    assert (order["status"], order["reason"]) == ("CANCELLED", "TIMED_OUT")
    assert timeline(order) == [*STATUSES[:before], "CANCELLED"]


def losing_the_answer_of(state):
    lost = []

    def call(integration, arguments):
        result = aws_call(integration, arguments)
        if integration.state == state and not lost:
            lost.append(True)
            raise WorkflowError("DynamoDb.InternalServerErrorException", "the connection broke")
        return result

    return call


class TestReadsThatDecide:
    """Whatever is decided on is read as it is now: a replica may lag by seconds, an order does not wait for it."""

    def test_a_reply_finds_the_wait_that_was_just_written(self, lagging):
        order_id = lagging.placed()
        lagging.run(order_id)
        assert timeline(lagging.order(order_id)) == STATUSES

    @pytest.mark.parametrize("lost", ["RequestPayment", "Confirm"])
    def test_the_saga_decides_anew_on_its_own_last_write(self, lagging, lost):
        order_id = lagging.placed()
        lagging.run(order_id, call=losing_the_answer_of(lost))
        assert timeline(lagging.order(order_id)) == STATUSES

    def test_the_sweep_does_not_overlook_an_order(self, lagging):
        order_id = lagging.placed()
        lagging.lifecycle_died(order_id)
        assert lagging.order(order_id)["status"] == "CANCELLED"

    def test_republishing_tells_of_what_has_just_changed(self, lagging):
        order_id = lagging.placed()
        for run in ({"pk": f"ORDER#{order_id}"}, {}):
            execution = lagging.deployment.run("ChangesRepublish", run)
            assert (execution.status, execution.output["emitted"]) == ("SUCCEEDED", 1)

    def test_customers_and_operators_see_what_they_have_just_done(self, lagging):
        order_id = lagging.placed()
        assert lagging.order(order_id)["status"] == "PLACED"
        query = {"status": "PLACED"}
        listed = lagging.deployment.request("GET", "/operations/orders", query=query, claims=OPERATOR).json()
        assert [order["orderId"] for order in listed["items"]] == [order_id]


def test_republishing_an_order_gives_its_events_the_same_ids(shop):
    order_id = shop.placed()
    seen = []

    def stock():
        seen.append(shop.last("StockReservationRequested.v1").metadata.event_id)
        execution = shop.deployment.run("ChangesRepublish", {"pk": f"ORDER#{order_id}"})
        assert execution.status == "SUCCEEDED"
        assert execution.output["emitted"] == 2
        shop.stock_reserved()

    shop.run(order_id, stock=stock)
    assert shop.events("StockReservationRequested.v1")[0].metadata.event_id in seen


@pytest.mark.parametrize("state", ["Cancel", "ReadOrder", "RequestPaymentAgain"])
def test_a_throttled_moment_costs_time_wherever_the_order_was_going(shop, state):
    order_id = shop.placed()
    refused, lose = [], losing_the_answer_of("RequestPayment")

    def throttle(integration, arguments):
        if integration.state == state and len(refused) < 10:
            refused.append(state)
            raise WorkflowError("DynamoDb.ThrottlingException", "the table cannot follow")
        return (aws_call if state == "Cancel" else lose)(integration, arguments)

    shop.run(order_id, stock=shop.stock_rejected if state == "Cancel" else None, call=throttle)
    assert len(refused) == 10
    assert timeline(shop.order(order_id)) == (["PLACED", "CANCELLED"] if state == "Cancel" else STATUSES)


@pytest.mark.parametrize("state", ["ReserveStock", "RequestPayment", "Confirm"])
def test_a_throttled_moment_costs_time_and_not_the_order(shop, state):
    """Ten attempts are refused: with full jitter, a few can all fall into one short moment."""
    order_id = shop.placed()
    refused = []

    def throttle(integration, arguments):
        if integration.state == state and len(refused) < 10:
            refused.append(state)
            raise WorkflowError("DynamoDb.ThrottlingException", "the table cannot follow")
        return aws_call(integration, arguments)

    shop.run(order_id, call=throttle)
    assert len(refused) == 10
    assert timeline(shop.order(order_id)) == STATUSES
