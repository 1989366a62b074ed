"""The projection of ProductChanged: what carts know of products."""

import itertools

import pytest

from .conftest import product_changed


def known(service, sku: str) -> dict:
    (item,) = [item for item in service.items("Carts") if item["pk"] == f"PRODUCT#{sku}"]
    return item


def test_an_event_becomes_the_product_that_a_cart_needs(service):
    service.feed("Products", [product_changed("BREAD", price=350, version=3)])
    assert known(service, "BREAD") == {
        "pk": "PRODUCT#BREAD",
        "sk": "PRODUCT",
        "sku": "BREAD",
        "name": "Name of BREAD",
        "price": {"amountMinor": 350, "currency": "EUR"},
        "status": "ACTIVE",
        "version": 3,
    }


VERSIONS = [
    product_changed("BREAD", price=100, version=1),
    product_changed("BREAD", price=200, version=2),
    product_changed("BREAD", price=300, version=3, status="RETIRED"),
]


@pytest.mark.parametrize(
    "events",
    list(itertools.permutations(VERSIONS)),
    ids=lambda events: "".join(str(e.data["version"]) for e in events),
)
def test_in_any_order_the_newest_version_stays(service, events):
    outcome = service.feed("Products", list(events))
    assert (outcome.dead_letters, outcome.pending) == ([], [])
    bread = known(service, "BREAD")
    assert (bread["version"], bread["price"]["amountMinor"], bread["status"]) == (3, 300, "RETIRED")


def test_a_repeated_event_changes_nothing(service):
    service.feed("Products", [VERSIONS[1]])
    before = service.items("Carts")
    outcome = service.feed("Products", [VERSIONS[1], VERSIONS[0], VERSIONS[1]])
    assert (outcome.dead_letters, len(outcome.handled)) == ([], 3)
    assert service.items("Carts") == before


def test_only_the_product_services_events_are_wanted(service):
    foreign = product_changed("BREAD").envelope() | {"source": "commerce.order"}
    assert service.feed("Products", [foreign]).ignored == [foreign]
    assert service.items("Carts") == []


def test_one_bad_event_does_not_hold_up_the_others(service):
    bad = product_changed("BREAD").envelope()
    del bad["detail"]["data"]["sku"]
    outcome = service.feed("Products", [bad, product_changed("CAKE")])
    assert [letter.body["id"] for letter in outcome.dead_letters] == [bad["id"]]
    assert known(service, "CAKE")["version"] == 1
