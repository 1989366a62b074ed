"""What callers send and get; API Gateway validates bodies and shapes answers by these models."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

SKU_PATTERN = r"[A-Z0-9][A-Z0-9-]{0,63}"
MAX_PIECES = 1_000_000


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Delivery(_Model):
    """Body of ``POST /stock/{sku}/receipts``: a delivery, counted once per sku and ``receiptId``."""

    receipt_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    quantity: Annotated[int, Field(ge=1, le=MAX_PIECES)]


class Threshold(_Model):
    """Body of ``PUT /stock/{sku}/threshold``: with that many pieces available or fewer, the stock is low."""

    low_threshold: Annotated[int, Field(ge=0, le=MAX_PIECES)]


class Stock(_Model):
    """A sku's stock as the API shows it: what is in the house, promised to orders, and left to sell."""

    sku: str
    on_hand: int
    reserved: int
    available: int
    low_threshold: int
    version: int
