"""The events this service publishes; their committed JSON Schemas lie beside this file."""

from typing import Annotated, Literal

from pydantic import Field
from service_runtime.envelope import WireModel

Sku = Annotated[str, Field(min_length=1, max_length=64)]


class ReservedLine(WireModel):
    """So many pieces of a sku, set aside."""

    sku: Sku
    quantity: Annotated[int, Field(ge=1)]


class ShortLine(WireModel):
    """A line that could not be reserved, and how many pieces were left."""

    sku: Sku
    requested: Annotated[int, Field(ge=1)]
    available: Annotated[int, Field(ge=0)]


class StockReserved(WireModel):
    """Data of ``StockReserved.v1``: every line of the order is set aside for it."""

    order_id: str
    items: list[ReservedLine]


class StockRejected(WireModel):
    """Data of ``StockRejected.v1``: nothing is set aside.

    ``shortages`` says which lines were short; it is empty when the request had expired.
    """

    order_id: str
    reason: Literal["OUT_OF_STOCK", "EXPIRED"]
    shortages: list[ShortLine]


class StockLevel(WireModel):
    """Data of ``StockLow.v1``, ``StockDepleted.v1`` and ``StockReplenished.v1``: a sku has entered that level.

    Depleted: none available. Low: at most ``lowThreshold``. Replenished: more than that.
    """

    sku: Sku
    available: Annotated[int, Field(ge=0)]
    low_threshold: Annotated[int, Field(ge=0)]
    version: Annotated[int, Field(ge=1)]


PUBLISHED = {
    "StockReserved.v1": StockReserved,
    "StockRejected.v1": StockRejected,
    "StockLow.v1": StockLevel,
    "StockDepleted.v1": StockLevel,
    "StockReplenished.v1": StockLevel,
}
