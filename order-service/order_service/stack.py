"""The order service: orders are placed by one workflow and led through the saga by another. No function."""

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
from shared_constructs.direct_api import attributes_of

from order_service.api.infrastructure import OrderApi
from order_service.api.models import Order
from order_service.catalogue.infrastructure import Catalogue
from order_service.contracts import published
from order_service.events import EVENTS
from order_service.lifecycle.infrastructure import Lifecycle
from order_service.metrics import METRICS, confirmed_in_time
from order_service.placing.infrastructure import PlaceOrder
from order_service.recovery.infrastructure import Recovery


class OrderData(ServiceStack):
    """What must survive a redeployment: the orders, and the read model they are priced from."""

    def __init__(self, app: ServiceApp) -> None:
        super().__init__(app, kind=StackKind.STATEFUL)
        # Customers list their orders by the first; the second one only finds those of a status.
        self.orders = ServiceTable(
            self, "Orders", indexes={"gsi1": attributes_of(Order), "gsi2": ()}, stream=True
        )
        self.catalogue = ServiceTable(self, "Catalogue")


class OrderService(ServiceStack):
    """What places orders and leads them to their end."""

    team = "orders-team"

    def __init__(self, app: ServiceApp, *, data: OrderData) -> None:
        super().__init__(app, kind=StackKind.STATELESS)
        Catalogue(self, "Catalogue", table=data.catalogue)
        place_order = PlaceOrder(self, "PlaceOrder", orders=data.orders, catalogue=data.catalogue)
        OrderApi(self, "Orders", orders=data.orders, place_order=place_order)
        lifecycle = Lifecycle(self, "Lifecycle", orders=data.orders)
        changes = ChangeFeed(self, "Changes", table=data.orders, events=[*EVENTS, *lifecycle.requests])
        EventSchemas(self, "Contracts", published=published)
        Recovery(
            self,
            "Recovery",
            orders=data.orders,
            lifecycle=lifecycle,
            republish=changes.resources.republish,
        )
        metrics = BusinessMetrics(self, "Metrics", metrics=METRICS)
        ServiceLevels(self, "Levels", objectives=[confirmed_in_time(metrics)])
        ServiceDashboard(self, "Dashboard")


def build(app: ServiceApp) -> None:
    """Both stacks of the service."""
    OrderService(app, data=OrderData(app))
