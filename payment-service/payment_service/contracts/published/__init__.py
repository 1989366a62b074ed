"""The events this service publishes; their JSON Schemas lie beside this file."""

from typing import Annotated

from pydantic import Field
from service_runtime.envelope import PublishedEvent, examples
from service_runtime.money import Money

Id = Annotated[str, Field(min_length=1, max_length=128)]
"""Of an order: as long as a key may be."""

# Of the examples.
ORDER = "d56f801a3b17dc608d41ac67a81bc526"


class PaymentCaptured(PublishedEvent, major=1):
    """Data of ``PaymentCaptured.v1``: the amount was taken."""

    model_config = examples({"orderId": ORDER, "amount": {"amountMinor": 1180, "currency": "EUR"}})

    order_id: Id
    amount: Money


class PaymentDeclined(PublishedEvent, major=1):
    """Data of ``PaymentDeclined.v1``: nothing was taken and nothing will be.

    ``reason`` is the provider's (``CARD_DECLINED``, ``INSUFFICIENT_FUNDS``, …), ``EXPIRED`` when the time limit had
    passed, ``CANCELLED`` when the order was cancelled first.
    """

    model_config = examples(
        {
            "orderId": ORDER,
            "amount": {"amountMinor": 1180, "currency": "EUR"},
            "reason": "CARD_DECLINED",
        }
    )

    order_id: Id
    amount: Money
    reason: str


class PaymentRefunded(PublishedEvent, major=1):
    """Data of ``PaymentRefunded.v1``: what was taken was given back in full."""

    model_config = examples({"orderId": ORDER, "amount": {"amountMinor": 1180, "currency": "EUR"}})

    order_id: Id
    amount: Money
