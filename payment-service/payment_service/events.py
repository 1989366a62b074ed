"""What the payment service publishes, and when."""

from typing import Final

from shared_constructs.change_feed import Condition, DomainEvent, changed, equals, exists, was

from payment_service.contracts.published import PaymentCaptured, PaymentDeclined, PaymentRefunded


def _settled(status: str) -> Condition:
    """A payment has come to this status, or somebody has asked anew for one that is there already."""
    return (
        equals("sk", "PAYMENT")
        & exists("request")
        & equals("status", status)
        & (~was("status", status) | changed("request.requestId"))
    )


EVENTS: Final = (
    DomainEvent(PaymentCaptured, aggregate_id="orderId", when=_settled("CAPTURED")),
    DomainEvent(PaymentDeclined, aggregate_id="orderId", when=_settled("DECLINED")),
    DomainEvent(PaymentRefunded, aggregate_id="orderId", when=_settled("REFUNDED")),
)
