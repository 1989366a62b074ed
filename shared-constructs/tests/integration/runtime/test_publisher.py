import json

import boto3
import pytest
from botocore.stub import Stubber
from moto import mock_aws
from service_runtime import Event, Publisher, PublishError
from service_runtime.publisher import MAX_REQUEST_BYTES, entry_bytes


def event(number, **data):
    return Event.create(
        service="order", stage="local", detail_type="OrderPlaced.v1", aggregate_id=f"o-{number}",
        aggregate_version=1, data=data,
    )  # fmt: skip


class Bus:
    """Answers as EventBridge does: each entry by its own, with the errors given for its order."""

    def __init__(self, errors=None):
        self.requests = []
        self._errors = errors or {}

    def put_events(self, *, Entries):  # noqa: N803 - boto3's name
        orders = [json.loads(e["Detail"])["metadata"]["aggregateId"] for e in Entries]
        self.requests.append(orders)
        return {"Entries": [self._answer(order) for order in orders]}

    def _answer(self, order):
        errors = self._errors.get(order)
        return {"ErrorCode": errors.pop(0), "ErrorMessage": "sorry"} if errors else {"EventId": order}


def publish(bus, events, **options):
    pauses = []
    Publisher(bus_name="b", client=bus, sleep=pauses.append, **options).publish(events)
    return pauses


def test_requests_hold_ten_events_at_most_in_order():
    bus = Bus()
    publish(bus, [event(n) for n in range(23)])
    assert [len(r) for r in bus.requests] == [10, 10, 3]
    assert [o for r in bus.requests for o in r] == [f"o-{n}" for n in range(23)]


def test_requests_stay_below_the_size_limit():
    bus, big = Bus(), "é" * 200_000  # 400,000 bytes each
    publish(bus, [event(n, text=big) for n in range(5)])
    assert [len(r) for r in bus.requests] == [2, 2, 1]


def test_only_what_failed_is_repeated_after_a_pause():
    bus = Bus({"o-1": ["ThrottlingException", "InternalFailure"]})
    pauses = publish(bus, [event(n) for n in range(3)])
    assert bus.requests == [["o-0", "o-1", "o-2"], ["o-1"], ["o-1"]]
    assert len(pauses) == 2
    assert all(0 <= pause <= 5 for pause in pauses)


def test_what_cannot_be_sent_is_named_and_the_rest_is_sent():
    bus = Bus({"o-1": ["ThrottlingException"] * 9, "o-2": ["MalformedDetail"]})
    with pytest.raises(PublishError, match=r"2 event.* could not be put") as raised:
        publish(bus, [event(n) for n in range(3)], attempts=3)
    failures = {f.event.metadata.aggregate_id: f.error_code for f in raised.value.failures}
    assert failures == {"o-1": "ThrottlingException", "o-2": "MalformedDetail"}
    assert bus.requests == [["o-0", "o-1", "o-2"], ["o-1"], ["o-1"]]


def test_an_event_beyond_the_limit_is_refused_before_sending_and_the_rest_is_sent():
    bus, too_big = Bus(), event(0, text="x" * MAX_REQUEST_BYTES)
    with pytest.raises(PublishError, match=r"EventTooLarge: \d+ bytes, the limit is 1048576"):
        publish(bus, [too_big, event(1)])
    assert bus.requests == [["o-1"]]


def test_an_entry_counts_the_bytes_that_eventbridge_counts():
    one = event(1, text="é")
    detail = json.dumps(one.detail(), separators=(",", ":"), ensure_ascii=False).encode()
    assert entry_bytes(one) == 14 + len("commerce.order") + len("OrderPlaced.v1") + len(detail)


def test_nothing_to_publish_calls_nobody():
    bus = Bus()
    publish(bus, [])
    assert bus.requests == []


def test_a_real_client_takes_the_entries(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("COMMERCE_EVENT_BUS", "commerce-local")
    with mock_aws():
        boto3.client("events").create_event_bus(Name="commerce-local")
        Publisher().publish([event(1)])


def test_a_refused_request_is_not_swallowed():
    client = boto3.client("events", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        stub.add_client_error("put_events", "AccessDeniedException")
        with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
            publish(client, [event(1)])
