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


CANCELLED = order(("00.000", "PLACED", "order", {}), ("00.200", "CANCELLED", "order", {}))


@pytest.mark.parametrize(
    ("status", "for_sale", "told", "taken"),
    [("REFUNDED", 12, "RELEASED", "was taken and given back"), ("DECLINED", 9, "RESERVED", "was not taken")],
)
def test_what_a_cancelled_order_has_given_back_stands_below_its_timeline(status, for_sale, told, taken):
    amount = {"amountMinor": 3000, "currency": "EUR"}
    payment = {"status": status, "amount": amount, "updatedAt": "2026-01-01T10:00:01.500Z"}
    lines = timeline.released(CANCELLED, payment, for_sale=for_sale, before=12)
    stock, paid = [Text.from_markup(line).plain for line in lines]
    assert stock.split(maxsplit=2) == [
        "inventory",
        told,
        f"2 x Tarte [citron]: {for_sale} for sale, 12 before the order",
    ]
    assert paid.split(maxsplit=4) == ["1,500", "ms", "payment", status, f"30.00 EUR {taken}"]
    entry = Text.from_markup(timeline.timeline(CANCELLED)[-1]).plain
    assert stock.index(told) == paid.index(status) == entry.index("CANCELLED")


def test_a_cancellation_that_was_there_before_the_payment_was_asked_for_has_no_amount():
    """A race that every customer can win who cancels while the stock is being reserved."""
    payment = {"status": "DECLINED", "reason": "CANCELLED", "updatedAt": "2026-01-01T10:00:00.300Z"}
    _, paid = timeline.released(CANCELLED, payment, for_sale=12, before=12)
    said = Text.from_markup(paid).plain.split(maxsplit=4)
    assert said == ["300", "ms", "payment", "DECLINED", "nothing was asked for before"]


@pytest.mark.parametrize(
    ("begin", "end", "drawn"),
    [(0, 100, "━━━━━━━━━━"), (0, 50, "━━━━━     "), (50, 100, "     ━━━━━"), (100, 100, "         ━")],
)
def test_a_span_is_drawn_to_scale_and_never_vanishes(begin, end, drawn):
    assert timeline.bar(begin, end, 100, width=10) == drawn


def test_an_order_that_took_no_time_is_drawn_too():
    assert timeline.bar(0, 0, 0, width=4) == "━   "
