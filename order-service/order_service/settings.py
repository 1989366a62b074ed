"""What the order service decides per stage; override it in cdk.json, `context.stages.<stage>`."""

from typing import ClassVar

from pydantic import Field
from shared_constructs import ServiceSettings, StageName

RETRY_SECONDS = 600
"""What the retries of the lifecycle's three writes take at most, just below three minutes each."""


class OrderSettings(ServiceSettings):
    """How long an order waits for other services, and what it must outlast twice (checked at synth).

    A redelivery is how long a message is away when its consumer is killed: the visibility timeout of the other
    service's queue, six times its function's timeout. No service knows another's template, so the number is repeated
    here.
    """

    stages: ClassVar = {
        # The sandbox answers at once, so payment's function has 5 s. The end-to-end tests see a wait run out.
        StageName.LOCAL: {"payment_redelivery_seconds": 30, "payment_wait_seconds": 60},
        StageName.DEV: {"payment_redelivery_seconds": 30},
    }

    stock_wait_seconds: int = Field(
        default=300, ge=1, le=86_400, description="How long an order waits for its stock."
    )
    payment_wait_seconds: int = Field(
        default=900, ge=1, le=86_400, description="How long an order waits for its payment."
    )
    stock_redelivery_seconds: int = Field(
        default=30, ge=1, description="Visibility timeout of the inventory's queue."
    )
    payment_redelivery_seconds: int = Field(
        default=360, ge=1, description="Visibility timeout of the payment's queue."
    )
    begin_within_seconds: int = Field(
        default=86_400,
        ge=60,
        le=7_776_000,
        description="How old an order may be when its lifecycle begins; the feed retries for 23 hours. After 90 days"
        " Step Functions has forgotten the execution's name, and the lifecycle would begin again.",
    )
    sweep_minutes: int = Field(
        default=5, ge=1, le=60, description="How often orders are looked for that are open for too long."
    )

    @property
    def longest_open_seconds(self) -> int:
        """How long an order is open if nothing is wrong: both waits, and the retries of the steps between them."""
        return self.stock_wait_seconds + self.payment_wait_seconds + RETRY_SECONDS
