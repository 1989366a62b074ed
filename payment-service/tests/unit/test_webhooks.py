"""Which webhooks are genuine."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest
from payment_service.payments.runtime import webhooks
from payment_service.payments.runtime.webhooks import TOLERANCE_SECONDS, is_genuine
from service_runtime.consumer import Message
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
    [
        "",
        "t=,v1=",
        "nonsense",
        f"t={int(SENT.timestamp())}",
        signed("whsec_stolen"),
        signed(body=BODY + " "),
        # Stripe's scheme for test mode, which anybody could fall back to.
        signed().replace("v1=", "v0="),
    ],
)
def test_any_other_signature_is_forged(header):
    assert not genuine(header)


@pytest.mark.parametrize("offset", [-1, 1])
def test_a_replayed_webhook_is_forged_measured_by_the_time_of_sending(offset):
    limit = timedelta(seconds=TOLERANCE_SECONDS)
    assert genuine(signed(at=SENT + offset * limit))
    assert not genuine(signed(at=SENT + offset * (limit + timedelta(seconds=1))))


class Kept:
    """Secrets that are at hand."""

    def webhook_secrets(self) -> list[str]:
        return [SECRET, PREVIOUS]


@pytest.mark.parametrize(("received", "is_believed"), [(SENT, True), (SENT + timedelta(hours=1), False)])
def test_the_time_of_sending_is_when_the_gateway_received_it_however_old_it_is_by_now(
    monkeypatch, received, is_believed
):
    advanced = []
    monkeypatch.setattr(webhooks, "credentials", Kept)
    monkeypatch.setattr(webhooks, "settlement", lambda: SimpleNamespace(advance=advanced.append))
    webhooks.look_again(
        Message(
            message_id="m-1",
            body=BODY,
            receive_count=1,
            sent_at=SENT if not is_believed else SENT + timedelta(days=3),
            attributes={"signature": signed(), "receivedAt": received.isoformat()},
        )
    )
    assert advanced == (["order-1"] if is_believed else [])
