"""The saga of an order: its workflow, the two questions it asks other services, and what begins it."""

from functools import partial
from pathlib import Path

from aws_cdk import Duration
from constructs import Construct
from shared_constructs import (
    Aggregate,
    EventRequest,
    ExpressWorkflow,
    QueueConsumer,
    ServiceTable,
    StandardWorkflow,
    Subscription,
)
from shared_constructs.change_feed import Stored
from states_language.item_update import ItemUpdate

from order_service.contracts.published import PaymentRequested, StockReservationRequested
from order_service.settings import OrderSettings
from order_service.transition import transition, write

HERE = Path(__file__).parent


class Lifecycle(Construct):
    """From `OrderPlaced` to CONFIRMED or CANCELLED.

    Attributes:
        workflow: One execution per order, named by its id.
        requests: The events that ask other services, for the change feed.
    """

    def __init__(self, scope: Construct, construct_id: str, *, orders: ServiceTable) -> None:
        super().__init__(scope, construct_id)
        settings = OrderSettings.of(self)
        order = Aggregate(
            table=orders,
            aggregate_id="orderId",
            key={"pk": "'ORDER#' & $orderId", "sk": "'ORDER'"},
            open_when="$item.status.S in ['PLACED', 'STOCK_RESERVED', 'PAID']",
        )
        stock = EventRequest(
            self,
            "Stock",
            aggregate=order,
            request=StockReservationRequested,
            data={"items": Stored("lines")},
            accepted=Subscription(source="commerce.inventory", detail_type="StockReserved.v1"),
            rejected=Subscription(source="commerce.inventory", detail_type="StockRejected.v1"),
            rejection=(
                "$data.reason = 'EXPIRED' ? 'EXPIRED'"
                " : $join([$data.shortages.(sku & ' (' & $string(available) & ' left)')], ', ')"
            ),
            time_limit=Duration.seconds(settings.stock_wait_seconds),
            longest_redelivery=Duration.seconds(settings.stock_redelivery_seconds),
        )
        payment = EventRequest(
            self,
            "Payment",
            aggregate=order,
            request=PaymentRequested,
            data={"amount": Stored("total")},
            accepted=Subscription(source="commerce.payment", detail_type="PaymentCaptured.v1"),
            rejected=Subscription(source="commerce.payment", detail_type="PaymentDeclined.v1"),
            rejection="$data.reason",
            time_limit=Duration.seconds(settings.payment_wait_seconds),
            longest_redelivery=Duration.seconds(settings.payment_redelivery_seconds),
        )
        self.workflow = self._workflow(orders, stock, payment)
        stock.listen(self.workflow)
        payment.listen(self.workflow)
        self._start()
        self.requests = [stock.event, payment.event]

    def _workflow(self, orders: ServiceTable, stock: EventRequest, payment: EventRequest) -> StandardWorkflow:
        settings = OrderSettings.of(self)
        caused = ItemUpdate(values={"causationId": {"S": "{% $cause %}"}})
        reserved = transition("STOCK_RESERVED", by="inventory", cause="$cause")
        confirmed = transition("CONFIRMED", by="order", cause="$cause", by_way_of=[("PAID", "payment")])
        cancelled = transition(
            "CANCELLED",
            by="order",
            cause="$cause",
            reason="$cancelReason",
            detail="$cancelReason & ($cancelDetail = null ? '' : ': ' & $cancelDetail)",
        )
        ask = partial(
            EventRequest.state,
            reply="cause",
            changed="ReadOrder",
            unanswered={"Next": "ReadOrder", "Assign": {"cancelReason": "TIMED_OUT"}},
            table="OrdersTable",
        )
        detail = f"{EventRequest.refusal}.detail"
        out_of_stock = {
            "cancelReason": f"{{% {detail} = 'EXPIRED' ? 'TIMED_OUT' : 'OUT_OF_STOCK' %}}",
            "cancelDetail": f"{{% {detail} %}}",
        }
        declined = {"cancelReason": "PAYMENT_DECLINED", "cancelDetail": f"{{% {detail} %}}"}
        ask_for_payment = partial(
            ask, payment, then="Confirm", refused={"Next": "Cancel", "Assign": declined}
        )
        return StandardWorkflow(
            self,
            "Workflow",
            definition=HERE / "lifecycle.asl.yaml",
            substitutions={
                "OrdersTable": orders,
                "ReserveStock": ask(
                    stock,
                    then="RequestPayment",
                    refused={"Next": "Cancel", "Assign": out_of_stock},
                    change=caused,
                ),
                "RequestPayment": ask_for_payment(change=reserved),
                "RequestPaymentAgain": ask_for_payment(),
                "ConfirmedOrder": write(confirmed),
                "CancelledOrder": write(cancelled),
            },
            # However long the waits are set, their retries and the writes in between have an hour beyond them.
            timeout=Duration.seconds(settings.stock_wait_seconds + settings.payment_wait_seconds + 3600),
        )

    def _start(self) -> None:
        start = ExpressWorkflow(
            self,
            "Start",
            definition=HERE / "start.asl.yaml",
            substitutions={
                "Lifecycle": self.workflow,
                "BeginWithinSeconds": OrderSettings.of(self).begin_within_seconds,
            },
            per_record=True,
        )
        QueueConsumer(
            self,
            "Placed",
            target=start,
            subscriptions=[Subscription(source="commerce.order", detail_type="OrderPlaced.v1")],
        )
