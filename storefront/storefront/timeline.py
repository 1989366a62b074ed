"""An order's timeline as a drawing."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.markup import escape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

STYLES = {"CONFIRMED": "green", "FULFILLED": "green", "CANCELLED": "red"}
BAR_WIDTH = 24


def money(value: Mapping[str, Any]) -> str:
    """An amount as a person reads it."""
    return f"{value['amountMinor'] / 100:,.2f} {value['currency']}"


def milliseconds(since: str, at: str) -> int:
    """The time between two timestamps (RFC 3339)."""
    return round((datetime.fromisoformat(at) - datetime.fromisoformat(since)).total_seconds() * 1000)


def bar(begin: int, end: int, whole: int, width: int = BAR_WIDTH) -> str:
    """A span of time as a piece of a line of `width` characters that stands for the whole."""
    scale = width / max(whole, 1)
    left = min(int(begin * scale), width - 1)
    return (" " * left + "━" * max(1, round((end - begin) * scale))).ljust(width)[:width]


def timeline(order: Mapping[str, Any], title: str = "") -> list[str]:
    """When each status was reached, how long it took to get there, who acted.

    Returns:
        Lines with rich's markup.
    """
    items = ", ".join(f"{item['quantity']} x {item['name']}" for item in order["items"])
    lines = [f"[bold]{title}[/]"] if title else []
    lines.append(f"[dim]{order['orderId']}  {escape(items)}, {money(order['total'])}[/]")
    entries = order["timeline"]
    times = [milliseconds(entries[0]["at"], entry["at"]) for entry in entries]
    for before, at, entry in zip([0, *times], times, entries, strict=False):
        status, detail = entry["status"], escape(entry.get("detail") or "")
        style = STYLES.get(status, "default")
        lines.append(
            f"{at:>8,} ms  [cyan]{bar(before, at, times[-1])}[/]  {entry.get('service', ''):<10}"
            f" [{style}]{status:<15}[/] [dim]{detail}[/]".rstrip()
        )
    return lines


def draw(console: Console, order: Mapping[str, Any], title: str = "") -> None:
    """Print an order's timeline."""
    for line in timeline(order, title):
        console.print(line, soft_wrap=True)
