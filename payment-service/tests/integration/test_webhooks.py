"""Webhooks: stored first, believed only when genuine, and then only a reason to look."""

import json
import time

import pytest
from service_testing import aws
from stripe import WebhookSignature

from .conftest import OPERATOR, metrics, requested

BODY = json.dumps(
    {"type": "payment_intent.succeeded", "data": {"object": {"metadata": {"orderId": "order-1"}}}}
)


@pytest.fixture
def secret(service) -> str:
    secret_id = service.resource("Provider", "AWS::SecretsManager::Secret").ref
    client = aws.client("secretsmanager")
    return json.loads(client.get_secret_value(SecretId=secret_id)["SecretString"])["webhookSecret"]


def send(service, signature: str, body: str = BODY):
    return service.request("POST", "/payments/webhooks", body=body, headers={"Stripe-Signature": signature})


def signed(secret: str, *, age_seconds: int = 0, body: str = BODY) -> str:
    return WebhookSignature.generate_signature_header(body, secret, timestamp=int(time.time()) - age_seconds)


def status(service) -> str:
    return service.request("GET", "/payments/order-1", claims=OPERATOR).json()["status"]


@pytest.fixture
def unanswered(service):
    """A payment whose provider has failed to answer twice, and would now."""
    service.feed("Consumers/Orders", [requested("tok_flaky")], receives=2)
    assert status(service) == "CAPTURING"


@pytest.mark.usefixtures("unanswered")
def test_a_genuine_webhook_makes_the_service_look_at_the_payment(service, secret):
    assert send(service, signed(secret)).status == 202
    outcome = service.feed("Consumers/Webhooks", [])
    assert (len(outcome.handled), outcome.dead_letters) == (1, [])
    assert status(service) == "CAPTURED"


def test_a_webhook_without_a_signature_is_refused_and_costs_nothing(service):
    response = service.request("POST", "/payments/webhooks", body=BODY)
    assert (response.status, response.json()["title"]) == (400, "Bad Request")
    assert service.feed("Consumers/Webhooks", []).handled == []


@pytest.mark.usefixtures("unanswered")
@pytest.mark.parametrize("forgery", ["other secret", "too old", "none"])
def test_a_forged_webhook_is_dropped_and_counted(service, secret, forgery, capsys):
    header = {"other secret": signed("whsec"), "too old": signed(secret, age_seconds=301), "none": "t=1"}
    assert send(service, header[forgery]).status == 202
    outcome = service.feed("Consumers/Webhooks", [])
    assert (outcome.dead_letters, outcome.pending) == ([], [])
    assert status(service) == "CAPTURING"
    assert "WebhooksForged" in metrics(capsys)


@pytest.mark.parametrize("body", ["id=evt_1&type=charge.refunded", "{"])
def test_a_genuine_webhook_that_is_no_json_goes_to_the_dlq_with_the_reason(service, secret, body):
    send(service, signed(secret, body=body), body)
    outcome = service.feed("Consumers/Webhooks", [])
    (letter,) = outcome.dead_letters
    assert "not JSON" in letter.reason
    assert outcome.pending == []


def test_a_webhook_about_something_else_is_dropped(service, secret, capsys):
    body = '{"data": {"object": {"id": "cus_1"}}}'
    send(service, signed(secret, body=body), body)
    assert service.feed("Consumers/Webhooks", []).dead_letters == []
    assert "WebhooksOfOthers" in metrics(capsys)
