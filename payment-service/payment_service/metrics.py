"""What the payment service counts of what it says; its functions count outcomes, once however often they are told."""

from aws_cdk.aws_cloudwatch import Unit
from shared_constructs import BusinessMetric

from payment_service.contracts.published import PaymentCaptured, PaymentRefunded

METRICS = (
    # In the currency's minor unit; a stage has one currency.
    BusinessMetric("AmountCaptured", PaymentCaptured, value="amount.amountMinor", unit=Unit.NONE),
    BusinessMetric("AmountRefunded", PaymentRefunded, value="amount.amountMinor", unit=Unit.NONE),
)

COUNTED = (
    *("PaymentsCaptured", "PaymentsDeclined", "PaymentsRefunded"),
    *("ProviderUnavailable", "WebhooksForged", "WebhooksOfOthers"),
)
"""By the functions themselves. Why a card was declined is in the provider's words, as many as it likes: it is in events and
logs, and no dimension."""
