"""Carts on the local cloud, through their public URL."""

import secrets
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from service_runtime.envelope import Event
from service_testing.local_cloud import eventually

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def skus(local_cloud, operator):
    """Eight products of its own, known to carts."""
    skus = [f"E2E-{secrets.token_hex(6).upper()}" for _ in range(8)]
    for sku in skus:
        product = {"name": sku.lower(), "category": "e2e", "price": {"amountMinor": 250, "currency": "EUR"}}
        created = local_cloud.request("PUT", "product", f"/products/{sku}", token=operator, body=product)
        assert created.status_code == 201, created.text
    cart = Cart(local_cloud)
    for sku in skus:
        eventually(lambda sku=sku: cart.put(sku), lambda answer: answer.status_code == 200)
    return skus


class Cart:
    """An anonymous cart, or with a token a customer's own."""

    def __init__(self, local_cloud, token: str | None = None) -> None:
        self._cloud, self._token = local_cloud, token
        self.id = None if token else self._request("POST", "/carts").json()["cartId"]
        self._path = "/me/cart" if token else f"/carts/{self.id}"

    def put(self, sku: str, quantity: int = 1):
        return self._request("PUT", f"{self._path}/items/{sku}", body={"quantity": quantity})

    def delete(self, sku: str):
        return self._request("DELETE", f"{self._path}/items/{sku}")

    def merge(self, cart_id: str):
        return self._request("POST", "/me/cart/merge", body={"cartId": cart_id})

    def read(self):
        answer = self._request("GET", self._path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    @property
    def quantities(self) -> dict[str, int]:
        return {line["sku"]: line["quantity"] for line in self.read()["items"]}

    def _request(self, method, path, **options):
        return self._cloud.request(method, "cart", path, token=self._token, **options)


@pytest.fixture
def visitor(local_cloud):
    return Cart(local_cloud)


@pytest.fixture
def own(local_cloud):
    return Cart(local_cloud, token=local_cloud.token())


def assert_problem(response, status):
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["status"] == status


def test_a_cart_is_filled_changed_and_emptied(visitor, skus):
    bread, cake, *_ = skus
    assert visitor.quantities == {}
    line = visitor.put(bread, 2)
    assert visitor.put(bread, 3).status_code == line.status_code == 200
    assert visitor.put(cake).status_code == 200
    cart = visitor.read()
    assert cart["cartId"] == visitor.id
    assert cart["items"][0] == {
        **line.json(),
        "quantity": 3,
        "lineTotal": {"amountMinor": 750, "currency": "EUR"},
        "pricedAt": cart["items"][0]["pricedAt"],
    }
    assert cart["total"] == {"amountMinor": 1000, "currency": "EUR"}
    assert [visitor.delete(bread).status_code, visitor.delete(bread).status_code] == [204, 204]
    assert visitor.quantities == {cake: 1}


def test_a_customer_takes_the_anonymous_cart_over_once(visitor, own, skus):
    bread, cake, *_ = skus
    visitor.put(bread, 60)
    visitor.put(cake, 1)
    own.put(bread, 60)
    merged = own.merge(visitor.id)
    assert merged.status_code == 200, merged.text
    assert merged.json() == own.read()
    assert own.quantities == {bread: 99, cake: 1}
    own.put(bread, 5)
    assert own.merge(visitor.id).status_code == 200
    assert own.quantities == {bread: 5, cake: 1}
    assert visitor.quantities == {}
    assert_problem(visitor.put(bread), 404)


def test_writers_of_one_cart_at_once_lose_nothing(visitor, skus):
    with ThreadPoolExecutor(8) as writers:
        statuses = {answer.status_code for answer in writers.map(visitor.put, skus)}
    assert statuses == {200}
    assert visitor.quantities == dict.fromkeys(skus, 1)


def test_merges_at_once_add_up_once(visitor, own, skus):
    visitor.put(skus[0], 7)
    with ThreadPoolExecutor(4) as callers:
        statuses = {answer.status_code for answer in callers.map(own.merge, [visitor.id] * 4)}
    assert statuses == {200}
    assert own.quantities == {skus[0]: 7}


def test_carts_of_others_are_out_of_reach(local_cloud, visitor, own, skus):
    own.put(skus[0])
    stranger = Cart(local_cloud, token=local_cloud.token())
    assert stranger.quantities == {}
    sub = own.read()["cartId"]
    assert local_cloud.request("GET", "cart", f"/carts/{sub}").json()["items"] == []
    assert_problem(stranger.merge(sub), 404)
    assert_problem(local_cloud.request("GET", "cart", "/me/cart"), 401)
    assert_problem(local_cloud.request("PUT", "cart", f"/me/cart/items/{skus[0]}", body={"quantity": 1}), 401)
    assert visitor.quantities == {}


@pytest.mark.parametrize("quantity", [0, 100, 1.5, "2", None])
def test_an_invalid_quantity_is_named(visitor, skus, quantity):
    answer = visitor.put(skus[0], quantity)
    assert_problem(answer, 400)
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/quantity"]


def test_what_does_not_exist_cannot_be_put(local_cloud, visitor, skus):
    assert_problem(visitor.put("NO-SUCH-PRODUCT"), 404)
    never_issued = local_cloud.request(
        "PUT", "cart", f"/carts/never-issued/items/{skus[0]}", body={"quantity": 1}
    )
    assert_problem(never_issued, 404)
    assert local_cloud.request("GET", "cart", "/carts/never-issued").json()["items"] == []


def test_what_was_bought_leaves_the_cart_once(local_cloud, own, skus):
    bread, cake, *_ = skus
    own.put(bread, 5)
    own.put(cake, 1)
    items = [{"sku": bread, "quantity": 2}, {"sku": cake, "quantity": 1}]
    order = Event.create(
        service="order",
        stage=local_cloud.endpoints["stage"],
        detail_type="OrderConfirmed.v1",
        aggregate_id=(order_id := f"e2e-{secrets.token_hex(8)}"),
        aggregate_version=5,
        data={"orderId": order_id, "customerId": own.read()["cartId"], "items": items},
    )
    for _ in range(2):
        local_cloud.publish(order)
    eventually(lambda: own.quantities, lambda quantities: quantities == {bread: 3})
    own.put(cake, 4)
    local_cloud.publish(order)
    time.sleep(2)
    assert own.quantities == {bread: 3, cake: 4}
