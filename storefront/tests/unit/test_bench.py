"""What the benchmark makes of its measurements; no test measures time."""

from __future__ import annotations

import math

import pytest
from storefront.bench import Measured, Result
from storefront.client import StorefrontError

from storefront import bench


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
    assert bench.duration(nothing.seconds(0.5)) == "-"


@pytest.mark.parametrize(("share", "value"), [(0.5, 2), (0.99, 4), (0.25, 1), (0, 1)])
def test_a_quantile_is_one_of_the_values(share, value):
    assert bench.quantile([4, 1, 3, 2], share) == value


def test_a_timeline_gives_the_times():
    measured = Measured(0)
    measured.note([{"at": "1970-01-01T00:00:01.250Z", "status": "CONFIRMED"}])
    assert measured.seconds == pytest.approx(1.25)


def test_the_report_has_both_sides_and_their_ratio():
    slow = Result((order(0.0, 4.0, CONFIRMED=4.0),))
    fast = Result((order(0.0, 0.5, CONFIRMED=2.0),))
    table = bench.report({1: (fast, slow)})
    columns = [list(column.cells) for column in table.columns]
    assert columns[1][1] == "p50"
    assert [column[1] for column in columns[2:]] == ["2,000 ms", "4,000 ms", "2.00"]


@pytest.mark.parametrize(("text", "counts"), [("1", (1,)), ("1,50,200", (1, 50, 200))])
def test_the_numbers_of_orders_are_listed(text, counts):
    assert bench.sizes(text) == counts


@pytest.mark.parametrize("text", ["", "0", "501", "1,many", "1;2"])
def test_other_numbers_are_refused_with_the_bounds(text):
    with pytest.raises(StorefrontError, match="from 1 to 500"):
        bench.sizes(text)
