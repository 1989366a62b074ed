"""The cart's API: reads go from API Gateway to DynamoDB, every write through one function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from constructs import Construct
from shared_constructs import ServiceFunction, ServiceStack, SyntheticCheck
from shared_constructs.direct_api import (
    PUBLIC,
    DirectApi,
    GetItem,
    InvokeFunction,
    Scopes,
    all_of,
    claim,
    greater_than,
    not_exists,
    path,
    request_epoch,
    text,
)

from cart_service.api.models import Cart
from cart_service.api.runtime.domain import CURRENCY
from cart_service.settings import CartSettings

if TYPE_CHECKING:
    from shared_constructs import ServiceTable

CUSTOMERS: Final = Scopes("commerce/shop")
CART_ID: Final = path("cartId", pattern="[A-Za-z0-9_-]{1,64}")
LIVE: Final = all_of(greater_than("expiresAtEpoch", request_epoch()), not_exists("mergedInto"))
"""An expired cart is deleted some time later, and a merged one is a tombstone: both read as empty at once."""


class CartApi(Construct):
    """Fill a cart without a token; keep it, and take the anonymous one over, as a customer.

    Attributes:
        writes: The one function that writes carts.
    """

    def __init__(self, scope: Construct, construct_id: str, *, carts: ServiceTable) -> None:
        super().__init__(scope, construct_id)
        self.writes = ServiceFunction(
            self,
            "Writes",
            package="cart_service",
            include=("api/runtime", "contracts/consumed"),
            handler="cart_service.api.runtime.handler.handler",
            description="Every write to a cart",
            reserved_concurrency=CartSettings.of(self).writes_at_once,
            environment={
                "TABLE_NAME": carts.resources.table.table_name,
                "CORS_ORIGINS": ",".join(ServiceStack.of(self).stage.cors_origins),
            },
        )
        carts.resources.table.grant(self.writes.resources.role, "dynamodb:GetItem", "dynamodb:PutItem")
        write = InvokeFunction(function=self.writes)

        api = DirectApi(self, "Api", description="Shopping carts of anonymous visitors and of customers")
        api.route("POST", "/carts", write, auth=PUBLIC)
        api.route("GET", "/carts/{cartId}", _read(carts, "ANON#", CART_ID), auth=PUBLIC)
        api.route("PUT", "/carts/{cartId}/items/{sku}", write, auth=PUBLIC)
        api.route("DELETE", "/carts/{cartId}/items/{sku}", write, auth=PUBLIC)
        api.route("GET", "/me/cart", _read(carts, "CUST#", claim("sub")), auth=CUSTOMERS)
        api.route("PUT", "/me/cart/items/{sku}", write, auth=CUSTOMERS)
        api.route("DELETE", "/me/cart/items/{sku}", write, auth=CUSTOMERS)
        api.route("POST", "/me/cart/merge", write, auth=CUSTOMERS)
        SyntheticCheck(self, "Check", api=api, path="/carts/nobodys")


def _read(carts: ServiceTable, prefix: str, owner: Any) -> GetItem:
    return GetItem(
        table=carts,
        key={"pk": text(prefix, owner), "sk": "CART"},
        where=LIVE,
        response=Cart,
        default={
            "cartId": owner,
            "items": [],
            "total": {"amountMinor": 0, "currency": CURRENCY},
            "expiresAt": None,
        },
    )
