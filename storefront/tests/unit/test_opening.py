"""What the shop opens with, and that it opens once."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from rich.console import Console
from storefront import opening
from storefront.client import Commerce, StorefrontError
from storefront.opening import goods, open_shop


def test_there_are_enough_products_and_categories_to_page_and_filter():
    assert len({product["sku"] for product in goods()}) == len(goods()) == 60
    assert min(Counter(product["category"] for product in goods()).values()) >= 3


def test_every_product_can_be_bought_on_the_first_day():
    assert [product["sku"] for product in goods() if product["pieces"] < 1] == []


@pytest.fixture
def on_sale():
    """The products that there are already."""
    return {}


@pytest.fixture
def sent(monkeypatch, on_sale):
    """What an operator sends, in a shop of two products."""
    requests = []

    class Operator:
        def __init__(self, *_):
            pass

        def catalogue(self):
            return [{"sku": sku, "version": 7, **product} for sku, product in on_sale.items()]

        def offer(self, sku, product):
            if product["price"] < 0:
                raise StorefrontError("price is below 0")
            requests.append((sku, product))
            on_sale[sku] = product

        def deliver(self, sku, quantity, receipt):
            requests.append((sku, quantity, receipt))

    monkeypatch.setattr(opening, "Operator", Operator)
    return requests


@pytest.fixture
def shop(monkeypatch, tmp_path):
    file = tmp_path / "goods.json"
    monkeypatch.setattr(opening, "GOODS", file)

    def opened(*, price=1, **services):
        goods = [{"sku": "A", "price": price, "pieces": 3}, {"sku": "B", "price": 5, "pieces": 3}]
        file.write_text(json.dumps(goods))
        urls = {name: {"apiUrl": url} for name, url in ({"product": "one"} | services).items()}
        open_shop(Commerce({"services": urls}, tmp_path), Console(quiet=True))

    return opened


def test_each_product_is_put_with_its_opening_stock(shop, sent):
    shop()
    offers = [("A", {"price": 1}), ("B", {"price": 5})]
    deliveries = [("A", 3, "opening-stock"), ("B", 3, "opening-stock")]
    assert [sent.count(each) for each in offers + deliveries] == [1, 1, 1, 1]
    assert len(sent) == 4


@pytest.mark.parametrize(
    ("then", "offered"),
    [
        ({}, []),
        ({"loyalty": "new"}, []),
        ({"price": 2}, [("A", {"price": 2})]),
        ({"order": "new"}, [("A", {"price": 9}), ("B", {"price": 5})]),
        ({"order": "new", "price": 2}, [("A", {"price": 2}), ("B", {"price": 5})]),
    ],
    ids=["nothing new", "another service", "edited here", "one that hears of products", "both"],
)
def test_what_was_changed_through_the_api_is_kept(shop, sent, on_sale, then, offered):
    shop()
    on_sale["A"] = {"price": 9}
    sent.clear()
    shop(**then)
    assert sorted(each for each in sent if len(each) == 2) == offered
    sent.clear()
    shop(**then)
    assert sent == []


def test_a_new_cloud_gets_everything(shop, sent, on_sale):
    shop()
    on_sale.clear()
    sent.clear()
    shop(product="two")
    assert len(sent) == 4


@pytest.mark.usefixtures("sent")
def test_what_was_refused_is_not_taken_for_loaded(shop):
    with pytest.raises(StorefrontError, match="below 0"):
        shop(price=-1)
    with pytest.raises(StorefrontError, match="below 0"):
        shop(price=-1)
