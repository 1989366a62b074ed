"""The picture before: one function per step, each waiting for the next. Built to be measured, not to be copied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration
from shared_constructs import ServiceApp, ServiceFunction, ServiceStack, ServiceTable, StackKind
from shared_constructs.direct_api import DirectApi, InvokeFunction, Scopes

if TYPE_CHECKING:
    from constructs import Construct

STEPS = ("place_order", "reserve_stock", "take_payment", "confirm_order")


class ChainData(ServiceStack):
    """Prices, stock, orders and payments."""

    def __init__(self, app: ServiceApp) -> None:
        super().__init__(app, kind=StackKind.STATEFUL)
        self.records = ServiceTable(self, "Records")


class Chain(ServiceStack):
    """POST /orders, answered when the last function has answered the first."""

    def __init__(self, app: ServiceApp, *, data: ChainData) -> None:
        super().__init__(app, kind=StackKind.STATELESS)
        last, *before = reversed(STEPS)
        following = _step(self, last, data.records, None)
        for step in before:
            following = _step(self, step, data.records, following)
        api = DirectApi(self, "Api", description="Orders by a chain of synchronous functions")
        api.route("POST", "/orders", InvokeFunction(function=following), auth=Scopes("commerce/shop"))
        self.export_parameter("table-name", data.records.resources.table.table_name)


def _step(
    scope: Construct, step: str, records: ServiceTable, following: ServiceFunction | None
) -> ServiceFunction:
    function = ServiceFunction(
        scope,
        step.title().replace("_", ""),
        package="synchronous_chain",
        include=("runtime",),
        handler=f"synchronous_chain.runtime.steps.{step}",
        description=f"Step {STEPS.index(step) + 1} of the chain",
        # What a caller waits for is all that comes after it.
        timeout=Duration.seconds(28),
        # As many at once as the consumers of the platform: a local machine has room for so many workers.
        reserved_concurrency=ServiceStack.of(scope).stage.consumer_max_concurrency,
        environment={
            "TABLE_NAME": records.resources.table.table_name,
            "NEXT_FUNCTION": following.resources.function.function_name if following else "",
        },
    )
    records.resources.table.grant(
        function.resources.role, "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"
    )
    if following:
        following.resources.function.grant_invoke(function.resources.role)
    return function


def build(app: ServiceApp) -> None:
    """Both stacks."""
    Chain(app, data=ChainData(app))
