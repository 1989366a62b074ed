"""Which runs are made, in which order, and what is kept of each."""

from __future__ import annotations

import math
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from storefront.bench.measured import highest
from storefront.bench.metering import Metering
from storefront.bench.sides import CHAIN, SLOW, Chain, Load, Platform, arrive, prepare
from storefront.client import ORDERING, Customer, StorefrontError
from storefront.prices import price_list

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from storefront.bench.measured import Result
    from storefront.bench.sides import Side
    from storefront.client import Commerce

Json = dict[str, Any]

MOST_AT_ONCE = 500
MOST_REPEATS = 20
STEADY_SECONDS = 60
PROMISE_SECONDS = 3.0
"""Which p99 the highest rate keeps, from placing to confirmed."""
STEP_SECONDS = 6
"""How long a rate is tried in the search for the highest."""
LATE_SECONDS = 15.0
"""How long after the last order of a try the customers of a chain give up."""
SETTLE_SECONDS = 60.0
"""How long a run waits for what the one before it has left."""
FIRST_RATE, MOST_RATE, HALVINGS = 2.0, 128.0, 2


@dataclass(frozen=True)
class Options:
    """What to run.

    Attributes:
        at_once: Orders at once, one run each.
        rate: Orders a second that arrive for a minute at a provider that takes 1.5 s; 0 leaves out what arrives
            steadily. The local stage takes five payments side by side, so up to three.
        repeat: How often the largest run at once is made on the platform; the last is compared with the first.
    """

    at_once: tuple[int, ...] = (1, 50, 200)
    rate: float = 2.0
    repeat: int = 1

    @classmethod
    def parsed(cls, orders: str, rate: float, repeat: int) -> Options:
        """Check what a user gave.

        Raises:
            StorefrontError: Something is not within the bounds.
        """
        try:
            found = tuple(int(part) for part in orders.split(","))
        except ValueError:
            found = ()
        if not found or not all(1 <= size <= MOST_AT_ONCE for size in found):
            raise StorefrontError(
                f"ORDERS is a list of numbers from 1 to {MOST_AT_ONCE}; got {orders!r}.",
                "make bench ORDERS=1,50,200",
            )
        if not 0 <= rate <= MOST_RATE:
            raise StorefrontError(
                f"RATE is orders a second, from 0 to {MOST_RATE:.0f}; got {rate}.", "make bench RATE=2"
            )
        if not 1 <= repeat <= MOST_REPEATS:
            raise StorefrontError(f"REPEAT is from 1 to {MOST_REPEATS}; got {repeat}.", "make bench REPEAT=5")
        return cls(found, rate, repeat)


@dataclass(frozen=True)
class Suite:
    """Runs, on a local cloud that counts.

    Attributes:
        metering: What it counts.
        sides: What is measured, in this order.
        options: What to run.
        console: Where progress goes.
    """

    metering: Metering
    sides: tuple[Side, ...]
    options: Options
    console: Console

    def run(self, side: Side, load: Load, kind: str) -> tuple[Result, Json]:
        """Make one run and say what it came to."""
        self.metering.settle(SETTLE_SECONDS)
        before = self.metering.begin()
        result = arrive(side, load)
        self.metering.settle(load.patience)
        after = self.metering.end()
        side.look(result.placed)
        quantities, cpu = after.since(before, len(result.confirmed))
        figures = summary(side.name, kind, load, result) | {"perOrder": quantities, "cpuPerOrder": cpu}
        self.console.print(told(figures) + result.others(), highlight=False)
        return result, figures

    def runs(self) -> Iterator[Json]:
        """Everything but the search, in turn."""
        for count in self.options.at_once:
            for side in self.sides:
                yield self.run(side, Load(count), "at once")[1]
        for _ in range(self.options.repeat - 1):
            yield self.run(self.sides[0], Load(max(self.options.at_once)), "repeated")[1]
        if self.options.rate:
            count = max(1, round(self.options.rate * STEADY_SECONDS))
            for side in self.sides:
                yield self.run(side, Load(count, self.options.rate, SLOW), "steady")[1]

    def search(self, side: Side) -> tuple[float, list[Json]]:
        """Search the highest rate that keeps the promise, with a provider that answers at once.

        Returns:
            The rate, and the runs of the search.
        """
        tried: list[Json] = []

        def keeps(rate: float) -> bool:
            load = Load(round(rate * STEP_SECONDS), rate, patience=LATE_SECONDS)
            result, figures = self.run(side, load, "search")
            tried.append(figures)
            return result.keeps(PROMISE_SECONDS)

        return highest(keeps, first=FIRST_RATE, most=MOST_RATE, steps=HALVINGS), tried

    def everything(self) -> Json:
        """All runs, and the highest rates if orders arrive steadily."""
        runs, rates = list(self.runs()), {}
        if self.options.rate:
            for side in self.sides:
                rates[side.name], tried = self.search(side)
                runs += tried
        return {"runs": runs} | ({"highestRate": rates} if rates else {})


def summary(side: str, kind: str, load: Load, result: Result) -> Json:
    """A run's figures, as they are kept; what is unknown is null."""
    seconds = {
        "p50": result.seconds(0.5),
        "p99": result.seconds(0.99),
        "acceptedP50": result.seconds_once_accepted(0.5),
        "acceptedP99": result.seconds_once_accepted(0.99),
        "answeredP50": result.answer(0.5),
        "answeredP99": result.answer(0.99),
    }
    return {
        "side": side,
        "kind": kind,
        "orders": load.count,
        "rate": load.rate or None,
        "pay": load.pay,
        "confirmed": len(result.confirmed),
        "lost": result.lost,
        "perSecond": round(result.per_second, 2),
        **{name: None if math.isnan(value) else round(value, 4) for name, value in seconds.items()},
        "shares": {status: round(share, 4) for status, share in result.shares().items()},
    }


def told(figures: Json) -> str:
    """A run in one line."""
    what = f"{figures['rate']:g}/s" if figures["rate"] else f"{figures['orders']} at once"
    p99 = "-" if figures["p99"] is None else f"{figures['p99']:.2f} s"
    return (
        f"  {what:>12}  {figures['side']:<9} {figures['confirmed']} confirmed, "
        f"{figures['perSecond']:.1f} per second, p99 {p99}"
    )


def measure(commerce: Commerce, options: Options, console: Console) -> Json:
    """Warm both sides up, make all runs, and give what is to be kept.

    Args:
        commerce: The platform, with the chain beside it, on a local cloud that counts.
        options: What to run.
        console: Where progress goes.

    Raises:
        StorefrontError: A service or the chain is not deployed, or the cloud does not count.
    """
    commerce.require(ORDERING)
    if CHAIN not in commerce.endpoints["services"]:
        raise StorefrontError(
            "The chain is not deployed.", "make bench deploys it, to a local cloud of its own."
        )
    around = circumstances()
    console.print("Putting products on sale and warming up.")
    prepare(commerce)
    customer = Customer(commerce)
    suite = Suite(Metering(commerce), (Platform(customer), Chain(customer)), options, console)
    for side in suite.sides:
        # Fewer orders would leave the largest run to start the function workers that only it needs.
        arrive(side, Load(max(options.at_once)))
    return around | {"options": asdict(options)} | suite.everything()


def circumstances() -> Json:
    """When, of which code, on what, and how much else that had to do."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=10"],  # noqa: S607 - whichever git there is
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "commit": described.stdout.strip() or None,
        "machine": {
            "cores": len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count(),
            "system": platform.system(),
            "processor": platform.machine(),
            "python": platform.python_version(),
            "load": round(os.getloadavg()[0], 1),
        },
        "region": price_list().region,
    }
