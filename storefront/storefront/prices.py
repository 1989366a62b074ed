"""What AWS's list says that quantities cost. The rounding is done where they are counted, by the local cloud."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

UNPRICED = frozenset({"dynamodbWrites", "dynamodbReads", "sqsMessages"})
"""Counted to be looked at; what is paid are their units and requests."""
TO_LOOK_AT = frozenset(
    {
        *("workflowRuns", "statesEntered", "workflowMs", "storedBytes"),
        *("functionCpuMs", "functionWaitedMs", "functionStarts", "functionStartMs"),
        *("pipeRecords", "eventBytes", "errorLogBytes"),
    }
)
"""What other settings would cost depends on it; the local cloud counts it by resource."""
MILLION = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Price:
    """One price of the list.

    Attributes:
        service: Whose it is.
        unit: Of what one costs so much.
        usd: What it costs, in US dollars.
        source: Address of the page or list.
        published: Date of the price list; unknown of a page.
        verified: Whether it was found for this region.
        free: How many are free each month, for good and in each account; in no figure unless somebody asks.
    """

    service: str
    unit: str
    usd: float
    source: str
    published: date | None = None
    verified: bool = True
    free: float = 0


@dataclass(frozen=True)
class PriceList:
    """The prices of a region.

    Attributes:
        region: Which.
        read: When they were read.
        prices: By quantity.
    """

    region: str
    read: date
    prices: Mapping[str, Price]

    def cost(self, quantities: Mapping[str, float]) -> dict[str, float]:
        """What quantities cost, by service, the dearest first; in US dollars.

        Raises:
            KeyError: A quantity has no price.
        """
        by_service: dict[str, float] = {}
        for name, count in quantities.items():
            if name not in UNPRICED | TO_LOOK_AT:
                price = self.prices[name]
                by_service[price.service] = by_service.get(price.service, 0.0) + count * price.usd
        return dict(sorted(by_service.items(), key=lambda entry: -entry[1]))

    def per_million(self, quantities: Mapping[str, float]) -> float:
        """What a million times these quantities cost, in US dollars."""
        return MILLION * math.fsum(self.cost(quantities).values())


@cache
def price_list() -> PriceList:
    """The list beside this module."""
    table = tomllib.loads(Path(__file__).with_name("prices.toml").read_text())
    prices = {name: Price(**entry) for name, entry in table.items() if isinstance(entry, dict)}
    return PriceList(table["region"], table["read"], prices)
