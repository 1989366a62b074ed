"""A service's table with plain items, of which two writers never overwrite each other.

A client with boto3's own serializer, rather than `boto3.resource`, which would convert by itself: creating a
resource costs every cold start some 16 ms more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import PutTypeDef


class _WholeNumbers(TypeDeserializer):
    """Every number that a service stores is whole."""

    def _deserialize_n(self, value: str) -> int:
        return int(value)


_SERIALIZER = TypeSerializer()
_DESERIALIZER = _WholeNumbers()


def quick_client() -> DynamoDBClient:
    """A client whose call ends, repetition included, within a consumer's five seconds.

    boto3's own waits a minute for an answer and tries ten times; its function would be killed meanwhile, and with it
    the whole batch would wait for the queue's visibility timeout.
    """
    retries: Any = {"mode": "standard", "total_max_attempts": 2}
    return boto3.client("dynamodb", config=Config(connect_timeout=1, read_timeout=2, retries=retries))


def to_attributes(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item of JSON values as DynamoDB's client takes it."""
    return {name: _SERIALIZER.serialize(value) for name, value in item.items()}


def from_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """An item of DynamoDB's client as JSON has it."""
    return {name: _DESERIALIZER.deserialize(value) for name, value in attributes.items()}


def refusing_item(answer: Mapping[str, Any]) -> dict[str, Any] | None:
    """The item that failed a write's condition, if there is one: whoever writes first need not read.

    Args:
        answer: Of an error, or one of the reasons why a transaction was cancelled; to a write with
            `ReturnValuesOnConditionCheckFailure`, as those of `Table` have it.
    """
    return from_attributes(answer["Item"]) if "Item" in answer else None


class Table:
    """A table with the platform's keys.

    Args:
        name: The table's name.
        client: A DynamoDB client.
    """

    def __init__(self, name: str, client: DynamoDBClient) -> None:
        self.name = name
        self._client = client

    def get(self, pk: str, sk: str) -> dict[str, Any] | None:
        """An item as it is now, if there is one."""
        key = to_attributes({"pk": pk, "sk": sk})
        answer = self._client.get_item(TableName=self.name, Key=key, ConsistentRead=True)
        return from_attributes(answer["Item"]) if "Item" in answer else None

    def creation(self, item: Mapping[str, Any]) -> PutTypeDef:
        """Parameters of a put whose condition fails if the item is there."""
        return {
            "TableName": self.name,
            "Item": to_attributes(item),
            "ConditionExpression": "attribute_not_exists(pk)",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def next_version(self, item: Mapping[str, Any], *, counter: str = "version") -> PutTypeDef:
        """Parameters of a put whose condition fails unless the item was decided on what is stored: an optimistic lock.

        Args:
            item: The item to store; version 1 creates it.
            counter: The attribute that counts its versions.
        """
        put = self.creation(item)
        if item[counter] == 1:
            return put
        return {
            **put,
            "ConditionExpression": "#counter = :before",
            "ExpressionAttributeNames": {"#counter": counter},
            "ExpressionAttributeValues": to_attributes({":before": item[counter] - 1}),
        }
