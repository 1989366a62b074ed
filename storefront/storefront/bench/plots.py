"""A benchmark's document as drawings."""

from __future__ import annotations

from typing import Any

import pygal

from storefront.bench.kept import SIDES, chosen, weighed
from storefront.drawing import chart, drawn
from storefront.prices import price_list

Json = dict[str, Any]

SECONDS: Json = {"logarithmic": True, "range": (0.01, 100), "y_labels": (0.01, 0.1, 1, 10, 100), "zero": 0.01}
"""From milliseconds to minutes, each line ten times the last."""


def drawings(document: Json) -> dict[str, str]:
    """Every drawing of a document, by name."""
    found = {"at-once": at_once(document)}
    if any(run["kind"] == "search" for run in document["runs"]):
        found["rate"] = rate(document)
    return found | {"price": price(document)}


def at_once(document: Json) -> str:
    """Half and nearly all of the orders placed at once, from placing to confirmed."""
    drawing = chart(
        pygal.Bar,
        "at-once",
        "Placed to confirmed, orders at once (seconds)",
        **SECONDS,
    )
    drawing.x_labels = [str(run["orders"]) for run in chosen(document, "at once", SIDES[0])]
    for side in SIDES:
        for name in ("p50", "p99"):
            drawing.add(f"{side}, {name}", [run[name] for run in chosen(document, "at once", side)])
    return drawn(drawing)


def rate(document: Json) -> str:
    """What becomes of the slowest hundredth as more orders arrive."""
    drawing = chart(pygal.XY, "rate", "p99 (seconds) by orders that arrive a second", **SECONDS)
    for side in SIDES:
        runs = chosen(document, "search", side)
        points = sorted((run["rate"], run["p99"]) for run in runs if run["p99"] is not None)
        drawing.add(side, points)
    return drawn(drawing)


def price(document: Json) -> str:
    """What a million orders cost, by service."""
    drawing = chart(pygal.HorizontalStackedBar, "price", "List price of a million orders (US dollars)")
    costs = [price_list().cost(weighed(document, side)["perOrder"]) for side in SIDES]
    drawing.x_labels = SIDES
    for service in {**costs[0], **costs[1]}:
        drawing.add(service, [cost.get(service, 0) * 1e6 for cost in costs])
    return drawn(drawing)
