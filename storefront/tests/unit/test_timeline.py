"""An order's timeline, drawn."""

from __future__ import annotations

import pytest
from rich.text import Text

from storefront import timeline


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
    drawn = timeline.timeline(
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
    assert timeline.bar(begin, end, 100, width=10) == drawn


def test_an_order_that_took_no_time_is_drawn_too():
    assert timeline.bar(0, 0, 0, width=4) == "━   "
