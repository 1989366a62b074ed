"""What quantities cost, and what a run used."""

from __future__ import annotations

from datetime import date

import pytest
from storefront.bench.metering import Metering, Reading
from storefront.bench.report import QUANTITIES
from storefront.client import Commerce, StorefrontError
from storefront.prices import UNPRICED, Price, PriceList, price_list


def price(service, usd):
    return Price(service=service, unit="one", usd=usd, source="https://aws.amazon.com/")


LIST = PriceList(
    "eu-west-1",
    date(2026, 11, 21),
    {"runs": price("Workflows", 2e-6), "gbMs": price("Workflows", 1e-8), "events": price("Bus", 1e-6)},
)


def test_a_cost_is_by_service_and_the_dearest_comes_first():
    cost = LIST.cost({"events": 2, "runs": 3, "gbMs": 100})
    assert list(cost) == ["Workflows", "Bus"]
    assert cost == {"Workflows": pytest.approx(7e-6), "Bus": pytest.approx(2e-6)}
    assert LIST.per_million({"events": 2, "runs": 3, "gbMs": 100}) == pytest.approx(9.0)


def test_a_quantity_without_a_price_is_no_gift():
    with pytest.raises(KeyError):
        LIST.cost({"unheardOf": 1})


def test_what_is_only_looked_at_costs_nothing():
    assert LIST.cost(dict.fromkeys(UNPRICED, 5)) == {}


def test_every_quantity_that_is_shown_has_a_price_or_needs_none():
    assert {*QUANTITIES} == {*QUANTITIES} & ({*price_list().prices} | UNPRICED)


def test_the_list_says_where_each_price_is_from_and_when_it_was_read():
    prices = price_list()
    assert (prices.region, prices.read) == ("eu-west-1", date(2026, 11, 21))
    for each in prices.prices.values():
        assert each.source.startswith(("https://aws.amazon.com/", "https://pricing.us-east-1.amazonaws.com/"))
        # A price of the region's own list has its date, any other is marked.
        assert each.verified == ("/eu-west-1/" in each.source) == (each.published is not None)


def test_known_prices_give_the_known_bill():
    prices = price_list()
    assert prices.per_million({"standardTransitions": 16}) == pytest.approx(400)
    # 1.5 s at 512 MB, and a request.
    assert prices.per_million({"lambdaGbMs": 750, "lambdaInvocations": 1}) == pytest.approx(10.2, abs=0.01)
    # An Express run of up to 100 ms: 6.25 GB-ms.
    assert prices.per_million({"expressRuns": 1, "expressGbMs": 6.25}) == pytest.approx(1.104, abs=0.001)
    assert prices.per_million({"logBytes": 1024**3 / 1e6}) == pytest.approx(0.57, abs=0.001)


def test_a_run_used_what_was_counted_since_it_began_shared_among_its_orders():
    before = Reading({"events": 10, "logBytes": 7}, {"emulator": 1.0, "workers": 0.5})
    after = Reading({"events": 30, "logBytes": 7, "apiRequests": 4}, {"emulator": 2.0, "workers": 0.7})
    used, cpu = after.since(before, 4)
    assert used == {"events": 5, "apiRequests": 1}
    assert cpu == {"emulator": 0.25, "workers": pytest.approx(0.05)}


def test_without_an_order_or_a_clock_of_the_processor_there_is_nothing_to_share():
    reading = Reading({"events": 1}, None)
    assert reading.since(reading, 0) == ({}, None)
    assert Reading({"events": 3}, None).since(reading, 2) == ({"events": 1}, None)


class Answers:
    """A local cloud that answers what it is told to."""

    def __init__(self, *answers):
        self.answers, self.trust_env = list(answers), True

    def get(self, _url, timeout):
        assert timeout
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Answer:
    def __init__(self, body, status=200):
        self.body, self.status_code = body, status

    def json(self):
        return self.body


def metering(*answers):
    endpoints = {"endpointUrl": "http://127.0.0.1:1", "services": {"order": {"account": "1"}}}
    return Metering(Commerce(endpoints), Answers(*answers))


def test_a_cloud_that_does_not_count_is_refused():
    with pytest.raises(StorefrontError, match="does not count"):
        metering(Answer({}, 404)).begin()


def test_it_is_quiet_when_nothing_runs_and_nothing_is_done(monkeypatch):
    monkeypatch.setattr("storefront.bench.metering.QUIET_SECONDS", 0.02)
    monkeypatch.setattr("storefront.bench.metering.POLL_SECONDS", 0.005)
    busy, done = Answer({"running": 1, "noted": 5}), Answer({"running": 0, "noted": 6})
    assert metering(busy, busy, busy, done).settle(5)
    assert not metering(busy).settle(0.05)
