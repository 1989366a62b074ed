"""Payments in DynamoDB: every write is the next version of what it was decided on, or nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from service_runtime.envelope import rfc3339, utc_now

from payment_service.payments.runtime.domain import Payment
from payment_service.payments.runtime.sandbox import Account

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient


class _Versions:
    """Items of one kind, each with a counter that every write raises by one."""

    def __init__(self, table_name: str, client: DynamoDBClient, *, kind: str, counter: str) -> None:
        self._table_name = table_name
        self._client = client
        self._kind = kind
        self._counter = counter

    def read(self, key: str) -> dict[str, Any] | None:
        answer = self._client.get_item(
            TableName=self._table_name,
            Key={"pk": {"S": f"{self._kind}#{key}"}, "sk": {"S": self._kind}},
            ConsistentRead=True,
        )
        item = {name: TypeDeserializer().deserialize(value) for name, value in answer.get("Item", {}).items()}
        # Every number that this service stores is whole.
        return json.loads(json.dumps(item, default=int)) or None

    def write(self, key: str, attributes: Mapping[str, Any]) -> bool:
        item = {"pk": f"{self._kind}#{key}", "sk": self._kind, **attributes}
        try:
            self._client.put_item(
                TableName=self._table_name,
                Item={name: TypeSerializer().serialize(value) for name, value in item.items()},
                ConditionExpression="#counter = :before OR (attribute_not_exists(pk) AND :before = :none)",
                ExpressionAttributeNames={"#counter": self._counter},
                ExpressionAttributeValues={
                    ":before": {"N": str(attributes[self._counter] - 1)},
                    ":none": {"N": "0"},
                },
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True


class PaymentStore:
    """The payments.

    Args:
        table_name: the service's table.
        client: a DynamoDB client.
        clock: the present moment; tests pass their own.
    """

    def __init__(
        self, *, table_name: str, client: DynamoDBClient, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._versions = _Versions(table_name, client, kind="PAYMENT", counter="version")
        self._clock = clock

    def read(self, order_id: str) -> Payment | None:
        """Return an order's payment as it is now."""
        item = self._versions.read(order_id)
        return Payment.model_validate(item) if item else None

    def write(self, payment: Payment) -> bool:
        """Store the next version; False when somebody else has stored it."""
        attributes: dict[str, Any] = {
            **payment.model_dump(mode="json", by_alias=True, exclude_none=True),
            "updatedAt": rfc3339(self._clock()),
            "causationId": payment.causation_id,
        }
        if payment.request:
            # Beside the request that the rules read: what the API shows.
            attributes["amount"] = payment.request.amount.model_dump(by_alias=True)
            attributes["expiresAt"] = rfc3339(payment.request.expires_at)
        return self._versions.write(payment.order_id, attributes)


class SandboxLedger:
    """The sandbox's accounts, beside the payments: what would be the provider's own database.

    Args:
        table_name: the service's table.
        client: a DynamoDB client.
    """

    def __init__(self, *, table_name: str, client: DynamoDBClient) -> None:
        self._versions = _Versions(table_name, client, kind="SANDBOX", counter="revision")

    def read(self, intent_id: str) -> Account | None:
        """Return an account as it is now."""
        item = self._versions.read(intent_id)
        return Account.model_validate(item) if item else None

    def write(self, account: Account) -> bool:
        """Store the next revision; False when it is stored already."""
        return self._versions.write(account.intent_id, account.model_dump(mode="json", by_alias=True))
