"""One typed path for everything that is discovered."""

import pytest
from service_topology import StageName
from shared_constructs.discovery import Discoverable


def test_the_path_tells_stage_service_name_and_major_version():
    address = Discoverable(stage=StageName.PROD, service="cart", name="api-url", major=2)
    assert address.path == "/commerce/prod/cart/api-url/v2"


@pytest.mark.parametrize("name", ["", "Api", "api_url", "api/url", "-api", "api-", "a" * 65])
def test_a_name_that_would_break_the_path_is_refused(name):
    with pytest.raises(ValueError, match="a discoverable name must be"):
        Discoverable(stage=StageName.DEV, service="cart", name=name)
    with pytest.raises(ValueError, match="a discoverable service must be"):
        Discoverable(stage=StageName.DEV, service=name, name="api-url")


def test_versions_count_from_one():
    with pytest.raises(ValueError, match="must be 1 or more, got 0"):
        Discoverable(stage=StageName.DEV, service="cart", name="api-url", major=0)
