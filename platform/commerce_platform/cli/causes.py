"""Steps by what set them off: an event stands under the request or the event that it answers, its effects under it."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from commerce_platform.cli.steps import Step

UNDOING = re.compile(r"\w+Cancelled\.v\d+")
"""The name of a fact that takes something back, by the naming rule of events: what others do about it compensates."""


def tree(steps: Sequence[Step]) -> Iterator[tuple[str, Step]]:
    """The steps, each below its cause, with the lines of a tree before it.

    What was done about the cause comes first, then the events that came of it, both in order of time. A step whose cause is unknown stands at the beginning of a line, and nothing is left out.
    """
    named = {step.id for step in steps if step.id}
    below: dict[str, list[Step]] = defaultdict(list)
    for step in sorted(steps, key=lambda each: (bool(each.id), each)):
        has_cause = step.cause in named and step.cause != step.id
        below[step.cause if has_cause else ""].append(step)
    shown: set[str] = set()

    def branch(cause: str, before: str) -> Iterator[tuple[str, Step]]:
        last = len(below[cause]) - 1
        for number, step in enumerate(below[cause]):
            corner, rest = ("└ ", "  ") if number == last else ("├ ", "│ ")
            yield (f"{before}{corner}" if cause else ""), step
            if step.id and step.id not in shown:
                shown.add(step.id)
                yield from branch(step.id, f"{before}{rest}" if cause else "")

    below[""].sort()
    yield from branch("", "")
    # Events that name each other as causes hang from nothing.
    yield from (("", step) for cause in list(below) if cause and cause not in shown for step in below[cause])


def compensations(steps: Sequence[Step]) -> tuple[Step | None, list[Step]]:
    """The event that took everything back, and where each of the other services ended after it.

    Returns:
        The last such event and, per service, the last fact of it since then; nothing where nothing was taken back.
    """
    undone = max(
        (step for step in steps if step.kind == "event" and UNDOING.fullmatch(step.outcome)), default=None
    )
    if not undone:
        return None, []
    ended: dict[str, Step] = {}
    for step in sorted(steps):
        if step.outcome and step.at >= undone.at and step.service != undone.service:
            ended[step.service] = step
    return undone, sorted(ended.values())
