"""The AWS account that moto plays: its number, its region, and clients that are made once for all tests."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import boto3
from moto.core.serialize import SERVICE_SPECIFIC_SERIALIZERS, JSONSerializer
from moto.dynamodb.models.utilities import dynamo_json_dump

ACCOUNT: Final = "123456789012"
"""moto's account."""
REGION: Final = "eu-west-1"
"""Where everything is deployed; templates know no region of their own."""


class _DynamoDB(JSONSerializer):
    """Writes attribute values into answers as they are.

    moto's own looks in each of them, and in those inside, for eleven types under five names each: a fifth of the time of
    tests with many items.
    """

    def _serialize_type_structure(self, serialized: Any, value: Any, shape: Any, key: str) -> None:
        if shape.name == "AttributeValue" and isinstance(value, dict):
            self._default_serialize(serialized, value, shape, key)
        else:
            super()._serialize_type_structure(serialized, value, shape, key)

    def _serialize_body(self, body: Any) -> str:
        # With bytes in base64.
        return dynamo_json_dump(body)


SERVICE_SPECIFIC_SERIALIZERS["dynamodb"] = {"json": _DynamoDB}


@cache
def client(service: str) -> Any:
    """A boto3 client on moto, by botocore's name of the service.

    Made once, as it takes ten times as long as a call: moto intercepts requests when they are sent, so a client serves
    every `Deployment`.
    """
    return _session().client(service)


@cache
def dynamodb() -> Any:
    """boto3's DynamoDB resource on moto; made once, as a client is."""
    return _session().resource("dynamodb")


@cache
def _session() -> Any:
    return boto3.Session(
        aws_access_key_id="testing",
        aws_secret_access_key="testing",  # noqa: S106 - moto takes any
        region_name=REGION,
    )


def create_table(name: str) -> None:
    """Make a table with the keys of a `ServiceTable`, texts `pk` and `sk`, for tests of a store without its template.

    Args:
        name: The table's.
    """
    keys = {"pk": "HASH", "sk": "RANGE"}
    client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": each, "KeyType": kind} for each, kind in keys.items()],
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in keys],
        BillingMode="PAY_PER_REQUEST",
    )


def unqualified(name: str) -> str:
    """The name or ARN of a function or state machine, from one with an alias or version at its end."""
    return ":".join(name.split(":")[: 7 if name.startswith("arn:") else 1])


def arn(service: str, resource: str) -> str:
    """An ARN in this account and region (IAM has none)."""
    return f"arn:aws:{service}:{'' if service == 'iam' else REGION}:{ACCOUNT}:{resource}"
