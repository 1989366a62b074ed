"""The events this service publishes; their committed JSON Schemas lie beside this file."""

from typing import Annotated, Literal

from pydantic import Field
from service_runtime.envelope import PublishedEvent
from service_runtime.money import Money


class ProductChanged(PublishedEvent, major=1):
    """Data of ``ProductChanged.v1``: the whole product as it is since ``version``.

    A consumer keeps the highest version it has seen of a sku and needs nothing else.
    """

    sku: Annotated[str, Field(min_length=1, max_length=64)]
    name: str
    description: str | None = None
    category: str
    price: Money
    image_url: str | None = None
    status: Literal["ACTIVE", "RETIRED"]
    version: Annotated[int, Field(ge=1)]
    updated_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
