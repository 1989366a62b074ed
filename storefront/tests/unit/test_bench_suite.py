"""Which runs are made, and that each is kept."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from rich.console import Console
from storefront.bench import suite as module
from storefront.bench.measured import Measured
from storefront.bench.metering import Reading
from storefront.bench.sides import SLOW
from storefront.bench.suite import Options, Suite


class Counting:
    """A cloud on which every reading is one write later."""

    def __init__(self):
        self.writes = 0

    def settle(self, _seconds):
        return True

    def begin(self):
        self.writes += 1
        return Reading({"dynamodbWriteUnits": self.writes}, None)

    end = begin


class Confirming:
    """A side that confirms each order after as long as it takes it."""

    def __init__(self, name, seconds):
        self.name, self.seconds, self.paid = name, seconds, Counter()

    def place(self, _number, pay, due, _until):
        self.paid[pay] += 1
        return Measured(due, due)

    def look(self, placed):
        for order in placed:
            order.reached = {"CONFIRMED": order.sent + self.seconds}


@pytest.fixture
def short(monkeypatch):
    monkeypatch.setattr(module, "STEADY_SECONDS", 0.1)
    monkeypatch.setattr(module, "STEP_SECONDS", 0.02)
    monkeypatch.setattr(module, "FIRST_RATE", 100.0)
    monkeypatch.setattr(module, "MOST_RATE", 200.0)


def everything(options):
    sides = (Confirming("platform", 0.5), Confirming("chain", 9.0))
    document = Suite(Counting(), sides, options, Console(file=io.StringIO())).everything()
    return document, sides


def kinds(document):
    return Counter((run["kind"], run["side"]) for run in document["runs"])


@pytest.mark.usefixtures("short")
def test_both_sides_make_every_run_and_all_are_kept():
    document, sides = everything(Options((1, 3), rate=50.0))
    assert kinds(document) == {
        ("at once", "platform"): 2,
        ("at once", "chain"): 2,
        ("steady", "platform"): 1,
        ("steady", "chain"): 1,
        ("search", "platform"): 2,
        ("search", "chain"): 1,
    }
    assert document["highestRate"] == {"platform": 200.0, "chain": 0.0}
    assert [side.paid[SLOW] for side in sides] == [5, 5]


def test_a_run_has_its_figures_per_order():
    document, _sides = everything(Options((2,), rate=0))
    assert [run["perOrder"] for run in document["runs"]] == [{"dynamodbWriteUnits": 0.5}] * 2
    assert [run["p50"] for run in document["runs"]] == [0.5, 9.0]
    assert "highestRate" not in document


def test_the_largest_run_is_repeated_on_the_platform():
    document, _sides = everything(Options((1, 3), rate=0, repeat=3))
    repeated = [run for run in document["runs"] if run["kind"] == "repeated"]
    assert [(run["side"], run["orders"]) for run in repeated] == [("platform", 3)] * 2
