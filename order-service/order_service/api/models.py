"""What callers send and get; API Gateway validates bodies and shapes answers by these models."""

from typing import Annotated, Literal

from pydantic import Field
from service_runtime.envelope import WireModel
from shared_constructs.direct_api import Stored

Status = Literal["PLACED", "STOCK_RESERVED", "PAID", "CONFIRMED", "FULFILLED", "CANCELLED"]
STATUS_PATTERN = "PLACED|STOCK_RESERVED|PAID|CONFIRMED|FULFILLED|CANCELLED"
ORDER_ID_PATTERN = "[0-9a-f]{32}"
MAX_LINES = 50
"""One order changes at most 50 stock items in one DynamoDB transaction (whose limit is 100 actions)."""


class Amount(WireModel, extra="forbid"):
    """Money: integer minor units of one currency."""

    amount_minor: Annotated[int, Field(ge=0, le=1_000_000_000)]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]


class RequestedLine(WireModel, extra="forbid"):
    """So many pieces of a sku."""

    sku: Annotated[str, Field(pattern="^[A-Z0-9][A-Z0-9-]{0,63}$")]
    quantity: Annotated[int, Field(ge=1, le=99)]


class OrderRequest(WireModel, extra="forbid"):
    """Body of ``POST /orders``."""

    items: Annotated[list[RequestedLine], Field(min_length=1, max_length=MAX_LINES)]
    payment_method: Annotated[str, Field(pattern="^tok_[A-Za-z0-9_]{1,128}$")]
    expected_total: Amount | None = None


class Line(WireModel):
    """A line as it was priced when the order was placed."""

    sku: str
    name: str
    quantity: int
    unit_price: Amount
    line_total: Amount


class TimelineEntry(WireModel):
    """What happened to the order, and which service did it."""

    at: str
    status: Status
    service: str
    detail: str | None = None


class Order(WireModel):
    """An order as its customer and the operators see it."""

    order_id: str
    status: Status
    reason: Literal["OUT_OF_STOCK", "PAYMENT_DECLINED", "TIMED_OUT", "CUSTOMER_REQUEST"] | None = None
    items: Annotated[list[Line], Stored("lines")]
    total: Amount
    timeline: list[TimelineEntry]
    created_at: str
    updated_at: str
    version: int


class PlacedOrder(WireModel):
    """Body of the answer to ``POST /orders``: what was accepted, as it was priced."""

    order_id: str
    status: Literal["PLACED"]
    total: Amount
    items: list[Line]


class OrdersOfStatus(WireModel):
    """Body of the answer to ``GET /operations/orders``: a page of orders, the newest first; it may be short."""

    items: list[Order]
    next_cursor: str | None = None
