"""The events this service consumes: only the fields it reads."""

from typing import Annotated, Literal

from pydantic import Field
from service_runtime.envelope import WireModel
from service_runtime.money import Money


class ProductChanged(WireModel):
    """What a cart needs of ``ProductChanged.v1``: a product's name, price and whether it is still on sale."""

    sku: Annotated[str, Field(min_length=1)]
    name: str
    price: Money
    status: Literal["ACTIVE", "RETIRED"]
    version: Annotated[int, Field(ge=1)]


class BoughtLine(WireModel):
    """So many pieces of a product."""

    sku: Annotated[str, Field(min_length=1)]
    quantity: Annotated[int, Field(ge=1)]


class OrderConfirmed(WireModel):
    """What a cart needs of ``OrderConfirmed.v1``: who has bought what."""

    order_id: Annotated[str, Field(min_length=1, max_length=128)]
    customer_id: Annotated[str, Field(min_length=1, max_length=128)]
    items: tuple[BoughtLine, ...]


CONSUMED = {"ProductChanged.v1": ProductChanged, "OrderConfirmed.v1": OrderConfirmed}
