"""What callers send and get; API Gateway validates bodies and shapes answers by these models."""

from typing import Annotated, Literal

from pydantic import Field
from service_runtime.envelope import WireModel

SKU_PATTERN = r"[A-Z0-9][A-Z0-9-]{0,63}"
CATEGORY_PATTERN = r"[a-z0-9][a-z0-9-]{0,39}"


class Price(WireModel, extra="forbid"):
    """What one piece costs, in minor units of the one currency: payment providers refuse 0; at most a million major units."""

    amount_minor: Annotated[int, Field(ge=1, le=100_000_000)]
    currency: Literal["EUR"]


class ProductDetails(WireModel, extra="forbid"):
    """Body of ``PUT /products/{sku}``: the whole product as operators describe it."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(min_length=1, max_length=4000)] | None = None
    category: Annotated[str, Field(pattern=f"^{CATEGORY_PATTERN}$")]
    price: Price
    image_url: Annotated[str, Field(pattern=r"^https://[^\s]+$", max_length=2048)] | None = None


class _Identified(WireModel):
    sku: str


class Product(ProductDetails, _Identified):
    """A product as the API shows it, its sku first."""

    status: Literal["ACTIVE", "RETIRED"]
    version: int
    updated_at: str
