"""What a change would do to the bill: the same orders, on the templates of before and of now."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from storefront.cost import templates
from storefront.cost.assumptions import Assumptions
from storefront.cost.counts import Counts
from storefront.cost.document import setting_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from storefront.cost.bill import Bill

TEMPLATES, COUNTS = "templates.json", "counts.json"
HALF_A_CENT = 0.005
NOTHING = (0.0, 0.0)


@dataclass(frozen=True)
class Change:
    """Two bills.

    Attributes:
        before: Before; None where there was nothing to compare with.
        after: Now; None where nothing was counted yet.
        orders: A month.
        is_counted_anew: Whether what an order uses was counted again meanwhile: then not templates alone have changed.
    """

    before: Bill | None
    after: Bill | None
    orders: float
    is_counted_anew: bool = False


class Costs(NamedTuple):
    """An order's and a month's, before and now."""

    order_before: float
    month_before: float
    order_after: float
    month_after: float

    def whole(self, orders: float) -> float:
        """The month now."""
        return self.order_after * orders + self.month_after

    def change(self, orders: float) -> float:
        """How much dearer the month is."""
        return self.whole(orders) - self.order_before * orders - self.month_before


def between(before: Path, after: Path, stage: str, orders: float) -> Change:
    """Compare two states.

    Args:
        before: A folder with templates by stack (`templates.json`) and what was counted then (`counts.json`), if it was.
        after: The same of now.
        stage: Whose templates they are.
        orders: A month.
    """
    counts = _counts(after)
    if counts is None:
        return Change(None, None, orders)
    former = _counts(before)
    return Change(
        # What was counted later describes the former templates better than nothing.
        _bill(before, former or counts, stage, orders),
        _bill(after, counts, stage, orders),
        orders,
        is_counted_anew=former is not None and former.about != counts.about,
    )


def _counts(folder: Path) -> Counts | None:
    file = folder / COUNTS
    return Counts.read(file) if file.exists() else None


def _bill(folder: Path, counts: Counts, stage: str, orders: float) -> Bill | None:
    read = json.loads((folder / TEMPLATES).read_text())
    if not read:
        return None
    return setting_of(templates.of(read, stage), counts, Assumptions.kept()).bill(orders)


def markdown(change: Change) -> str:
    """The change as a section of a comment: by service, for an order and for a month without any."""
    lines = [f"#### Cost of a month with {change.orders:,.0f} orders", ""]
    if change.after is None:
        return "\n".join([*lines, "Nothing was counted yet: `make cost COUNT=1`.", ""])
    before, after = _by_service(change.before), _by_service(change.after)
    costs = {
        service: Costs(*before.get(service, NOTHING), *after.get(service, NOTHING))
        for service in sorted({**before, **after})
    }
    lines += [
        "| Service | An order | Change | A month without orders | Change | The month |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        *(
            _row(service, each, change.orders)
            for service, each in costs.items()
            if abs(each.change(change.orders)) >= HALF_A_CENT
        ),
        _row("together", Costs(*_whole(change.before), *_whole(change.after)), change.orders),
        "",
    ]
    if change.before is None:
        lines.append("There is nothing to compare with.\n")
    if change.is_counted_anew:
        lines.append(
            "What an order uses was counted again: the change is that of both, templates and counts.\n"
        )
    else:
        lines.append(
            "By what was counted last: a change in code or definitions shows once `make cost COUNT=1` was run.\n"
        )
    if new := sorted({*change.after.not_priced} - {*(change.before.not_priced if change.before else ())}):
        lines.append(f"**Not priced**: {', '.join(new)}.\n")
    return "\n".join(lines)


def _by_service(bill: Bill | None) -> Mapping[str, tuple[float, float]]:
    return {name: (order, month) for (name,), order, month in bill.by("service")} if bill else {}


def _whole(bill: Bill | None) -> tuple[float, float]:
    return (bill.per_order, bill.per_month) if bill else NOTHING


def _row(name: str, costs: Costs, orders: float) -> str:
    return (
        f"| {name} | ${costs.order_after:,.6f} | {_signed(costs.order_after - costs.order_before, 6)} "
        f"| ${costs.month_after:,.2f} | {_signed(costs.month_after - costs.month_before, 2)} "
        f"| ${costs.whole(orders):,.2f} ({_signed(costs.change(orders), 2)}) |"
    )


def _signed(usd: float, digits: int) -> str:
    if round(usd, digits) == 0:
        return "="
    return f"{'+' if usd > 0 else '-'}${abs(usd):,.{digits}f}"
