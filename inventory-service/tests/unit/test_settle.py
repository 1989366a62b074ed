"""What becomes of a decision whose write is refused."""

from dataclasses import replace
from functools import partial

import pytest
from inventory_service.stock.runtime.domain import (
    Change,
    ContradictionError,
    Line,
    Reason,
    Reservation,
    Shortage,
    Status,
    advance,
)
from inventory_service.stock.runtime.settle import commit, settle
from inventory_service.stock.runtime.store import ConcurrentChangeError, OutOfStockError
from service_runtime.envelope import Cause

CAUSE = Cause(correlation_id="conversation-1", causation_id="event-1")
RESERVED = Reservation(
    order_id="o1", status=Status.RESERVED, version=3, lines=(Line(sku="OPERA", quantity=2),), answered=("r1",)
)
COMMITTED = replace(RESERVED, status=Status.COMMITTED, version=4)
SHORTAGES = (Shortage(sku="OPERA", requested=2, available=1),)


class Store:
    """Refuses its first writes as told, and knows what it was to write."""

    def __init__(self, *refusals: Exception) -> None:
        self.refusals = list(refusals)
        self.asked = []

    def write(self, change, *, cause):
        self.asked.append((change, cause))
        if self.refusals:
            raise self.refusals.pop(0)

    def commit(self, order_id, *, cause):
        self.asked.append((order_id, cause))
        if self.refusals:
            raise self.refusals.pop(0)
        return COMMITTED


def taken(reservation: Reservation | None) -> Change:
    """The rule of these tests: the next version, with every piece set aside."""
    return Change(
        after=replace(RESERVED, version=(reservation.version if reservation else 0) + 1), reserved=1
    )


@pytest.mark.parametrize("known", [None, RESERVED])
def test_what_is_decided_on_what_is_known_is_written_and_told(known):
    store = Store()

    assert settle(store, taken, cause=CAUSE, known=known) == taken(known).after
    assert store.asked == [(taken(known), CAUSE)]


def test_without_anything_known_it_is_the_orders_first_reservation():
    seen = []

    assert settle(Store(), seen.append, cause=CAUSE) is None
    assert seen == [None]


def test_what_changes_nothing_is_not_written():
    store = Store()

    assert settle(store, lambda _: None, cause=CAUSE, known=RESERVED) is None
    assert store.asked == []


def test_a_refused_decision_is_made_again_on_what_the_reservation_is():
    store = Store(ConcurrentChangeError("o1", RESERVED), ConcurrentChangeError("o1", COMMITTED))

    assert settle(store, taken, cause=CAUSE) == taken(COMMITTED).after
    assert store.asked == [(taken(None), CAUSE), (taken(RESERVED), CAUSE), (taken(COMMITTED), CAUSE)]


def test_what_is_out_of_stock_is_rejected_with_what_was_left():
    store = Store(OutOfStockError(SHORTAGES))
    rejected = replace(
        taken(None).after, status=Status.REJECTED, reason=Reason.OUT_OF_STOCK, shortages=SHORTAGES
    )

    assert settle(store, taken, cause=CAUSE) == rejected
    assert store.asked == [(taken(None), CAUSE), (Change(after=rejected), CAUSE)]


def test_a_refused_rejection_is_decided_again():
    store = Store(OutOfStockError(SHORTAGES), ConcurrentChangeError("o1", RESERVED))

    assert settle(store, taken, cause=CAUSE) == taken(RESERVED).after
    assert len(store.asked) == 3


def test_a_commitment_is_one_write():
    store = Store()

    assert commit(store, "o1", cause=CAUSE) == COMMITTED
    assert store.asked == [("o1", CAUSE)]


def test_a_refused_commitment_is_decided_on_what_the_reservation_is():
    reserved_by_now = Store(ConcurrentChangeError("o1", RESERVED))
    assert commit(reserved_by_now, "o1", cause=CAUSE) == COMMITTED
    assert reserved_by_now.asked == [("o1", CAUSE), (Change(after=COMMITTED), CAUSE)]

    late = Store(ConcurrentChangeError("o1", COMMITTED))
    assert commit(late, "o1", cause=CAUSE) is None
    assert late.asked == [("o1", CAUSE)]

    with pytest.raises(ContradictionError, match=r"order o1 is to be COMMITTED, but .* unknown"):
        commit(Store(ConcurrentChangeError("o1", None)), "o1", cause=CAUSE)


def test_the_rule_sees_what_is_known():
    decide = partial(advance, order_id="o1", target=Status.RELEASED)

    released = settle(Store(), decide, cause=CAUSE, known=RESERVED)

    assert released == replace(RESERVED, status=Status.RELEASED, version=4)
