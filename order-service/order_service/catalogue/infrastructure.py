"""What the service needs to know of products: one item per sku, fed by two services, each with its own version."""

from constructs import Construct
from shared_constructs import Projection, ServiceTable, Subscription

from order_service.contracts.consumed import ProductChanged, StockLevel

KEY = {"pk": "'SKU#' & $data.sku", "sk": "'CATALOGUE'"}


class Catalogue(Construct):
    """The read model that orders are priced from."""

    def __init__(self, scope: Construct, construct_id: str, *, table: ServiceTable) -> None:
        super().__init__(scope, construct_id)
        Projection(
            self,
            "Products",
            table=table,
            subscriptions=[Subscription(source="commerce.product", detail_type="ProductChanged.v1")],
            model=ProductChanged,
            key=KEY,
            attributes={"name": "$data.name", "price": "$data.price", "status": "$data.status"},
            version="$data.version",
            version_attribute="productVersion",
        )
        Projection(
            self,
            "Availability",
            table=table,
            subscriptions=[
                Subscription(source="commerce.inventory", detail_type=detail_type)
                for detail_type in ("StockLow.v1", "StockDepleted.v1", "StockReplenished.v1")
            ],
            model=StockLevel,
            key=KEY,
            attributes={"available": "$data.available"},
            version="$data.version",
            version_attribute="stockVersion",
        )
