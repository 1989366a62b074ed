"""The inventory service: a table, one consumer that moves stock, an API and the feed of its changes."""

from shared_constructs import (
    BusinessMetrics,
    ChangeFeed,
    EventSchemas,
    ServiceApp,
    ServiceDashboard,
    ServiceLevels,
    ServiceStack,
    ServiceTable,
    StackKind,
)

from inventory_service.contracts import published
from inventory_service.events import EVENTS
from inventory_service.metrics import COUNTED, METRICS
from inventory_service.stock.infrastructure import StockApi, StockConsumer


class InventoryData(ServiceStack):
    """What must survive a redeployment: stock, reservations and receipts."""

    def __init__(self, app: ServiceApp) -> None:
        super().__init__(app, kind=StackKind.STATEFUL)
        self.stock = ServiceTable(self, "Stock", stream=True)


class InventoryService(ServiceStack):
    """What moves, serves and publishes it."""

    team = "warehouse-team"

    def __init__(self, app: ServiceApp, *, stock: ServiceTable) -> None:
        super().__init__(app, kind=StackKind.STATELESS)
        consumer = StockConsumer(self, "Consumer", stock=stock)
        StockApi(self, "Stock", stock=stock, consumer=consumer)
        ChangeFeed(self, "Changes", table=stock, events=EVENTS)
        EventSchemas(self, "Contracts", published=published)
        BusinessMetrics(self, "Metrics", metrics=METRICS, counted=COUNTED)
        ServiceLevels(self, "Levels")
        ServiceDashboard(self, "Dashboard")


def build(app: ServiceApp) -> None:
    """Both stacks of the service."""
    data = InventoryData(app)
    InventoryService(app, stock=data.stock)
