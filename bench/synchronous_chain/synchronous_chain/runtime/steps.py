"""The four steps of an order. Each does its part and then waits for the next one's answer.

When a step fails, those before it have already written: the order stays where it got to, its stock reserved or even
its payment taken, and the customer sees an error. Nothing here puts that right, as nothing does in such chains.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from datetime import UTC, datetime
from functools import cache
from typing import Any

Json = dict[str, Any]

SLOW_SECONDS = 1.5
"""As long as the platform's sandbox takes for the same token."""


@cache
def _table() -> Any:
    import boto3  # noqa: PLC0415 - after the first import of the module, so that each step pays it alike

    return boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


@cache
def _lambda() -> Any:
    import boto3  # noqa: PLC0415 - as above

    return boto3.client("lambda")


def place_order(event: Json, _context: object) -> Json:
    """Price the order, write it down, and answer the API when it is confirmed."""
    request = json.loads(event["body"])
    items = [
        {**item, "unitPrice": int(_table().get_item(Key=_key("PRICE", item["sku"]))["Item"]["amountMinor"])}
        for item in request["items"]
    ]
    order: Json = {
        "orderId": uuid.uuid4().hex,
        "items": items,
        "total": sum(item["unitPrice"] * item["quantity"] for item in items),
        "paymentMethod": request["paymentMethod"],
        "timeline": [],
    }
    order = _reached("PLACED", order)
    _table().put_item(Item=_key("ORDER", order["orderId"]) | {"status": "PLACED", "total": order["total"]})
    return {"statusCode": 200, "body": json.dumps(_next(order))}


def reserve_stock(order: Json, _context: object) -> Json:
    """Take the pieces off the shelf, never more than there are."""
    for item in order["items"]:
        _table().update_item(
            Key=_key("STOCK", item["sku"]),
            UpdateExpression="SET available = available - :quantity",
            ConditionExpression="available >= :quantity",
            ExpressionAttributeValues={":quantity": item["quantity"]},
        )
    return _next(_reached("STOCK_RESERVED", order))


def take_payment(order: Json, _context: object) -> Json:
    """Write down that the provider's approval was asked for, wait for it, and write down what it said."""
    key = _key("PAYMENT", order["orderId"])
    _table().put_item(Item=key | {"status": "CAPTURING", "amountMinor": order["total"]})
    if order["paymentMethod"] == "tok_slow":
        time.sleep(SLOW_SECONDS)
    _table().update_item(
        Key=key,
        UpdateExpression="SET #status = :captured",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":captured": "CAPTURED"},
    )
    return _next(_reached("PAID", order))


def confirm_order(order: Json, _context: object) -> Json:
    """Write down that the order is confirmed."""
    _table().update_item(
        Key=_key("ORDER", order["orderId"]),
        UpdateExpression="SET #status = :confirmed",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={":confirmed": "CONFIRMED"},
    )
    return _reached("CONFIRMED", order)


def _key(kind: str, identifier: str) -> Json:
    return {"pk": f"{kind}#{identifier}", "sk": kind}


def _reached(status: str, order: Json) -> Json:
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    print(json.dumps({"level": "INFO", "message": status, "orderId": order["orderId"]}))  # noqa: T201 - its log
    return {**order, "timeline": [*order["timeline"], {"at": at, "status": status}]}


def _next(order: Json) -> Json:
    answer = _lambda().invoke(FunctionName=os.environ["NEXT_FUNCTION"], Payload=json.dumps(order))
    result: Json = json.load(answer["Payload"])
    if "FunctionError" in answer:
        raise RuntimeError(f"{os.environ['NEXT_FUNCTION']} failed: {result}")
    return result
