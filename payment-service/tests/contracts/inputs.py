"""What the payments hear of orders; their callers only look."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st
from payment_service.payments.runtime.sandbox import DECLINES
from service_testing.contracts import Heard


def in_an_hour():
    """Nobody waits for an answer any longer than that."""
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


asked = {
    "paymentMethod": st.sampled_from(["tok_visa", *DECLINES]),
    "expiresAt": st.builds(in_an_hour),
}

HEARD = (
    Heard(event="PaymentRequested.v1", data=asked),
    Heard(event="OrderCancelled.v1", after="PaymentCaptured.v1"),
)
