"""A benchmark's document as tables: on the terminal, and in `docs/benchmarks.md`. Pure but for `written`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.table import Table

from storefront.bench import plots
from storefront.bench.kept import SIDES, chosen, largest, weighed
from storefront.client import StorefrontError
from storefront.prices import MILLION, price_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

Json = dict[str, Any]

STATUSES = ("PLACED", "STOCK_RESERVED", "PAID", "CONFIRMED")
QUANTITIES = {
    "apiRequests": "API requests",
    "standardTransitions": "Standard state transitions",
    "expressRuns": "Express runs",
    "expressGbMs": "Express GB-ms, billed",
    "lambdaInvocations": "function invocations",
    "lambdaGbMs": "function GB-ms, billed",
    "dynamodbWrites": "items written",
    "dynamodbWriteUnits": "write units, indexes included",
    "dynamodbReads": "reads",
    "dynamodbReadUnits": "read units",
    "events": "events put on the bus",
    "pipeRequests": "pipe requests",
    "sqsMessages": "queue messages",
    "sqsRequests": "queue requests",
    "logBytes": "log bytes",
}
"""What is counted, in the order in which it is shown."""

HOW_TO_READ = """\
An emulator on one machine, which it shares with the functions and with those who place the orders: ratios and quantities \
carry over to AWS; times do not, nor what is billed by time (GB-ms), which is longer here.
Placed is when the customer means to send an order, accepted when the service has it: between the two it waits in line.
The price is AWS's list for exactly these quantities, without free tiers, storage, traces, metrics, users and the polling \
of empty queues and streams; workflows log every event without its data: production logs a third of that, which make cost prices.
""".splitlines()
START, END = "<!-- bench: begin -->", "<!-- bench: end -->"
DATA = "reference.json"


@dataclass(frozen=True)
class Section:
    """A table.

    Attributes:
        title: Over it.
        headings: Of its columns; the first two are words, the others numbers.
        rows: Its cells.
        drawing: The name of the drawing that goes with it.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    drawing: str = ""


def seconds(value: float | None) -> str:
    """A time as a person reads it."""
    if value is None:
        return "-"
    return f"{value * 1000:,.0f} ms" if value < 1 else f"{value:,.2f} s"


def number(value: float | None) -> str:
    """A count per order: no more digits than say something."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 or value == round(value) else f"{value:,.2f}"  # noqa: PLR2004


def taken(value: float | None) -> str:
    """Processor time, which not every system tells."""
    return "- (Linux only)" if value is None else seconds(value)


def dollars(value: float | None) -> str:
    """US dollars for a million orders."""
    return "-" if value is None else f"${value:,.2f}"


def processor(run: Json, name: str) -> float | None:
    """Processor seconds per order, of the emulator or of the function workers."""
    cpu: Mapping[str, float] | None = run["cpuPerOrder"]
    return None if cpu is None else cpu[name]


TIMES: tuple[tuple[str, Callable[[Json], float | None], Callable[[float | None], str]], ...] = (
    ("orders per second", lambda run: run["perSecond"], number),
    ("placed to confirmed, p50", lambda run: run["p50"], seconds),
    ("placed to confirmed, p99", lambda run: run["p99"], seconds),
    # Not in the documents of before.
    ("accepted to confirmed, p50", lambda run: run.get("acceptedP50"), seconds),
    ("accepted to confirmed, p99", lambda run: run.get("acceptedP99"), seconds),
    ("customer has an answer, p50", lambda run: run["answeredP50"], seconds),
    ("customer has an answer, p99", lambda run: run["answeredP99"], seconds),
    ("processor per order, emulator", lambda run: processor(run, "emulator"), taken),
    ("processor per order, functions", lambda run: processor(run, "workers"), taken),
    ("not confirmed", lambda run: run["lost"], number),
)


def sections(document: Json) -> Iterator[Section]:
    """Every table of a document."""
    yield at_once(document)
    if "highestRate" in document:
        yield steady(document)
    yield used(document)
    yield shares(document)
    if repeated := [run for run in document["runs"] if run["kind"] == "repeated"]:
        yield again(largest(document, "platform"), repeated)


def compared(first: str, runs: tuple[Json, Json]) -> Iterator[tuple[str, ...]]:
    """Rows of times with both sides, and how many times the platform's the chain's is."""
    for index, (what, value, shown) in enumerate(TIMES):
        mine, theirs = map(value, runs)
        ratio = f"{theirs / mine:.2f}" if mine and theirs is not None else ""
        yield ("" if index else first, what, shown(mine), shown(theirs), ratio)


def at_once(document: Json) -> Section:
    """Orders placed at the same moment."""
    pairs = zip(*(chosen(document, "at once", side) for side in SIDES), strict=True)
    rows = tuple(row for pair in pairs for row in compared(str(pair[0]["orders"]), pair))
    headings = ("At once", "", "Platform", "Chain", "Ratio")
    return Section("Orders at once, at a payment provider that answers at once", headings, rows, "at-once")


def steady(document: Json) -> Section:
    """Orders that arrive one after the other."""
    pair = (weighed(document, SIDES[0]), weighed(document, SIDES[1]))
    rows = list(compared(f"{pair[0]['rate']:g} per second", pair))
    mine, theirs = (document["highestRate"][side] for side in SIDES)
    ratio = f"{theirs / mine:.2f}" if mine else ""
    rows.append(("highest", "rate with p99 < 3 s, per second", number(mine), number(theirs), ratio))
    headings = ("Arriving", "", "Platform", "Chain", "Ratio")
    title = (
        "Orders for a minute, at a provider that takes 1.5 s (the highest rate: at one that answers at once)"
    )
    return Section(title, headings, tuple(rows), "rate")


def used(document: Json) -> Section:
    """What one confirmed order uses, and what a million of them cost."""
    prices = price_list()
    runs = [weighed(document, side) for side in SIDES]
    rows = [
        ("used", what, *(number(run["perOrder"].get(name, 0)) for run in runs))
        for name, what in QUANTITIES.items()
        if any(name in run["perOrder"] for run in runs)
    ]
    costs = [prices.cost(run["perOrder"]) for run in runs]
    rows += [
        ("a million cost", service, *(dollars(cost.get(service, 0) * MILLION) for cost in costs))
        for service in {**costs[0], **costs[1]}
    ]
    rows.append(
        ("a million cost", "together", *(dollars(prices.per_million(run["perOrder"])) for run in runs))
    )
    told = tuple((*(row[:1] if row[0] != before else ("",)), *row[1:]) for before, row in pairs(rows))
    title = f"A confirmed order, and AWS's list price of a million (US dollars, {prices.region}, read {prices.read})"
    return Section(title, ("", "", "Platform", "Chain"), told, "price")


def pairs(rows: list[tuple[str, ...]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each row with the first cell of the one before it."""
    return zip(["", *(row[0] for row in rows[:-1])], rows, strict=True)


def shares(document: Json) -> Section:
    """Where the time goes."""
    rows = []
    for count in sorted({run["orders"] for run in chosen(document, "at once", SIDES[0])}):
        for side in SIDES:
            run = next(each for each in chosen(document, "at once", side) if each["orders"] == count)
            cells = (f"{run['shares'].get(status, 0):.0%}" for status in STATUSES)
            rows.append((str(count) if side == SIDES[0] else "", side, *cells))
    return Section("Share of the time by the step that it led to", ("At once", "", *STATUSES), tuple(rows))


def again(first: Json, repeated: list[Json]) -> Section:
    """The same run again and again: does it stay as fast."""
    last = repeated[-1]
    figures = (
        ("orders per second", first["perSecond"], last["perSecond"], number),
        (
            "processor per order, emulator",
            processor(first, "emulator"),
            processor(last, "emulator"),
            taken,
        ),
    )
    rows = tuple(
        ("", what, shown(one), shown(other), f"{other / one:.2f}" if one and other is not None else "")
        for what, one, other, shown in figures
    )
    count = len(repeated) + 1
    return Section(
        f"{first['orders']} at once, {count} times", ("", "", "First", f"Run {count}", "Last / first"), rows
    )


def tables(document: Json) -> Iterator[Table]:
    """A document's tables for a terminal."""
    for section in sections(document):
        table = Table(title=section.title, title_justify="left")
        for index, heading in enumerate(section.headings):
            table.add_column(heading, justify="right" if index > 1 else "left", no_wrap=True)
        for index, row in enumerate(section.rows):
            following = section.rows[index + 1 : index + 2]
            table.add_row(*row, end_section=bool(following and following[0][0]))
        yield table


def markdown(document: Json) -> str:
    """A document's tables and drawings for the page."""
    machine = document["machine"]
    where = f"{machine['cores']} cores ({machine['system']}, {machine['processor']})"
    measured = f"Measured {document['date'][:10]} at commit `{document['commit']}`"
    busy = f"load average {machine['load']} before the first run"
    lines = [f"{measured}, on {where}, Python {machine['python']}, {busy}.", ""]
    for index, section in enumerate(sections(document)):
        lines += [f"## {section.title}", ""]
        if section.drawing:
            lines += [f"![{section.title}](benchmarks/{section.drawing}.svg)", ""]
        lines += [_row(section.headings), _row(["---", "---", *["---:"] * (len(section.headings) - 2)])]
        lines += [*map(_row, section.rows), ""]
        if index == 0:
            lines += [f"{line}\n" for line in HOW_TO_READ]
    return "\n".join(lines)


def _row(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"


def written(document: Json, page: Path) -> None:
    """Keep a document beside a page, draw it, and put its tables into the page between the two marks.

    Args:
        document: What `measure` gave.
        page: A Markdown file with the marks; its folder gets one of the same name for data and drawings.
    """
    folder = page.with_suffix("")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DATA).write_text(json.dumps(document, indent=2) + "\n")
    for name, drawing in plots.drawings(document).items():
        (folder / f"{name}.svg").write_text(drawing)
    text = page.read_text() if page.exists() else f"# Benchmarks\n\n{START}\n{END}\n"
    page.write_text(filled(text, document))


def rewritten(page: Path) -> None:
    """Write a page's tables and drawings again from the document that is kept beside it.

    Args:
        page: As for `written`.

    Raises:
        StorefrontError: Nothing is kept there.
    """
    kept = page.with_suffix("") / DATA
    if not kept.exists():
        raise StorefrontError(f"There is no {kept}.", "Measure: make bench PAGE=docs/benchmarks.md")
    written(json.loads(kept.read_text()), page)


def filled(text: str, document: Json) -> str:
    """A page's text with a document's tables between its marks."""
    between = re.compile(f"(?<={re.escape(START)}\n).*?(?={re.escape(END)})", re.DOTALL)
    return between.sub(lambda _: f"\n{markdown(document)}\n", text)
