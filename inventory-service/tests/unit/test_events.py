"""What a change of stock or a reservation means, and what the feed's pipe need not look at."""

import pytest
from boto3.dynamodb.types import TypeSerializer
from hypothesis import given, settings
from hypothesis import strategies as st
from inventory_service.contracts import published
from inventory_service.events import EVENTS
from inventory_service.stock.runtime.domain import Status
from service_runtime.envelope import published_events
from service_testing.change_feeds import meant, passes
from shared_constructs.change_feed import most_at_once


def item(sk, **attributes):
    return {name: TypeSerializer().serialize(value) for name, value in {"sk": sk, **attributes}.items()}


def stock(available, threshold=0, version=2):
    return item("STOCK", sku="A", available=available, lowThreshold=threshold, version=version)


def reservation(status, version=2):
    return item(
        "RESERVATION", orderId="o", status=status, items=[{"sku": "A", "quantity": 1}], version=version
    )


STOCK = st.builds(stock, st.integers(0, 4), st.integers(0, 3), st.integers(1, 2))
RESERVATIONS = st.builds(reservation, st.sampled_from([status.value for status in Status]), st.integers(1, 2))
CHANGES = st.tuples(STOCK, st.none() | STOCK) | st.tuples(RESERVATIONS, st.none() | RESERVATIONS)


def test_every_published_model_is_declared():
    assert [event.model for event in EVENTS] == list(published_events(published).values())


@pytest.mark.parametrize("status", ["COMMITTED", "FULFILLED", "RELEASED"])
def test_a_reservation_that_moves_on_starts_no_workflow(status):
    assert not passes(EVENTS, new=reservation(status), old=reservation("RESERVED", 1))


def test_a_receipt_starts_no_workflow():
    assert not passes(EVENTS, new=item("RECEIPT#1", quantity=5))


def test_stock_without_a_threshold_starts_a_workflow_only_when_it_runs_out_or_returns():
    assert not passes(EVENTS, new=stock(7), old=stock(8))
    assert not passes(EVENTS, new=stock(0), old=stock(0))
    assert passes(EVENTS, new=stock(0), old=stock(1))
    assert passes(EVENTS, new=stock(5), old=stock(0))


def level(item):
    available, threshold = (int(item[name]["N"]) for name in ("available", "lowThreshold"))
    return (
        "StockDepleted.v1"
        if available == 0
        else "StockLow.v1"
        if available <= threshold
        else "StockReplenished.v1"
    )


@settings(max_examples=300, deadline=None)
@given(new=STOCK, old=st.none() | STOCK)
def test_a_level_is_told_when_it_is_entered(new, old):
    entered = old is None or (new["version"] != old["version"] and level(new) != level(old))
    assert meant(EVENTS, new=new, old=old) == ([level(new)] if entered else [])


def test_a_change_means_one_event_so_that_a_batch_holds_ten():
    assert most_at_once(EVENTS) == 1


@settings(max_examples=300, deadline=None)
@given(change=CHANGES)
def test_the_pipe_drops_nothing_that_means_an_event(change):
    new, old = change
    if meant(EVENTS, new=new, old=old):
        assert passes(EVENTS, new=new, old=old)
