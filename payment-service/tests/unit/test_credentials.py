"""A rotated secret is seen without a deployment: by its age, or at once when it was refused."""

import json
from types import SimpleNamespace

import pytest
from payment_service.payments.runtime import credentials
from payment_service.payments.runtime.credentials import MAX_AGE_SECONDS, Credentials


class Secrets:
    """Secrets Manager with one secret, which rotates each time that it is asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def get_secret_value(self, SecretId: str) -> dict[str, str]:  # noqa: N803 - boto3's name
        assert SecretId == "provider"
        self.asked += 1
        previous = {"previousWebhookSecret": f"whsec_{self.asked - 1}"} if self.asked > 1 else {}
        secret = {"apiKey": f"sk_{self.asked}", "webhookSecret": f"whsec_{self.asked}", **previous}
        return {"SecretString": json.dumps(secret)}


@pytest.fixture
def clock(monkeypatch):
    """Seconds, as they pass."""
    now = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(credentials.time, "monotonic", lambda: now.seconds)
    return now


def test_a_rotated_key_is_seen_once_the_known_one_is_old_and_not_before(clock):
    known = Credentials("provider", client=Secrets())
    assert (known.api_key(), known.api_key()) == ("sk_1", "sk_1")
    clock.seconds += MAX_AGE_SECONDS - 1
    assert known.api_key() == "sk_1"
    clock.seconds += 1
    assert (known.api_key(), known.api_key()) == ("sk_2", "sk_2")


@pytest.mark.usefixtures("clock")
def test_a_key_that_was_refused_is_asked_for_at_once():
    known = Credentials("provider", client=Secrets())
    assert (known.api_key(), known.api_key(fresh=True), known.api_key()) == ("sk_1", "sk_2", "sk_2")


def test_while_a_webhook_secret_rotates_the_previous_one_counts_too(clock):
    known = Credentials("provider", client=Secrets())
    assert known.webhook_secrets() == ["whsec_1"]
    clock.seconds += MAX_AGE_SECONDS
    assert known.webhook_secrets() == ["whsec_2", "whsec_1"]
