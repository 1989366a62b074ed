"""A smoke test of a stage that is deployed: what it answers is what is published, and an order goes through."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests

from storefront.client import StorefrontError
from storefront.smoke.orders import cancelled, confirmed, declined
from storefront.smoke.routes import bodies, refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rich.console import Console

    from storefront.smoke.visit import Finding, Visit

UNTOUCHED = ("prod",)
"""Stages where nobody is signed in, nothing written and nothing bought."""
OF_ONE_SERVICE = ("routes", "bodies")
"""What can be asked of one service alone."""


@dataclass(frozen=True)
class Check:
    """One thing that is looked at.

    Attributes:
        says: What holds if it succeeds.
        run: Looks, and says what it found.
        buys: Whether it places an order.
    """

    says: str
    run: Callable[[Visit], Iterable[Finding]]
    buys: bool = False


CHECKS = {
    "routes": Check(
        "every route refuses whom it must, as published, and names the request it was asked in", refusals
    ),
    "bodies": Check("a body that does not fit is refused by field, with and without a charset", bodies),
    "confirmed": Check("an order is reserved, paid, confirmed and handed over", confirmed, buys=True),
    "declined": Check("a declined payment gives the stock back", declined, buys=True),
    "cancelled": Check("a cancelled order is refunded and gives the stock back", cancelled, buys=True),
}


def selected(names: Sequence[str], stage: str) -> dict[str, Check]:
    """The checks of these names; all that the stage bears without names.

    Raises:
        StorefrontError: There is no such check, or the stage does not bear it; says which there are.
    """
    possible = {name: check for name, check in CHECKS.items() if not (check.buys and stage in UNTOUCHED)}
    if unknown := [name for name in names if name not in possible]:
        why = "would place an order there" if unknown[0] in CHECKS else f"is not one of {', '.join(possible)}"
        raise StorefrontError(f"CHECK={unknown[0]} {why}.", f"For {stage}: {', '.join(possible)}.")
    return {name: possible[name] for name in names or possible}


def run(visit: Visit, checks: dict[str, Check], output: Console) -> bool:
    """Look at everything, show each problem as it is found, and say whether there was none."""
    is_well = True
    for name, check in checks.items():
        began, seen, problems = time.monotonic(), 0, 0
        output.print(f"{name:<10} {check.says}", soft_wrap=True)
        for finding in _findings(check, visit):
            seen += 1
            if finding.problem:
                problems += 1
                output.print(
                    f"  {finding.what}: {finding.problem}", style="red", markup=False, soft_wrap=True
                )
        # What looked at nothing has shown nothing.
        is_well = is_well and seen > 0 and not problems
        verdict = f"{problems} of {seen} failed" if problems or not seen else f"{seen} as they should be"
        output.print(f"{'':<10} {verdict}, {time.monotonic() - began:.1f} s", markup=False)
    return is_well


def _findings(check: Check, visit: Visit) -> Iterable[Finding]:
    """What a check finds; what it stumbles over is found too, so that the others are still run."""
    from storefront.smoke.visit import Finding  # noqa: PLC0415 - only names it

    try:
        yield from check.run(visit)
    except StorefrontError as error:
        yield Finding("stopped", error.problem)
    except requests.RequestException as error:
        yield Finding("stopped", f"nothing answers: {error}")
