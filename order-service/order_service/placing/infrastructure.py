"""Accepting an order: one synchronous workflow."""

from pathlib import Path

from aws_cdk import Duration
from constructs import Construct
from shared_constructs import ExpressWorkflow, ServiceTable


class PlaceOrder(ExpressWorkflow):
    """Validate, price and write an order; see `place_order.asl.yaml`."""

    def __init__(
        self, scope: Construct, construct_id: str, *, orders: ServiceTable, catalogue: ServiceTable
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            definition=Path(__file__).with_name("place_order.asl.yaml"),
            substitutions={"OrdersTable": orders, "CatalogueTable": catalogue},
            timeout=Duration.seconds(20),
        )
