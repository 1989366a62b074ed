"""What this service promises to others, and what it asks of them."""

import pytest
from inventory_service.contracts.consumed import CONSUMED, StockReservationRequested
from inventory_service.stock.runtime.handler import orders
from pydantic import ValidationError
from service_contracts import Contracts

REQUEST = {
    "orderId": "o1",
    "items": [{"sku": "OPERA", "quantity": 1}],
    "expiresAt": "2026-11-21T08:00:00.000Z",
}


def test_the_committed_schemas_are_those_of_the_models():
    Contracts("inventory_service").check_events()


def test_every_consumed_event_has_a_function():
    assert set(orders.detail_types) == set(CONSUMED)


def test_a_request_may_carry_more_than_is_read():
    line = {"sku": "OPERA", "quantity": 1, "name": "Opéra"}

    read = StockReservationRequested.model_validate({**REQUEST, "items": [line], "customerId": "c"})

    assert read.items[0].sku == "OPERA"


@pytest.mark.parametrize("expires_at", ["2026-11-21T08:00:00", "soon", None])
def test_a_time_limit_needs_a_time_zone(expires_at):
    with pytest.raises(ValidationError, match="expiresAt"):
        StockReservationRequested.model_validate({**REQUEST, "expiresAt": expires_at})
