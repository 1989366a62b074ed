"""The catalogue that a new environment starts with."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from product_service.catalogue.models import SKU_PATTERN, ProductDetails

CATALOGUE = json.loads((Path(__file__).parents[2] / "seed" / "catalogue.json").read_text())


@pytest.mark.parametrize("product", CATALOGUE, ids=lambda product: product["sku"])
def test_every_product_can_be_put_through_the_api(product):
    assert re.fullmatch(SKU_PATTERN, product["sku"])
    ProductDetails.model_validate({name: value for name, value in product.items() if name != "sku"})


def test_skus_are_distinct():
    assert [sku for sku, times in Counter(product["sku"] for product in CATALOGUE).items() if times > 1] == []


def test_there_are_enough_products_and_categories_to_page_and_filter():
    assert len(CATALOGUE) == 60
    assert min(Counter(product["category"] for product in CATALOGUE).values()) >= 3
