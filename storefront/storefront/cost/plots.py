"""A bill's document as drawings."""

from __future__ import annotations

import math
from typing import Any

import pygal

from storefront.drawing import chart, drawn

Json = dict[str, Any]

SHOWN = 8
"""Services of AWS with a colour of their own."""
USERS = "Cognito"
"""Ten times the rest."""


def drawings(document: Json) -> dict[str, str]:
    """Every drawing of a document, by name."""
    found = {"services": services(document)}
    return found | ({"before": before(document)} if document["compared"] else {})


def services(document: Json) -> str:
    """The month of each of our services, by AWS's; without users, beside whom nothing else would show."""
    drawing = chart(
        pygal.HorizontalStackedBar, "services", "A month by service, Cognito's users left out (US dollars)"
    )
    names = [group["name"][0] for group in document["services"]]
    drawing.x_labels = names
    dearest = [group["name"][0] for group in document["aws"] if group["name"][0] != USERS]
    for aws in dearest[:SHOWN]:
        drawing.add(aws, [_sum(document, name, {aws}) for name in names])
    if rest := {*dearest[SHOWN:]}:
        drawing.add("others", [_sum(document, name, rest) for name in names])
    return drawn(drawing)


def _sum(document: Json, service: str, aws: set[str]) -> float:
    total: float = sum(
        group["total"]
        for group in document["resources"]
        if group["name"][0] == service and group["name"][2] in aws
    )
    return round(total, 4)


def before(document: Json) -> str:
    """A million confirmed orders on both sides, by AWS's service."""
    drawing = chart(pygal.HorizontalStackedBar, "before", "A million confirmed orders (US dollars)")
    sides = {
        "chain of functions": document["compared"]["chain"],
        "platform": document["compared"]["platform"],
    }
    drawing.x_labels = list(sides)
    totals: dict[str, float] = {}
    for costs in sides.values():
        for name, usd in costs.items():
            totals[name] = totals.get(name, 0.0) + usd
    dearest = sorted(totals, key=lambda name: -totals[name])
    for name in dearest[:SHOWN]:
        drawing.add(name, [round(costs.get(name, 0.0) * 1e6, 4) for costs in sides.values()])
    rest = [math.fsum(costs.get(name, 0.0) for name in dearest[SHOWN:]) for costs in sides.values()]
    drawing.add("others", [round(usd * 1e6, 4) for usd in rest])
    return drawn(drawing)
