import hashlib
import json
import re
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service_runtime.envelope import (
    MAX_DETAIL_BYTES,
    EnvelopeError,
    Event,
    WireModel,
    correlation_id_or_new,
    event_id,
    rfc3339,
)


class Placed(WireModel):
    order_id: str


def placed(**changes):
    fields = {
        "service": "order",
        "stage": "local",
        "detail_type": "OrderPlaced.v1",
        "aggregate_id": "o-1",
        "aggregate_version": 7,
        "data": {"orderId": "o-1", "extra": 1},
    }
    return Event.create(**(fields | changes))


def test_an_event_id_is_the_beginning_of_a_hash_over_what_makes_the_fact_unique():
    expected = hashlib.sha256(b"commerce.order|o-1|7|OrderPlaced.v1").hexdigest()[:32]
    assert event_id("commerce.order", "o-1", 7, "OrderPlaced.v1") == expected
    assert placed().metadata.event_id == expected
    assert placed().metadata.event_id == placed(data={"orderId": "other"}).metadata.event_id


@given(st.text(max_size=80))
def test_a_correlation_id_is_kept_only_if_it_is_safe_everywhere(candidate):
    kept = correlation_id_or_new(candidate)
    assert re.fullmatch(r"[A-Za-z0-9-]{1,64}", kept)
    assert (kept == candidate) == bool(re.fullmatch(r"[A-Za-z0-9-]{1,64}", candidate))


def test_a_trailing_line_break_is_not_safe():
    assert correlation_id_or_new("abc\n") != "abc\n"


def test_the_detail_is_camel_case_and_complete():
    event = placed(
        data=Placed(order_id="o-1"),
        correlation_id="c-1",
        causation_id="r-1",
        occurred_at=datetime(2026, 11, 21, tzinfo=UTC),
    )
    assert event.detail() == {
        "metadata": {
            "eventId": event.metadata.event_id,
            "correlationId": "c-1",
            "causationId": "r-1",
            "occurredAt": "2026-11-21T00:00:00.000Z",
            "domain": "commerce",
            "service": "order",
            "stage": "local",
            "schemaVersion": "1.0",
            "aggregateId": "o-1",
            "aggregateVersion": 7,
        },
        "data": {"orderId": "o-1"},
    }


def test_an_event_without_a_cause_is_caused_by_its_correlation():
    metadata = placed().metadata
    assert metadata.causation_id == metadata.correlation_id


def test_a_consumer_reads_only_the_fields_of_its_model():
    event = Event.parse(placed().envelope(), data=Placed)
    assert event.data == Placed(order_id="o-1")
    assert event.source == "commerce.order"


def test_the_envelope_is_that_of_eventbridge_around_the_detail():
    event = placed(occurred_at=datetime(2026, 11, 21, tzinfo=UTC))
    assert event.envelope() == {
        "version": "0",
        "id": str(uuid.UUID(event.metadata.event_id)),
        "detail-type": "OrderPlaced.v1",
        "source": "commerce.order",
        "account": "111111111111",
        "time": "2026-11-21T00:00:00.000Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": event.detail(),
    }


def test_an_event_may_be_as_large_as_the_limit_counted_in_bytes_and_no_larger():
    empty = len(json.dumps(placed(data="").detail(), ensure_ascii=False).encode())
    assert placed(data="é" + "x" * (MAX_DETAIL_BYTES - empty - 2)).detail()
    with pytest.raises(EnvelopeError, match=f"of o-1 has {MAX_DETAIL_BYTES + 1:,} bytes"):
        placed(data="é" + "x" * (MAX_DETAIL_BYTES - empty - 1)).detail()


def test_an_event_reads_back_as_it_was_written():
    event = placed()
    assert Event.parse(event.envelope()) == event


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"detail": "text"}, "needs an object in 'detail', got str"),
        ({"detail": {"data": {}}}, "metadata"),
        ({"source": "aws.s3"}, "source"),
        ({"detail-type": "OrderPlaced"}, "detailType"),
        ({"detail": placed().detail() | {"data": {}}}, "data.orderId: Field required"),
    ],
)
def test_what_is_no_event_is_refused_naming_the_field(change, message):
    with pytest.raises(EnvelopeError, match=message):
        Event.parse(placed().envelope() | change, data=Placed)


def test_every_field_that_does_not_fit_is_named_with_the_event():
    with pytest.raises(EnvelopeError) as told:
        Event.parse(placed(data={}).envelope() | {"source": None}, data=Placed)
    assert str(told.value) == (
        "event 'OrderPlaced.v1' does not fit: source: Input should be a valid string; data.orderId: Field required"
    )


def test_what_is_no_json_becomes_it_and_what_is_unknown_is_left_out():
    class Wish(WireModel):
        wanted_at: datetime
        note: str | None = None

    assert placed(data=Wish(wanted_at=datetime(2026, 11, 21, tzinfo=UTC))).detail()["data"] == {
        "wantedAt": "2026-11-21T00:00:00Z"
    }


def test_new_correlation_ids_differ():
    assert correlation_id_or_new(None) != correlation_id_or_new(None)


def test_times_are_utc_and_naive_ones_are_refused():
    noon = datetime(2026, 11, 21, 12, 0, tzinfo=timezone(timedelta(hours=1)))
    assert rfc3339(noon) == "2026-11-21T11:00:00.000Z"
    with pytest.raises(ValueError, match="needs a time zone"):
        rfc3339(datetime(2026, 11, 21))  # noqa: DTZ001 - the naive one is the point


def test_the_runtime_never_loads_the_cdk_and_the_envelope_not_even_powertools():
    code = (
        "import sys, service_runtime.envelope, service_runtime.money;"
        "assert not {'aws_cdk', 'jsii', 'aws_lambda_powertools', 'boto3'} & set(sys.modules);"
        "import service_runtime.consumer, service_runtime.dynamodb, service_runtime.rest;"
        "assert not {'aws_cdk', 'jsii', 'constructs', 'boto3', 'aws_lambda_powertools.utilities.batch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_event_that_is_too_large_for_its_consumers_is_not_built():
    placed(data={"orderId": "o-1", "note": "x" * 200_000}).detail()
    with pytest.raises(
        EnvelopeError, match=r"OrderPlaced.v1 of o-1 has 3\d\d,\d\d\d bytes, an event may have 261,120"
    ):
        placed(data={"orderId": "o-1", "note": "é" * 160_000}).detail()
