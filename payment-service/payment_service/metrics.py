"""What the payment service counts of what it says; the provider's troubles are counted by its functions."""

from aws_cdk.aws_cloudwatch import Unit
from shared_constructs import BusinessMetric

from payment_service.contracts.published import PaymentCaptured, PaymentDeclined, PaymentRefunded

METRICS = (
    BusinessMetric("PaymentsCaptured", PaymentCaptured),
    # Reasons are the provider's words, as many as it likes: they are in the events, and no dimension.
    BusinessMetric("PaymentsDeclined", PaymentDeclined),
    BusinessMetric("PaymentsRefunded", PaymentRefunded),
    # In the currency's minor unit; a stage has one currency.
    BusinessMetric("AmountCaptured", PaymentCaptured, value="amount.amountMinor", unit=Unit.NONE),
    BusinessMetric("AmountRefunded", PaymentRefunded, value="amount.amountMinor", unit=Unit.NONE),
)

COUNTED = ("ProviderUnavailable", "WebhooksForged", "WebhooksOfOthers")
"""By the functions themselves."""
