"""DynamoDB's expressions, and the same conditions as a response template evaluates them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared_constructs.direct_api.conditions import AllOf, AnyOf, Comparison, Condition, OneOf, Operator
from shared_constructs.direct_api.dynamodb.attributes import attribute, is_number
from shared_constructs.direct_api.values import BodyField, Claim, Context, Document, Parameter, Text
from shared_constructs.direct_api.vtl import either, joined, json_string, json_text, literal, quiet, when

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared_constructs.direct_api.bindings import Bindings


@dataclass
class Expressions:
    """Names and values of the expressions of one request, collected while they are written."""

    bindings: Bindings
    names: dict[str, list[str | None]] = field(default_factory=dict)
    values: list[tuple[str | None, str, str]] = field(default_factory=list)

    def name(self, attribute_name: str, presence: str | None = None) -> str:
        """Return the placeholder of an attribute name, as template text.

        Args:
            attribute_name: The name.
            presence: The condition under which this use is rendered; DynamoDB refuses names that nothing uses.
        """
        self.names.setdefault(attribute_name, []).append(presence)
        return json_text(f"#n{list(self.names).index(attribute_name)}")

    def raw(self, attribute_value: str, presence: str | None = None) -> str:
        """Return the placeholder of an attribute value given as template text."""
        alias = f":v{len(self.values)}"
        self.values.append((presence, alias, attribute_value))
        return alias

    def value(self, value: Document) -> str:
        """Return the placeholder of a value."""
        return self.raw(attribute(self.bindings, value), self.bindings.presence(value))

    def condition(self, condition: Condition) -> tuple[str | None, str]:
        """Return a condition as an expression, and the Velocity condition under which anything of it is there.

        Parts whose optional value is absent are left out.
        """
        match condition:
            case Comparison(Operator.EXISTS | Operator.NOT_EXISTS, name):
                return None, f"{condition.operator}({self.name(name)})"
            case Comparison(operator, name, value):
                presence = self.bindings.presence(value)
                left, right = self.name(name, presence), self.value(value)
                infix = operator is not Operator.BEGINS_WITH
                return presence, f"{left} {operator} {right}" if infix else f"{operator}({left}, {right})"
            case OneOf(name, choices):
                options = ", ".join(self.value(choice) for choice in choices)
                return None, f"{self.name(name)} IN ({options})"
            case AllOf(conditions):
                return self._combined(conditions, " AND ")
            case AnyOf(conditions):
                return self._combined(conditions, " OR ")

    def _combined(self, conditions: Sequence[Condition], operator: str) -> tuple[str | None, str]:
        parts = [self.condition(each) for each in conditions]
        if len(parts) == 1:
            return parts[0]  # DynamoDB refuses an expression with redundant parentheses
        text = joined(parts, comma=operator, separator=f"sepx{len(self.values)}")
        return either(presence for presence, _ in parts), f"({text})"

    def filter(self, condition: Condition | None) -> str:
        """Return the member FilterExpression, after a comma, if anything of the condition is there."""
        if condition is None:
            return ""
        presence, expression = self.condition(condition)
        return when(presence, f',\n"FilterExpression":"{expression}"')

    def placeholders(self) -> str:
        """Return the members of the request that define the placeholders, each after a comma."""
        names = [
            (either(uses), f"{json_string(f'#n{number}')}:{json_string(name)}")
            for number, (name, uses) in enumerate(self.names.items())
        ]
        values = [(presence, f'"{alias}":{text}') for presence, alias, text in self.values]
        return _member("ExpressionAttributeNames", names) + _member("ExpressionAttributeValues", values)


def _member(name: str, entries: Sequence[tuple[str | None, str]]) -> str:
    """A JSON object after a comma; nothing at all if it would be empty, which DynamoDB refuses."""
    if not entries:
        return ""
    text = f',\n"{name}":{{{joined(entries, separator=f"sep{name[-5:]}")}}}'
    return when(either(presence for presence, _ in entries), text)


def holds(bindings: Bindings, old: str, condition: Condition) -> str | None:
    """Return the Velocity condition that is true when `condition` holds for the item in `old`.

    None when a template cannot tell: orderings, and values that only the request's body has.
    """
    match condition:
        case Comparison(Operator.EXISTS, name):
            return f"{old}.containsKey({literal(name)})"
        case Comparison(Operator.NOT_EXISTS, name):
            return f"!{old}.containsKey({literal(name)})"
        case Comparison(Operator.EQUALS | Operator.NOT_EQUALS as operator, name, value):
            given = _comparand(bindings, value)
            sign = "==" if operator is Operator.EQUALS else "!="
            return given and f"{_stored(old, name, value)} {sign} {given}"
        case OneOf(name, choices):
            tests = [f"{_stored(old, name, each)} == {_comparand(bindings, each)}" for each in choices]
            return f"({' || '.join(tests)})"
        case AllOf(conditions) | AnyOf(conditions):
            parts = [holds(bindings, old, each) for each in conditions]
            known = [each for each in parts if each]
            sign = " && " if isinstance(condition, AllOf) else " || "
            return f"({sign.join(known)})" if len(known) == len(parts) else None
        case _:
            return None


def _stored(old: str, name: str, value: object) -> str:
    """The old item's attribute as text, if it has the value's type."""
    tag = "BOOL" if isinstance(value, bool) else "N" if is_number(value) else "S"
    return quiet(f"{old}.get({literal(name)}).get('{tag}')")


def _comparand(bindings: Bindings, value: object) -> str | None:
    """The value as text, if a response template knows it."""
    match value:
        case bool() | int():
            return f'"{str(value).lower()}"'
        case str():
            return literal(value)
        case Parameter() | Claim() | Context():
            return bindings.reference(value)
        case Text(parts) if not any(isinstance(part, BodyField) for part in parts):
            return bindings.joined_text(parts)
        case _:
            return None
