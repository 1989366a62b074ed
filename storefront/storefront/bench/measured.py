"""Orders as they were measured, and what a run of them comes to. Pure."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ACCEPTED, CONFIRMED = "PLACED", "CONFIRMED"


@dataclass
class Measured:
    """One order of a run.

    Attributes:
        sent: When the customer meant to send it, seconds since the epoch.
        answered: When the customer had the answer.
        reached: When each status was reached, by its service's own record.
        outcome: Its last status, or why it was cancelled.
        id: The order's.
    """

    sent: float
    answered: float = math.inf
    reached: dict[str, float] = field(default_factory=dict)
    outcome: str = "NOT_ACCEPTED"
    id: str = ""

    @property
    def is_confirmed(self) -> bool:
        """Whether it went through."""
        return CONFIRMED in self.reached

    @property
    def seconds(self) -> float:
        """From placing to confirmed."""
        return self.reached[CONFIRMED] - self.sent

    @property
    def seconds_once_accepted(self) -> float:
        """From when the service had it to confirmed: without its time in line before; NaN if that is not told."""
        return self.reached[CONFIRMED] - self.reached.get(ACCEPTED, math.nan)

    def note(self, timeline: Sequence[Mapping[str, Any]]) -> None:
        """Take the times of a timeline."""
        self.reached = {
            entry["status"]: datetime.fromisoformat(entry["at"]).timestamp() for entry in timeline
        }


@dataclass(frozen=True)
class Result:
    """What a run of orders gave.

    Attributes:
        placed: Its orders.
    """

    placed: tuple[Measured, ...]

    @property
    def confirmed(self) -> list[Measured]:
        """Those that went through."""
        return [order for order in self.placed if order.is_confirmed]

    @property
    def lost(self) -> int:
        """How many did not."""
        return len(self.placed) - len(self.confirmed)

    def others(self) -> str:
        """How the others ended: `, 3 TIMED_OUT`."""
        ended = Counter(order.outcome for order in self.placed if not order.is_confirmed)
        return "".join(f", {count} {outcome}" for outcome, count in sorted(ended.items()))

    @property
    def per_second(self) -> float:
        """Confirmed orders over the time from the first one sent to the last one confirmed."""
        if not self.confirmed:
            return 0.0
        lasted = max(order.reached[CONFIRMED] for order in self.confirmed) - min(
            order.sent for order in self.placed
        )
        return len(self.confirmed) / max(lasted, 0.001)

    def seconds(self, share: float) -> float:
        """Place-to-confirmed time that this share of the confirmed orders did not exceed."""
        return quantile([order.seconds for order in self.confirmed], share)

    def seconds_once_accepted(self, share: float) -> float:
        """Accepted-to-confirmed time that this share of the confirmed orders did not exceed."""
        return quantile([order.seconds_once_accepted for order in self.confirmed], share)

    def answer(self, share: float) -> float:
        """Time until the customer had an answer that this share of the confirmed orders did not exceed."""
        return quantile([order.answered - order.sent for order in self.confirmed], share)

    def keeps(self, seconds: float) -> bool:
        """Whether every order went through and 99 of 100 took less than so long."""
        return bool(self.placed) and not self.lost and self.seconds(0.99) < seconds

    def shares(self) -> dict[str, float]:
        """The share of the whole time by the status that it led to."""
        spent: dict[str, float] = {}
        for order in self.confirmed:
            before = order.sent
            for status, at in sorted(order.reached.items(), key=lambda step: step[1]):
                spent[status] = spent.get(status, 0.0) + max(at - before, 0.0)
                before = at
        whole = sum(spent.values())
        return {status: seconds / whole for status, seconds in spent.items()} if whole else {}


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of the values does not exceed; NaN of none (nearest rank)."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def highest(keeps: Callable[[float], bool], *, first: float, most: float, steps: int) -> float:
    """The highest rate that was seen to hold: doubled until one does not, then halved between.

    Args:
        keeps: Runs at a rate and says whether it holds.
        first: The rate to begin with.
        most: The rate not to exceed.
        steps: How many tries between the last that held and the first that did not.

    Returns:
        0 if not even the first one holds.
    """
    held, rate = 0.0, first
    while rate <= most and keeps(rate):
        held, rate = rate, rate * 2
    if rate > most or not held:
        return held
    failed = rate
    for _ in range(steps):
        rate = (held + failed) / 2
        if keeps(rate):
            held = rate
        else:
            failed = rate
    return held
