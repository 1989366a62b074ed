"""The events this service publishes; their committed JSON Schemas lie beside this file."""

from service_runtime.envelope import PublishedEvent
from service_runtime.money import Money


class PaymentCaptured(PublishedEvent, major=1):
    """Data of ``PaymentCaptured.v1``: the amount was taken."""

    order_id: str
    amount: Money


class PaymentDeclined(PublishedEvent, major=1):
    """Data of ``PaymentDeclined.v1``: nothing was taken and nothing will be.

    ``reason`` is the provider's (``CARD_DECLINED``, ``INSUFFICIENT_FUNDS``, …), ``EXPIRED`` when the time limit had
    passed, ``CANCELLED`` when the order was cancelled first.
    """

    order_id: str
    amount: Money
    reason: str


class PaymentRefunded(PublishedEvent, major=1):
    """Data of ``PaymentRefunded.v1``: what was taken was given back in full."""

    order_id: str
    amount: Money
