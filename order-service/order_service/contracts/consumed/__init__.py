"""What this service reads of other services' events: only these fields, everything else may change."""

from typing import Annotated, Literal

from pydantic import Field
from service_runtime.envelope import WireModel
from service_runtime.money import Money


class ProductChanged(WireModel):
    """Data of the product service's ``ProductChanged.v1``."""

    sku: str
    name: str
    price: Money
    status: Literal["ACTIVE", "RETIRED"]
    version: int


class StockLevel(WireModel):
    """Data of the inventory service's ``StockLow.v1``, ``StockDepleted.v1`` and ``StockReplenished.v1``."""

    sku: str
    available: Annotated[int, Field(ge=0)]
    version: int


class StockReserved(WireModel):
    """Data of ``StockReserved.v1``."""

    order_id: str


class Shortage(WireModel):
    """A line that could not be reserved."""

    sku: str
    available: Annotated[int, Field(ge=0)]


class StockRejected(WireModel):
    """Data of ``StockRejected.v1``; an expired request names no shortages."""

    order_id: str
    reason: Literal["OUT_OF_STOCK", "EXPIRED"]
    shortages: list[Shortage]


class PaymentCaptured(WireModel):
    """Data of the payment service's ``PaymentCaptured.v1``."""

    order_id: str


class PaymentDeclined(WireModel):
    """Data of the payment service's ``PaymentDeclined.v1``."""

    order_id: str
    reason: str


CONSUMED = {
    "ProductChanged.v1": ProductChanged,
    "StockLow.v1": StockLevel,
    "StockDepleted.v1": StockLevel,
    "StockReplenished.v1": StockLevel,
    "StockReserved.v1": StockReserved,
    "StockRejected.v1": StockRejected,
    "PaymentCaptured.v1": PaymentCaptured,
    "PaymentDeclined.v1": PaymentDeclined,
}
