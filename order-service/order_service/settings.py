"""What the order service decides per stage; override it in cdk.json, `context.stages.<stage>`."""

from typing import ClassVar

from pydantic import Field
from shared_constructs import ServiceSettings, StageName


class OrderSettings(ServiceSettings):
    """How long an order waits for other services."""

    stages: ClassVar = {
        # Two cores run all services here, and 200 orders at once are to be reserved or rejected, none to time out.
        StageName.LOCAL: {"stock_wait_seconds": 60, "payment_wait_seconds": 30},
    }

    stock_wait_seconds: int = Field(
        default=30, ge=1, le=3600, description="How long an order waits for its stock."
    )
    payment_wait_seconds: int = Field(
        default=120, ge=1, le=86_400, description="How long an order waits for its payment."
    )
