"""The synthesized service on moto."""

from datetime import UTC, datetime

import pytest
from service_runtime.envelope import Event
from service_testing import Deployment, synthesize


@pytest.fixture(scope="module")
def deployment():
    # Tests that need no template need not load the CDK.
    from cart_service.settings import CartSettings
    from cart_service.stack import build

    with Deployment(synthesize(build, service="cart", settings=CartSettings)) as deployed:
        yield deployed


@pytest.fixture
def service(deployment):
    """The service as after its first deployment: without carts and products."""
    table = deployment.table("Carts")
    for item in table.scan()["Items"]:
        table.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})
    return deployment


@pytest.fixture
def shop(service):
    """The service with two products for sale and a retired one."""
    events = [
        product_changed("BREAD", price=350),
        product_changed("CAKE", price=2400),
        product_changed("TART", status="RETIRED"),
    ]
    assert service.feed("Products", events).dead_letters == []
    return service


def product_changed(sku: str, *, price: int = 350, version: int = 1, **changes) -> Event:
    """An event as the product service publishes it, with more than a cart reads."""
    product = {
        "sku": sku,
        "name": f"Name of {sku}",
        "category": "breads",
        "price": {"amountMinor": price, "currency": "EUR"},
        "status": "ACTIVE",
        "version": version,
        "updatedAt": "2026-11-21T07:00:00.000Z",
        **changes,
    }
    return Event.create(
        service="product",
        stage="local",
        detail_type="ProductChanged.v1",
        aggregate_id=sku,
        aggregate_version=version,
        data=product,
        occurred_at=datetime(2026, 11, 21, 7, tzinfo=UTC),
    )
