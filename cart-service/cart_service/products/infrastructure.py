"""What carts know of products: the newest version of each, kept from the product service's events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared_constructs import Projection, Subscription

from cart_service.contracts.consumed import ProductChanged

if TYPE_CHECKING:
    from constructs import Construct
    from shared_constructs import ServiceTable


class Products(Projection):
    """`ProductChanged` into one item per sku."""

    def __init__(self, scope: Construct, construct_id: str, *, table: ServiceTable) -> None:
        super().__init__(
            scope,
            construct_id,
            table=table,
            subscriptions=[Subscription(source="commerce.product", detail_type="ProductChanged.v1")],
            model=ProductChanged,
            key={"pk": "'PRODUCT#' & $data.sku", "sk": "'PRODUCT'"},
            attributes={
                "sku": "$data.sku",
                "name": "$data.name",
                "price": "$data.price",
                "status": "$data.status",
            },
        )
