"""What carts hear of orders: what was bought leaves its customer's cart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared_constructs import QueueConsumer, Subscription

if TYPE_CHECKING:
    from constructs import Construct
    from shared_constructs import ServiceFunction


class Orders(QueueConsumer):
    """`OrderConfirmed` to the one function that writes carts."""

    def __init__(self, scope: Construct, construct_id: str, *, writes: ServiceFunction) -> None:
        super().__init__(
            scope,
            construct_id,
            target=writes,
            subscriptions=[Subscription(source="commerce.order", detail_type="OrderConfirmed.v1")],
        )
