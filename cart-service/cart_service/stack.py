"""The cart service: a table of carts and known products, the projection that fills the latter, the API, and what was bought."""

from shared_constructs import (
    BusinessMetrics,
    ServiceApp,
    ServiceDashboard,
    ServiceLevels,
    ServiceStack,
    ServiceTable,
    StackKind,
)

from cart_service.api.infrastructure import CartApi
from cart_service.metrics import COUNTED
from cart_service.orders.infrastructure import Orders
from cart_service.products.infrastructure import Products


class CartData(ServiceStack):
    """What must survive a redeployment: carts, and the products they are filled with."""

    def __init__(self, app: ServiceApp) -> None:
        super().__init__(app, kind=StackKind.STATEFUL)
        self.table = ServiceTable(self, "Carts", ttl=True)


class CartService(ServiceStack):
    """What serves the carts and follows the catalogue."""

    team = "shopping-team"

    def __init__(self, app: ServiceApp, *, table: ServiceTable) -> None:
        super().__init__(app, kind=StackKind.STATELESS)
        Products(self, "Products", table=table)
        api = CartApi(self, "Carts", carts=table)
        # In the API's scope, from which the ids of what is deployed were made.
        Orders(api, "Orders", writes=api.writes)
        BusinessMetrics(self, "Metrics", counted=COUNTED)
        ServiceLevels(self, "Levels")
        ServiceDashboard(self, "Dashboard")


def build(app: ServiceApp) -> None:
    """Both stacks of the service."""
    data = CartData(app)
    CartService(app, table=data.table)
