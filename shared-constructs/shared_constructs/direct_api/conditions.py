"""Conditions on stored items: DynamoDB evaluates them, and a template can tell which of several failed."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from shared_constructs.direct_api.outcomes import Outcome
    from shared_constructs.direct_api.values import Value


class Operator(StrEnum):
    """DynamoDB's comparisons."""

    EQUALS = "="
    NOT_EQUALS = "<>"
    LESS_THAN = "<"
    AT_MOST = "<="
    GREATER_THAN = ">"
    AT_LEAST = ">="
    BEGINS_WITH = "begins_with"
    EXISTS = "attribute_exists"
    NOT_EXISTS = "attribute_not_exists"


@dataclass(frozen=True)
class Comparison:
    """An attribute of the item against a value."""

    operator: Operator
    attribute: str
    value: Value | None = None


@dataclass(frozen=True)
class OneOf:
    """An attribute of the item against a list of constants."""

    attribute: str
    choices: tuple[str | int, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.choices) <= 100:  # noqa: PLR2004 - DynamoDB's IN takes at most 100 operands
            raise ValueError(f"one_of({self.attribute!r}) takes 1 to 100 constants, got {len(self.choices)}")


@dataclass(frozen=True)
class AllOf:
    """Every one of several conditions."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class AnyOf:
    """At least one of several conditions."""

    conditions: tuple[Condition, ...]


Condition: TypeAlias = "Comparison | OneOf | AllOf | AnyOf"


@dataclass(frozen=True)
class Require:
    """A condition of a write and the answer when it does not hold.

    Attributes:
        condition: What must hold for the item as stored.
        otherwise: The answer; `Succeed` where the state asked for is already there.
    """

    condition: Condition
    otherwise: Outcome = field(kw_only=True)


def equals(attribute: str, value: Value) -> Comparison:
    """Hold when the attribute has this value (not when it is missing)."""
    return Comparison(Operator.EQUALS, attribute, value)


def not_equals(attribute: str, value: Value) -> Comparison:
    """Hold when the attribute has another value or is missing."""
    return Comparison(Operator.NOT_EQUALS, attribute, value)


def one_of(attribute: str, *choices: str | int) -> OneOf:
    """Hold when the attribute has one of these constants."""
    return OneOf(attribute, choices)


def exists(attribute: str) -> Comparison:
    """Hold when the item has the attribute."""
    return Comparison(Operator.EXISTS, attribute)


def not_exists(attribute: str) -> Comparison:
    """Hold when the item lacks the attribute."""
    return Comparison(Operator.NOT_EXISTS, attribute)


def less_than(attribute: str, value: Value) -> Comparison:
    """Hold when the attribute is smaller."""
    return Comparison(Operator.LESS_THAN, attribute, value)


def at_most(attribute: str, value: Value) -> Comparison:
    """Hold when the attribute is smaller or equal."""
    return Comparison(Operator.AT_MOST, attribute, value)


def greater_than(attribute: str, value: Value) -> Comparison:
    """Hold when the attribute is larger: `greater_than("expiresAtEpoch", request_epoch())`."""
    return Comparison(Operator.GREATER_THAN, attribute, value)


def at_least(attribute: str, value: Value) -> Comparison:
    """Hold when the attribute is larger or equal."""
    return Comparison(Operator.AT_LEAST, attribute, value)


def all_of(*conditions: Condition) -> AllOf:
    """Hold when all hold."""
    return AllOf(conditions)


def any_of(*conditions: Condition) -> AnyOf:
    """Hold when one holds."""
    return AnyOf(conditions)


def begins_with(attribute: str, value: Value) -> Comparison:
    """Hold when the attribute, a text, begins with this one."""
    return Comparison(Operator.BEGINS_WITH, attribute, value)
