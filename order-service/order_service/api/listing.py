"""Listing orders by status: one synchronous workflow."""

from pathlib import Path

from aws_cdk import Duration
from constructs import Construct
from shared_constructs import ExpressWorkflow, ServiceTable
from shared_constructs.direct_api import Page, structure_of
from states_language.definition import library

from order_service.api.models import Order

CURSOR_PATTERN = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}Z_[0-9a-f]{32}"
"""The position of an order in the list: the time of its status, and its id."""


class ListOrders(ExpressWorkflow):
    """A page of the orders of one status; see `list_orders.asl.yaml`."""

    def __init__(self, scope: Construct, construct_id: str, *, orders: ServiceTable, page: Page) -> None:
        fields = structure_of(Order, "response").fields
        read = ", ".join(f"'{field.name}': $lookup($order, '{field.attribute}')" for field in fields)
        super().__init__(
            scope,
            construct_id,
            definition=Path(__file__).with_name("list_orders.asl.yaml"),
            substitutions={
                "OrdersTable": orders,
                "PageSize": page.default,
                # Some of the names are reserved words of DynamoDB.
                "Projection": ", ".join(f"#{field.attribute}" for field in fields),
                "Names": {f"#{field.attribute}": field.attribute for field in fields},
                "Plain": library("plain"),
                "Order": f"{{{read}}}",
            },
            timeout=Duration.seconds(20),
        )
