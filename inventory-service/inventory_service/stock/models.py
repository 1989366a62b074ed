"""What callers send and get; API Gateway validates bodies and shapes answers by these models."""

from typing import Annotated

from pydantic import Field
from service_runtime.envelope import WireModel

SKU_PATTERN = r"[A-Z0-9][A-Z0-9-]{0,63}"
MAX_PIECES = 1_000_000


class Delivery(WireModel, extra="forbid"):
    """Body of ``POST /stock/{sku}/receipts``: a delivery, counted once per sku and ``receiptId``."""

    receipt_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    quantity: Annotated[int, Field(ge=1, le=MAX_PIECES)]


class Threshold(WireModel, extra="forbid"):
    """Body of ``PUT /stock/{sku}/threshold``: with that many pieces available or fewer, the stock is low."""

    low_threshold: Annotated[int, Field(ge=0, le=MAX_PIECES)]


class Stock(WireModel):
    """A sku's stock as the API shows it: what is in the house, promised to orders, and left to sell."""

    sku: str
    on_hand: int
    reserved: int
    available: int
    low_threshold: int
    version: int
