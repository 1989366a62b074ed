"""What a change of a payment means, and what the feed's pipe need not look at."""

import pytest
from boto3.dynamodb.types import TypeSerializer
from hypothesis import given, settings
from hypothesis import strategies as st
from payment_service.contracts import published
from payment_service.events import EVENTS
from payment_service.payments.runtime.domain import Status
from service_runtime.envelope import published_events
from service_testing.change_feeds import meant, passes
from shared_constructs.change_feed import most_at_once


def payment(status, version, request_id="r-1"):
    item = {"pk": "PAYMENT#o", "sk": "PAYMENT", "orderId": "o", "status": status, "version": version}
    item |= {"request": {"requestId": request_id}, "amount": {"amountMinor": 5, "currency": "EUR"}}
    return {name: TypeSerializer().serialize(value) for name, value in item.items()}


PAYMENTS = st.builds(
    payment,
    st.sampled_from([status.value for status in Status]),
    st.integers(1, 3),
    st.sampled_from(["r-1", "r-2"]),
)


def test_every_published_model_is_declared():
    assert [event.model for event in EVENTS] == list(published_events(published).values())


@pytest.mark.parametrize("status", ["REQUESTED", "CAPTURING"])
def test_a_payment_on_its_way_starts_no_workflow(status):
    assert not passes(EVENTS, new=payment(status, 2), old=payment("REQUESTED", 1))
    assert not passes(EVENTS, new=payment(status, 1))


def test_the_sandboxs_accounts_start_no_workflow():
    assert not passes(EVENTS, new=payment("CAPTURED", 1) | {"sk": {"S": "SANDBOX"}})


def test_a_change_means_one_event_so_that_a_batch_holds_ten():
    assert most_at_once(EVENTS) == 1


@settings(max_examples=200, deadline=None)
@given(new=PAYMENTS, old=st.none() | PAYMENTS)
def test_the_pipe_drops_no_payment_that_means_an_event(new, old):
    if meant(EVENTS, new=new, old=old):
        assert passes(EVENTS, new=new, old=old)
