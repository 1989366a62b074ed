"""What the payment service publishes, and when."""

from typing import Final

from shared_constructs import DomainEvent


def _outcome(detail_type: str, status: str, data: str) -> DomainEvent:
    """A payment has come to this status, or somebody has asked anew for one that is there already."""
    new = f"$not($old.status = '{status}') or $not($old.request.requestId = $new.request.requestId)"
    return DomainEvent(
        detail_type=detail_type,
        aggregate_id="$new.orderId",
        when=f"$new.sk = 'PAYMENT' and $exists($new.request) and $new.status = '{status}' and ({new})",
        data=data,
    )


_PAYMENT = "'orderId': $new.orderId, 'amount': $new.amount"
EVENTS: Final = (
    _outcome("PaymentCaptured.v1", "CAPTURED", f"{{{_PAYMENT}}}"),
    _outcome("PaymentDeclined.v1", "DECLINED", f"{{{_PAYMENT}, 'reason': $new.reason}}"),
    _outcome("PaymentRefunded.v1", "REFUNDED", f"{{{_PAYMENT}}}"),
)
