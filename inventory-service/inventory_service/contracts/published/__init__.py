"""The events this service publishes; their JSON Schemas lie beside this file."""

from typing import Annotated, Literal

from pydantic import Field
from service_runtime.envelope import PublishedEvent, WireModel, examples

# Of the examples.
ORDER = "d56f801a3b17dc608d41ac67a81bc526"

Id = Annotated[str, Field(min_length=1, max_length=128)]
"""Of an order: as long as a key may be."""

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


class StockReserved(PublishedEvent, major=1):
    """Data of ``StockReserved.v1``: every line of the order is set aside for it."""

    model_config = examples({"orderId": ORDER, "items": [{"sku": "CROQUANTS-PROVENCE", "quantity": 2}]})

    order_id: Id
    items: list[ReservedLine]


class StockRejected(PublishedEvent, major=1):
    """Data of ``StockRejected.v1``: nothing is set aside.

    ``shortages`` says which lines were short; it is empty when the request had expired.
    """

    model_config = examples(
        {
            "orderId": ORDER,
            "reason": "OUT_OF_STOCK",
            "shortages": [{"sku": "CROQUANTS-PROVENCE", "requested": 2, "available": 1}],
        },
        {"orderId": ORDER, "reason": "EXPIRED", "shortages": []},
    )

    order_id: Id
    reason: Literal["OUT_OF_STOCK", "EXPIRED"]
    shortages: list[ShortLine]


class StockLevel(PublishedEvent):
    """A sku has entered a level."""

    sku: Sku
    available: Annotated[int, Field(ge=0)]
    low_threshold: Annotated[int, Field(ge=0)]
    version: Annotated[int, Field(ge=1)]


class StockDepleted(StockLevel, major=1):
    """Data of ``StockDepleted.v1``: none is available any more."""

    model_config = examples({"sku": "CROQUANTS-PROVENCE", "available": 0, "lowThreshold": 5, "version": 12})


class StockLow(StockLevel, major=1):
    """Data of ``StockLow.v1``: at most ``lowThreshold`` are available."""

    model_config = examples({"sku": "CROQUANTS-PROVENCE", "available": 4, "lowThreshold": 5, "version": 9})


class StockReplenished(StockLevel, major=1):
    """Data of ``StockReplenished.v1``: more than ``lowThreshold`` are available (again)."""

    model_config = examples({"sku": "CROQUANTS-PROVENCE", "available": 40, "lowThreshold": 5, "version": 13})
