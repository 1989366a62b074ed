"""The product service: a table, an API in front of it and the feed of its changes. No function."""

from shared_constructs import (
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

from product_service.catalogue.infrastructure import CatalogueApi
from product_service.catalogue.models import Product
from product_service.contracts import published
from product_service.events import EVENTS


class ProductData(ServiceStack):
    """What must survive a redeployment: the products."""

    def __init__(self, app: ServiceApp) -> None:
        super().__init__(app, kind=StackKind.STATEFUL)
        self.products = ServiceTable(self, "Products", indexes={"gsi1": attributes_of(Product)}, stream=True)


class ProductService(ServiceStack):
    """What serves and publishes them."""

    team = "catalogue-team"

    def __init__(self, app: ServiceApp, *, products: ServiceTable) -> None:
        super().__init__(app, kind=StackKind.STATELESS)
        CatalogueApi(self, "Catalogue", products=products)
        ChangeFeed(self, "Changes", table=products, events=EVENTS)
        EventSchemas(self, "Contracts", published=published)
        ServiceLevels(self, "Levels")
        ServiceDashboard(self, "Dashboard")


def build(app: ServiceApp) -> None:
    """Both stacks of the service."""
    data = ProductData(app)
    ProductService(app, products=data.products)
