"""What the store writes and reads, to the attribute, and what it makes of DynamoDB's refusals."""

from dataclasses import replace
from datetime import UTC, datetime

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError
from inventory_service.stock.runtime import store as module
from inventory_service.stock.runtime.domain import Change, Line, Reason, Reservation, Shortage, Status
from inventory_service.stock.runtime.store import ConcurrentChangeError, OutOfStockError, StockStore
from moto import mock_aws
from service_runtime.dynamodb import from_attributes, to_attributes
from service_runtime.envelope import Cause, rfc3339
from service_runtime.retries import ContentionError
from service_testing.aws import create_table

FIRST, THEN = datetime(2026, 11, 21, 8, tzinfo=UTC), datetime(2026, 11, 21, 9, tzinfo=UTC)
ORDERED = Cause(correlation_id="conversation-1", causation_id="event-1")
DELIVERED = Cause(correlation_id="conversation-2", causation_id="message-2")
LINES = (Line(sku="OPERA", quantity=2), Line(sku="SABLE", quantity=1))
RESERVED = Reservation(order_id="o1", status=Status.RESERVED, version=1, lines=LINES, answered=("r1", "r2"))
REJECTED = replace(
    RESERVED,
    status=Status.REJECTED,
    reason=Reason.OUT_OF_STOCK,
    shortages=(Shortage(sku="OPERA", requested=2, available=1),),
)


@pytest.fixture
def client():
    with mock_aws():
        client = boto3.client("dynamodb")
        create_table("stock")
        yield client


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """What the store takes for the present moment: the first of the list."""
    now = [FIRST]
    monkeypatch.setattr(module, "utc_now", lambda: now[0])
    return now


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def store(client, waits) -> StockStore:
    return StockStore(table_name="stock", client=client, sleep=waits.append)


@pytest.fixture
def refuse(client):
    """Answers that DynamoDB gives to the next writes instead of making them."""
    answers: list[dict] = []

    def answer(model, **_):
        if answers and model.name in ("TransactWriteItems", "UpdateItem"):
            return AWSResponse("", 400, {}, None), answers.pop(0)
        return None

    client.meta.events.register("before-call.dynamodb", answer)
    return answers.extend


def refused(code: str, *reasons: str) -> dict:
    return {
        "Error": {"Code": code, "Message": ", ".join(reasons)},
        "CancellationReasons": [{"Code": reason} for reason in reasons],
    }


def items(client) -> dict[tuple[str, str], dict]:
    found = [from_attributes(item) for item in client.scan(TableName="stock")["Items"]]
    return {(item.pop("pk"), item.pop("sk")): item for item in found}


def stock(client, sku: str) -> tuple[int, int, int]:
    item = items(client)[f"STOCK#{sku}", "STOCK"]
    return item["onHand"], item["reserved"], item["available"]


def deliver(store: StockStore, sku: str, quantity: int, receipt_id: str = "note-1") -> bool:
    return store.receive(sku=sku, receipt_id=receipt_id, quantity=quantity, cause=DELIVERED)


def reserve(store: StockStore, reservation: Reservation = RESERVED) -> None:
    store.write(Change(after=reservation, reserved=1), cause=ORDERED)


class TestReservations:
    @pytest.mark.parametrize(
        "reservation",
        [replace(RESERVED, status=Status.COMMITTED), REJECTED, replace(RESERVED, lines=(), answered=())],
        ids=["lines", "reason", "tombstone"],
    )
    def test_are_read_as_they_were_written(self, store, reservation):
        assert store.reservation("o1") is None

        store.write(Change(after=reservation), cause=ORDERED)

        assert store.reservation("o1") == reservation

    def test_are_where_the_feed_looks_for_them(self, store, client):
        store.write(Change(after=REJECTED), cause=ORDERED)

        assert items(client) == {
            ("ORDER#o1", "RESERVATION"): {
                "orderId": "o1",
                "status": "REJECTED",
                "version": 1,
                "items": [{"sku": "OPERA", "quantity": 2}, {"sku": "SABLE", "quantity": 1}],
                "answered": ["r1", "r2"],
                "reason": "OUT_OF_STOCK",
                "shortages": [{"sku": "OPERA", "requested": 2, "available": 1}],
                "updatedAt": rfc3339(FIRST),
                "correlationId": "conversation-1",
                "causationId": "event-1",
            }
        }

    def test_have_no_reason_unless_they_are_rejected(self, store, client):
        store.write(Change(after=RESERVED), cause=ORDERED)

        assert items(client)["ORDER#o1", "RESERVATION"].keys().isdisjoint({"reason", "shortages"})

    def test_that_are_another_by_now_are_not_overwritten(self, store):
        later, other = replace(RESERVED, version=2), replace(REJECTED, version=2)
        for first, second in ((RESERVED, REJECTED), (later, other)):
            store.write(Change(after=first), cause=ORDERED)
            with pytest.raises(ConcurrentChangeError) as changed:
                store.write(Change(after=second), cause=ORDERED)
            assert changed.value.current == first == store.reservation("o1")
            assert str(changed.value) == "the reservation of order o1 is RESERVED"

    def test_that_follow_nothing_are_refused(self, store):
        with pytest.raises(ConcurrentChangeError) as changed:
            store.write(Change(after=replace(RESERVED, version=2)), cause=ORDERED)

        assert changed.value.current is None
        assert str(changed.value) == "the reservation of order o1 is unknown"


class TestCommitment:
    def test_keeps_all_of_the_reservation_but_its_status(self, store, client, clock):
        store.write(Change(after=RESERVED), cause=ORDERED)
        before, clock[0] = items(client), THEN

        committed = store.commit("o1", cause=DELIVERED)

        assert committed == replace(RESERVED, status=Status.COMMITTED, version=2) == store.reservation("o1")
        assert items(client) == {
            ("ORDER#o1", "RESERVATION"): {
                **before["ORDER#o1", "RESERVATION"],
                "status": "COMMITTED",
                "version": 2,
                "updatedAt": rfc3339(THEN),
                "correlationId": "conversation-2",
                "causationId": "message-2",
            }
        }

    def test_of_what_is_not_reserved_says_what_it_is(self, store):
        with pytest.raises(ConcurrentChangeError) as unknown:
            store.commit("o1", cause=ORDERED)
        assert (unknown.value.current, str(unknown.value)) == (
            None,
            "the reservation of order o1 is unknown",
        )

        store.write(Change(after=REJECTED), cause=ORDERED)
        with pytest.raises(ConcurrentChangeError) as rejected:
            store.commit("o1", cause=ORDERED)
        assert rejected.value.current == REJECTED == store.reservation("o1")
        assert str(rejected.value) == "the reservation of order o1 is REJECTED"


class TestStock:
    def test_is_counted_with_its_receipt(self, store, client):
        assert deliver(store, "OPERA", 5)

        caused = {"correlationId": "conversation-2", "causationId": "message-2", "createdAt": rfc3339(FIRST)}
        assert items(client) == {
            ("STOCK#OPERA", "RECEIPT#note-1"): {"quantity": 5, **caused},
            ("STOCK#OPERA", "STOCK"): {
                "sku": "OPERA",
                "onHand": 5,
                "reserved": 0,
                "available": 5,
                "lowThreshold": 0,
                "version": 1,
                "updatedAt": rfc3339(FIRST),
                **caused,
            },
        }

    def test_is_counted_once_per_receipt(self, store, client):
        deliver(store, "OPERA", 5)
        before = items(client)

        assert not deliver(store, "OPERA", 7)
        assert items(client) == before
        assert deliver(store, "OPERA", 7, "note-2")
        assert stock(client, "OPERA") == (12, 0, 12)

    def test_keeps_its_threshold_and_when_it_was_first_seen(self, store, client, clock):
        deliver(store, "OPERA", 5)
        client.update_item(
            TableName="stock",
            Key=to_attributes({"pk": "STOCK#OPERA", "sk": "STOCK"}),
            UpdateExpression="SET lowThreshold = :three",
            ExpressionAttributeValues=to_attributes({":three": 3}),
        )
        before, clock[0] = items(client)["STOCK#OPERA", "STOCK"], THEN

        store.write(
            Change(after=replace(RESERVED, lines=(Line(sku="OPERA", quantity=2),)), reserved=1), cause=ORDERED
        )

        assert items(client)["STOCK#OPERA", "STOCK"] == {
            **before,
            "reserved": 2,
            "available": 3,
            "version": 2,
            "updatedAt": rfc3339(THEN),
            "correlationId": "conversation-1",
            "causationId": "event-1",
        }

    def test_is_set_aside_given_back_and_sent_by_the_piece(self, store, client):
        deliver(store, "OPERA", 2)
        deliver(store, "SABLE", 4)

        reserve(store)
        assert (stock(client, "OPERA"), stock(client, "SABLE")) == ((2, 2, 0), (4, 1, 3))

        store.write(Change(after=replace(RESERVED, version=2), reserved=-1), cause=ORDERED)
        assert (stock(client, "OPERA"), stock(client, "SABLE")) == ((2, 0, 2), (4, 0, 4))

        reserve(store, replace(RESERVED, order_id="o2"))
        sent = replace(RESERVED, order_id="o2", status=Status.FULFILLED, version=2)
        store.write(Change(after=sent, on_hand=-1, reserved=-1), cause=ORDERED)
        assert (stock(client, "OPERA"), stock(client, "SABLE")) == ((0, 0, 0), (3, 0, 3))

    def test_that_does_not_suffice_is_not_taken_at_all(self, store, client):
        asked = (*LINES, Line(sku="TARTE", quantity=3))
        deliver(store, "OPERA", 1)
        deliver(store, "SABLE", 1)
        before = items(client)

        with pytest.raises(OutOfStockError) as short:
            reserve(store, replace(RESERVED, lines=asked))

        assert short.value.shortages == (
            Shortage(sku="OPERA", requested=2, available=1),
            Shortage(sku="TARTE", requested=3, available=0),
        )
        assert str(short.value) == "short of OPERA, TARTE"
        assert items(client) == before

    def test_of_a_line_that_only_met_another_writer_is_not_short(self, store, refuse):
        refuse(
            [refused("TransactionCanceledException", "None", "TransactionConflict", "ConditionalCheckFailed")]
        )

        with pytest.raises(OutOfStockError) as short:
            reserve(store)

        assert short.value.shortages == (Shortage(sku="SABLE", requested=1, available=0),)


WRITES = {
    "write": reserve,
    "receive": lambda store: deliver(store, "TARTE", 1),
    "commit": lambda store: store.commit("o2", cause=ORDERED),
}


@pytest.fixture(params=WRITES)
def write(request, store):
    """Each way to write, with what it needs."""
    for line in LINES:
        deliver(store, line.sku, line.quantity)
    store.write(Change(after=replace(RESERVED, order_id="o2")), cause=ORDERED)
    return lambda: WRITES[request.param](store)


BUSY = [
    refused("TransactionCanceledException", "TransactionConflict", "ThrottlingError"),
    refused("ThrottlingException"),
    refused("InternalServerError"),
]


@pytest.mark.parametrize("busy", BUSY, ids=["conflict", "throttled", "fault"])
def test_what_dynamodb_has_not_decided_is_tried_again(write, refuse, waits, busy):
    refuse([busy] * 3)
    write()
    assert len(waits) == 3


def test_six_attempts_are_made_and_nothing_is_written_if_all_meet_others(write, refuse, waits, client):
    before = items(client)
    refuse([BUSY[0]] * 6)
    with pytest.raises(ContentionError):
        write()
    assert (len(waits), items(client)) == (5, before)


def test_what_dynamodb_refuses_for_good_is_tried_once(write, refuse, waits):
    refuse([refused("ValidationException")])
    with pytest.raises(ClientError, match="ValidationException"):
        write()
    assert waits == []
