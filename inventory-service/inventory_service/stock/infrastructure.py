"""Stock: its API, the consumer that keeps it, and what its changes mean to others."""

from collections.abc import Mapping

from aws_cdk import Duration
from constructs import Construct
from shared_constructs import DomainEvent, QueueConsumer, ServiceFunction, ServiceTable, Subscription
from shared_constructs.direct_api import (
    PUBLIC,
    DirectApi,
    GetItem,
    Scopes,
    SendToQueue,
    UpdateItem,
    body,
    path,
    text,
)
from shared_constructs.direct_api.values import Value

from inventory_service.contracts.consumed import CONSUMED
from inventory_service.contracts.published import StockLevel
from inventory_service.stock.models import SKU_PATTERN, Delivery, Stock, Threshold

OPERATORS = Scopes("commerce/operate")

SKU = path("sku", pattern=SKU_PATTERN)
KEY: Mapping[str, Value] = {"pk": text("STOCK#", SKU), "sk": "STOCK"}


class StockConsumer(Construct):
    """One queue and one function for everything that moves stock: orders' events and deliveries."""

    def __init__(self, scope: Construct, construct_id: str, *, stock: ServiceTable) -> None:
        super().__init__(scope, construct_id)
        self.function = ServiceFunction(
            self,
            "Function",
            package="inventory_service",
            include=("stock/runtime", "contracts/consumed"),
            handler="inventory_service.stock.runtime.handler.handler",
            description="Reserves, commits, ships and releases stock, and counts deliveries",
            # A batch of ten whose every transaction meets conflicts.
            timeout=Duration.seconds(30),
            environment={"STOCK_TABLE": stock.resources.table.table_name},
        )
        stock.resources.table.grant(
            self.function.resources.role, "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"
        )
        self.queue = QueueConsumer(
            self,
            "Orders",
            target=self.function,
            subscriptions=[Subscription(source="commerce.order", detail_type=each) for each in CONSUMED],
        ).queue


class StockApi(Construct):
    """Read the stock without a token; receive deliveries and set thresholds as an operator."""

    def __init__(
        self, scope: Construct, construct_id: str, *, stock: ServiceTable, consumer: StockConsumer
    ) -> None:
        super().__init__(scope, construct_id)
        api = DirectApi(self, "Api", description="Stock: on hand, reserved and available")
        api.route(
            "GET", "/stock/{sku}", GetItem(table=stock, key=KEY, response=Stock), auth=PUBLIC, name="getStock"
        )
        api.route(
            "POST",
            "/stock/{sku}/receipts",
            SendToQueue(
                queue=consumer.queue,
                request=Delivery,
                message={"sku": SKU, "receiptId": body("receiptId"), "quantity": body("quantity")},
                attributes={"receiptId": body("receiptId")},
                response={"sku": SKU},
            ),
            auth=OPERATORS,
            name="receiveStock",
        )
        api.route(
            "PUT",
            "/stock/{sku}/threshold",
            UpdateItem(
                table=stock,
                key=KEY,
                request=Threshold,
                values={"sku": SKU},
                add={"onHand": 0, "reserved": 0, "available": 0},
                upsert=True,
                if_match=True,
                response=Stock,
                created_status=200,
            ),
            auth=OPERATORS,
            name="setThreshold",
        )


def _answer(detail_type: str, status: str, data: str) -> DomainEvent:
    return DomainEvent(
        detail_type=detail_type,
        aggregate_id="$new.orderId",
        # Each version with this status answers a request, whose id is the causation.
        when=f"$new.sk = 'RESERVATION' and $new.status = '{status}'",
        data=data,
    )


def _entered(detail_type: str, level: str) -> DomainEvent:
    """The stock is at a level now and was not before; an item that is new was at none."""
    now, before = level.replace("$it", "$new"), level.replace("$it", "$old")
    return DomainEvent(
        detail_type=detail_type,
        aggregate_id="$new.sku",
        when=f"$new.sk = 'STOCK' and {now} and $not($exists($old) and {before})",
        data="{"
        + ", ".join(f"'{each.alias}': $new.{each.alias}" for each in StockLevel.model_fields.values())
        + "}",
    )


EVENTS = (
    _answer(
        "StockReserved.v1",
        "RESERVED",
        "{'orderId': $new.orderId, 'items': [$new.items.{'sku': sku, 'quantity': quantity}]}",
    ),
    _answer(
        "StockRejected.v1",
        "REJECTED",
        "{'orderId': $new.orderId, 'reason': $new.reason, 'shortages':"
        " [$new.shortages.{'sku': sku, 'requested': requested, 'available': available}]}",
    ),
    _entered("StockDepleted.v1", "$it.available = 0"),
    _entered("StockLow.v1", "($it.available > 0 and $it.available <= $it.lowThreshold)"),
    _entered("StockReplenished.v1", "($it.available > 0 and $it.available > $it.lowThreshold)"),
)
