"""What this service reads of other services' events: only these fields, everything else may change."""

from typing import Annotated, Self

from pydantic import AwareDatetime, Field, model_validator
from service_runtime.envelope import WireModel


class RequestedLine(WireModel):
    """So many pieces of a sku."""

    sku: Annotated[str, Field(min_length=1, max_length=64)]
    quantity: Annotated[int, Field(ge=1)]


class StockReservationRequested(WireModel):
    """Data of the order service's ``StockReservationRequested.v1``."""

    order_id: Annotated[str, Field(min_length=1)]
    items: Annotated[tuple[RequestedLine, ...], Field(min_length=1, max_length=50)]
    expires_at: AwareDatetime

    @model_validator(mode="after")
    def _skus_are_distinct(self) -> Self:
        # A DynamoDB transaction refuses two writes to one item.
        skus = [line.sku for line in self.items]
        repeated = sorted({sku for sku in skus if skus.count(sku) > 1})
        if repeated:
            raise ValueError(f"each sku may be on one line only, got several of {', '.join(repeated)}")
        return self


class OrderProgressed(WireModel):
    """Data of ``OrderConfirmed.v1``, ``OrderFulfilled.v1`` and ``OrderCancelled.v1``."""

    order_id: Annotated[str, Field(min_length=1)]


CONSUMED = {
    "StockReservationRequested.v1": StockReservationRequested,
    "OrderConfirmed.v1": OrderProgressed,
    "OrderFulfilled.v1": OrderProgressed,
    "OrderCancelled.v1": OrderProgressed,
}
