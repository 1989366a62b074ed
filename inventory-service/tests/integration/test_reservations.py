"""The function end to end on moto: SQS batches in, stock and reservations out."""

import json

import pytest
from botocore.awsrequest import AWSResponse
from service_testing.local_cloud import eventually


def test_all_lines_of_an_order_are_reserved(inventory):
    inventory.receive("TARTE-CITRON", 10)
    inventory.receive("OPERA", 3)

    request = inventory.request("o1", **{"TARTE-CITRON": 4, "OPERA": 3})
    assert inventory.deliver(request)

    assert inventory.stock("TARTE-CITRON") == (10, 4, 6)
    assert inventory.stock("OPERA") == (3, 3, 0)
    record = inventory.reservation("o1")
    assert (record["status"], record["version"]) == ("RESERVED", 1)
    assert record["causationId"] == request.metadata.event_id
    assert record["correlationId"] == "correlation-o1"


def test_one_short_line_rejects_the_order_and_says_how_many_were_left(inventory):
    inventory.receive("TARTE-CITRON", 10)
    inventory.receive("OPERA", 2)

    inventory.deliver(inventory.request("o1", **{"TARTE-CITRON": 4, "OPERA": 3, "UNKNOWN": 1}))

    assert inventory.stock("TARTE-CITRON") == (10, 0, 10)
    assert inventory.stock("OPERA") == (2, 0, 2)
    record = inventory.reservation("o1")
    assert (record["status"], record["reason"]) == ("REJECTED", "OUT_OF_STOCK")
    assert record["shortages"] == [
        {"sku": "OPERA", "requested": 3, "available": 2},
        {"sku": "UNKNOWN", "requested": 1, "available": 0},
    ]


def test_a_redelivered_request_after_a_lost_answer_reserves_once(inventory):
    inventory.receive("OPERA", 5)
    request = inventory.request("o1", OPERA=2)

    inventory.deliver(request, request)
    inventory.deliver(request)

    assert inventory.stock("OPERA") == (5, 2, 3)
    assert inventory.reservation("o1")["version"] == 1


def test_a_request_repeated_by_the_order_is_answered_to_its_new_wait(inventory):
    inventory.receive("OPERA", 5)
    second = inventory.request("o1", attempt=2, OPERA=2)

    inventory.deliver(inventory.request("o1", OPERA=2))
    inventory.deliver(second)

    assert inventory.stock("OPERA") == (5, 2, 3)
    record = inventory.reservation("o1")
    assert (record["version"], record["causationId"]) == (2, second.metadata.event_id)


def test_an_order_runs_through_to_the_door(inventory):
    inventory.receive("OPERA", 5)
    inventory.deliver(inventory.request("o1", OPERA=2))

    inventory.deliver(inventory.event("OrderConfirmed.v1", "o1"))
    assert inventory.stock("OPERA") == (5, 2, 3)
    assert inventory.reservation("o1")["status"] == "COMMITTED"

    inventory.deliver(inventory.event("OrderFulfilled.v1", "o1"))
    assert inventory.stock("OPERA") == (3, 0, 3)
    assert inventory.reservation("o1")["status"] == "FULFILLED"


def test_a_fulfilment_that_overtakes_the_confirmation_counts_once(inventory):
    inventory.receive("OPERA", 5)
    inventory.deliver(inventory.request("o1", OPERA=2))

    inventory.deliver(inventory.event("OrderFulfilled.v1", "o1"), inventory.event("OrderConfirmed.v1", "o1"))

    assert inventory.stock("OPERA") == (3, 0, 3)
    assert inventory.reservation("o1")["status"] == "FULFILLED"


def test_a_cancellation_gives_everything_back_once(inventory):
    inventory.receive("OPERA", 5)
    cancelled = inventory.event("OrderCancelled.v1", "o1")
    inventory.deliver(inventory.request("o1", OPERA=2))

    inventory.deliver(cancelled, cancelled)
    inventory.deliver(cancelled)

    assert inventory.stock("OPERA") == (5, 0, 5)
    assert inventory.reservation("o1")["status"] == "RELEASED"


def test_a_cancellation_before_its_request_keeps_the_stock_free(inventory):
    inventory.receive("OPERA", 5)

    inventory.deliver(inventory.event("OrderCancelled.v1", "o1"), inventory.request("o1", OPERA=2))

    assert inventory.stock("OPERA") == (5, 0, 5)
    assert inventory.reservation("o1")["status"] == "RELEASED"


def test_an_expired_request_reserves_nothing(inventory):
    inventory.receive("OPERA", 5)

    inventory.deliver(inventory.request("o1", expires_at="2020-01-01T00:00:00Z", OPERA=2))

    assert inventory.stock("OPERA") == (5, 0, 5)
    assert inventory.reservation("o1")["reason"] == "EXPIRED"


def test_a_receipt_counts_once(inventory):
    assert inventory.receive("OPERA", 5, "note-17")
    assert inventory.receive("OPERA", 5, "note-17")
    assert inventory.receive("TARTE-CITRON", 2, "note-17")

    assert inventory.stock("OPERA") == (5, 0, 5)
    assert inventory.stock("TARTE-CITRON") == (2, 0, 2)


def test_a_delivery_can_be_traced_to_its_message(inventory):
    inventory.receive("OPERA", 5, "note-17")

    for item in (inventory.item("STOCK#OPERA", "STOCK"), inventory.item("STOCK#OPERA", "RECEIPT#note-17")):
        assert (item["correlationId"], item["causationId"]) == ("c1", "message-1")


def test_what_has_changed_is_counted_under_its_keys(inventory, capsys):
    inventory.receive("OPERA", 5, "note-17")
    inventory.receive("OPERA", 5, "note-17")
    request = inventory.request("o1", OPERA=2)
    inventory.deliver(request, request)
    inventory.deliver(inventory.event("OrderConfirmed.v1", "o1"))

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    order = {"correlation_id": "correlation-o1", "orderId": "o1"}
    expected = [
        {"PiecesReceived": [5.0], "correlation_id": "c1", "sku": "OPERA", "receiptId": "note-17"},
        {"ReservationsReserved": [1.0], **order},
        {"ReservationsCommitted": [1.0], **order},
    ]
    assert len(lines) == len(expected)
    for line, fields in zip(lines, expected, strict=True):
        assert line.items() >= fields.items()


def test_fifty_lines_fit_into_one_reservation(inventory):
    skus = [f"SKU-{number}" for number in range(50)]
    for sku in skus:
        inventory.receive(sku, 1)

    inventory.deliver(inventory.request("o1", **dict.fromkeys(skus, 1)))

    assert [inventory.stock(sku) for sku in skus] == [(1, 1, 0)] * 50


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([], "items"),
        ([{"sku": "OPERA", "quantity": 0}], "items.0.quantity"),
        ([{"sku": "OPERA", "quantity": 1}, {"sku": "OPERA", "quantity": 2}], "several of OPERA"),
        ([{"sku": f"SKU-{number}", "quantity": 1} for number in range(51)], "items"),
    ],
)
def test_a_request_that_can_never_be_met_goes_to_the_dead_letters_with_the_reason(inventory, items, reason):
    data = {"orderId": "o1", "items": items, "expiresAt": "2099-01-01T00:00:00Z"}

    assert inventory.deliver(inventory.event("StockReservationRequested.v1", "o1", data))

    (letter,) = inventory.dead_letters()
    assert reason in letter["reason"]
    assert inventory.reservation("o1") is None


def test_a_confirmation_without_a_reservation_goes_to_the_dead_letters(inventory):
    inventory.deliver(inventory.request("rejected", OPERA=1))
    for order in ("unknown", "rejected"):
        assert inventory.deliver(inventory.event("OrderConfirmed.v1", order))

    assert {letter["reason"] for letter in inventory.dead_letters()} == {
        "order unknown is to be COMMITTED, but its reservation is unknown",
        "order rejected is to be COMMITTED, but its reservation is REJECTED",
    }


def test_news_that_contradict_the_records_go_to_the_dead_letters(inventory):
    assert inventory.deliver(inventory.event("OrderFulfilled.v1", "o1"))

    (letter,) = inventory.dead_letters()
    assert letter["reason"] == "order o1 is to be FULFILLED, but its reservation is unknown"


@pytest.mark.parametrize("quantity", [0, -3, "many"])
def test_a_receipt_that_is_none_goes_to_the_dead_letters(inventory, quantity):
    assert inventory.receive("OPERA", quantity)

    (letter,) = inventory.dead_letters()
    assert letter["reason"].startswith("not a receipt: ")
    assert "quantity" in letter["reason"]
    assert inventory.stock("OPERA") == (0, 0, 0)


@pytest.fixture
def transactions(inventory, monkeypatch):
    """Answers that DynamoDB gives to the next transactions instead of making them, and how long the store waited."""
    store = inventory.store
    waits: list[float] = []
    monkeypatch.setattr(store, "_sleep", waits.append)
    answers: list[dict] = []

    def answer(**_):
        return (AWSResponse("", 400, {}, None), answers.pop(0)) if answers else None

    store._client.meta.events.register("before-call.dynamodb.TransactWriteItems", answer)
    return answers, waits


def cancelled(*codes: str) -> dict:
    message = (
        f"Transaction cancelled, please refer cancellation reasons for specific reasons [{', '.join(codes)}]"
    )
    return {
        "Error": {"Code": "TransactionCanceledException", "Message": message},
        "CancellationReasons": [{"Code": code} for code in codes],
    }


def refused(code: str) -> dict:
    return {"Error": {"Code": code, "Message": "try again"}}


@pytest.mark.parametrize(
    "busy",
    [
        cancelled("None", "TransactionConflict"),
        cancelled("TransactionConflict", "ThrottlingError"),
        cancelled("None", "ProvisionedThroughputExceeded"),
        refused("ThrottlingException"),
        refused("InternalServerError"),
    ],
)
def test_conflicts_and_throttling_are_retried_with_jitter_and_never_reject(inventory, transactions, busy):
    inventory.receive("OPERA", 5)
    answers, waits = transactions
    answers += [busy] * 4

    assert inventory.deliver(inventory.request("o1", OPERA=2))

    assert inventory.reservation("o1")["status"] == "RESERVED"
    assert len(waits) == 4
    assert all(0 <= wait <= 1 for wait in waits)
    assert len(set(waits)) > 1


def test_conflicts_that_do_not_end_are_left_to_the_queue_for_longer_and_longer(inventory, transactions):
    inventory.receive("OPERA", 5)
    answers, waits = transactions
    answers += [cancelled("None", "TransactionConflict")] * 6
    request = inventory.request("o1", OPERA=2)
    queue = {"QueueUrl": inventory.sqs.get_queue_url(QueueName="queue")["QueueUrl"]}
    inventory.sqs.send_message(**queue, MessageBody="in flight")
    (message,) = inventory.sqs.receive_message(**queue, VisibilityTimeout=0)["Messages"]
    received = {"ApproximateReceiveCount": "3", "SentTimestamp": "1795248000000"}

    assert not inventory.deliver(request, receiptHandle=message["ReceiptHandle"], attributes=received)

    assert len(waits) == 5
    # Seen again in 4 to 8 seconds, after the third receive.
    assert "Messages" not in inventory.sqs.receive_message(**queue)
    assert inventory.reservation("o1") is None
    assert inventory.dead_letters() == []

    assert inventory.deliver(request)
    assert inventory.reservation("o1")["status"] == "RESERVED"


def test_a_throttled_read_is_tried_again_within_seconds(inventory):
    inventory.receive("OPERA", 5)
    queue = {"QueueUrl": inventory.sqs.get_queue_url(QueueName="queue")["QueueUrl"]}
    inventory.sqs.send_message(**queue, MessageBody="in flight")
    (message,) = inventory.sqs.receive_message(**queue, VisibilityTimeout=600)["Messages"]
    inventory.deliver(inventory.request("o1", OPERA=2))
    cancellation, events = inventory.event("OrderCancelled.v1", "o1"), inventory.store._client.meta.events

    def throttle(**_):
        return AWSResponse("", 400, {}, None), refused("ProvisionedThroughputExceededException")

    events.register("before-call.dynamodb.GetItem", throttle)
    try:
        assert not inventory.deliver(cancellation, receiptHandle=message["ReceiptHandle"])
    finally:
        events.unregister("before-call.dynamodb.GetItem", throttle)

    # Not after the 600 s for which it was received.
    assert eventually(lambda: inventory.sqs.receive_message(**queue).get("Messages"), bool, seconds=5)
    assert inventory.deliver(cancellation)


@pytest.fixture
def calls(inventory):
    """The calls of DynamoDB that the function makes."""
    made: list[str] = []

    def note(model, **_):
        made.append(model.name)

    inventory.store._client.meta.events.register("before-call.dynamodb", note)
    return made


def test_a_reservation_is_one_call_and_its_commitment_another(inventory, calls):
    inventory.receive("OPERA", 5)
    calls.clear()

    inventory.deliver(inventory.request("o1", OPERA=2))
    assert calls == ["TransactWriteItems"]

    inventory.deliver(inventory.event("OrderConfirmed.v1", "o1"))
    assert calls == ["TransactWriteItems", "UpdateItem"]
    assert inventory.reservation("o1")["status"] == "COMMITTED"


def test_what_is_known_already_costs_the_refused_write_and_no_read(inventory, calls):
    inventory.receive("OPERA", 5)
    request, again = inventory.request("o1", OPERA=2), inventory.request("o1", attempt=2, OPERA=2)
    inventory.deliver(request)
    calls.clear()

    inventory.deliver(request)
    assert calls == ["TransactWriteItems"]

    calls.clear()
    inventory.deliver(again)
    assert calls == ["TransactWriteItems"] * 2

    calls.clear()
    for _ in range(2):
        inventory.deliver(inventory.event("OrderConfirmed.v1", "o1"))
    assert calls == ["UpdateItem"] * 2
    assert inventory.reservation("o1")["version"] == 3


def test_a_shortage_costs_a_second_write_and_no_read(inventory, calls):
    inventory.deliver(inventory.request("o1", OPERA=2))

    assert calls == ["TransactWriteItems"] * 2


def test_a_shortage_beside_a_conflict_rejects_with_what_was_left(inventory, transactions):
    inventory.receive("OPERA", 5)
    answers, _ = transactions
    answers.append(cancelled("None", "ConditionalCheckFailed", "TransactionConflict"))

    inventory.deliver(inventory.request("o1", OPERA=9, SABLE=1))

    assert [short["sku"] for short in inventory.reservation("o1")["shortages"]] == ["OPERA"]


def test_whoever_changes_the_reservation_second_decides_again(inventory, transactions):
    inventory.receive("OPERA", 5)
    answers, _ = transactions
    inventory.deliver(inventory.request("o1", OPERA=2))
    answers.append(cancelled("ConditionalCheckFailed", "None"))

    assert inventory.deliver(inventory.event("OrderCancelled.v1", "o1"))

    assert inventory.stock("OPERA") == (5, 0, 5)


def test_a_cancellation_that_is_handled_twice_at_once_gives_back_once(inventory):
    inventory.receive("OPERA", 5)
    inventory.deliver(inventory.request("o1", OPERA=2), inventory.request("o2", OPERA=2))
    cancellation, events = inventory.event("OrderCancelled.v1", "o1"), inventory.store._client.meta.events
    second = [cancellation]

    def meanwhile(**_):
        """Both have seen the reservation; the other one writes first."""
        if second:
            assert inventory.deliver(second.pop())

    events.register("before-call.dynamodb.TransactWriteItems", meanwhile)
    try:
        assert inventory.deliver(cancellation)
    finally:
        events.unregister("before-call.dynamodb.TransactWriteItems", meanwhile)

    assert second == []
    assert inventory.stock("OPERA") == (5, 2, 3)
    assert inventory.reservation("o1")["version"] == 2


def test_what_dynamodb_refuses_for_good_fails_the_message(inventory, transactions):
    answers, _ = transactions
    answers.append(cancelled("ValidationError", "None"))

    assert not inventory.deliver(inventory.request("o1", OPERA=2))
