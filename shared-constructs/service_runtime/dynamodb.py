"""A service's table with plain items, of which two writers never overwrite each other.

Without boto3's serializer and resources: loading them takes longer than everything else of boto3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from service_runtime.clients import client

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import PutTypeDef


def quick_client() -> DynamoDBClient:
    """A client whose call ends, repetition included, within a consumer's five seconds.

    boto3's own waits a minute for an answer and tries ten times; its function would be killed meanwhile, and with it
    the whole batch would wait for the queue's visibility timeout.
    """
    retries: Any = {"mode": "standard", "total_max_attempts": 2}
    config = Config(connect_timeout=1, read_timeout=2, retries=retries)
    quick: DynamoDBClient = client("dynamodb", config=config)
    return quick


def to_attributes(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item of JSON values as DynamoDB's client takes it.

    Raises:
        TypeError: A value that JSON has not, or a number that is not whole.
    """
    return {name: _to_attribute(value) for name, value in item.items()}


def from_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """An item of DynamoDB's client as JSON has it; every number that a service stores is whole.

    Raises:
        TypeError: A value of a type that JSON has not: bytes, a set.
    """
    return {name: _from_attribute(value) for name, value in attributes.items()}


def _to_attribute(value: object) -> dict[str, Any]:
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int():
            return {"N": str(value)}
        case Mapping():
            return {"M": to_attributes(value)}
        case list() | tuple():
            return {"L": [_to_attribute(each) for each in value]}
    raise TypeError(f"an item holds text, whole numbers, booleans, null, lists and objects, got {value!r}")


def _from_attribute(attribute: Mapping[str, Any]) -> Any:
    match attribute:
        case {"S": value} | {"BOOL": value}:
            return value
        case {"N": value}:
            return int(value)
        case {"NULL": _}:
            return None
        case {"M": value}:
            return from_attributes(value)
        case {"L": value}:
            return [_from_attribute(each) for each in value]
    raise TypeError(
        f"an item holds text, whole numbers, booleans, null, lists and objects, got {attribute!r}"
    )


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
