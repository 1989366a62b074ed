"""What the benchmark makes of its measurements; no test measures time."""

from __future__ import annotations

import math

import pytest
from storefront.bench.measured import Measured, Result, highest, quantile
from storefront.bench.sides import Load, arrive
from storefront.bench.suite import Options
from storefront.client import StorefrontError


def order(sent, answered, **reached):
    return Measured(sent, answered, reached)


RESULT = Result(
    (
        order(100.0, 100.1, PLACED=100.1, STOCK_RESERVED=100.3, PAID=100.8, CONFIRMED=101.0),
        order(100.5, 100.7, PLACED=100.6, STOCK_RESERVED=101.0, PAID=101.5, CONFIRMED=102.0),
        order(100.0, math.inf),
        order(100.0, 100.2, PLACED=100.1, CANCELLED=105.0),
    )
)


def test_throughput_counts_what_was_confirmed_from_the_first_sent_to_the_last_confirmed():
    assert RESULT.per_second == pytest.approx(2 / 2.0)


def test_latency_runs_from_placing_to_confirmed_and_skips_what_was_not_confirmed():
    assert RESULT.seconds(0.5) == pytest.approx(1.0)
    assert RESULT.seconds(0.99) == pytest.approx(1.5)
    assert RESULT.answer(0.99) == pytest.approx(0.2)
    assert RESULT.lost == 2


def test_shares_of_the_time_are_by_the_status_that_it_led_to_and_add_up():
    shares = RESULT.shares()
    assert shares["PAID"] == pytest.approx((0.5 + 0.5) / 2.5)
    assert sum(shares.values()) == pytest.approx(1)
    assert "CANCELLED" not in shares


def test_a_run_without_a_confirmed_order_has_no_figures():
    nothing = Result((order(1.0, 2.0),))
    assert nothing.per_second == 0
    assert math.isnan(nothing.seconds(0.5))
    assert nothing.shares() == {}


def test_the_time_in_line_is_left_out_of_the_time_once_accepted():
    found = Result((order(0.0, 3.0, PLACED=2.0, CONFIRMED=2.5), order(0.0, 5.0, PLACED=4.0, CONFIRMED=5.0)))
    assert found.seconds_once_accepted(0.5) == pytest.approx(0.5)
    assert found.seconds_once_accepted(0.99) == pytest.approx(1.0)
    assert math.isnan(Result((order(0.0, 1.0, CONFIRMED=1.0),)).seconds_once_accepted(0.5))


@pytest.mark.parametrize(("share", "value"), [(0.5, 2), (0.99, 4), (0.25, 1), (0, 1)])
def test_a_quantile_is_one_of_the_values(share, value):
    assert quantile([4, 1, 3, 2], share) == value


def test_a_timeline_gives_the_times():
    measured = Measured(0)
    measured.note([{"at": "1970-01-01T00:00:01.250Z", "status": "CONFIRMED"}])
    assert measured.seconds == pytest.approx(1.25)


def test_a_promise_is_kept_by_fast_orders_of_which_none_is_lost():
    fast = Result((order(0.0, 0.1, CONFIRMED=2.9),))
    assert fast.keeps(3.0)
    assert not fast.keeps(2.9)
    assert not RESULT.keeps(3.0)
    assert not Result(()).keeps(3.0)


@pytest.mark.parametrize(
    ("limit", "tried", "found"),
    [
        (1.0, [2], 0),
        (2.0, [2, 4, 3, 2.5], 2),
        (11.0, [2, 4, 8, 16, 12, 10], 10),
        (99.0, [2, 4, 8, 16, 32], 32),
    ],
)
def test_the_highest_rate_is_doubled_to_and_halved_between(limit, tried, found):
    rates = []

    def keeps(rate):
        rates.append(rate)
        return rate <= limit

    assert highest(keeps, first=2, most=32, steps=2) == found
    assert rates == tried


class Recorded:
    """A side that notes when it was asked."""

    name = "recorded"

    def __init__(self):
        self.asked = []

    def place(self, _number, _pay, due, until):
        self.asked.append((due, until))
        return Measured(due)


def test_orders_arrive_when_they_are_due_and_are_timed_from_then():
    side = Recorded()
    placed = arrive(side, Load(3, rate=100.0, patience=5.0)).placed
    began = placed[0].sent
    assert [each.sent - began for each in placed] == pytest.approx([0, 0.01, 0.02])
    assert [until - began for _due, until in side.asked] == pytest.approx([5.03] * 3)


def test_without_a_rate_all_are_due_at_once():
    assert len({each.sent for each in arrive(Recorded(), Load(3)).placed}) == 1


@pytest.mark.parametrize(("text", "counts"), [("1", (1,)), ("1,50,200", (1, 50, 200))])
def test_the_numbers_of_orders_are_listed(text, counts):
    assert Options.parsed(text, 2.0, 1).at_once == counts


@pytest.mark.parametrize("text", ["", "0", "501", "1,many", "1;2"])
def test_other_numbers_are_refused_with_the_bounds(text):
    with pytest.raises(StorefrontError, match="from 1 to 500"):
        Options.parsed(text, 2.0, 1)


@pytest.mark.parametrize(("rate", "repeat", "name"), [(-1, 1, "RATE"), (129, 1, "RATE"), (2, 0, "REPEAT")])
def test_other_rates_and_repetitions_too(rate, repeat, name):
    with pytest.raises(StorefrontError, match=f"{name} is .* got {rate if name == 'RATE' else repeat}"):
        Options.parsed("1", rate, repeat)
