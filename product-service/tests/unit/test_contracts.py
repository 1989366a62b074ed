"""What this service promises to others."""

import pytest
from product_service.contracts.published import ProductChanged
from pydantic import ValidationError
from service_contracts import Contracts

CHANGED = {
    "sku": "TARTE-CITRON",
    "name": "Tarte au citron",
    "category": "tartes",
    "price": {"amountMinor": 620, "currency": "EUR"},
    "status": "ACTIVE",
    "version": 1,
    "updatedAt": "2026-11-21T08:00:00Z",
}


def test_the_committed_schemas_are_those_of_the_models():
    Contracts("product_service").check_events()


def test_a_consumer_of_version_1_reads_an_event_with_further_fields():
    assert ProductChanged.model_validate({**CHANGED, "weightGrams": 120}).name == "Tarte au citron"


@pytest.mark.parametrize("field", sorted(CHANGED))
def test_every_field_that_consumers_rely_on_is_required(field):
    with pytest.raises(ValidationError, match=field):
        ProductChanged.model_validate({name: value for name, value in CHANGED.items() if name != field})
