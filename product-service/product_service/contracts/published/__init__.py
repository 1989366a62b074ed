"""The events this service publishes; their JSON Schemas lie beside this file."""

from typing import Annotated, Literal

from pydantic import Field
from service_runtime.envelope import PublishedEvent, examples
from service_runtime.money import Money


class ProductChanged(PublishedEvent, major=1):
    """Data of ``ProductChanged.v1``: the whole product as it is since ``version``.

    A consumer keeps the highest version it has seen of a sku and needs nothing else.
    """

    model_config = examples(
        {
            "sku": "CROQUANTS-PROVENCE",
            "name": "Croquants de Provence (200 g)",
            "description": "Almond biscuits, baked twice.",
            "category": "biscuits",
            "price": {"amountMinor": 590, "currency": "EUR"},
            "status": "ACTIVE",
            "version": 3,
            "updatedAt": "2026-11-21T08:00:00Z",
        }
    )

    sku: Annotated[str, Field(min_length=1, max_length=64)]
    name: str
    description: str | None = None
    category: str
    price: Money
    image_url: str | None = None
    status: Literal["ACTIVE", "RETIRED"]
    version: Annotated[int, Field(ge=1)]
    updated_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
