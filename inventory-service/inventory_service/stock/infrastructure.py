"""Stock: its API and the consumer that keeps it."""

from aws_cdk import Duration
from constructs import Construct
from shared_constructs import QueueConsumer, ServiceFunction, ServiceTable, Subscription, SyntheticCheck
from shared_constructs.direct_api import (
    PUBLIC,
    DirectApi,
    GetItem,
    Key,
    Scopes,
    SendToQueue,
    UpdateItem,
    body,
    claim,
    path,
    text,
)

from inventory_service.contracts.consumed import CONSUMED
from inventory_service.stock.models import SKU_PATTERN, Delivery, Stock, Threshold

OPERATORS = Scopes("commerce/operate")

SKU = path("sku", pattern=SKU_PATTERN)
KEY: Key = {"pk": text("STOCK#", SKU), "sk": "STOCK"}


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
            # Some 20 ms per message. What meets conflicts is tried again by itself, and what finds no time left too;
            # an order waits for the redelivery of a lost batch, six times as long.
            timeout=Duration.seconds(5),
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
        ).resources.queue


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
                # On the item alone; what it says of its last change else is the consumer's.
                values={"sku": SKU, "thresholdSetBy": claim("sub")},
                add={"onHand": 0, "reserved": 0, "available": 0},
                upsert=True,
                if_match=True,
                response=Stock,
                created_status=200,
            ),
            auth=OPERATORS,
            name="setThreshold",
        )
        SyntheticCheck(self, "Check", api=api, path="/stock/NEVER-SOLD", expected=404)
