"""Orders on the local cloud, through their public URL; the bus says what the product service would."""

import secrets

import pytest
from service_runtime.envelope import Event
from service_testing.local_cloud import eventually

pytestmark = pytest.mark.e2e


@pytest.fixture
def sku(local_cloud):
    """A product that only orders know, so that no stock of it will ever be found."""
    sku = f"E2E-{secrets.token_hex(6).upper()}"
    price = {"amountMinor": 620, "currency": "EUR"}
    local_cloud.publish(
        Event.create(
            service="product",
            stage=local_cloud.endpoints["stage"],
            detail_type="ProductChanged.v1",
            aggregate_id=sku,
            aggregate_version=1,
            data={"sku": sku, "name": "A product", "price": price, "status": "ACTIVE", "version": 1},
        )
    )
    return sku


@pytest.fixture
def place(local_cloud, customer):
    def place(sku, key=None):
        return local_cloud.request(
            "POST",
            "order",
            "/orders",
            token=customer,
            headers={"Idempotency-Key": key or secrets.token_hex(8)},
            body={"items": [{"sku": sku, "quantity": 2}], "paymentMethod": "tok_visa"},
        )

    return place


def test_an_order_is_placed_once_and_ends_where_its_customer_alone_sees_it(local_cloud, customer, place, sku):
    key = secrets.token_hex(8)
    placed = eventually(lambda: place(sku, key), lambda answer: answer.status_code == 202)
    assert placed.json()["total"] == {"amountMinor": 1240, "currency": "EUR"}
    assert place(sku, key).json() == placed.json()

    def read(token):
        return local_cloud.request("GET", "order", f"/orders/{placed.json()['orderId']}", token=token)

    ended = eventually(lambda: read(customer).json(), lambda order: order["status"] == "CANCELLED")
    assert ended["reason"] == "OUT_OF_STOCK"
    assert read(local_cloud.token()).status_code == 404


def test_what_is_not_in_the_catalogue_cannot_be_ordered(place):
    answer = place("NO-SUCH-PRODUCT")
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert answer.json()["errors"][0]["pointer"] == "#/items/0/sku"
