"""An order's timeline as a drawing."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.markup import escape

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
        drawn = f"{at:>8,} ms  [cyan]{bar(before, at, times[-1])}[/]"
        lines.append(_entry(drawn, entry.get("service", ""), entry["status"], entry.get("detail") or ""))
    return lines


def released(
    order: Mapping[str, Any], payment: Mapping[str, Any], *, for_sale: int, before: int
) -> list[str]:
    """What was given back after an order was cancelled: the stock that it had reserved, the money it had cost.

    Args:
        order: The order, of one line.
        payment: The order's payment, without an amount if the cancellation was there before the payment was asked for;
            nothing of it if the payment service has heard of neither.
        for_sale: How many pieces of its product are for sale now.
        before: How many were before it was placed.

    Returns:
        Lines with rich's markup, to stand below the timeline.
    """
    margin = " " * (BAR_WIDTH + 13)
    (line,) = order["items"]
    status = "RELEASED" if for_sale >= before else "RESERVED"
    pieces = f"{line['quantity']} x {line['name']}: {for_sale} for sale, {before} before the order"
    lines = [_entry(margin, "inventory", status, pieces)]
    if payment:
        taken = "was taken and given back" if payment["status"] == "REFUNDED" else "was not taken"
        amount = payment.get("amount")
        at = milliseconds(order["timeline"][0]["at"], payment["updatedAt"])
        drawn = f"{at:>8,} ms{margin[11:]}"
        detail = f"{money(amount)} {taken}" if amount else "nothing was asked for before"
        lines.append(_entry(drawn, "payment", payment["status"], detail))
    return lines


def _entry(drawn: str, service: str, status: str, detail: str) -> str:
    style = STYLES.get(status, "default")
    return f"{drawn}  {service:<10} [{style}]{status:<15}[/] [dim]{escape(detail)}[/]".rstrip()


def draw(console: Console, lines: Sequence[str]) -> None:
    """Print a timeline's lines."""
    for line in lines:
        console.print(line, soft_wrap=True)
