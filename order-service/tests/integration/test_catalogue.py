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
