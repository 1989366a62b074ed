"""The order API: orders are placed by a workflow and read straight from the table."""

from collections.abc import Mapping

from constructs import Construct
from shared_constructs import ExpressWorkflow, ServiceTable
from shared_constructs.direct_api import (
    DirectApi,
    GetItem,
    Problem,
    Query,
    Require,
    Scopes,
    StartWorkflow,
    Succeed,
    UpdateItem,
    Value,
    body,
    claim,
    correlation_id,
    equals,
    header,
    not_equals,
    not_exists,
    path,
    query,
    request_id,
    request_time,
    text,
)

from order_service.api.models import ORDER_ID_PATTERN, STATUS_PATTERN, Order, OrderRequest
from order_service.transition import written

CUSTOMERS = Scopes("commerce/shop")
OPERATORS = Scopes("commerce/operate")

ORDER_ID = path("orderId", pattern=ORDER_ID_PATTERN)
KEY: Mapping[str, Value] = {"pk": text("ORDER#", ORDER_ID), "sk": "ORDER"}
OWN = equals("customerId", claim("sub"))
NO_SUCH_ORDER = Problem(404, "No such order.")


class OrderApi(Construct):
    """What customers and operators do with orders."""

    def __init__(
        self, scope: Construct, construct_id: str, *, orders: ServiceTable, place_order: ExpressWorkflow
    ) -> None:
        super().__init__(scope, construct_id)
        self.api = DirectApi(self, "Api", description="Orders: place, follow, cancel and fulfil")
        self._customers(orders, place_order)
        self._operators(orders)

    def _customers(self, orders: ServiceTable, place_order: ExpressWorkflow) -> None:
        self.api.route(
            "POST",
            "/orders",
            StartWorkflow(
                workflow=place_order,
                request=OrderRequest,
                input={
                    "customerId": claim("sub"),
                    "idempotencyKey": header("Idempotency-Key", pattern="[!-~]{1,128}", required=True),
                    "correlationId": correlation_id(),
                    "requestId": request_id(),
                    "body": body(),
                },
                rejections={
                    "UnknownCaller": Problem(400, "The caller is unknown."),
                    "CatalogueBusy": Problem(503, "Try again.", retry_after_seconds=1),
                },
                status=202,
            ),
            auth=CUSTOMERS,
        )
        self.api.route(
            "GET",
            "/orders",
            Query(
                table=orders,
                index="gsi1",
                partition=text("CUST#", claim("sub")),
                newest_first=True,
                response=Order,
            ),
            auth=CUSTOMERS,
        )
        self.api.route(
            "GET",
            "/orders/{orderId}",
            GetItem(table=orders, key=KEY, where=OWN, response=Order, missing=NO_SUCH_ORDER),
            auth=CUSTOMERS,
        )
        self.api.route(
            "POST",
            "/orders/{orderId}/cancellation",
            UpdateItem(
                table=orders,
                key=KEY,
                values={"cancelRequested": request_time()},
                conditions=(
                    Require(OWN, otherwise=NO_SUCH_ORDER),
                    Require(
                        not_equals("status", "FULFILLED"), otherwise=Problem(409, "The order is fulfilled.")
                    ),
                    Require(
                        not_equals("status", "CANCELLED"), otherwise=Problem(409, "The order is cancelled.")
                    ),
                    Require(not_exists("cancelRequested"), otherwise=Succeed(202)),
                ),
                missing=NO_SUCH_ORDER,
                status=202,
            ),
            auth=CUSTOMERS,
        )

    def _operators(self, orders: ServiceTable) -> None:
        now = request_time()
        status, entry = written("FULFILLED", by="order", at=now, sort_key=text(now, "#", ORDER_ID))
        self.api.route(
            "GET",
            "/operations/orders",
            Query(
                table=orders,
                index="gsi2",
                partition=text("STATUS#", query("status", pattern=STATUS_PATTERN, required=True)),
                newest_first=True,
                response=Order,
            ),
            auth=OPERATORS,
        )
        self.api.route(
            "GET",
            "/operations/orders/{orderId}",
            GetItem(table=orders, key=KEY, response=Order, missing=NO_SUCH_ORDER),
            auth=OPERATORS,
        )
        self.api.route(
            "POST",
            "/operations/orders/{orderId}/fulfilment",
            UpdateItem(
                table=orders,
                key=KEY,
                values=status,
                append={"timeline": entry},
                conditions=(
                    Require(not_equals("status", "FULFILLED"), otherwise=Succeed(202)),
                    Require(
                        equals("status", "CONFIRMED"),
                        otherwise=Problem(409, "Only a confirmed order can be fulfilled."),
                    ),
                    Require(
                        not_exists("cancelRequested"),
                        otherwise=Problem(409, "The customer has cancelled the order."),
                    ),
                ),
                missing=NO_SUCH_ORDER,
                status=202,
            ),
            auth=OPERATORS,
        )
