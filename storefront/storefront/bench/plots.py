"""A benchmark's document as drawings: SVG that reads on light and on dark pages, the same bytes for the same figures.

Drawn by pygal: pure Python, maintained since 2012, files of a few kilobytes; matplotlib would bring a hundred megabytes
to every setup for three bar charts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pygal
from pygal.style import Style

from storefront.bench.kept import SIDES, chosen, weighed
from storefront.bench.prices import price_list

if TYPE_CHECKING:
    from collections.abc import Callable

Json = dict[str, Any]

COLOURS = ("#2f81f7", "#db6d28", "#3fb950", "#a371f7", "#d29922", "#f778ba", "#39c5cf", "#8b949e", "#f85149")
CSS = """
#chart-NAME { background: transparent; color: #1f2328 }
@media (prefers-color-scheme: dark) { #chart-NAME { color: #e6edf3 } }
#chart-NAME text, #chart-NAME .axis text, #chart-NAME .legends .legend text
{ font-family: system-ui, sans-serif; font-size: 11px; fill: currentColor }
#chart-NAME text.title { font-family: system-ui, sans-serif; font-size: 14px; text-anchor: middle }
#chart-NAME .axis.x text { text-anchor: middle }
#chart-NAME .axis.y text { text-anchor: end }
#chart-NAME .background { fill: none }
#chart-NAME .axis .line, #chart-NAME .guide.line { stroke: currentColor; fill: none; opacity: .15 }
#chart-NAME .axis .major.line { opacity: .4 }
#chart-NAME .tooltip, #chart-NAME .text-overlay { display: none }
#chart-NAME .series .line { fill: none; stroke-width: 2 }
"""
SECONDS: Json = {"logarithmic": True, "range": (0.01, 100), "y_labels": (0.01, 0.1, 1, 10, 100), "zero": 0.01}
"""From milliseconds to minutes, each line ten times the last."""
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def drawings(document: Json) -> dict[str, str]:
    """Every drawing of a document, by name."""
    found = {"at-once": at_once(document)}
    if any(run["kind"] == "search" for run in document["runs"]):
        found["rate"] = rate(document)
    return found | {"price": price(document)}


def _chart(kind: Callable[..., Any], name: str, title: str, **options: Any) -> Any:
    colours = (
        f"#chart-{name} .color-{index} {{ fill: {colour}; stroke: {colour} }}\n"
        for index, colour in enumerate(COLOURS)
    )
    chart = kind(
        title=title,
        style=Style(colors=COLOURS, background="transparent", plot_background="transparent"),
        css=[f"inline:{''.join(colours)}{CSS.replace('NAME', name)}"],
        js=[],
        explicit_size=True,
        width=760,
        height=320,
        legend_at_bottom=True,
        **options,
    )
    chart.uuid = name  # a random one otherwise
    return chart


def _drawn(chart: Any) -> str:
    # The comments hold the day on which it was drawn.
    return _COMMENT.sub("", chart.render(is_unicode=True)) + "\n"


def at_once(document: Json) -> str:
    """Half and nearly all of the orders placed at once, from placing to confirmed."""
    chart = _chart(
        pygal.Bar,
        "at-once",
        "Placed to confirmed, orders at once (seconds)",
        **SECONDS,
    )
    chart.x_labels = [str(run["orders"]) for run in chosen(document, "at once", SIDES[0])]
    for side in SIDES:
        for name in ("p50", "p99"):
            chart.add(f"{side}, {name}", [run[name] for run in chosen(document, "at once", side)])
    return _drawn(chart)


def rate(document: Json) -> str:
    """What becomes of the slowest hundredth as more orders arrive."""
    chart = _chart(pygal.XY, "rate", "p99 (seconds) by orders that arrive a second", **SECONDS)
    for side in SIDES:
        runs = chosen(document, "search", side)
        points = sorted((run["rate"], run["p99"]) for run in runs if run["p99"] is not None)
        chart.add(side, points)
    return _drawn(chart)


def price(document: Json) -> str:
    """What a million orders cost, by service."""
    chart = _chart(pygal.HorizontalStackedBar, "price", "List price of a million orders (US dollars)")
    costs = [price_list().cost(weighed(document, side)["perOrder"]) for side in SIDES]
    chart.x_labels = SIDES
    for service in {**costs[0], **costs[1]}:
        chart.add(service, [cost.get(service, 0) * 1e6 for cost in costs])
    return _drawn(chart)
