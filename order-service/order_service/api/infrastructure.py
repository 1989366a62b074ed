"""The order API: orders are placed by a workflow and read straight from the table."""

from typing import Any

from constructs import Construct
from shared_constructs import ExpressWorkflow, ServiceTable, SyntheticCheck
from shared_constructs.direct_api import (
    DirectApi,
    GetItem,
    Key,
    Page,
    Problem,
    Query,
    Require,
    Scopes,
    StartWorkflow,
    Succeed,
    UpdateItem,
    body,
    claim,
    correlation_id,
    equals,
    header,
    not_equals,
    path,
    query,
    request_id,
    request_time,
    text,
)

from order_service.api.listing import CURSOR_PATTERN, ListOrders
from order_service.api.models import (
    ORDER_ID_PATTERN,
    STATUS_PATTERN,
    Order,
    OrderRequest,
    OrdersOfStatus,
    PlacedOrder,
)
from order_service.transition import written

CUSTOMERS = Scopes("commerce/shop")
OPERATORS = Scopes("commerce/operate")

ORDER_ID = path("orderId", pattern=ORDER_ID_PATTERN)
KEY: Key = {"pk": text("ORDER#", ORDER_ID), "sk": "ORDER"}
OWN = equals("customerId", claim("sub"))
NO_SUCH_ORDER = Problem(404, "No such order.")
BUSY = Problem(503, "Try again.", retry_after_seconds=1)
PAGE = Page()


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
                failures={"Busy": BUSY},
                output=PlacedOrder,
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
        self.api.route("POST", "/orders/{orderId}/cancellation", _cancel(orders), auth=CUSTOMERS)

    def _operators(self, orders: ServiceTable) -> None:
        self.api.route(
            "GET",
            "/operations/orders",
            StartWorkflow(
                workflow=ListOrders(self, "ListOrders", orders=orders, page=PAGE),
                input={
                    "status": query("status", pattern=STATUS_PATTERN, required=True),
                    "limit": PAGE.limit,
                    "cursor": query(
                        "cursor", pattern=CURSOR_PATTERN, says="be the nextCursor of the page before"
                    ),
                },
                failures={"OrdersBusy": BUSY},
                output=OrdersOfStatus,
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
            _fulfil(orders),
            auth=OPERATORS,
        )
        # No route of it is public.
        SyntheticCheck(self, "Check", api=self.api, path="/orders", expected=401)


def _cancel(orders: ServiceTable) -> UpdateItem:
    """The write is the cancellation: compensation follows from it, and nobody waits for the order any longer."""
    values, entry = _written("CANCELLED")
    return UpdateItem(
        table=orders,
        key=KEY,
        values={**values, "reason": "CUSTOMER_REQUEST"},
        append={"timeline": {**entry, "detail": "CUSTOMER_REQUEST"}},
        remove=("wait",),
        conditions=(
            Require(OWN, otherwise=NO_SUCH_ORDER),
            Require(not_equals("status", "FULFILLED"), otherwise=Problem(409, "The order is fulfilled.")),
            # Cancelling again is the same cancellation.
            Require(not_equals("reason", "CUSTOMER_REQUEST"), otherwise=Succeed(202)),
            Require(not_equals("status", "CANCELLED"), otherwise=Problem(409, "The order is cancelled.")),
        ),
        missing=NO_SUCH_ORDER,
        keep_correlation_id=True,
        status=202,
    )


def _fulfil(orders: ServiceTable) -> UpdateItem:
    values, entry = _written("FULFILLED")
    return UpdateItem(
        table=orders,
        key=KEY,
        # On the item alone: neither the customer nor another service is told which operator it was.
        values={**values, "fulfilledBy": claim("sub")},
        append={"timeline": entry},
        conditions=(
            Require(not_equals("status", "FULFILLED"), otherwise=Succeed(202)),
            Require(
                equals("status", "CONFIRMED"),
                otherwise=Problem(409, "Only a confirmed order can be fulfilled."),
            ),
        ),
        missing=NO_SUCH_ORDER,
        keep_correlation_id=True,
        status=202,
    )


def _written(status: str) -> tuple[dict[str, Any], dict[str, Any]]:
    now = request_time()
    return written(
        status,
        by="order",
        at=now,
        in_shard=lambda prefix: text(prefix, ORDER_ID.beginning(1)),
        sort_key=text(now, "#", ORDER_ID),
    )
