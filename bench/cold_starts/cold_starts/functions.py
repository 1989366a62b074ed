"""The functions that are measured, each with the event that is its first."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from service_runtime.envelope import Event, rfc3339, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function as its stack deploys it.

    Attributes:
        name: For the table.
        package: Whose code it is.
        include: The part of it.
        handler: Dotted path.
        event: Makes its first event.
        succeeded: Whether an answer is that of a served event.
        environment: Variables.
    """

    name: str
    package: str
    include: tuple[str, ...]
    handler: str
    event: Callable[[], dict[str, Any]]
    succeeded: Callable[[Any], bool] = lambda answer: answer == {"batchItemFailures": []}
    environment: Mapping[str, str] = field(default_factory=dict)


def _post_carts() -> dict[str, Any]:
    return {
        "resource": "/carts",
        "httpMethod": "POST",
        "path": "/carts",
        "headers": {"Content-Type": "application/json"},
        "multiValueHeaders": {"Content-Type": ["application/json"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "requestContext": {"requestId": "request-1", "resourcePath": "/carts", "identity": {}},
        "body": None,
        "isBase64Encoded": False,
    }


def _batch(body: str, attributes: Mapping[str, str] | None = None) -> dict[str, Any]:
    now = str(int(utc_now().timestamp() * 1000))
    given = {name: {"dataType": "String", "stringValue": value} for name, value in (attributes or {}).items()}
    return {
        "Records": [
            {
                "messageId": "m-1",
                "receiptHandle": "r-1",
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": now},
                "messageAttributes": given,
                "eventSource": "aws:sqs",
            }
        ]
    }


def _payment_requested() -> dict[str, Any]:
    event = Event.create(
        service="order",
        stage="local",
        detail_type="PaymentRequested.v1",
        aggregate_id="o-1",
        aggregate_version=1,
        data={
            "orderId": "o-1",
            "amount": {"amountMinor": 1299, "currency": "EUR"},
            "paymentMethod": "tok_visa",
            "expiresAt": rfc3339(utc_now() + timedelta(seconds=30)),
        },
    )
    return _batch(json.dumps(event.envelope()))


def _webhook() -> dict[str, Any]:
    return _batch("{}", {"signature": "t=1,v1=0", "receivedAt": rfc3339(utc_now())})


def _delivery() -> dict[str, Any]:
    receipt = {"sku": "OPERA", "receiptId": "receipt-1", "quantity": 1}
    return _batch(json.dumps(receipt), {"receiptId": "receipt-1", "correlationId": "c-1"})


CART: Final = Function(
    name="cart: writes",
    package="cart_service",
    include=("api/runtime", "contracts/consumed"),
    handler="cart_service.api.runtime.handler.handler",
    event=_post_carts,
    succeeded=lambda answer: answer["statusCode"] == HTTPStatus.CREATED,
    environment={"TABLE_NAME": "carts"},
)
_ORDERS: Final = Function(
    name="payment: orders",
    package="payment_service",
    include=("payments/runtime", "contracts/consumed"),
    handler="payment_service.payments.runtime.orders.handler",
    event=_payment_requested,
    environment={
        "PAYMENTS_TABLE": "payments",
        "PAYMENT_PROVIDER": "sandbox",
        "PROVIDER_SECRET": "provider",
    },
)
FUNCTIONS: Final = (
    CART,
    _ORDERS,
    replace(
        _ORDERS,
        name="payment: webhooks",
        handler="payment_service.payments.runtime.webhooks.handler",
        event=_webhook,
    ),
    Function(
        name="inventory: stock",
        package="inventory_service",
        include=("stock/runtime", "contracts/consumed"),
        handler="inventory_service.stock.runtime.handler.handler",
        event=_delivery,
        environment={"STOCK_TABLE": "stock"},
    ),
    Function(
        name="platform: identity",
        package="commerce_platform",
        include=("account/identity/runtime",),
        handler="commerce_platform.account.identity.runtime.handler.customize_customers_token",
        event=lambda: {"request": {"groupConfiguration": {"groupsToOverride": []}, "scopes": []}},
        succeeded=lambda answer: "response" in answer,
    ),
)

FASTAPI_CART: Final = replace(CART, name="FastAPI + Mangum", handler="fastapi_cart.handler")
"""The cart's routes; it takes the rules and the store from the cart's code."""
