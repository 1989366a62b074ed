"""The events this service publishes; their committed JSON Schemas lie beside this file."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field
from service_runtime.envelope import PublishedEvent, WireModel
from service_runtime.money import Money


class OrderedLine(WireModel):
    """So many pieces of a sku."""

    sku: str
    quantity: Annotated[int, Field(ge=1)]


class OrderPlaced(PublishedEvent, major=1):
    """Data of ``OrderPlaced.v1``: the order was accepted; nothing is reserved or paid yet."""

    order_id: str
    customer_id: str
    items: list[OrderedLine]
    total: Money


class StockReservationRequested(PublishedEvent, major=1):
    """Data of ``StockReservationRequested.v1``: set all lines aside or none; after ``expiresAt`` nobody waits."""

    order_id: str
    items: list[OrderedLine]
    expires_at: AwareDatetime


class PaymentRequested(PublishedEvent, major=1):
    """Data of ``PaymentRequested.v1``: capture the amount; not after ``expiresAt``.

    ``paymentMethod`` is the payment provider's single-use token, worthless to anybody else.
    """

    order_id: str
    amount: Money
    payment_method: str
    expires_at: AwareDatetime


class OrderConfirmed(PublishedEvent, major=1):
    """Data of ``OrderConfirmed.v1``: stock is reserved and the payment captured."""

    order_id: str
    customer_id: str
    items: list[OrderedLine]


class OrderFulfilled(PublishedEvent, major=1):
    """Data of ``OrderFulfilled.v1``: the goods have left the house."""

    order_id: str


class OrderCancelled(PublishedEvent, major=1):
    """Data of ``OrderCancelled.v1``: whatever was reserved or paid for the order is undone."""

    order_id: str
    reason: Literal["OUT_OF_STOCK", "PAYMENT_DECLINED", "TIMED_OUT", "CUSTOMER_REQUEST"]
