"""Payments in DynamoDB, and the provider's credentials in Secrets Manager."""

import json
import time
from datetime import timedelta

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError
from moto import mock_aws
from payment_service.payments.runtime import domain
from payment_service.payments.runtime.credentials import MAX_AGE_SECONDS, Credentials
from payment_service.payments.runtime.sandbox import Account, SandboxProvider
from payment_service.payments.runtime.settle import Settlement, StaleError
from payment_service.payments.runtime.store import PaymentStore, SandboxLedger
from service_runtime.envelope import rfc3339, utc_now
from service_runtime.money import Money
from service_testing import aws

NOW = utc_now().replace(microsecond=0)
REQUEST = domain.Request(
    request_id="request-1",
    correlation_id="conversation-1",
    order_id="order-1",
    amount=Money(amount_minor=1299, currency="EUR"),
    payment_method="tok_visa",
    expires_at=NOW,
)


@pytest.fixture(autouse=True)
def _aws(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        yield


@pytest.fixture
def dynamodb():
    client = boto3.client("dynamodb")
    aws.create_table("payments")
    return client


@pytest.fixture
def store(dynamodb) -> PaymentStore:
    return PaymentStore(table_name="payments", client=dynamodb)


def test_a_payment_is_read_as_it_was_written(store):
    payment = domain.request(None, REQUEST)
    assert store.read("order-1") is None
    store.write(payment)
    assert store.read("order-1") == payment


def test_of_two_writers_of_one_version_the_second_is_refused(store):
    payment = domain.request(None, REQUEST)
    capturing = domain.capturing(payment, "intent-1")
    stopped = domain.cancel(payment, order_id="order-1", cancellation_id="c", correlation_id="c")
    for first, second in ((payment, payment), (capturing, stopped)):
        store.write(first)
        with pytest.raises(StaleError) as refused:
            store.write(second)
        assert refused.value.current == first
        assert str(refused.value) == f"payment of order order-1 is at version {first.version}"
    assert store.read("order-1") == capturing


def test_a_version_that_follows_nothing_is_refused(store):
    with pytest.raises(StaleError) as refused:
        store.write(domain.capturing(domain.request(None, REQUEST), "intent-1"))
    assert refused.value.current is store.read("order-1") is None
    assert str(refused.value) == "payment of order order-1 is at version 0"


def test_a_write_that_dynamodb_has_not_decided_is_not_taken_for_a_refused_one(dynamodb, store):
    def throttle(**_):
        return AWSResponse("", 400, {}, None), {"Error": {"Code": "ThrottlingException", "Message": "wait"}}

    dynamodb.meta.events.register("before-call.dynamodb.PutItem", throttle)
    ledger = SandboxLedger(table_name="payments", client=dynamodb)
    with pytest.raises(ClientError, match="ThrottlingException"):
        store.write(domain.request(None, REQUEST))
    with pytest.raises(ClientError, match="ThrottlingException"):
        ledger.write(Account(intent_id="sbx_1", token="tok_visa", expires_at=NOW))


def test_the_feed_finds_its_attributes(store, dynamodb):
    store.write(domain.request(None, REQUEST))
    item = dynamodb.scan(TableName="payments")["Items"][0]
    assert item["correlationId"] == {"S": "conversation-1"}
    assert item["causationId"] == {"S": "request-1"}
    assert item["amount"] == {
        "M": {"amountMinor": {"N": str(REQUEST.amount.amount_minor)}, "currency": {"S": "EUR"}}
    }
    assert item["expiresAt"] == {"S": rfc3339(NOW)}
    assert {"version", "updatedAt"} <= item.keys()
    assert {"NULL": True} not in item.values()


def test_the_sandboxs_accounts_follow_the_same_rule(dynamodb):
    ledger = SandboxLedger(table_name="payments", client=dynamodb)
    account = Account(intent_id="sbx_1", token="tok_visa", expires_at=NOW)
    assert ledger.read("sbx_1") is None
    assert [ledger.write(account), ledger.write(account)] == [True, False]
    assert ledger.read("sbx_1") == account
    (item,) = dynamodb.scan(TableName="payments")["Items"]
    assert (item["intentId"], item["sk"]) == ({"S": "sbx_1"}, {"S": "SANDBOX"})


class TestCalls:
    """What a payment costs, in calls of DynamoDB by the item that they are about."""

    @pytest.fixture
    def calls(self, dynamodb):
        made: list[str] = []

        def note(params, model, **_):
            body = json.loads(params["body"])
            made.append(f"{model.name} {(body.get('Item') or body.get('Key'))['sk']['S']}")

        dynamodb.meta.events.register("before-call.dynamodb.*", note)
        return made

    @pytest.fixture
    def settlement(self, store, dynamodb):
        sandbox = SandboxProvider(SandboxLedger(table_name="payments", client=dynamodb))
        return Settlement(store=store, provider=sandbox, on_settled=lambda _payment: None)

    @pytest.fixture
    def pay(self, settlement):
        asked = REQUEST.model_copy(update={"expires_at": utc_now() + timedelta(minutes=5)})
        return lambda **how: settlement.change("order-1", lambda p: domain.request(p, asked), **how)

    def test_a_captured_payment_is_two_writes_beside_the_providers_own_and_no_read(self, pay, calls):
        assert pay().status is domain.Status.CAPTURED
        assert calls == ["PutItem PAYMENT", "PutItem SANDBOX", "PutItem PAYMENT"]

    def test_a_payment_that_is_done_costs_its_repetition_one_call(self, pay, calls):
        pay()
        calls.clear()
        pay()
        assert calls == ["PutItem PAYMENT"]
        pay(seen_before=True)
        assert calls == ["PutItem PAYMENT", "GetItem PAYMENT"]

    def test_a_cancellation_without_a_payment_is_one_write(self, settlement, calls):
        settlement.change(
            "order-1",
            lambda p: domain.cancel(p, order_id="order-1", cancellation_id="c", correlation_id="c"),
        )
        assert calls == ["PutItem PAYMENT"]


class TestCredentials:
    @pytest.fixture
    def secrets(self):
        client = aws.client("secretsmanager")
        client.create_secret(Name="provider", SecretString=json.dumps(SECRET))
        return client

    def test_are_fetched_once_and_rotate_without_a_deployment(self, secrets):
        credentials = Credentials("provider", client=secrets)
        assert credentials.api_key() == "sk_old"
        secrets.put_secret_value(SecretId="provider", SecretString=json.dumps({**SECRET, "apiKey": "sk_new"}))
        assert credentials.api_key() == "sk_old"
        assert credentials.api_key(fresh=True) == "sk_new"
        assert credentials.api_key() == "sk_new"

    def test_are_asked_for_again_after_a_while(self, secrets, monkeypatch):
        credentials = Credentials("provider", client=secrets)
        assert credentials.api_key() == "sk_old"
        secrets.put_secret_value(SecretId="provider", SecretString=json.dumps({**SECRET, "apiKey": "sk_new"}))
        later = time.monotonic() + MAX_AGE_SECONDS
        monkeypatch.setattr("payment_service.payments.runtime.credentials.time.monotonic", lambda: later)
        assert credentials.api_key() == "sk_new"

    def test_have_two_webhook_secrets_while_one_rotates(self, secrets):
        rotating = {**SECRET, "previousWebhookSecret": "whsec_old"}
        assert Credentials("provider", client=secrets).webhook_secrets() == ["whsec_new"]
        secrets.put_secret_value(SecretId="provider", SecretString=json.dumps(rotating))
        assert Credentials("provider", client=secrets).webhook_secrets() == ["whsec_new", "whsec_old"]


SECRET = {"apiKey": "sk_old", "webhookSecret": "whsec_new"}
