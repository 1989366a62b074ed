"""The AWS account that moto plays: its number, its region, and clients that are made once for all tests."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import boto3

ACCOUNT: Final = "123456789012"
"""moto's account."""
REGION: Final = "eu-west-1"
"""Where everything is deployed; templates know no region of their own."""


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
