"""What the bill depends on and nothing here knows: how customers behave, and how AWS does in the background."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from storefront.client import StorefrontError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILE = Path(__file__).with_name("assumptions.toml")
_REASON = re.compile(r"^(\w+) *=[^#\n]*# *(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Assumptions:
    """All of them.

    Attributes:
        mix: How often each journey happens for one order.
        figures: The others, by name.
        budget: What an order (`per_order`) and a month without one (`per_month`) may cost, US dollars.
        reasons: Why, by name, as the file says.
    """

    mix: Mapping[str, float]
    figures: Mapping[str, float]
    budget: Mapping[str, float]
    reasons: Mapping[str, str]

    def __getitem__(self, name: str) -> float:
        return self.figures[name]

    @classmethod
    def kept(cls, file: Path = FILE) -> Assumptions:
        """Those of the file beside this module."""
        written = file.read_text()
        table = tomllib.loads(written)
        mix = {name: value for name, value in table["mix"].items() if name != "note"}
        return cls(mix, table["figures"], table["budget"], dict(_REASON.findall(written)))

    def assuming(self, changes: str) -> Assumptions:
        """Others for once.

        Args:
            changes: `visit=20 orders_per_customer=3`.

        Raises:
            StorefrontError: There is no such assumption, or it is no number; lists which there are.
        """
        mix, figures = dict(self.mix), dict(self.figures)
        for change in changes.split():
            name, _, value = change.partition("=")
            try:
                number = float(value)
            except ValueError:
                raise StorefrontError(f"{change!r} is not like visit=20.") from None
            if name not in {**mix, **figures} or number < 0:
                known = ", ".join([*mix, *figures])
                raise StorefrontError(f"ASSUME={change} is none that can be assumed.", f"There are: {known}.")
            (mix if name in mix else figures)[name] = number
        return replace(self, mix=mix, figures=figures)

    def lines(self) -> Iterator[tuple[str, str, str]]:
        """Each one's name, value and reason."""
        for name, value in {**self.mix, **self.figures}.items():
            yield name, f"{value:,g}", self.reasons.get(name, "")
