"""The events this service consumes: only the fields it reads."""

from typing import Annotated

from pydantic import AwareDatetime, Field
from service_runtime.envelope import WireModel
from service_runtime.money import Money


class PaymentRequested(WireModel):
    """Data of the order service's ``PaymentRequested.v1``: capture the amount, not after ``expiresAt``."""

    order_id: Annotated[str, Field(min_length=1, max_length=128)]
    amount: Money
    payment_method: Annotated[str, Field(min_length=1, max_length=256)]
    expires_at: AwareDatetime


class OrderCancelled(WireModel):
    """Data of the order service's ``OrderCancelled.v1``: void or refund, whatever has happened."""

    order_id: Annotated[str, Field(min_length=1, max_length=128)]


CONSUMED = {"PaymentRequested.v1": PaymentRequested, "OrderCancelled.v1": OrderCancelled}
