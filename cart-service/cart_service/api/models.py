"""What callers get from API Gateway, which shapes answers by these models; bodies are the function's business."""

from typing import Annotated

from service_runtime.envelope import WireModel
from service_runtime.money import Money
from shared_constructs.direct_api import Stored

from cart_service.api.runtime.domain import Line


class Cart(WireModel):
    """A cart as the API shows it."""

    cart_id: str
    items: Annotated[list[Line], Stored("lines")]
    total: Money
    expires_at: str | None
