"""The events this service consumes: only the fields it reads."""

from typing import Annotated, Literal

from pydantic import Field
from service_runtime import Money, WireModel


class ProductChanged(WireModel):
    """What a cart needs of ``ProductChanged.v1``: a product's name, price and whether it is still on sale."""

    sku: Annotated[str, Field(min_length=1)]
    name: str
    price: Money
    status: Literal["ACTIVE", "RETIRED"]
    version: Annotated[int, Field(ge=1)]


CONSUMED = {"ProductChanged.v1": ProductChanged}
