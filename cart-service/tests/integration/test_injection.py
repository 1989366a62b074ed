"""No input defeats a route: it comes back unchanged or is refused, and nothing else changes."""

import secrets

import pytest
from cart_service.api.runtime.domain import MAX_LINES
from service_testing.injection import HOSTILE_VALUES, Probe, injection_cases, unprobed_routes

from .conftest import product_changed

CART = "q1w2e3r4t5z6u7i8o9p0a1s2d3f4g5h6"
ALICE = {"sub": "customer-alice", "scope": "commerce/shop"}


def issue(deployment):
    deployment.request("POST", "/carts")


# A value in the path or a claim chooses the item, so those of reads and deletions choose one that does not exist:
# then nothing but the answer can differ.
PROBES = [
    Probe(method="POST", path="/carts"),
    Probe(method="GET", path="/carts/{cartId}", path_parameters={"cartId": CART}),
    Probe(
        method="PUT",
        path="/carts/{cartId}/items/{sku}",
        path_parameters={"cartId": CART, "sku": "BREAD-77"},
        body={"quantity": 3},
        prepare=issue,
    ),
    Probe(
        method="DELETE",
        path="/carts/{cartId}/items/{sku}",
        path_parameters={"cartId": CART, "sku": "ABSENT-1"},
    ),
    Probe(method="GET", path="/me/cart", claims=ALICE),
    Probe(
        method="PUT",
        path="/me/cart/items/{sku}",
        path_parameters={"sku": "BREAD-77"},
        body={"quantity": 3},
        claims=ALICE,
    ),
    Probe(method="DELETE", path="/me/cart/items/{sku}", path_parameters={"sku": "ABSENT-1"}, claims=ALICE),
    Probe(method="POST", path="/me/cart/merge", body={"cartId": CART}, claims=ALICE, prepare=issue),
]


@pytest.fixture(scope="module", autouse=True)
def _products(deployment):
    deployment.feed("Products", [product_changed("BREAD-77")])


@pytest.fixture(autouse=True)
def _known_ids(monkeypatch):
    """Every issued cart has the same id, so that two runs can be compared."""
    monkeypatch.setattr(secrets, "token_urlsafe", lambda _bytes: CART)


@pytest.mark.parametrize("case", injection_cases(PROBES), ids=str)
def test_no_input_defeats_a_route(deployment, case):
    case.run(deployment)


def test_every_route_is_probed(deployment):
    assert unprobed_routes(deployment, PROBES) == []


def test_whatever_products_are_called_their_names_come_back(deployment):
    names = [name for name in HOSTILE_VALUES if len(name) <= 300][:MAX_LINES]
    events = [product_changed(f"NAMED-{at}", name=name) for at, name in enumerate(names)]
    assert deployment.feed("Products", events).dead_letters == []
    lines = [
        deployment.request("PUT", f"/me/cart/items/NAMED-{at}", body={"quantity": 1}, claims=ALICE).json()
        for at in range(len(names))
    ]
    assert [line["name"] for line in lines] == names
    assert deployment.request("GET", "/me/cart", claims=ALICE).json()["items"] == lines
