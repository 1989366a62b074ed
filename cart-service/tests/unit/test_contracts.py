"""What this service reads of others' events, and promises to others."""

import pytest
from cart_service.contracts.consumed import ProductChanged
from pydantic import ValidationError
from service_contracts import Contracts

CHANGED = {
    "sku": "TARTE-CITRON",
    "name": "Tarte au citron",
    "price": {"amountMinor": 620, "currency": "EUR"},
    "status": "ACTIVE",
    "version": 1,
}


def test_the_committed_schemas_are_those_of_the_models():
    Contracts("cart_service").check_events()


def test_fields_that_a_cart_does_not_read_may_come_and_go():
    read = ProductChanged.model_validate({**CHANGED, "category": "tartes", "weightGrams": 120})
    assert read.model_dump(mode="json", by_alias=True) == CHANGED


@pytest.mark.parametrize("field", sorted(CHANGED))
def test_every_field_that_a_cart_reads_is_required(field):
    with pytest.raises(ValidationError, match=field):
        ProductChanged.model_validate({name: value for name, value in CHANGED.items() if name != field})
