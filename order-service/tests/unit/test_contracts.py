"""What this service promises to others, and what it asks of them."""

import pytest
from order_service.contracts import published
from order_service.contracts.consumed import CONSUMED, StockRejected
from order_service.contracts.published import PaymentRequested
from pydantic import ValidationError
from service_contracts import Contracts
from service_runtime.envelope import published_events

REQUESTED = {
    "orderId": "o1",
    "amount": {"amountMinor": 620, "currency": "EUR"},
    "paymentMethod": "tok_visa",
    "expiresAt": "2026-11-21T08:00:00.000Z",
}


def test_the_committed_schemas_are_those_of_the_models():
    Contracts("order_service").check_events()


@pytest.mark.parametrize("field", sorted(REQUESTED))
def test_every_field_that_the_payment_relies_on_is_required(field):
    with pytest.raises(ValidationError, match=field):
        PaymentRequested.model_validate({name: value for name, value in REQUESTED.items() if name != field})


def test_a_reply_may_carry_more_than_is_read():
    shortage = {"sku": "OPERA", "requested": 2, "available": 1}
    read = StockRejected.model_validate({"orderId": "o1", "reason": "OUT_OF_STOCK", "shortages": [shortage]})
    assert read.shortages[0].available == 1


def test_what_is_consumed_comes_from_other_services():
    assert not set(CONSUMED) & set(published_events(published))
