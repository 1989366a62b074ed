"""What the payment service decides per stage; override it in cdk.json, `context.stages.<stage>`."""

from typing import ClassVar, Literal

from pydantic import Field
from shared_constructs import ServiceSettings, StageName

WEBHOOKS_PER_ORDER = 2
"""Stripe tells of the intent and of its charge at least; more only when something fails or is given back."""


class PaymentSettings(ServiceSettings):
    """Who moves the money."""

    stages: ClassVar = {StageName.LOCAL: {"provider": "sandbox"}, StageName.DEV: {"provider": "sandbox"}}

    provider: Literal["sandbox", "stripe"] = Field(
        default="stripe", description="The sandbox moves no money: the payment token decides what happens."
    )
    webhooks_per_second: int = Field(
        default=WEBHOOKS_PER_ORDER * 100,
        ge=1,
        le=10_000,
        description="What the provider may tell, sized for 100 orders a second; it tells again what is refused.",
    )
