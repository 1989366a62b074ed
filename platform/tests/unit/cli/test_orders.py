"""What the CLI makes of orders: timelines, refusals, what is missing."""

from __future__ import annotations

import json

import pytest
from commerce_platform.cli import orders
from commerce_platform.cli.errors import CliError
from rich.text import Text


def order(*entries, **more):
    return {
        "orderId": "a1",
        "items": [{"quantity": 2, "name": "Tarte [citron]"}],
        "total": {"amountMinor": 3000, "currency": "EUR"},
        "timeline": [
            {"at": f"2026-01-01T10:00:{at}Z", "status": status, "service": service, **detail}
            for at, status, service, detail in entries
        ],
        **more,
    }


def test_a_timeline_tells_milliseconds_service_status_and_detail():
    drawn = orders.timeline(
        order(
            ("00.900", "PLACED", "order", {}),
            ("01.400", "STOCK_RESERVED", "inventory", {}),
            ("02.900", "CANCELLED", "order", {"detail": "PAYMENT_DECLINED: card_declined"}),
        ),
        "The card is declined",
    )
    title, heading, *steps = [Text.from_markup(line).plain for line in drawn]
    assert title == "The card is declined"
    assert heading == "a1  2 x Tarte [citron], 30.00 EUR"
    assert [step.split()[0] for step in steps] == ["0", "500", "2,000"]
    assert "inventory" in steps[1]
    assert "CANCELLED" in steps[2]
    assert steps[2].endswith("PAYMENT_DECLINED: card_declined")


@pytest.mark.parametrize(
    ("begin", "end", "drawn"),
    [(0, 100, "━━━━━━━━━━"), (0, 50, "━━━━━     "), (50, 100, "     ━━━━━"), (100, 100, "         ━")],
)
def test_a_span_is_drawn_to_scale_and_never_vanishes(begin, end, drawn):
    assert orders.bar(begin, end, 100, width=10) == drawn


def test_an_order_that_took_no_time_is_drawn_too():
    assert orders.bar(0, 0, 0, width=4) == "━   "


def test_a_refusal_names_each_line():
    problem = {
        "detail": "Some lines cannot be ordered; see errors.",
        "errors": [{"pointer": "#/items/0/sku", "detail": "sku X is no longer sold."}],
        "shortages": [{"sku": "Y", "requested": 3, "available": 0}],
    }
    assert orders.refusal(json.dumps(problem)).splitlines() == [
        "Some lines cannot be ordered; see errors.",
        "  sku X is no longer sold.",
        "  Y: 3 wanted, 0 left",
    ]
    assert orders.refusal("<html>") == "<html>"


def test_services_that_are_not_deployed_are_named():
    endpoints = {"services": {"product": {}, "order": {}}}
    assert orders.missing(endpoints) == ["inventory-service", "payment-service"]
    with pytest.raises(CliError, match="inventory-service, payment-service"):
        orders.require(endpoints)
