"""Money in integer minor units: no float ever touches an amount."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StrictInt
from pydantic.alias_generators import to_camel

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_AMOUNT_MINOR = 2**53 - 1
"""Amounts travel through JSON and JSONata, whose numbers are IEEE doubles: beyond 2^53 - 1 a cent may be lost."""


class CurrencyMismatchError(ValueError):
    """Two amounts in different currencies were combined."""

    def __init__(self, left: str, right: str) -> None:
        super().__init__(f"amounts must share one currency, got {left} and {right}; convert before combining")


class Money(BaseModel):
    """An amount of money: ``{"amountMinor": 1299, "currency": "EUR"}`` on the wire.

    Args:
        amount_minor: amount in the currency's minor unit (cents); an integer within ±(2^53 - 1), may be negative
            (a refund). Strings, floats and booleans are refused.
        currency: ISO 4217 alphabetic code.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, defer_build=True
    )

    amount_minor: Annotated[StrictInt, Field(ge=-MAX_AMOUNT_MINOR, le=MAX_AMOUNT_MINOR)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]

    @classmethod
    def zero(cls, currency: str) -> Self:
        """No money at all, in a currency."""
        return cls(amount_minor=0, currency=currency)

    @classmethod
    def total(cls, amounts: Iterable[Money], *, currency: str) -> Money:
        """Sum of the amounts; zero of `currency` when there are none.

        Raises:
            CurrencyMismatchError: An amount is in another currency.
        """
        return sum(amounts, start=cls.zero(currency))

    def __add__(self, other: Money) -> Money:
        """Sum of two amounts of one currency."""
        return Money(amount_minor=self.amount_minor + self._same(other), currency=self.currency)

    def __mul__(self, quantity: int) -> Money:
        """The amount for a whole quantity; fractions need a rounding rule, so they are refused."""
        if isinstance(quantity, bool) or not isinstance(quantity, int):
            raise TypeError(f"money can be multiplied by an int only, got {quantity!r}")
        return Money(amount_minor=self.amount_minor * quantity, currency=self.currency)

    __rmul__ = __mul__

    def __str__(self) -> str:
        """Minor units and currency: the number of decimals is a matter of presentation."""
        return f"{self.amount_minor} {self.currency} (minor units)"

    def _same(self, other: Money) -> int:
        if not isinstance(other, Money):
            raise TypeError(f"money combines with Money only, got {other!r}")
        if other.currency != self.currency:
            raise CurrencyMismatchError(self.currency, other.currency)
        return other.amount_minor
