"""What callers get; API Gateway shapes answers by these models."""

from typing import Annotated

from pydantic import Field
from service_runtime.envelope import WireModel
from service_runtime.money import Money


class Payment(WireModel):
    """A payment as operators see it; the single-use token stays inside."""

    order_id: str
    status: str
    cancelled: bool
    amount: Money | None
    expires_at: str | None
    reason: str | None
    intent_id: str | None
    version: Annotated[int, Field(ge=1)]
    updated_at: str
