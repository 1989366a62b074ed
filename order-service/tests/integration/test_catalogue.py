"""The read model that orders are priced from: two services write one item, in any order of arrival."""

from itertools import permutations

import pytest

SKU = "MACARON"


def catalogue_item(shop):
    items = [item for item in shop.deployment.items("Catalogue") if item["pk"] == f"SKU#{SKU}"]
    return {name: items[0].get(name) for name in ("name", "status", "available")}


CHANGES = [
    lambda shop: shop.product(SKU, name="Old name", version=1),
    lambda shop: shop.product(SKU, name="New name", status="RETIRED", version=2),
    lambda shop: shop.stock_level(SKU, 0, version=1),
    lambda shop: shop.stock_level(SKU, 7, version=2, fact="StockLow.v1"),
]


@pytest.mark.parametrize("order", [*permutations(range(4))][::5], ids=str)
def test_late_and_repeated_events_end_in_the_same_item(shop, order):
    for position in (*order, *order[:2]):
        CHANGES[position](shop)
    assert catalogue_item(shop) == {"name": "New name", "status": "RETIRED", "available": 7}


def test_a_product_known_only_by_its_stock_cannot_be_ordered(shop):
    shop.stock_level(SKU, 7, fact="StockLow.v1")
    response = shop.place((SKU, 1))
    assert response.status == 422
    assert "not in the catalogue" in response.json()["errors"][0]["detail"]


WHOLE = {
    "sku": SKU,
    "name": "Macaron",
    "price": {"amountMinor": 250, "currency": "EUR"},
    "status": "ACTIVE",
    "version": 2,
}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"price": None}, "detail.data.price must be object, got null"),
        ({"price": {"currency": "EUR"}}, "detail.data.price.amountMinor is missing"),
        (
            {"price": {"amountMinor": "250", "currency": "EUR"}},
            "detail.data.price.amountMinor must be integer",
        ),
        ({"version": "2"}, "detail.data.version must be integer, got string"),
        ({"version": 2.5}, "detail.data.version must be integer, got number"),
        ({"status": "SOLD"}, "detail.data.status must be one of"),
    ],
    ids=str,
)
def test_an_event_that_breaks_its_contract_is_dead_lettered_and_freezes_nothing(shop, change, reason):
    shop.product(SKU, name="Macaron", price=200, version=1)
    broken = shop.event("product", "ProductChanged.v1", SKU, WHOLE | change, version=2).envelope()
    broken["detail"]["data"] = WHOLE | change
    outcome = shop.feed("Products", broken)
    assert [letter.body["detail"] for letter in outcome.dead_letters] == [broken["detail"]]
    told = [visit.cause for visit in outcome.executions[0].visits if visit.error == "ContractBroken"]
    assert told
    assert reason in told[0]
    shop.product(SKU, name="Newer macaron", price=300, version=3)
    assert catalogue_item(shop)["name"] == "Newer macaron"
    assert shop.place((SKU, 1)).json()["total"]["amountMinor"] == 300


def test_a_stock_level_that_is_text_is_not_believed(shop):
    level = {"sku": SKU, "available": "0", "version": 1}
    outcome = shop.feed("Availability", shop.event("inventory", "StockDepleted.v1", SKU, level))
    assert len(outcome.dead_letters) == 1
    shop.product(SKU)
    assert shop.place((SKU, 1)).status == 202
