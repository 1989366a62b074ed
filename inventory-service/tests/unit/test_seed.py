"""The stock that a new environment starts with."""

import json
import re
from pathlib import Path

import pytest
from inventory_service.stock.models import SKU_PATTERN, Delivery, Threshold

STOCK = json.loads((Path(__file__).parents[2] / "seed" / "stock.json").read_text())


@pytest.mark.parametrize("entry", STOCK, ids=lambda entry: entry["sku"])
def test_every_entry_can_be_received_through_the_api(entry):
    assert re.fullmatch(SKU_PATTERN, entry["sku"])
    Delivery(receipt_id="opening-stock", quantity=entry["quantity"])
    Threshold(low_threshold=entry["lowThreshold"])


def test_skus_are_distinct():
    assert len({entry["sku"] for entry in STOCK}) == len(STOCK)
