"""What the shop opens with, and that it opens once."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from rich.console import Console
from storefront.client import Commerce, StorefrontError
from storefront.opening import goods, open_shop

from storefront import opening


def test_there_are_enough_products_and_categories_to_page_and_filter():
    assert len({product["sku"] for product in goods()}) == len(goods()) == 60
    assert min(Counter(product["category"] for product in goods()).values()) >= 3


def test_every_product_can_be_bought_on_the_first_day():
    assert [product["sku"] for product in goods() if product["pieces"] < 1] == []


@pytest.fixture
def sent(monkeypatch):
    """What an operator sends, in a shop of two products."""
    requests = []

    class Operator:
        def __init__(self, *_):
            pass

        def offer(self, sku, product):
            if product["price"] < 0:
                raise StorefrontError("price is below 0")
            requests.append((sku, product))

        def deliver(self, sku, quantity, receipt):
            requests.append((sku, quantity, receipt))

    monkeypatch.setattr(opening, "Operator", Operator)
    return requests


@pytest.fixture
def shop(monkeypatch, tmp_path):
    file = tmp_path / "goods.json"
    monkeypatch.setattr(opening, "GOODS", file)

    def opened(*, url="http://one", price=1):
        file.write_text(json.dumps([{"sku": "A", "price": price, "pieces": 3}]))
        open_shop(Commerce({"services": {"product": {"apiUrl": url}}}, tmp_path), Console(quiet=True))

    return opened


def test_each_product_is_put_with_its_opening_stock(shop, sent):
    shop()
    assert sent == [("A", {"price": 1}), ("A", 3, "opening-stock")]


def test_goods_are_loaded_again_only_behind_a_new_api_or_after_an_edit(shop, sent):
    loads = []
    for options in ({}, {}, {"url": "http://two"}, {"url": "http://two", "price": 2}):
        sent.clear()
        shop(**options)
        loads.append(len(sent))
    assert loads == [2, 0, 2, 2]


@pytest.mark.usefixtures("sent")
def test_what_was_refused_is_not_taken_for_loaded(shop):
    with pytest.raises(StorefrontError, match="below 0"):
        shop(price=-1)
    with pytest.raises(StorefrontError, match="below 0"):
        shop(price=-1)
