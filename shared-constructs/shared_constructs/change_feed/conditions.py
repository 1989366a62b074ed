"""When a change of an item means an event: in JSONata, and as what a pipe's filter can see of it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

Image = Literal["NewImage", "OldImage"]

Alternative = dict[tuple[str, ...], list[Any]]
"""What a stream record must look like: what each leaf must match, by its path; empty for any record.

What a filter cannot see is a leaf as well, `("jsonata", <expression>)`, that is true or false: so that a condition and
its opposite are known to exclude each other.
"""

_ANY: tuple[Alternative, ...] = ({},)
_ABSENT = {"exists": False}
_UNSEEN = "jsonata"
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


@dataclass(frozen=True)
class Condition:
    """Whether a change means an event; conditions combine by `&`, `|` and `~`.

    A pipe's filter compares single attributes with values and knows no functions, so it sees less than JSONata does.
    What it sees errs on one side: a record for which the condition holds always passes.

    Attributes:
        jsonata: The condition over `$new` and `$old`, the item's images as plain JSON (`$old` is absent for a new
            item and when an event is republished); true or false.
        holds: What records look like for which it may hold, as alternatives; default any.
        fails: What records look like for which it may fail; default any.
    """

    jsonata: str
    holds: tuple[Alternative, ...] = _ANY
    fails: tuple[Alternative, ...] = _ANY

    def __and__(self, other: Condition) -> Condition:
        """Both hold."""
        return Condition(
            f"{self.jsonata} and {other.jsonata}",
            holds=_both(self.holds, other.holds),
            fails=weakest(*self.fails, *other.fails),
        )

    def __or__(self, other: Condition) -> Condition:
        """At least one holds."""
        return Condition(
            f"({self.jsonata} or {other.jsonata})",
            holds=weakest(*self.holds, *other.holds),
            fails=_both(self.fails, other.fails),
        )

    def __invert__(self) -> Condition:
        """It does not hold."""
        return Condition(f"$not({self.jsonata})", holds=self.fails, fails=self.holds)


def equals(field: str, value: str | int) -> Condition:
    """A field has this value.

    Args:
        field: An attribute's name, or the path of one inside maps (`wait.name`).
        value: Text, a whole number, true or false; stored as S, N or BOOL.
    """
    return _compare("NewImage", field, value)


def was(field: str, value: str | int) -> Condition:
    """A field had this value before; it had none when the item is new or republished.

    Args:
        field: See `equals`.
        value: See `equals`.
    """
    return _compare("OldImage", field, value)


def became(field: str, value: str | int) -> Condition:
    """A field has this value now and had not before.

    Args:
        field: See `equals`.
        value: See `equals`.
    """
    return equals(field, value) & ~was(field, value)


def changed(field: str) -> Condition:
    """A field differs from what it was; a filter cannot see this, so combine it with what it can.

    Args:
        field: See `equals`; of any type.
    """
    _check(field)
    return _unseen(f"$differ($new.{field}, $old.{field})")


def exists(field: str, stored_as: Literal["S", "N", "BOOL"] | None = None) -> Condition:
    """A field is there.

    Args:
        field: See `equals`; of any type.
        stored_as: DynamoDB's type of it, with which a filter can see it; default None, any type and unseen.
    """
    _check(field)
    unseen = _unseen(f"$exists($new.{field})")
    if stored_as is None:
        return unseen
    return Condition(unseen.jsonata, holds=({_path("NewImage", field, stored_as): [{"exists": True}]},))


def created() -> Condition:
    """The item is new, or its events are republished."""
    return Condition(
        "$not($exists($old))", holds=({("eventName",): ["INSERT"]},), fails=({("eventName",): ["MODIFY"]},)
    )


def raw(jsonata: str, *, implies: Condition | None = None) -> Condition:
    """Whatever the helpers cannot say.

    Args:
        jsonata: See `Condition`. A comparison with something absent is false either way: write
            `$not($old.status = 'PAID')`, not `$old.status != 'PAID'`. Name each attribute that it reads,
            `$new.status` or `$old.status`: only those are there.
        implies: A condition that always holds for a stream's record when this one does, for the filter and for how
            many events a change can mean; default none.
    """
    unseen = _unseen(f"({jsonata})")
    return Condition(
        unseen.jsonata, holds=_both(unseen.holds, implies.holds if implies else _ANY), fails=unseen.fails
    )


def excludes(one: Condition, other: Condition) -> bool:
    """Whether the two cannot hold for the same change.

    Returns:
        True if that is certain; False if not, or if it does not show in what their leaves are compared with.
    """
    return not _both(one.holds, other.holds)


def seen(alternative: Alternative) -> Alternative:
    """What a filter sees of an alternative."""
    return {path: matchers for path, matchers in alternative.items() if path[0] != _UNSEEN}


def weakest(*alternatives: Alternative) -> tuple[Alternative, ...]:
    """The alternatives without those that another one includes."""
    distinct = [each for n, each in enumerate(alternatives) if each not in alternatives[:n]]
    return tuple(each for each in distinct if not any(other.items() < each.items() for other in distinct))


def _both(left: tuple[Alternative, ...], right: tuple[Alternative, ...]) -> tuple[Alternative, ...]:
    # Two demands on one leaf: the first alone lets every record pass that meets both.
    pairs = ((one, other) for one, other in product(left, right) if not _contradict(one, other))
    return weakest(*({**other, **one} for one, other in pairs))


def _contradict(one: Alternative, other: Alternative) -> bool:
    """Whether no value of some leaf can match both."""
    return any(
        not any(_overlap(*matchers) for matchers in product(one[path], other[path]))
        for path in one.keys() & other.keys()
    )


def _overlap(one: Any, other: Any) -> bool:
    """Whether a value can match both: each a value, `{"anything-but": [values]}` or `{"exists": true or false}`."""
    matcher, given = (one, other) if isinstance(one, dict) else (other, one)
    if not isinstance(matcher, dict):
        return bool(matcher == given)
    if isinstance(given, dict):
        return bool(matcher.get("exists", True) is given.get("exists", True))
    return bool(matcher.get("exists", True)) and given not in matcher.get("anything-but", ())


def _unseen(jsonata: str) -> Condition:
    """A condition of which a filter sees nothing."""
    return Condition(jsonata, holds=({(_UNSEEN, jsonata): [True]},), fails=({(_UNSEEN, jsonata): [False]},))


def _compare(image: Image, field: str, value: str | int) -> Condition:
    _check(field)
    variable = "$new" if image == "NewImage" else "$old"
    # Only text can be anything but something: not a boolean, and DynamoDB writes numbers as text.
    stored: str | bool
    tag, stored = ("N", str(value)) if isinstance(value, int) else ("S", value)
    but: Any = {"anything-but": [stored]}
    if isinstance(value, bool):
        tag, stored, but = "BOOL", value, not value
    path = _path(image, field, tag)
    return Condition(
        f"{variable}.{field} = {json.dumps(value, ensure_ascii=False)}",
        holds=({path: [stored]},),
        fails=({path: [but, _ABSENT]},),
    )


def _path(image: Image, field: str, tag: str) -> tuple[str, ...]:
    return ("dynamodb", image, *field.replace(".", ".M.").split("."), tag)


def _check(field: str) -> None:
    if not _FIELD.fullmatch(field):
        raise ValueError(f"a field is an attribute's name or a path of names (wait.name), got {field!r}")
