"""What `make cost` does: reads templates and counts, makes the document, shows and keeps it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storefront.cost import document, report
from storefront.cost import templates as synthesized
from storefront.cost.assumptions import Assumptions
from storefront.cost.counts import KEPT, Age, Counts, age

if TYPE_CHECKING:
    from rich.console import Console

    from storefront.client import Commerce

Json = dict[str, Any]

LOCAL = "local"
ABOVE = "Make it cheaper, or raise the budget and say why in storefront/storefront/cost/assumptions.toml."
TOO_OLD = "The counts are too old: make cost COUNT=1 counts again (5 minutes), then commit docs/cost."
NOT_PRICED = "Give the type a rule, or list it as free, in storefront/storefront/cost/standing.py."


@dataclass(frozen=True)
class Asked:
    """What a bill is asked for.

    Attributes:
        templates: A file that names the stage's templates.
        stage: Its name.
        orders: A month.
        assume: Other assumptions.
        standing: A file that names the local stage's templates, on which it was counted; without it the age of the
            counts is not said.
    """

    templates: Path
    stage: str
    orders: float
    assume: str = ""
    standing: Path | None = None


def made(asked: Asked, *, is_free_tier: bool = False) -> Json:
    """The bill's document.

    Raises:
        StorefrontError: There is no template, nothing was counted, or an assumption is none.
    """
    counts = Counts.read(KEPT)
    stage = synthesized.read(_listed(asked.templates), asked.stage)
    since = age(counts, synthesized.read(_listed(asked.standing), LOCAL)) if asked.standing else Age()
    assumptions = Assumptions.kept().assuming(asked.assume)
    found = document.made(stage, counts, assumptions, asked.orders, age=since, is_free_tier=is_free_tier)
    return found | {"isTooOld": since.is_too_old}


def _listed(file: Path) -> list[Path]:
    return [Path(line) for line in file.read_text().splitlines() if line.endswith(synthesized.SUFFIX)]


def show(found: Json, console: Console, *, is_brief: bool) -> None:
    """Print the tables, or the sum alone."""
    if not is_brief:
        for table in report.tables(found):
            console.print(table)
        for line in report.remarks(found):
            console.print(line, soft_wrap=True, markup=False)
    console.print(
        f"An order costs {report.each(found['withoutUsers'])} (budget {report.each(found['budget']['per_order'])}), its user "
        f"{report.each(found['perOrder'] - found['withoutUsers'])}; a month without orders {report.month(found['perMonth'])} "
        f"(budget {report.month(found['budget']['per_month'])}).",
        soft_wrap=True,
    )


def faults(found: Json) -> dict[str, str]:
    """Why the bill is not to be accepted, as sentences, each with what to do."""
    old = found["age"] if found["isTooOld"] else []
    unknown = [f"Not priced: {', '.join(found['notPriced'])}."] if found["notPriced"] else []
    return (
        dict.fromkeys(document.over_budget(found), ABOVE)
        | dict.fromkeys(old, TOO_OLD)
        | dict.fromkeys(unknown, NOT_PRICED)
    )


def keep(found: Json, file: Path) -> None:
    """Write the document."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, indent=1) + "\n")


def write(found: Json, page: Path) -> None:
    """Write the page, its data and drawings."""
    report.written(found, page, KEPT.parent)


def count(commerce: Commerce, templates: Path, times: int, console: Console) -> None:
    """Count, and keep it."""
    from storefront.cost import counting  # noqa: PLC0415 - needed here alone

    counting.count(commerce, synthesized.read(_listed(templates), LOCAL), console, times).write(KEPT)
    console.print(f"Kept: {KEPT}")
