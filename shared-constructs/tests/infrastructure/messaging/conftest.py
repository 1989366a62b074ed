import pytest
from service_runtime.envelope import Event, PublishedEvent, WireModel
from service_runtime.money import Money
from service_testing import Deployment, synthesize
from shared_constructs import (
    ChangeFeed,
    DomainEvent,
    Projection,
    ServiceStack,
    ServiceTable,
    StackKind,
    Subscription,
)
from shared_constructs.change_feed import became, exists

PRODUCT_CHANGED = "ProductChanged.v1"


class OrderChanged(PublishedEvent, major=1):
    order_id: str
    status: str
    lines: list[str]
    note: str | None = None


class OrderConfirmed(PublishedEvent, major=1):
    order_id: str
    lines: list[str]


class ProductChanged(WireModel):
    """What the service reads of the products' events."""

    sku: str
    name: str
    price: Money | None = None
    tags: list[str] | None = None
    status: str | None = None


@pytest.fixture(scope="session")
def product_model():
    return ProductChanged


def build(app):
    """A service that tells its own changes and keeps a read model of another service's facts."""
    data = ServiceStack(app, kind=StackKind.STATEFUL)
    table = ServiceTable(data, "Table", stream=True)
    stack = ServiceStack(app, kind=StackKind.STATELESS)
    ChangeFeed(
        stack,
        "Feed",
        table=table,
        events=[
            DomainEvent(
                OrderChanged,
                aggregate_id="orderId",
                data={"lines": "$new.lines", "note": "$new.note"},
                when=exists("orderId"),
            ),
            DomainEvent(
                OrderConfirmed,
                aggregate_id="orderId",
                data={"lines": "$new.lines"},
                when=became("status", "CONFIRMED"),
            ),
        ],
    )
    Projection(
        stack,
        "Catalogue",
        table=table,
        subscriptions=[Subscription(source="commerce.product", detail_type=PRODUCT_CHANGED)],
        model=ProductChanged,
        key={"pk": "'PRODUCT#' & $data.sku", "sk": "'PRODUCT'"},
        attributes={
            "name": "$data.name",
            "price": "$data.price",
            "tags": "$data.tags",
            "status": "$data.status",
        },
    )


@pytest.fixture(scope="session")
def service():
    return build


@pytest.fixture(scope="session")
def templates():
    return synthesize(build, service="order")


@pytest.fixture
def deployment(templates):
    with Deployment(templates) as deployed:
        yield deployed


@pytest.fixture
def product_changed():
    def event(version=1, sku="EST-1", **data):
        return Event.create(
            service="product",
            stage="local",
            detail_type=PRODUCT_CHANGED,
            aggregate_id=sku,
            aggregate_version=version,
            data={"sku": sku, **data},
        )

    return event
