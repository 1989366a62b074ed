"""What this service reads of others' events, and promises to others."""

import pytest
from payment_service.contracts.consumed import PaymentRequested
from pydantic import ValidationError
from service_contracts import Contracts

REQUESTED = {
    "orderId": "order-1",
    "amount": {"amountMinor": 620, "currency": "EUR"},
    "paymentMethod": "tok_visa",
    "expiresAt": "2026-11-21T08:00:00.000Z",
}


def test_the_committed_schemas_are_those_of_the_models():
    Contracts("payment_service").check_events()


def test_fields_that_a_payment_does_not_need_may_come_and_go():
    assert PaymentRequested.model_validate({**REQUESTED, "customerId": "c"}).order_id == "order-1"


@pytest.mark.parametrize("field", sorted(REQUESTED))
def test_every_field_that_a_payment_needs_is_required(field):
    with pytest.raises(ValidationError, match=field):
        PaymentRequested.model_validate({name: value for name, value in REQUESTED.items() if name != field})
