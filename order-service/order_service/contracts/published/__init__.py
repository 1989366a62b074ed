"""The events this service publishes; their JSON Schemas lie beside this file."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field
from service_runtime.envelope import PublishedEvent, WireModel, examples
from service_runtime.money import Money

Id = Annotated[str, Field(min_length=1, max_length=128)]
"""Of an order or a customer: as long as a key may be."""

Sku = Annotated[str, Field(min_length=1, max_length=64)]

# Of the examples.
ORDER = "d56f801a3b17dc608d41ac67a81bc526"
CUSTOMER = "7a1f0c52-8c1e-4a55-9a0e-3d7d0a6f2b11"
LINES = [{"sku": "CROQUANTS-PROVENCE", "quantity": 2}]
TOTAL = {"amountMinor": 1180, "currency": "EUR"}


class OrderedLine(WireModel):
    """So many pieces of a sku."""

    sku: Sku
    quantity: Annotated[int, Field(ge=1)]


Lines = Annotated[list[OrderedLine], Field(min_length=1, max_length=50)]


class OrderPlaced(PublishedEvent, major=1):
    """Data of ``OrderPlaced.v1``: the order was accepted; nothing is reserved or paid yet."""

    model_config = examples({"orderId": ORDER, "customerId": CUSTOMER, "items": LINES, "total": TOTAL})

    order_id: Id
    customer_id: Id
    items: Lines
    total: Money


class StockReservationRequested(PublishedEvent, major=1):
    """Data of ``StockReservationRequested.v1``: set all lines aside or none; after ``expiresAt`` nobody waits."""

    model_config = examples({"orderId": ORDER, "items": LINES, "expiresAt": "2026-11-21T08:15:00.000Z"})

    order_id: Id
    items: Lines
    expires_at: AwareDatetime


class PaymentRequested(PublishedEvent, major=1):
    """Data of ``PaymentRequested.v1``: capture the amount; not after ``expiresAt``.

    ``paymentMethod`` is the payment provider's single-use token, worthless to anybody else.
    """

    model_config = examples(
        {
            "orderId": ORDER,
            "amount": TOTAL,
            "paymentMethod": "tok_visa",
            "expiresAt": "2026-11-21T09:00:00.000Z",
        }
    )

    order_id: Id
    amount: Money
    payment_method: Annotated[str, Field(min_length=1, max_length=256)]
    expires_at: AwareDatetime


class OrderConfirmed(PublishedEvent, major=1):
    """Data of ``OrderConfirmed.v1``: stock is reserved and the payment captured, ``total`` of it.

    ``timeToConfirmMs`` is how long that took since the order was placed, in milliseconds.
    """

    model_config = examples(
        {
            "orderId": ORDER,
            "customerId": CUSTOMER,
            "items": LINES,
            "total": TOTAL,
            "timeToConfirmMs": 1850,
        }
    )

    order_id: Id
    customer_id: Id
    items: Lines
    total: Money
    time_to_confirm_ms: int | None = None


class OrderFulfilled(PublishedEvent, major=1):
    """Data of ``OrderFulfilled.v1``: the goods have left the house."""

    model_config = examples({"orderId": ORDER})

    order_id: Id


class OrderCancelled(PublishedEvent, major=1):
    """Data of ``OrderCancelled.v1``: whatever was reserved or paid for the order is undone."""

    model_config = examples({"orderId": ORDER, "reason": "PAYMENT_DECLINED"})

    order_id: Id
    reason: Literal["OUT_OF_STOCK", "PAYMENT_DECLINED", "TIMED_OUT", "CUSTOMER_REQUEST"]
