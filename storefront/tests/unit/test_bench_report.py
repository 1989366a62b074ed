"""The kept figures as tables, page and drawings."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree as ET

import pytest
from storefront.bench import report
from storefront.bench.measured import Measured, Result
from storefront.bench.plots import drawings
from storefront.bench.sides import Load
from storefront.bench.suite import summary, told
from storefront.client import StorefrontError

USED = {
    "platform": {"standardTransitions": 4, "apiRequests": 1, "dynamodbWrites": 9, "lambdaGbMs": 750.0},
    "chain": {"apiRequests": 1, "lambdaGbMs": 2250.0},
}


def run(side, kind, orders, p50, *, rate=None, confirmed=True):
    result = Result(tuple(Measured(0.0, 0.1, {"CONFIRMED": p50} if confirmed else {}) for _ in range(orders)))
    figures = summary(side, kind, Load(orders, rate or 0.0), result)
    return figures | {"perOrder": USED[side], "cpuPerOrder": {"emulator": 0.02, "workers": 0.004}}


def document(*more, **fields):
    runs = [run("platform", "at once", 50, 0.5), run("chain", "at once", 50, 2.0), *more]
    machine = {"cores": 2, "system": "Linux", "processor": "x86_64", "python": "3.13.1", "load": 0.3}
    return {"date": "2026-11-21T17:00+00:00", "commit": "abc", "machine": machine, "runs": runs} | fields


STEADY = (
    run("platform", "steady", 120, 1.7, rate=2.0),
    run("chain", "steady", 120, 1.6, rate=2.0),
    run("platform", "search", 12, 0.3, rate=2.0),
    run("chain", "search", 12, 0.2, rate=2.0),
)
WHOLE = document(*STEADY, highestRate={"platform": 32.0, "chain": 8.0})


def section(found, title):
    return next(each for each in report.sections(found) if title in each.title)


def row(found, title, what):
    return next(each[2:] for each in section(found, title).rows if each[1] == what)


def test_both_sides_and_their_ratio_are_in_a_row():
    assert row(WHOLE, "at once", "placed to confirmed, p50") == ("500 ms", "2.00 s", "4.00")
    assert row(WHOLE, "at once", "processor per order, functions") == ("4 ms", "4 ms", "1.00")


def test_what_waits_in_line_is_told_apart_from_what_is_under_way():
    found = document()
    found["runs"][0] |= {"p50": 4.0, "acceptedP50": 0.4, "answeredP50": 3.7}
    told_apart = ("placed to confirmed", "accepted to confirmed", "customer has an answer")
    assert [row(found, "at once", f"{what}, p50")[0] for what in told_apart] == ["4.00 s", "400 ms", "3.70 s"]
    assert row(found, "at once", "accepted to confirmed, p50")[1] == "-"


def test_what_the_system_does_not_tell_is_a_dash():
    found = document()
    for each in found["runs"]:
        each["cpuPerOrder"] = None
    assert row(found, "at once", "processor per order, emulator")[:2] == ("- (Linux only)",) * 2


def test_a_run_without_a_confirmed_order_is_shown_as_such():
    found = document()
    found["runs"][1] = run("chain", "at once", 50, 0.0, confirmed=False)
    assert row(found, "at once", "placed to confirmed, p99") == ("500 ms", "-", "")
    assert row(found, "at once", "not confirmed") == ("0", "50", "")
    assert drawings(found)


def test_the_highest_rate_stands_with_the_steady_ones():
    assert row(WHOLE, "for a minute", "rate with p99 < 3 s, per second") == ("32", "8", "0.25")


def test_what_an_order_uses_and_what_a_million_cost_add_up():
    assert row(WHOLE, "list price", "Standard state transitions") == ("4", "0")
    assert row(WHOLE, "list price", "Step Functions") == ("$100.00", "$0.00")
    assert row(WHOLE, "list price", "together") == ("$113.50", "$33.50")


def test_nothing_that_nobody_used_is_listed():
    assert "queue messages" not in [each[1] for each in section(WHOLE, "list price").rows]


def test_without_steady_orders_the_largest_run_is_weighed():
    assert row(document(), "list price", "items written") == ("9", "0")
    assert len(list(report.sections(document()))) == 3


def test_a_repeated_run_is_compared_with_the_first():
    found = document(run("platform", "repeated", 50, 1.0), run("platform", "repeated", 50, 0.4))
    assert row(found, "3 times", "orders per second") == ("100", "125", "1.25")


def test_every_section_is_a_table_on_the_terminal():
    assert [each.title for each in report.tables(WHOLE)] == [each.title for each in report.sections(WHOLE)]


@pytest.mark.parametrize(("value", "shown"), [(0.0123, "12 ms"), (1.5, "1.50 s"), (None, "-")])
def test_times_read_easily(value, shown):
    assert report.seconds(value) == shown


@pytest.mark.parametrize(("value", "shown"), [(4.0, "4"), (10.25, "10.25"), (21034.5, "21,034"), (None, "-")])
def test_counts_have_the_digits_that_say_something(value, shown):
    assert report.number(value) == shown


def test_a_page_keeps_its_words_and_gets_the_tables_between_the_marks(tmp_path):
    page = tmp_path / "benchmarks.md"
    page.write_text(f"before\n{report.START}\nold\n{report.END}\nafter\n")
    report.written(WHOLE, page)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert all(line in text for line in report.HOW_TO_READ)
    assert json.loads((tmp_path / "benchmarks" / "reference.json").read_text()) == WHOLE
    shown = set(re.findall(r"\]\(benchmarks/([^)]+)\)", text))
    assert (
        shown
        == {file.name for file in (tmp_path / "benchmarks").glob("*.svg")}
        == {f"{name}.svg" for name in drawings(WHOLE)}
    )


def test_a_page_is_written_again_from_what_is_kept_to_the_same_bytes(tmp_path):
    page = tmp_path / "new.md"
    report.written(WHOLE, page)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.*")}
    report.rewritten(page)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*.*")} == before
    with pytest.raises(StorefrontError, match=r"no .*other/reference\.json"):
        report.rewritten(tmp_path / "other.md")


def test_drawings_are_small_well_formed_and_read_on_dark_pages():
    assert set(drawings(WHOLE)) == {"at-once", "rate", "price"}
    assert set(drawings(document())) == {"at-once", "price"}
    for drawing in drawings(WHOLE).values():
        ET.fromstring(drawing.partition("\n")[2])  # noqa: S314 - our own
        assert "prefers-color-scheme: dark" in drawing.replace("scheme:dark", "scheme: dark")
        assert len(drawing) < 30_000


def test_a_run_is_told_in_a_line():
    assert told(WHOLE["runs"][0]) == "    50 at once  platform  50 confirmed, 100.0 per second, p99 0.50 s"
    assert "2/s  chain" in told(WHOLE["runs"][3])
