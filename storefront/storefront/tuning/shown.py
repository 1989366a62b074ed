"""What sizes of memory took and cost, as a table and as a drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pygal
from rich.table import Table

from storefront.drawing import chart, drawn
from storefront.tuning.measuring import best

if TYPE_CHECKING:
    from collections.abc import Sequence

    from storefront.tuning.measuring import Size

Json = dict[str, Any]

LOCAL_REMARK = (
    "On the local cloud: a model. Measured processor time over the share that the memory comes with, waiting as it was, on "
    "this machine and beside an emulator; on AWS the same command measures."
)


def table(title: str, sizes: Sequence[Size], chosen: Size) -> Table:
    """The table for a terminal."""
    shown = Table(title=title, title_justify="left")
    for heading in ("Memory", "Billed, mean", "p95", "Start", "Most used", "A million", ""):
        shown.add_column(heading, justify="right")
    for size in sizes:
        shown.add_row(
            f"{size.memory_mb:,} MB",
            f"{size.mean_ms:,.1f} ms",
            f"{size.p95_ms:,.0f} ms",
            f"{size.start_ms:,.0f} ms",
            f"{size.used_mb:,} MB",
            f"${size.usd * 1e6:,.2f}",
            _verdict(size, chosen),
        )
    return shown


def _verdict(size: Size, chosen: Size) -> str:
    if size.failed:
        return f"{size.failed} failed"
    if not size.is_enough:
        return "too small"
    return "best" if size == chosen else ""


def told(sizes: Sequence[Size], strategy: str, now_mb: int) -> str:
    """What to do, in a sentence."""
    chosen = best(sizes, strategy)
    now = next((size for size in sizes if size.memory_mb == now_mb), None)
    if chosen.memory_mb == now_mb:
        return f"{now_mb:,} MB is the best of these ({strategy})."
    beside = ""
    if now and now.ms:
        beside = (
            f": {chosen.mean_ms - now.mean_ms:+,.1f} ms an invocation, at {chosen.usd / now.usd:.0%} of the cost of "
            f"{now_mb:,} MB"
        )
    return (
        f"{chosen.memory_mb:,} MB is the best of these ({strategy}){beside}. "
        "The stage's function_memory_mb decides, or the function's own argument memory_mb."
    )


def drawing(document: Json) -> str:
    """Time and cost by memory, of what is kept: time on the left, cost on the right."""
    sizes = document["sizes"]
    most = max(size["usdPerMillion"] for size in sizes)
    picture = chart(
        pygal.Line,
        "tuning",
        document["title"],
        secondary_range=(0, round(1.2 * most, 2)),
        value_formatter=lambda value: f"{value:,.3g}",
    )
    picture.x_labels = [f"{size['memoryMb']:,} MB" for size in sizes]
    picture.add("billed, mean (ms, left)", [round(size["meanMs"], 2) for size in sizes])
    costs = [round(size["usdPerMillion"], 3) for size in sizes]
    picture.add("a million invocations ($, right)", costs, secondary=True)
    return drawn(picture)


def kept(sizes: Sequence[Size]) -> list[Json]:
    """As JSON keeps it."""
    return [
        {
            "memoryMb": size.memory_mb,
            "meanMs": round(size.mean_ms, 3),
            "p95Ms": size.p95_ms,
            "startMs": size.start_ms,
            "usedMb": size.used_mb,
            "usdPerMillion": round(size.usd * 1e6, 4),
            "failed": size.failed,
        }
        for size in sizes
    ]
