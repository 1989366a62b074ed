import io
import json
import os
import time

import boto3
import pytest
from moto import mock_aws
from pydantic import BaseModel
from service_runtime.consumer import EventConsumer, MessageConsumer, PoisonMessage, RetryLater
from service_runtime.envelope import Event
from service_runtime.observability import count, logger


class Placed(BaseModel):
    wish: str


class Context:
    def __init__(self, remaining=10_000):
        self.remaining = remaining

    def get_remaining_time_in_millis(self):
        return self.remaining


@pytest.fixture
def sqs(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Commerce")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "order")
    with mock_aws():
        client = boto3.client("sqs")
        monkeypatch.setenv("CONSUMER_QUEUE_URL", client.create_queue(QueueName="queue")["QueueUrl"])
        monkeypatch.setenv("CONSUMER_DLQ_URL", client.create_queue(QueueName="dlq")["QueueUrl"])
        yield client


@pytest.fixture
def received(sqs):
    """Send bodies, receive them, and give the batch as AWS Lambda does."""

    def receive(*bodies):
        for body in bodies:
            sqs.send_message(QueueUrl=os.environ["CONSUMER_QUEUE_URL"], MessageBody=body)
        messages = sqs.receive_message(
            QueueUrl=os.environ["CONSUMER_QUEUE_URL"], MaxNumberOfMessages=10, AttributeNames=["All"]
        )["Messages"]
        return {
            "Records": [
                {
                    "messageId": m["MessageId"],
                    "receiptHandle": m["ReceiptHandle"],
                    "body": m["Body"],
                    "attributes": m["Attributes"],
                    "messageAttributes": {},
                    "eventSource": "aws:sqs",
                }
                for m in messages
            ]
        }

    return receive


@pytest.fixture
def dead_letters(sqs):
    def read():
        found = sqs.receive_message(
            QueueUrl=os.environ["CONSUMER_DLQ_URL"], MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages", [])
        return [(m["Body"], {n: a["StringValue"] for n, a in m["MessageAttributes"].items()}) for m in found]

    return read


def body(wish, detail_type="OrderPlaced.v1"):
    return json.dumps(
        Event.create(
            service="order", stage="local", detail_type=detail_type, aggregate_id="o-1", aggregate_version=1,
            data={"wish": wish}, correlation_id="c-1",
        ).envelope()
    )  # fmt: skip


def consumer_of(handle):
    consumer = EventConsumer(business_keys=lambda event: {"wish": event.data.wish})
    consumer.on("OrderPlaced.v1", data=Placed)(handle)
    return consumer


def test_a_message_is_handled_with_its_event_and_its_place_in_the_queue(received):
    seen = []
    batch = received(body("a"))
    assert consumer_of(lambda event, message: seen.append((event.data, message)))(batch, Context()) == {
        "batchItemFailures": []
    }
    ((data, message),) = seen
    assert data == Placed(wish="a")
    assert message.receive_count == 1
    assert abs(message.sent_at.timestamp() - time.time()) < 60


def test_one_failure_is_reported_alone(received):
    def handle(event, _):
        if event.data.wish == "bad":
            raise RuntimeError("no")

    batch = received(body("good"), body("bad"))
    bad = next(r["messageId"] for r in batch["Records"] if "bad" in r["body"])
    assert consumer_of(handle)(batch, Context()) == {"batchItemFailures": [{"itemIdentifier": bad}]}


def test_a_batch_that_fails_entirely_is_reported_not_raised(received):
    def handle(*_):
        raise RuntimeError("no")

    assert len(consumer_of(handle)(received(body("a"), body("b")), Context())["batchItemFailures"]) == 2


@pytest.fixture
def hidden(sqs):
    """For how many seconds messages were made invisible."""
    seconds = []
    sqs.meta.events.register(
        "before-parameter-build.sqs.ChangeMessageVisibility",
        lambda params, **_: seconds.append(params["VisibilityTimeout"]),
    )
    return seconds


def consumer_on(sqs, handle):
    """A consumer whose calls of SQS are seen."""
    consumer = EventConsumer(sqs=sqs)
    consumer.on("OrderPlaced.v1", data=Placed)(handle)
    return consumer


@pytest.mark.parametrize("delay", [0, 7, 43_200])
def test_retry_later_hides_the_message_for_as_long_as_it_says(received, sqs, hidden, delay):
    def handle(*_):
        raise RetryLater(delay, "not yet")

    batch = received(body("a"))
    answer = consumer_on(sqs, handle)(batch, Context())
    assert (len(answer["batchItemFailures"]), hidden) == (1, [delay])
    # Its own backoff, not the queue's default of 30 seconds.
    again = sqs.receive_message(QueueUrl=os.environ["CONSUMER_QUEUE_URL"]).get("Messages", [])
    assert [message["MessageId"] for message in again] == [
        record["messageId"] for record in batch["Records"] if delay == 0
    ]


@pytest.mark.parametrize(
    ("receives", "bounds"), [(1, (1, 2)), (2, (2, 4)), (4, (8, 16)), (5, (15, 30)), (900, (15, 30))]
)
def test_what_nobody_foresaw_is_seen_again_soon_and_then_less_soon(received, sqs, hidden, receives, bounds):
    def handle(*_):
        raise RuntimeError("throttled")

    batch = received(body("a"))
    batch["Records"][0]["attributes"]["ApproximateReceiveCount"] = str(receives)
    consumer = consumer_on(sqs, handle)
    for _ in range(40):
        assert len(consumer(batch, Context())["batchItemFailures"]) == 1
    assert len(hidden) == 40
    assert bounds[0] <= min(hidden) < max(hidden) <= bounds[1]


def test_the_error_of_a_message_is_told_even_if_sqs_does_not_answer(received, monkeypatch):
    def handle(*_):
        raise RuntimeError("the first error")

    batch = received(body("a"))
    monkeypatch.setenv("CONSUMER_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/000000000000/gone")
    assert len(consumer_of(handle)(batch, Context())["batchItemFailures"]) == 1


@pytest.mark.parametrize("delay", [-1, 43_201])
def test_a_backoff_beyond_what_sqs_allows_is_refused(delay):
    with pytest.raises(ValueError, match="between 0 and 43200"):
        RetryLater(delay, "x")


def test_what_never_succeeds_is_in_the_dlq_with_its_reason_and_counts_as_handled(received, dead_letters):
    def handle(*_):
        raise PoisonMessage("currency is not EUR")

    batch = received(body("a"))
    # A copy can be handled again only with what the original came with.
    batch["Records"][0]["messageAttributes"] = {
        "receiptId": {"dataType": "String", "stringValue": "r-1"},
    }
    assert consumer_of(handle)(batch, Context()) == {"batchItemFailures": []}
    ((letter, attributes),) = dead_letters()
    assert letter == batch["Records"][0]["body"]
    assert attributes == {
        "receiptId": "r-1",
        "reason": "currency is not EUR",
        "messageId": batch["Records"][0]["messageId"],
    }


def test_what_never_succeeds_is_seen_again_when_the_dlq_does_not_take_it(received, monkeypatch):
    def handle(event, _):
        if event.data.wish == "bad":
            raise PoisonMessage("currency is not EUR")

    batch = received(body("bad"), body("good"))
    bad = next(r["messageId"] for r in batch["Records"] if "bad" in r["body"])
    monkeypatch.setenv("CONSUMER_DLQ_URL", "https://sqs.eu-west-1.amazonaws.com/000000000000/gone")
    assert consumer_of(handle)(batch, Context()) == {"batchItemFailures": [{"itemIdentifier": bad}]}


def test_attributes_that_are_text_are_handed_over(received):
    seen = []
    batch = received("x")
    batch["Records"][0]["messageAttributes"] = {
        "receiptId": {"dataType": "String", "stringValue": "r-1"},
        "picture": {"dataType": "Binary", "binaryValue": "AA=="},
    }
    MessageConsumer(lambda message: seen.append(message.attributes))(batch, Context())
    assert seen == [{"receiptId": "r-1"}]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("{", "the body is not JSON"),
        ("[]", "no function for detail type None; known are: OrderPlaced.v1"),
        (body("a", "OrderShipped.v1"), "no function for detail type 'OrderShipped.v1'"),
        (body(None), "data.wish"),
    ],
    ids=["not JSON", "not an event", "unknown type", "data that does not fit"],
)
def test_what_is_no_event_of_this_consumer_can_never_succeed(received, dead_letters, message, reason):
    assert consumer_of(lambda *_: None)(received(message), Context()) == {"batchItemFailures": []}
    assert reason in dead_letters()[0][1]["reason"]


def test_a_reason_is_cut_to_what_an_attribute_should_hold(received, dead_letters):
    def handle(*_):
        raise PoisonMessage("x" * 5000)

    consumer_of(handle)(received(body("a")), Context())
    assert dead_letters()[0][1]["reason"] == "x" * 1024


def test_without_time_left_a_message_is_given_back_untouched(received):
    seen = []
    answer = consumer_of(lambda *_: seen.append(1))(received(body("a")), Context(remaining=500))
    assert seen == []
    assert len(answer["batchItemFailures"]) == 1


def test_logs_and_metrics_carry_correlation_and_business_keys(received, capsys, monkeypatch):
    logs = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", logs)

    def handle(*_):
        logger.info("placing")
        count("OrdersPlaced")

    consumer_of(handle)(received(body("a")), Context())
    lines = [
        json.loads(line)
        for line in (logs.getvalue() + capsys.readouterr().out).splitlines()
        if line.startswith("{")
    ]
    log = next(line for line in lines if line.get("message") == "placing")
    metric = next(line for line in lines if "OrdersPlaced" in line)
    for line in (log, metric):
        assert (line["correlation_id"], line["detailType"], line["wish"]) == ("c-1", "OrderPlaced.v1", "a")
        assert line["aggregateId"] == "o-1"
    assert "correlation_id" not in logger.get_current_keys()


def test_a_second_function_for_one_type_is_refused():
    consumer = consumer_of(lambda *_: None)
    with pytest.raises(ValueError, match=r"OrderPlaced\.v1 already has a function"):
        consumer.on("OrderPlaced.v1", data=Placed)


def test_raw_messages_are_handed_over_as_they_came(received):
    seen = []
    MessageConsumer(lambda message: seen.append(message.body))(received("not json"), Context())
    assert seen == ["not json"]
