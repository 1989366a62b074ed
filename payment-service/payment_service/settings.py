"""What the payment service decides per stage; override it in cdk.json, `context.stages.<stage>`."""

from typing import ClassVar, Literal

from pydantic import Field
from shared_constructs import ServiceSettings, StageName


class PaymentSettings(ServiceSettings):
    """Who moves the money."""

    stages: ClassVar = {StageName.LOCAL: {"provider": "sandbox"}, StageName.DEV: {"provider": "sandbox"}}

    provider: Literal["sandbox", "stripe"] = Field(
        default="stripe", description="The sandbox moves no money: the payment token decides what happens."
    )
