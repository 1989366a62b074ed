"""The inventory's function on a table of its own (moto), fed with batches as SQS delivers them."""

import itertools
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.dynamodb.models.dynamo_type import DynamoType
from service_runtime.dynamodb import from_attributes
from service_runtime.envelope import Event
from service_testing import aws

TABLE = "stock"

# As Lambda has them before it imports the handler.
os.environ |= {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "POWERTOOLS_SERVICE_NAME": "inventory",
    "POWERTOOLS_METRICS_NAMESPACE": "commerce",
    "STOCK_TABLE": TABLE,
}

from inventory_service.stock.runtime.handler import _store, handler  # noqa: E402 - after its environment


class Context:
    """The part of a Lambda context that the handler reads."""

    function_name = "inventory"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-west-1:111111111111:function:inventory"
    aws_request_id = "request"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


@dataclass
class Inventory:
    """What the tests say to the service and what they see of it."""

    sqs: Any
    dlq_url: str
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def store(self):
        return _store()

    @property
    def _table(self):
        return dynamodb_backends[DEFAULT_ACCOUNT_ID]["eu-west-1"].tables[TABLE]

    def receive(self, sku: str, quantity: int, receipt_id: str | None = None) -> bool:
        body = {"sku": sku, "receiptId": receipt_id or f"receipt-{next(self.numbers)}", "quantity": quantity}
        return self.deliver(
            {"body": body, "attributes": {"receiptId": body["receiptId"], "correlationId": "c1"}}
        )

    def request(
        self, order_id: str, *, attempt: int = 1, expires_at: str = "2099-01-01T00:00:00Z", **lines: int
    ) -> Event:
        items = [{"sku": sku, "quantity": quantity} for sku, quantity in lines.items()]
        data = {"orderId": order_id, "items": items, "expiresAt": expires_at}
        return self.event("StockReservationRequested.v1", order_id, data, version=attempt)

    def event(self, detail_type: str, order_id: str, data: dict | None = None, *, version: int = 9) -> Event:
        return Event.create(
            service="order",
            stage="local",
            detail_type=detail_type,
            aggregate_id=order_id,
            aggregate_version=version,
            data=data or {"orderId": order_id},
            correlation_id=f"correlation-{order_id}",
        )

    def deliver(self, *messages: Event | dict, **changes: Any) -> bool:
        """Hand the function one batch, each record with these changes; whether all of it was handled."""
        records = [self._record(message) | changes for message in messages]
        report = handler({"Records": records}, Context())
        return report == {"batchItemFailures": []}

    def _record(self, message: Event | dict) -> dict:
        raw = message if isinstance(message, dict) else {"body": message.envelope()}
        number = next(self.numbers)
        return {
            "messageId": f"message-{number}",
            "receiptHandle": f"handle-{number}",
            "body": json.dumps(raw["body"]),
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1795248000000"},
            "messageAttributes": {
                name: {"stringValue": value, "dataType": "String"}
                for name, value in raw.get("attributes", {}).items()
            },
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:eu-west-1:111111111111:inventory",
            "awsRegion": "eu-west-1",
        }

    def item(self, pk: str, sk: str) -> dict | None:
        """An item as moto keeps it: asking for it as a client does would be half of the time of the properties' test."""
        found = self._table.get_item(DynamoType({"S": pk}), DynamoType({"S": sk}))
        return from_attributes(found.to_json()["Attributes"]) if found else None

    def stock(self, sku: str) -> tuple[int, int, int]:
        item = self.item(f"STOCK#{sku}", "STOCK") or {}
        return tuple(int(item.get(name, 0)) for name in ("onHand", "reserved", "available"))

    def reservation(self, order_id: str) -> dict | None:
        return self.item(f"ORDER#{order_id}", "RESERVATION")

    def forget(self) -> None:
        """Empty the table: moto copies the whole of it, its stream too, for each transaction."""
        self._table.items.clear()
        if self._table.stream_shard:
            self._table.stream_shard.items.clear()

    def dead_letters(self) -> list[dict]:
        received = self.sqs.receive_message(
            QueueUrl=self.dlq_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        return [
            {"body": message["Body"], "reason": message["MessageAttributes"]["reason"]["StringValue"]}
            for message in received.get("Messages", [])
        ]


@pytest.fixture
def inventory(monkeypatch):
    with mock_aws():
        sqs = aws.client("sqs")
        aws.create_table(TABLE)
        dlq_url = sqs.create_queue(QueueName="dlq")["QueueUrl"]
        monkeypatch.setenv("CONSUMER_QUEUE_URL", sqs.create_queue(QueueName="queue")["QueueUrl"])
        monkeypatch.setenv("CONSUMER_DLQ_URL", dlq_url)
        _store.cache_clear()
        handler.__dict__.pop("_sqs", None)
        yield Inventory(sqs=sqs, dlq_url=dlq_url)
        _store.cache_clear()
        handler.__dict__.pop("_sqs", None)
