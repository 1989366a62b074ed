"""What is generated for, and noted of, contracts that are executed."""

import pytest
from hypothesis import given
from service_testing.contracts import Observations, Request, shared
from service_testing.contracts.observations import paths


def test_a_path_is_filled_with_what_the_service_has_answered():
    request = Request(method="POST", path="/orders/{orderId}/cancellation", pick=1)
    assert request.filled({"orderId": ["first", "second", "third"]}) == "/orders/second/cancellation"


@pytest.mark.parametrize("known", [{}, {"orderId": []}, {"cartId": ["c"]}])
def test_a_request_waits_until_what_it_names_is_known(known):
    assert Request(method="GET", path="/orders/{orderId}").filled(known) is None


@given(shared("sku"), shared("sku").filter(lambda sku: sku.endswith("0")))
def test_services_speak_of_the_same_few_things(one, other):
    assert one[:4] == other[:4] == "SKU-"
    assert other == "SKU-0"


def test_what_is_null_or_in_no_element_is_not_sent():
    data = {"items": [{"sku": "A"}, {"sku": "B", "note": None}], "empty": []}
    assert paths(data) == {"data", "data.items", "data.items[]", "data.items[].sku", "data.empty"}


def test_runs_add_up_and_survive_the_way_between_processes():
    one, other = Observations(), Observations()
    for seen, field in ((one, "a"), (other, "b"), (other, "a")):
        seen.published("commerce.note/Written.v1", {field: 1})
        seen.fault("the same thing")
        seen.matched("rule", "commerce.note/Written.v1")
        seen.refused("other rule", "commerce.note/Written.v1", field)
    one.add(Observations.load(other.dump()))
    assert one.events == {"commerce.note/Written.v1": 3}
    assert one.faults == {"the same thing": 3}
    assert one.fields == {"commerce.note/Written.v1": ["data", "data.a", "data.b"]}
    assert one.taken == {"rule": ["commerce.note/Written.v1"]}
    assert one.unlike == {"other rule": {"commerce.note/Written.v1": "a"}}
