"""A bill's document as tables: on the terminal, and in `docs/explanations/cost.md`. Pure but for `written`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table

from storefront.cost import plots

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Json = dict[str, Any]

START, END = "<!-- cost: begin -->", "<!-- cost: end -->"
DATA = "bill.json"
SHOWN = 40
"""The dearest resources are told one by one."""
JOURNEYS = {
    "confirmed": "order, paid and confirmed",
    "declined": "order, payment declined",
    "rejected": "order, more than is in stock",
    "cancelled": "order, cancelled and refunded",
    "fulfilled": "order handed over",
    "sign_in": "sign-in",
    "visit": "visit: a page of the catalogue, three products",
    "cart": "cart filled: issued, three writes, one read",
    "abandoned": "cart filled and left",
    "look_at_orders": "look at one's orders",
    "product_change": "product changed by an operator",
    "delivery": "goods delivered",
    "users": "users of the month (Cognito)",
}


@dataclass(frozen=True)
class Section:
    """A table.

    Attributes:
        title: Over it.
        headings: Of its columns.
        rows: Its cells.
        words: How many columns are words; the others are numbers.
        drawing: The name of the drawing that goes with it.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1
    drawing: str = ""


def each(value: float) -> str:
    """US dollars for an order."""
    return f"${value:,.6f}"


def month(value: float) -> str:
    """US dollars for a month."""
    return f"${value:,.2f}"


def sections(document: Json) -> Iterator[Section]:
    """Every table of a document."""
    yield _services(document)
    yield _journeys(document)
    yield _resources(document)
    if document["compared"]:
        yield _compared(document)
    yield _what_ifs(document)


def _services(document: Json) -> Section:
    rows = [
        (group["name"][0], each(group["perOrder"]), month(group["perMonth"]), month(group["total"]))
        for group in document["services"]
    ]
    if document["free"]:
        rows.append(("free each month", "", "", month(-document["free"])))
    rows.append(
        ("together", each(document["perOrder"]), month(document["perMonth"]), month(document["total"]))
    )
    title = (
        f"{document['stage']}: a month of {document['orders']:,.0f} orders (US dollars, {document['region']})"
    )
    headings = ("Service", "An order", "A month without orders", "The month")
    return Section(title, headings, tuple(rows), drawing="services")


def _journeys(document: Json) -> Section:
    rows = [
        (
            JOURNEYS.get(one["name"], one["name"]),
            f"{one['times']:g}",
            each(one["once"]),
            each(one["perOrder"]),
        )
        for one in sorted(document["journeys"], key=lambda one: -one["perOrder"])
    ]
    return Section("What is done for one order", ("What", "How often", "Once", "An order"), tuple(rows))


def _resources(document: Json) -> Section:
    shown, others = document["resources"][:SHOWN], document["resources"][SHOWN:]
    rows = [
        (
            f"{group['name'][0]}: {group['name'][1]}",
            group["name"][2],
            each(group["perOrder"]),
            month(group["perMonth"]),
            month(group["total"]),
        )
        for group in shown
    ]
    sums = [sum(group[name] for group in others) for name in ("perOrder", "perMonth", "total")]
    rows.append((f"{len(others)} others", "", each(sums[0]), month(sums[1]), month(sums[2])))
    return Section(
        "By resource",
        ("Resource", "AWS", "An order", "A month without orders", "The month"),
        tuple(rows),
        words=2,
    )


def _compared(document: Json) -> Section:
    after, before = document["compared"]["platform"], document["compared"]["chain"]
    rows = [
        (name, each(before.get(name, 0.0)), each(after.get(name, 0.0)))
        for name in sorted(
            {**before, **after}, key=lambda name: -max(before.get(name, 0), after.get(name, 0))
        )
    ]
    rows.append(("together", each(sum(before.values())), each(sum(after.values()))))
    title = "One confirmed order: functions that call functions and wait, and the platform"
    return Section(title, ("AWS", "Before: chain of functions", "Platform"), tuple(rows), drawing="before")


def _what_ifs(document: Json) -> Section:
    rows = [
        (one["what"], one["but"], f"{'+' if one['usd'] > 0 else '-'}{month(abs(one['usd']))}")
        for one in sorted(document["whatIfs"], key=lambda one: one["usd"])
    ]
    return Section("What if", ("Change", "But", "A month"), tuple(rows), words=2)


def remarks(document: Json) -> Iterator[str]:
    """What has to be said beside the figures."""
    about = document["counted"]
    yield (
        f"Counted {about['date'][:10]} on the local cloud at commit {about['commit']}, each journey {about['times']} times; "
        f"prices read {document['pricesRead']}. The payment provider took 1.5 s; batches held one message, "
        "as they do below some orders a second, which is the dearest."
    )
    yield from document["age"]
    if document["alone"]:
        yield f"In {document['stage']} alone, so that an order's use of it was not counted: {', '.join(document['alone'])}."
    if document["notPriced"]:
        yield f"Not priced: {', '.join(document['notPriced'])}. Add a rule or say that it is free (storefront/cost/standing.py)."
    if document["unverified"]:
        yield f"Prices of a page's examples (US East), not of the region's list: {', '.join(document['unverified'])}."
    free = "taken off" if document["free"] else "left out"
    yield f"Free tiers are {free}; taxes, support, volume discounts and the payment provider's own price are not in it."


def tables(document: Json) -> Iterator[Table]:
    """A document's tables for a terminal."""
    for section in sections(document):
        table = Table(title=section.title, title_justify="left")
        for index, heading in enumerate(section.headings):
            table.add_column(heading, justify="right" if index >= section.words else "left")
        for row in section.rows:
            table.add_row(*row)
        yield table
    table = Table(title="Assumed", title_justify="left")
    for heading in ("What", "How much", "Why"):
        table.add_column(heading)
    for line in document["assumptions"]:
        table.add_row(*line)
    yield table


def markdown(document: Json) -> str:
    """A document's tables and drawings for the page."""
    lines = [f"{line}\n" for line in remarks(document)]
    for section in sections(document):
        lines += [f"## {section.title}", ""]
        if section.drawing:
            lines += [f"![{section.title}](../cost/{section.drawing}.svg)", ""]
        lines += [_row(section.headings), _row(_ruled(section))]
        lines += [*map(_row, section.rows), ""]
    lines += ["## Assumed", "", _row(("What", "How much", "Why")), _row(["---"] * 3)]
    return "\n".join([*lines, *map(_row, document["assumptions"]), ""])


def _ruled(section: Section) -> list[str]:
    return ["---"] * section.words + ["---:"] * (len(section.headings) - section.words)


def _row(cells: Any) -> str:
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def written(document: Json, page: Path, folder: Path) -> None:
    """Keep a document, draw it, and put its tables into a page between the two marks.

    Args:
        document: What `made` gave.
        page: A Markdown file with the marks.
        folder: Where data and drawings go.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DATA).write_text(json.dumps(document, indent=1) + "\n")
    for name, drawing in plots.drawings(document).items():
        (folder / f"{name}.svg").write_text(drawing)
    page.write_text(filled(page.read_text(), document))


def filled(text: str, document: Json) -> str:
    """A page's text with a document's tables between its marks."""
    between = re.compile(f"(?<={re.escape(START)}\n).*?(?={re.escape(END)})", re.DOTALL)
    return between.sub(lambda _: f"\n{markdown(document)}\n", text)
