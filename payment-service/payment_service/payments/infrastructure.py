"""Payments: the consumers that move money, and the API beside them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from aws_cdk import Acknowledgment, Duration, Validations
from aws_cdk.aws_secretsmanager import Secret, SecretStringGenerator
from constructs import Construct
from shared_constructs import (
    PLATFORM_LAYER,
    Batching,
    Dependencies,
    OwnLayer,
    QueueConsumer,
    ServiceFunction,
    ServiceStack,
    Subscription,
    SyntheticCheck,
)
from shared_constructs.direct_api import (
    PUBLIC,
    DirectApi,
    GetItem,
    Scopes,
    SendToQueue,
    Throttle,
    header,
    path,
    request_time,
    text,
)
from shared_constructs.direct_api.web_acl import WINDOW_SECONDS

from payment_service.contracts.consumed import CONSUMED
from payment_service.payments.models import Payment
from payment_service.settings import PaymentSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared_constructs import ServiceTable


DEPENDENCIES: Final[Mapping[str, Dependencies | OwnLayer]] = {
    "sandbox": PLATFORM_LAYER,
    "stripe": OwnLayer(lock_file=Path(__file__).with_name("requirements.lock")),
}
"""Stripe's library comes in a layer of this service's own."""

MAX_RECEIVES: Final = 1000
"""SQS's highest. A payment's outcome is awaited until it is definite: with the consumer's own backoff, that many
receives outlast the 14 days that SQS keeps a message."""

TIMEOUTS: Final[Mapping[str, Duration]] = {"sandbox": Duration.seconds(5), "stripe": Duration.seconds(60)}
"""Stripe: three calls, each with one repetition, of 8 s; see stripe_provider. An order waits for the redelivery of a lost message, six times as
long: `payment_redelivery_seconds` of the order service's settings."""

ONE_BY_ONE: Final = Batching(size=1)
"""One message at a time: an order whose provider is slow holds up no other."""

MAX_WEBHOOK_BYTES: Final = 64 * 1024


class ProviderSecret(Construct):
    """The provider's credentials: the webhook secret is made here, the key is put in by an operator."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.secret = Secret(
            self,
            "Secret",
            description="Payment provider: apiKey, webhookSecret and, while that rotates, previousWebhookSecret",
            generate_secret_string=SecretStringGenerator(
                secret_string_template='{"apiKey": "none"}',  # noqa: S106 - a placeholder
                generate_string_key="webhookSecret",
                exclude_punctuation=True,
            ),
            removal_policy=ServiceStack.of(self).stage.removal_policy,
        )
        Validations.of(self.secret).acknowledge(
            Acknowledgment(
                id="AwsSolutions-SMG4",
                reason="The provider issues the key, so only an operator can rotate it; consumers see it in 5 minutes.",
            )
        )


class Consumers(Construct):
    """Two functions: one for what orders ask for, one for what the provider tells."""

    def __init__(
        self, scope: Construct, construct_id: str, *, payments: ServiceTable, secret: ProviderSecret
    ) -> None:
        super().__init__(scope, construct_id)
        self._payments, self._secret = payments, secret.secret
        self.orders = QueueConsumer(
            self,
            "Orders",
            target=self._function("TakePayment", "orders", "Takes payments for orders and gives them back"),
            subscriptions=[Subscription(source="commerce.order", detail_type=each) for each in CONSUMED],
            batching=ONE_BY_ONE,
            max_receive_count=MAX_RECEIVES,
        )
        self.webhooks = QueueConsumer(
            self,
            "Webhooks",
            target=self._function("LookAgain", "webhooks", "Looks at payments that the provider tells about"),
            batching=ONE_BY_ONE,
            max_receive_count=MAX_RECEIVES,
            customize={"queue": {"max_message_size_bytes": MAX_WEBHOOK_BYTES}},
        )

    def _function(self, name: str, module: str, description: str) -> ServiceFunction:
        provider = PaymentSettings.of(self).provider
        function = ServiceFunction(
            self,
            name,
            package="payment_service",
            include=("payments/runtime", "contracts/consumed"),
            handler=f"payment_service.payments.runtime.{module}.handler",
            description=description,
            timeout=TIMEOUTS[provider],
            dependencies=DEPENDENCIES[provider],
            environment={
                "PAYMENTS_TABLE": self._payments.resources.table.table_name,
                "PAYMENT_PROVIDER": provider,
                "PROVIDER_SECRET": self._secret.secret_arn,
            },
        )
        self._payments.resources.table.grant(function.resources.role, "dynamodb:GetItem", "dynamodb:PutItem")
        self._secret.grant_read(function.resources.role)
        return function


class PaymentApi(Construct):
    """Webhooks from the provider, and a look at a payment for operators."""

    def __init__(
        self, scope: Construct, construct_id: str, *, payments: ServiceTable, consumers: Consumers
    ) -> None:
        super().__init__(scope, construct_id)
        webhooks = PaymentSettings.of(self).webhooks_per_second
        self.api = DirectApi(
            self,
            "Api",
            description="Payments, for operators and the payment provider",
            # The provider tells of all orders from a few addresses.
            source_limit=webhooks * WINDOW_SECONDS,
        )
        self.api.route(
            "GET",
            "/payments/{orderId}",
            GetItem(
                table=payments,
                key={"pk": text("PAYMENT#", path("orderId")), "sk": "PAYMENT"},
                response=Payment,
            ),
            auth=Scopes("commerce/operate"),
            name="getPayment",
        )
        self.api.route(
            "POST",
            "/payments/webhooks",
            # The raw body: the signature is over its bytes. Without one, the gateway refuses what nobody need look at.
            SendToQueue(
                queue=consumers.webhooks.resources.queue,
                attributes={
                    "signature": header("Stripe-Signature", required=True),
                    "receivedAt": request_time(),
                },
            ),
            auth=PUBLIC,
            name="receiveWebhook",
            throttle=Throttle(rate=webhooks, burst=2 * webhooks),
        )
        # No route of it can be read without a token.
        SyntheticCheck(self, "Check", api=self.api, path="/payments/none", expected=401)
