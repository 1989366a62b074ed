"""Drawings that read on light and on dark pages, the same bytes for the same figures.

Drawn by pygal: pure Python, maintained since 2012, files of a few kilobytes; matplotlib would bring a hundred megabytes
to every setup for a few bar charts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pygal.style import Style

if TYPE_CHECKING:
    from collections.abc import Callable

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
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def chart(kind: Callable[..., Any], name: str, title: str, **options: Any) -> Any:
    """An empty chart.

    Args:
        kind: Of pygal.
        name: Unique on a page.
        title: Over it.
        options: More for pygal.
    """
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


def drawn(chart: Any) -> str:
    """A chart as SVG."""
    # The comments hold the day on which it was drawn.
    return _COMMENT.sub("", chart.render(is_unicode=True)) + "\n"
