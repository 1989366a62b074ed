"""The rules of reservations, without AWS."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inventory_service.stock.runtime.domain import (
    Change,
    ContradictionError,
    Line,
    Reason,
    Request,
    Reservation,
    Shortage,
    Status,
    advance,
    reject,
    reserve,
)

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
LINES = (Line(sku="TARTE-CITRON", quantity=2), Line(sku="OPERA", quantity=1))
REQUEST = Request(request_id="r1", order_id="o1", lines=LINES, expires_at=NOW + timedelta(seconds=30))
AGAIN = replace(REQUEST, request_id="r2")


def standing(status: Status) -> Reservation:
    return Reservation(order_id="o1", status=status, version=3, lines=LINES, answered=("r1",))


def test_a_first_request_takes_every_line_from_the_stock():
    change = reserve(None, REQUEST, now=NOW)

    assert change is not None
    assert (change.on_hand, change.reserved) == (0, 1)
    assert change.after == Reservation(
        order_id="o1", status=Status.RESERVED, version=1, lines=LINES, answered=("r1",)
    )


@pytest.mark.parametrize("status", Status)
def test_a_request_that_has_its_answer_changes_nothing(status):
    assert reserve(standing(status), REQUEST, now=NOW) is None


def test_a_second_request_for_reserved_stock_is_answered_again_without_taking_more():
    other = replace(AGAIN, lines=LINES[:1])

    change = reserve(standing(Status.RESERVED), other, now=NOW)

    assert change == Change(after=replace(standing(Status.RESERVED), version=4, answered=("r1", "r2")))


def test_a_second_request_after_a_rejection_tries_again():
    short = (Shortage(sku="OPERA", requested=1, available=0),)
    rejected = replace(standing(Status.REJECTED), reason=Reason.OUT_OF_STOCK, shortages=short)

    change = reserve(rejected, AGAIN, now=NOW)

    assert change == Change(
        after=replace(standing(Status.RESERVED), version=4, answered=("r1", "r2")), reserved=1
    )


@pytest.mark.parametrize("status", [Status.COMMITTED, Status.FULFILLED, Status.RELEASED])
def test_an_order_past_its_reservation_gets_no_other_one(status):
    assert reserve(standing(status), AGAIN, now=NOW) is None


def test_a_cancellation_that_comes_first_leaves_a_tombstone_that_no_request_passes():
    tombstone = advance(None, "o1", Status.RELEASED)

    assert tombstone is not None
    assert (tombstone.on_hand, tombstone.reserved, tombstone.after.lines) == (0, 0, ())
    assert reserve(tombstone.after, REQUEST, now=NOW) is None


def test_an_expired_request_is_rejected_without_touching_the_stock():
    change = reserve(None, REQUEST, now=REQUEST.expires_at)

    assert change is not None
    assert change.reserved == 0
    assert (change.after.status, change.after.reason) == (Status.REJECTED, Reason.EXPIRED)


def test_a_rejection_names_the_short_lines_and_takes_nothing():
    change = reserve(None, REQUEST, now=NOW)
    assert change is not None
    short = (Shortage(sku="OPERA", requested=1, available=0),)

    rejected = reject(change, short)

    assert (rejected.on_hand, rejected.reserved) == (0, 0)
    assert (rejected.after.status, rejected.after.reason, rejected.after.shortages) == (
        Status.REJECTED,
        Reason.OUT_OF_STOCK,
        short,
    )


@pytest.mark.parametrize(
    ("status", "target", "on_hand", "reserved"),
    [
        (Status.RESERVED, Status.COMMITTED, 0, 0),
        (Status.RESERVED, Status.FULFILLED, -1, -1),
        (Status.RESERVED, Status.RELEASED, 0, -1),
        (Status.COMMITTED, Status.FULFILLED, -1, -1),
        (Status.COMMITTED, Status.RELEASED, 0, -1),
        (Status.REJECTED, Status.RELEASED, 0, 0),
    ],
)
def test_each_step_moves_exactly_the_pieces_it_means(status, target, on_hand, reserved):
    change = advance(standing(status), "o1", target)

    assert change is not None
    assert (change.on_hand, change.reserved) == (on_hand, reserved)
    assert (change.after.status, change.after.version, change.after.lines) == (target, 4, LINES)


@pytest.mark.parametrize(
    ("status", "target"),
    [
        (Status.COMMITTED, Status.COMMITTED),
        (Status.FULFILLED, Status.COMMITTED),
        (Status.FULFILLED, Status.FULFILLED),
        (Status.RELEASED, Status.COMMITTED),
        (Status.RELEASED, Status.RELEASED),
    ],
)
def test_late_and_repeated_news_change_nothing(status, target):
    assert advance(standing(status), "o1", target) is None


@pytest.mark.parametrize(
    ("status", "target"),
    [
        (None, Status.COMMITTED),
        (None, Status.FULFILLED),
        (Status.REJECTED, Status.COMMITTED),
        (Status.REJECTED, Status.FULFILLED),
        (Status.FULFILLED, Status.RELEASED),
        (Status.RELEASED, Status.FULFILLED),
    ],
)
def test_news_that_contradict_the_reservation_are_an_error_that_says_so(status, target):
    reservation = standing(status) if status else None

    with pytest.raises(
        ContradictionError, match=f"order o1 is to be {target}, but .* is {status or 'unknown'}"
    ):
        advance(reservation, "o1", target)


STEPS = st.lists(
    st.sampled_from(["r1", "r2", Status.COMMITTED, Status.FULFILLED, Status.RELEASED]), max_size=12
)


@given(steps=STEPS)
def test_whatever_arrives_in_whatever_order_each_piece_is_taken_and_given_back_at_most_once(steps):
    reservation, reserved, on_hand = None, 0, 0
    for step in steps:
        try:
            change = (
                advance(reservation, "o1", step)
                if isinstance(step, Status)
                else reserve(reservation, replace(REQUEST, request_id=step), now=NOW)
            )
        except ContradictionError:
            continue
        if change:
            assert change.after.version == (reservation.version if reservation else 0) + 1
            reservation, reserved, on_hand = (
                change.after,
                reserved + change.reserved,
                on_hand + change.on_hand,
            )

    held = reservation is not None and reservation.status in (Status.RESERVED, Status.COMMITTED)
    assert reserved == (1 if held else 0)
    assert on_hand == (-1 if reservation and reservation.status is Status.FULFILLED else 0)
