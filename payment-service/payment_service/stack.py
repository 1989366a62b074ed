"""The payment service: a table and a secret, two consumers that move money, an API and the feed of changes."""

from shared_constructs import (
    BusinessMetrics,
    ChangeFeed,
    EventSchemas,
    ServiceApp,
    ServiceDashboard,
    ServiceLevels,
    ServiceStack,
    ServiceTable,
    StackKind,
)

from payment_service.contracts import published
from payment_service.events import EVENTS
from payment_service.metrics import COUNTED, METRICS
from payment_service.payments.infrastructure import Consumers, PaymentApi, ProviderSecret


class PaymentData(ServiceStack):
    """What must survive a redeployment: payments and the provider's credentials."""

    def __init__(self, app: ServiceApp) -> None:
        super().__init__(app, kind=StackKind.STATEFUL)
        self.payments = ServiceTable(self, "Payments", stream=True)
        self.secret = ProviderSecret(self, "Provider")


class PaymentService(ServiceStack):
    """What moves money and tells others."""

    team = "payments-team"

    def __init__(self, app: ServiceApp, *, payments: ServiceTable, secret: ProviderSecret) -> None:
        super().__init__(app, kind=StackKind.STATELESS)
        consumers = Consumers(self, "Consumers", payments=payments, secret=secret)
        PaymentApi(self, "Payments", payments=payments, consumers=consumers)
        ChangeFeed(self, "Changes", table=payments, events=EVENTS)
        EventSchemas(self, "Contracts", published=published)
        BusinessMetrics(self, "Metrics", metrics=METRICS, counted=COUNTED)
        ServiceLevels(self, "Levels")
        ServiceDashboard(self, "Dashboard")


def build(app: ServiceApp) -> None:
    """Both stacks of the service."""
    data = PaymentData(app)
    PaymentService(app, payments=data.payments, secret=data.secret)
