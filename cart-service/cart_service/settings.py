"""What the cart service decides per stage; override it in cdk.json, `context.stages.<stage>`."""

from typing import ClassVar

from pydantic import Field
from shared_constructs import ServiceSettings, StageName


class CartSettings(ServiceSettings):
    """What anonymous visitors may take from others."""

    stages: ClassVar = {StageName.PROD: {"writes_at_once": 150}}

    writes_at_once: int | None = Field(
        default=None,
        ge=1,
        description="Reserved concurrency of the function that writes carts; none shares the account's. What is reserved"
        " is also the most that it takes from other functions. Lambda leaves at least 100 of an account unreserved, so"
        " the account's limit must be higher by that; a new account's may be 10.",
    )
