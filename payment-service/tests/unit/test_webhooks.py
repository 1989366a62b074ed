"""Which webhooks are genuine."""

from datetime import UTC, datetime, timedelta

import pytest
from payment_service.payments.runtime.webhooks import TOLERANCE_SECONDS, is_genuine
from stripe import WebhookSignature

SENT = datetime(2026, 11, 21, 8, tzinfo=UTC)
BODY = '{"data": {"object": {"metadata": {"orderId": "order-1"}}}}'
SECRET, PREVIOUS = "whsec_current", "whsec_previous"


def signed(secret: str = SECRET, *, at: datetime = SENT, body: str = BODY) -> str:
    return WebhookSignature.generate_signature_header(body, secret, timestamp=int(at.timestamp()))


def genuine(header: str, body: str = BODY) -> bool:
    return is_genuine(body, header, [SECRET, PREVIOUS], sent_at=SENT)


def test_a_webhook_signed_with_the_current_or_the_previous_secret_is_genuine():
    assert genuine(signed())
    assert genuine(signed(PREVIOUS))


@pytest.mark.parametrize(
    "header",
    ["", "t=,v1=", "nonsense", f"t={int(SENT.timestamp())}", signed("whsec_stolen"), signed(body=BODY + " ")],
)
def test_any_other_signature_is_forged(header):
    assert not genuine(header)


@pytest.mark.parametrize("offset", [-1, 1])
def test_a_replayed_webhook_is_forged_measured_by_the_time_of_sending(offset):
    limit = timedelta(seconds=TOLERANCE_SECONDS)
    assert genuine(signed(at=SENT + offset * limit))
    assert not genuine(signed(at=SENT + offset * (limit + timedelta(seconds=1))))
