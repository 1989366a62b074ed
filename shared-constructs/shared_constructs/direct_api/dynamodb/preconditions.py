"""What a write requires of the stored item, and the answer when it does not hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared_constructs.direct_api.bindings import Bindings, RouteError
from shared_constructs.direct_api.dynamodb.expressions import Expressions, holds
from shared_constructs.direct_api.outcomes import CHANGED, STALE, Outcome
from shared_constructs.direct_api.values import ANYTHING, Key, Parameter, Source
from shared_constructs.direct_api.vtl import either, first_of, formal, joined, quiet, when

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared_constructs.direct_api.conditions import Require

_IF_MATCH: Final = Parameter(Source.HEADER, "If-Match", ANYTHING, required=False, number=False)
_IS_ANY: Final = '$ifMatch == "*"'
_IS_VERSION: Final = '$ifMatch != "" && $ifMatch != "*"'


def _bind_if_match(bindings: Bindings) -> None:
    """Bind `$ifMatch`: "" (absent), "*", a version, or -1, which no item has, for anything else."""
    header = bindings.reference(_IF_MATCH)
    bindings.lines.append(
        f"#set($ifMatch = {header})"
        f'#if({header} != "" && {header} != "*")'
        f"#if({header}.matches('[0-9]{{1,18}}|\"[0-9]{{1,18}}\"'))#set($ifMatch = {header}.replaceAll('\"',''))"
        '#else#set($ifMatch = "-1")#end#end'
    )


@dataclass(frozen=True, kw_only=True)
class Preconditions:
    """The conditions of one write; DynamoDB evaluates them, and the answer finds out which one failed.

    Attributes:
        key: Value of each key attribute.
        conditions: Of the operation.
        upsert: Whether the item may be missing.
        if_match: Whether If-Match counts.
    """

    key: Key
    conditions: Sequence[Require]
    upsert: bool = False
    if_match: bool = False

    def expression(self, expressions: Expressions) -> str:
        """Return the member ConditionExpression, after a comma, or nothing."""
        key = next(iter(self.key), "pk")
        parts: list[tuple[str | None, str]] = []
        if not self.upsert:
            parts.append((None, f"attribute_exists({expressions.name(key)})"))
        for each in self.conditions:
            presence, text = expressions.condition(each.condition)
            if self.upsert:
                text = f"(attribute_not_exists({expressions.name(key, presence)}) OR {text})"
            parts.append((presence, text))
        if self.if_match:
            _bind_if_match(expressions.bindings)
            parts.append((_IS_ANY, f"attribute_exists({expressions.name(key, _IS_ANY)})"))
            expected = expressions.raw(f'{{"N":"{formal("$ifMatch")}"}}', _IS_VERSION)
            parts.append((_IS_VERSION, f"{expressions.name('version', _IS_VERSION)} = {expected}"))
        if not parts:
            return ""
        text = joined(parts, comma=" AND ", separator="sepc")
        return when(either(presence for presence, _ in parts), f',\n"ConditionExpression":"{text}"')

    def told_apart(self, bindings: Bindings, missing: Outcome) -> str:
        """Return the template part that tells from the old item which condition failed.

        Raises:
            RouteError: More than one condition that a template cannot evaluate.
        """
        branches: list[tuple[str, Outcome]] = [('"$!old" == ""', missing)]
        if self.if_match:
            _bind_if_match(bindings)
            current = quiet("$old.get('version').get('N')")
            branches.insert(0, ('"$!old" == "" && $ifMatch != ""', STALE))
            branches.append((f"{_IS_VERSION} && $ifMatch != {current}", STALE))
        unknown: list[Outcome] = []
        for each in self.conditions:
            test = holds(bindings, "$old", each.condition)
            if test is None:
                unknown.append(each.otherwise)
            else:
                branches.append((f"!({test})", each.otherwise))
        if len(unknown) > 1:
            raise RouteError(
                "at most one condition may be an ordering or compare with the body, since the answer is found by ruling "
                f"out the others; got {len(unknown)}"
            )
        # What is left after every other condition was ruled out; without one, a change between write and answer.
        rest = unknown[0] if unknown else CHANGED
        tests = first_of([(test, outcome.template()) for test, outcome in branches], rest.template())
        return f"#set($old = $input.path('$.Item'))\n{tests}"
