"""The service by itself: what it sends is what it publishes, and it can do with what it has locked."""

from order_service.settings import OrderSettings
from order_service.stack import build
from service_testing import synthesize
from service_testing.contracts import alone


def test_its_events_keep_their_contracts_and_its_consumers_handle_what_they_have_locked():
    assert alone("order_service", synthesize(build, service="order", settings=OrderSettings)) == []
