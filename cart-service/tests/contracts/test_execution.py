"""The service by itself: what it sends is what it publishes, and it can do with what it has locked."""

from cart_service.settings import CartSettings
from cart_service.stack import build
from service_testing import synthesize
from service_testing.contracts import alone


def test_its_events_keep_their_contracts_and_its_consumers_handle_what_they_have_locked():
    assert alone("cart_service", synthesize(build, service="cart", settings=CartSettings)) == []
