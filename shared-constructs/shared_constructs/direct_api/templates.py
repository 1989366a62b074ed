"""From values, shapes and conditions to the text of mapping templates."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, Protocol

from aws_cdk import Token
from pydantic_core import PydanticUndefined

from shared_constructs.direct_api.conditions import AllOf, Comparison, Condition, OneOf, Operator
from shared_constructs.direct_api.shapes import Elements, Entries, Member, Nullable, Scalar, Shape, Structure
from shared_constructs.direct_api.values import (
    ANYTHING,
    CORRELATION_ID,
    BodyField,
    Claim,
    Context,
    Document,
    Parameter,
    Part,
    Source,
    Text,
)
from shared_constructs.direct_api.vtl import (
    INTEGER,
    NUMBER,
    escape,
    identifier,
    json_string,
    json_text,
    literal,
    url_text,
)

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

#: `$context.requestTime` (CLF, always UTC) as RFC 3339: 21/Nov/2026:06:38:03 +0000 -> 2026-11-21T06:38:03Z.
_REQUEST_TIME: Final = (
    "#set($months = {"
    + ", ".join(f'"{name}": "{number:02}"' for number, name in enumerate(_MONTHS, 1))
    + "})\n"
    '#set($clf = "$context.requestTime")\n'
    "#set($year = $clf.substring(7, 11))\n"
    "#set($month = $months.get($clf.substring(3, 6)))\n"
    "#set($day = $clf.substring(0, 2))\n"
    "#set($clock = $clf.substring(12, 20))\n"
    '#set($requestTime = "${year}-${month}-${day}T${clock}Z")'
)
_REQUEST_EPOCH: Final = (
    '#set($epochMillis = "$context.requestTimeEpoch")\n'
    "#set($millisAt = $epochMillis.length() - 3)\n"
    "#set($requestEpoch = $epochMillis.substring(0, $millisAt))"
)


class RouteError(ValueError):
    """A route cannot work as written; the message names the route, what was given and what is allowed."""


@dataclass
class Bindings:
    """The variables at the head of one template, and the checks of what the caller sent.

    Attributes:
        request: shape of the request body, if the operation has one.
        checks: whether unacceptable values set `$ok` to false (request templates).
    """

    request: Structure | None = None
    checks: bool = True
    lines: list[str] = field(default_factory=list)
    parameters: dict[tuple[Source, str], Parameter] = field(default_factory=dict)
    claims: set[str] = field(default_factory=set)
    _bound: dict[object, str] = field(default_factory=dict)

    # ------------------------------------------------------------------------------------------------- references
    def reference(self, value: Parameter | BodyField | Claim | Context) -> str:
        """Return the variable that holds the value as an unescaped string ("" when absent)."""
        if value not in self._bound:
            self._bound[value] = self._bind(value)
        return self._bound[value]

    def _bind(  # noqa: PLR0911 - one answer per source
        self, value: Parameter | BodyField | Claim | Context
    ) -> str:
        match value:
            case Parameter():
                return self._bind_parameter(value)
            case BodyField():
                return self._bind_body(value)
            case Claim(name):
                self.claims.add(name)
                variable = f"${identifier('claim', name)}"
                plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name)
                access = f".{name}" if plain else f".get({literal(name)})"
                self.lines.append(f"#set({variable} = $context.authorizer.claims{access})")
                self.lines.append(f'#set({variable} = "$!{variable[1:]}")')
                self._check(f'{variable} == ""')
                return variable
            case Context.CORRELATION_ID:
                caller = self.reference(
                    Parameter(Source.HEADER, "X-Correlation-Id", ANYTHING, required=False, number=False)
                )
                self.lines.append('#set($correlationId = "$context.requestId")')
                self.lines.append(
                    f"#if({caller}.matches('{CORRELATION_ID}'))#set($correlationId = {caller})#end"
                )
                return "$correlationId"
            case Context.REQUEST_ID:
                self.lines.append('#set($requestId = "$context.requestId")')
                return "$requestId"
            case Context.REQUEST_TIME:
                self.lines.append(_REQUEST_TIME)
                return "$requestTime"
            case Context.REQUEST_EPOCH:
                self.lines.append(_REQUEST_EPOCH)
                return "$requestEpoch"

    def _bind_parameter(self, parameter: Parameter) -> str:
        variable = f"${identifier(parameter.source, parameter.name)}"
        known = self.parameters.get((parameter.source, parameter.name))
        if known is None:
            if parameter.source is Source.HEADER:
                self.lines.append(
                    f'#set({variable} = "")'
                    "#foreach($name in $input.params().header.keySet())"
                    f"#if($name.equalsIgnoreCase({literal(parameter.name)}))"
                    f"#set({variable} = $input.params().header.get($name))#end#end"
                )
            else:
                self.lines.append(
                    f"#set({variable} = $input.params().{parameter.source}.get({literal(parameter.name)}))"
                )
                self.lines.append(f'#set({variable} = "$!{variable[1:]}")')
        self.parameters[parameter.source, parameter.name] = (
            parameter if known is None or parameter.required else known
        )
        if parameter.pattern != ANYTHING:
            absent = "" if parameter.required else f'{variable} != "" && '
            self._check(f"{absent}!{variable}.matches('{parameter.pattern}')")
            if parameter.number:
                self._check(f"{absent}!{variable}.matches('{NUMBER}')")
        return variable

    def _bind_body(self, value: BodyField) -> str:
        member = self.member(value)
        if not isinstance(member.shape, Scalar):
            msg = f"body({'.'.join(value.path)!r}) is {type(member.shape).__name__}, but a single value is needed here"
            raise RouteError(msg)
        variable = f"${identifier('body', *value.path)}"
        self.lines.append(f"#set({variable} = {self._body_access(value)})")
        self.lines.append(f'#set({variable} = "$!{variable[1:]}")')
        return variable

    def member(self, value: BodyField) -> Member:
        """Return the field of the request model.

        Raises:
            RouteError: there is no model or no such field.
        """
        structure: Shape | None = self.request
        member: Member | None = None
        for name in value.path:
            if not isinstance(structure, Structure) or (member := structure.member(name)) is None:
                known = [each.name for each in structure.fields] if isinstance(structure, Structure) else []
                msg = (
                    f"body({'.'.join(value.path)!r}): {name!r} is not a field; "
                    f"{f'allowed are {known}' if known else 'the operation needs a request model with it'}"
                )
                raise RouteError(msg)
            structure = member.shape
        if member is None:
            msg = "the whole body() can only be a message, an event's data or a workflow's input"
            raise RouteError(msg)
        return member

    def _body_access(self, value: BodyField) -> str:
        return self.body_root() + "".join(f".get({literal(name)})" for name in value.path)

    def body_root(self) -> str:
        """Return the variable that holds the parsed request body."""
        if "body" not in self._bound:
            self._bound["body"] = "$body"
            self.lines.append("#set($body = $input.path('$'))")
        return "$body"

    def _check(self, unacceptable: str) -> None:
        if self.checks:
            self.lines.append(f"#if({unacceptable})#set($ok = false)#end")

    # --------------------------------------------------------------------------------------------------- presence
    def presence(self, value: Document) -> str | None:
        """Return the Velocity condition under which an optional value is there; None if it always is."""
        match value:
            case Parameter(required=False):
                return f'{self.reference(value)} != ""'
            case BodyField(path) if path and any(
                self.member(BodyField(path[:n])).optional for n in range(1, len(path) + 1)
            ):
                member = self.member(value)
                if isinstance(member.shape, Scalar) and member.shape.tag == "S":
                    reference = self.reference(value)
                    return f'({reference} != "" || {self._body_access(value)}.equals(""))'
                if isinstance(member.shape, Scalar):
                    return f'{self.reference(value)} != ""'
                variable = f"${identifier('has', *path)}"
                if ("has", path) not in self._bound:
                    self._bound["has", path] = variable
                    self.lines.append(f"#set({variable} = {self._body_access(value)})")
                    self.lines.append(f'#set({variable} = "$!{variable[1:]}")')
                return f'{variable} != ""'
            case Text(parts):
                conditions = [each for part in parts if (each := self.presence(part))]
                return " && ".join(conditions) or None
            case _:
                return None

    # -------------------------------------------------------------------------------------------------- rendering
    def attribute(self, value: Document) -> str:  # noqa: PLR0911 - one answer per type
        """Return the DynamoDB attribute value, `{"S":"…"}`, of a value that is present."""
        match value:
            case None:
                return '{"NULL":true}'
            case Context.REQUEST_EPOCH:
                return f'{{"N":"{_formal(self.reference(value))}"}}'
            case Parameter(number=True):
                return f'{{"N":"{_formal(self.reference(value))}"}}'
            case BodyField():
                return attribute_of(self._body_access(value), self.member(value).shape, depth=0)
            case bool():
                return f'{{"BOOL":{str(value).lower()}}}'
            case int():
                return f'{{"N":"{value}"}}'
            case str() | Text() | Parameter() | Claim() | Context():
                return f'{{"S":"{self.string(value, JSON)}"}}'
            case Mapping():
                return f'{{"M":{{{self._members(value, self.attribute, JSON)}}}}}'
            case _:
                return f'{{"L":[{",".join(self.attribute(each) for each in value)}]}}'

    def string(self, value: str | Text | Parameter | BodyField | Claim | Context, encoding: Encoding) -> str:
        """Return the inside of a string."""
        match value:
            case Text(parts):
                return "".join(self.string(part, encoding) for part in parts)
            case Parameter() | BodyField() | Claim() | Context():
                return encoding.string(self.reference(value))
            case _:
                return encoding.static(json_text(value))

    def document(  # noqa: PLR0911 - one answer per type
        self, value: Document, encoding: Encoding
    ) -> str:
        """Return plain JSON, encoded for the place where it goes."""
        match value:
            case None:
                return encoding.static("null")
            case bool():
                return encoding.static(str(value).lower())
            case int():
                return encoding.static(str(value))
            case Parameter(number=True) | Context.REQUEST_EPOCH:
                return _formal(self.reference(value))
            case BodyField(path):
                if path:
                    self.member(value)
                selector = "$" + "".join(f"['{name}']" for name in path)
                return encoding.json(f'$input.json("{selector}")')
            case str() | Text() | Parameter() | Claim() | Context():
                quote = encoding.static('"')
                return f"{quote}{self.string(value, encoding)}{quote}"
            case Mapping():
                inner = self._members(value, lambda each: self.document(each, encoding), encoding)
                return f"{encoding.static('{')}{inner}{encoding.static('}')}"
            case _:
                inner = encoding.static(",").join(self.document(each, encoding) for each in value)
                return f"{encoding.static('[')}{inner}{encoding.static(']')}"

    def _members(
        self, values: Mapping[str, Document], render: Callable[[Document], str], encoding: Encoding
    ) -> str:
        return joined(
            [
                (self.presence(value), f"{encoding.static(json_string(name) + ':')}{render(value)}")
                for name, value in values.items()
            ],
            comma=encoding.static(","),
        )

    def joined_text(self, parts: Sequence[Part]) -> str:
        """Return the variable that holds `parts` joined, unescaped."""
        variable = f"$text{len(self.lines)}"
        references = []
        for part in parts:
            if isinstance(part, str):
                references.append(f"$static{len(self.lines)}")
                self.lines.append(f"#set({references[-1]} = {literal(part)})")
            else:
                references.append(self.reference(part))
        self.lines.append(f'#set({variable} = "{"".join(map(_formal, references))}")')
        return variable

    def head(self) -> str:
        """Return the variables and checks."""
        return "\n".join(self.lines)


class Encoding(Protocol):
    """How JSON is written into the place where it goes."""

    def static(self, text: str) -> str:
        """Encode JSON text known at synth."""

    def string(self, reference: str) -> str:
        """Encode a run-time string for the inside of a JSON string."""

    def json(self, reference: str) -> str:
        """Encode run-time JSON."""


class _Json:
    """JSON as it is."""

    def static(self, text: str) -> str:
        return text

    def string(self, reference: str) -> str:
        return escape(reference)

    def json(self, reference: str) -> str:
        return reference


class _JsonInString:
    """JSON inside a JSON string, as Step Functions and EventBridge take it."""

    def static(self, text: str) -> str:
        return text if Token.is_unresolved(text) else json_text(text)

    def string(self, reference: str) -> str:
        return escape(escape(reference))

    def json(self, reference: str) -> str:
        return escape(reference)


class _JsonInForm:
    """JSON inside a form field, as SQS's query protocol takes it."""

    def static(self, text: str) -> str:
        return url_text(text)

    def string(self, reference: str) -> str:
        return f"$util.urlEncode({escape(reference)})"

    def json(self, reference: str) -> str:
        return f"$util.urlEncode({reference})"


class _Form:
    """Plain text inside a form field."""

    def static(self, text: str) -> str:
        return url_text(text)

    def string(self, reference: str) -> str:
        return f"$util.urlEncode({reference})"

    def json(self, reference: str) -> str:
        return f"$util.urlEncode({reference})"


JSON: Final[Encoding] = _Json()
JSON_IN_STRING: Final[Encoding] = _JsonInString()
JSON_IN_FORM: Final[Encoding] = _JsonInForm()
FORM: Final[Encoding] = _Form()


def _formal(reference: str) -> str:
    return f"${{{reference.removeprefix('$')}}}"


def joined(
    entries: Sequence[tuple[str | None, str]], *, comma: str = ",", first: str = "", separator: str = "sep"
) -> str:
    """Join entries with commas, some of which are only there under a condition.

    Args:
        entries: condition (None: always there) and text.
        comma: between entries.
        first: before the first entry, if there is any.
        separator: name of the Velocity variable, unique among nested joins.
    """
    always = [text for condition, text in entries if condition is None]
    sometimes = [(condition, text) for condition, text in entries if condition is not None]
    result = first + comma.join(always) if always else ""
    if always:
        return result + "".join(f"#if({condition}){comma}{text}#end" for condition, text in sometimes)
    if not sometimes:
        return ""
    return f'#set(${separator} = "{first}")' + "".join(
        f'#if({condition})${{{separator}}}{text}#set(${separator} = "{comma}")#end'
        for condition, text in sometimes
    )


# ------------------------------------------------------------------------------- JSON body -> DynamoDB attributes
def attribute_of(access: str, shape: Shape, depth: int) -> str:  # noqa: PLR0911 - one answer per shape
    """Return template text that turns a part of the body into an attribute value.

    Args:
        access: Velocity expression of the part, which is not null.
        shape: of the part.
        depth: nesting, for unique variable names.
    """
    value = f"$v{depth}"
    bind = f'#set({value} = "$!{access.removeprefix("$")}")'
    match shape:
        case Scalar("S"):
            return f'{bind}{{"S":"{escape(value)}"}}'
        case Scalar("N", integer):
            # What does not print as a number leaves N empty, which DynamoDB refuses.
            return (
                f'{bind}{{"N":"#if({value}.matches(\'{INTEGER if integer else NUMBER}\'))${{v{depth}}}#end"}}'
            )
        case Scalar():
            return f'{bind}{{"BOOL":#if({value} == "true")true#else false#end}}'
        case Nullable(inner):
            return f'{bind}#if({value} == ""){{"NULL":true}}#else{attribute_of(access, inner, depth)}#end'
        case Structure(fields=fields):
            entries = []
            for member in fields:
                inner_access = f"{access}.get({literal(member.name)})"
                condition = _present(inner_access, member.shape) if member.optional else None
                rendered = attribute_of(inner_access, member.shape, depth + 1)
                entries.append((condition, f"{json_string(member.attribute)}:{rendered}"))
            return f'{{"M":{{{joined(entries, separator=f"sep{depth}")}}}}}'
        case Elements(element):
            each = f"$e{depth}"
            inner_text = attribute_of(each, element, depth + 1)
            return f'{{"L":[#foreach({each} in {access}){inner_text}#if($foreach.hasNext),#end#end]}}'
        case Entries(inner):
            key = f"$k{depth}"
            inner_text = attribute_of(f"{access}.get({key})", inner, depth + 1)
            return (
                f'{{"M":{{#foreach({key} in {access}.keySet())"{escape(key)}":{inner_text}'
                "#if($foreach.hasNext),#end#end}}"
            )


def _present(access: str, shape: Shape) -> str:
    quiet = f'"$!{access.removeprefix("$")}" != ""'
    if isinstance(shape, Scalar) and shape.tag == "S":
        return f'{quiet} || {access}.equals("")'
    return quiet


# ------------------------------------------------------------------------------- DynamoDB attributes -> JSON body
def json_of(access: str, shape: Shape, depth: int = 0) -> str:  # noqa: PLR0911 - one answer per shape
    """Return template text that turns an attribute value into JSON; a value of another type reads as null.

    Args:
        access: Velocity expression of the attribute value, a map such as `{S=text}`.
        shape: of the JSON.
        depth: nesting, for unique variable names.
    """
    value = f"$v{depth}"
    match shape:
        case Scalar("S"):
            bind = f"#set({value} = \"$!{access.removeprefix('$')}.get('S')\")"
            return f'{bind}"{escape(value)}"'
        case Scalar("N"):
            bind = f"#set({value} = \"$!{access.removeprefix('$')}.get('N')\")"
            return f'{bind}#if({value} == "")null#else${{v{depth}}}#end'
        case Scalar():
            return f'#if("$!{access.removeprefix("$")}.get(\'BOOL\')" == "true")true#else false#end'
        case Nullable(inner):
            return f"#if({access}.containsKey('NULL'))null#else {json_of(access, inner, depth)}#end"
        case Structure():
            return object_of(f"{access}.get('M')", shape, depth + 1)
        case Elements(element, as_map):
            each = f"$e{depth}"
            elements = f"{access}.get('M').values()" if as_map else f"{access}.get('L')"
            inner_text = json_of(each, element, depth + 1)
            return f"[#foreach({each} in {elements}){inner_text}#if($foreach.hasNext),#end#end]"
        case Entries(inner):
            key = f"$k{depth}"
            inner_text = json_of(f"{access}.get('M').get({key})", inner, depth + 1)
            return (
                f"{{#foreach({key} in {access}.get('M').keySet())\"{escape(key)}\":{inner_text}"
                "#if($foreach.hasNext),#end#end}"
            )


def object_of(access: str, structure: Structure, depth: int = 0) -> str:
    """Return template text that turns a map of attribute values into a JSON object.

    A missing optional attribute is left out, or reads as the model's default; a missing required one reads as null, an
    empty list or an empty object, so that the answer is JSON whatever is stored.
    """
    entries: list[tuple[str | None, str]] = []
    for member in structure.fields:
        attribute = f"{access}.get({literal(member.attribute)})"
        there = f"{access}.containsKey({literal(member.attribute)})"
        rendered = json_of(attribute, member.shape, depth)
        if member.default is not PydanticUndefined:
            absent = Bindings().document(member.default, JSON)
            entries.append((None, f"{json_string(member.name)}:#if({there}){rendered}#else {absent}#end"))
        elif member.optional:
            rendered = f"#if({attribute}.containsKey('NULL'))null#else {rendered}#end"
            entries.append((there, f"{json_string(member.name)}:{rendered}"))
        else:
            absent = {Elements: "[]", Entries: "{}"}.get(type(member.shape), "null")
            entries.append((None, f"{json_string(member.name)}:#if({there}){rendered}#else {absent}#end"))
    return f"{{{joined(entries, separator=f'sep{depth}')}}}"


# ----------------------------------------------------------------------------------------------------- conditions
@dataclass
class Expressions:
    """Names and values of DynamoDB expressions, collected while they are written."""

    bindings: Bindings
    names: dict[str, list[str | None]] = field(default_factory=dict)
    values: list[tuple[str | None, str, str]] = field(default_factory=list)

    def name(self, attribute: str, presence: str | None = None) -> str:
        """Return the placeholder of an attribute name, as template text.

        Args:
            attribute: its name.
            presence: the condition under which this use is rendered; DynamoDB refuses names that nothing uses.
        """
        self.names.setdefault(attribute, []).append(presence)
        return json_text(f"#n{list(self.names).index(attribute)}")

    def raw(self, attribute_value: str, presence: str | None = None) -> str:
        """Return the placeholder of an attribute value given as template text."""
        alias = f":v{len(self.values)}"
        self.values.append((presence, alias, attribute_value))
        return alias

    def value(self, value: Document, presence: str | None = None) -> str:
        """Return the placeholder of a value; `presence` if it is rendered under more than its own condition."""
        return self.raw(self.bindings.attribute(value), presence or self.bindings.presence(value))

    def condition(self, condition: Condition) -> tuple[str | None, str]:
        """Return a condition as an expression, and the Velocity condition under which anything of it is there.

        Parts whose optional value is absent are left out.
        """
        match condition:
            case Comparison(Operator.EXISTS | Operator.NOT_EXISTS, attribute):
                return None, f"{condition.operator}({self.name(attribute)})"
            case Comparison(operator, attribute, value):
                presence = self.bindings.presence(value)
                return presence, f"{self.name(attribute, presence)} {operator} {self.value(value)}"
            case OneOf(attribute, choices):
                options = ", ".join(self.value(choice) for choice in choices)
                return None, f"{self.name(attribute)} IN ({options})"
            case AllOf(conditions):
                return self._combined(conditions, " AND ")
            case _:
                return self._combined(condition.conditions, " OR ")

    def _combined(self, conditions: Sequence[Condition], operator: str) -> tuple[str | None, str]:
        parts = [self.condition(each) for each in conditions]
        if len(parts) == 1:
            return parts[0]  # DynamoDB refuses an expression with redundant parentheses
        there = [presence for presence, _ in parts]
        anything = None if None in there else " || ".join(f"({each})" for each in there)
        return anything, f"({joined(parts, comma=operator, separator=f'sepx{len(self.values)}')})"

    def json(self) -> str:
        """Return the members of the request that define the placeholders, each after a comma."""
        names: list[tuple[str | None, str]] = []
        for number, (name, uses) in enumerate(self.names.items()):
            presence = None if None in uses else " || ".join(f"({each})" for each in dict.fromkeys(uses))
            names.append((presence, f"{json_string(f'#n{number}')}:{json_string(name)}"))
        values = [(presence, f'"{alias}":{text}') for presence, alias, text in self.values]
        return _member("ExpressionAttributeNames", names) + _member("ExpressionAttributeValues", values)


def _member(name: str, entries: Sequence[tuple[str | None, str]]) -> str:
    """A JSON object after a comma; nothing at all if it would be empty, which DynamoDB refuses."""
    if not entries:
        return ""
    text = f',\n"{name}":{{{joined(entries, separator=f"sep{name[-5:]}")}}}'
    conditions = [condition for condition, _ in entries]
    if None in conditions:
        return text
    anything = " || ".join(f"({each})" for each in dict.fromkeys(conditions))
    return f"#if({anything}){text}#end"


def holds(  # noqa: PLR0911 - one answer per kind of condition
    bindings: Bindings, old: str, condition: Condition
) -> str | None:
    """Return the Velocity condition that is true when `condition` holds for the item in `old`.

    None when a template cannot tell: orderings, and values that only the request's body has.
    """
    match condition:
        case Comparison(Operator.EXISTS, attribute):
            return f"{old}.containsKey({literal(attribute)})"
        case Comparison(Operator.NOT_EXISTS, attribute):
            return f"!{old}.containsKey({literal(attribute)})"
        case Comparison(Operator.EQUALS | Operator.NOT_EQUALS, attribute, value):
            with suppress(_UnknownToResponseError):
                sign = "==" if condition.operator is Operator.EQUALS else "!="
                return f"{_scalar(old, attribute, value)} {sign} {_comparand(bindings, value)}"
            return None
        case OneOf(attribute, choices):
            tests = [
                f"{_scalar(old, attribute, choice)} == {_comparand(bindings, choice)}" for choice in choices
            ]
            return "(" + " || ".join(tests) + ")"
        case AllOf(conditions):
            parts = [holds(bindings, old, each) for each in conditions]
            known = [each for each in parts if each]
            return "(" + " && ".join(known) + ")" if len(known) == len(parts) else None
        case _ if not isinstance(condition, Comparison):
            parts = [holds(bindings, old, each) for each in condition.conditions]
            known = [each for each in parts if each]
            return "(" + " || ".join(known) + ")" if len(known) == len(parts) else None
        case _:
            return None


class _UnknownToResponseError(Exception):
    """The value is not known to a response template."""


def _scalar(old: str, attribute: str, value: object) -> str:
    number = isinstance(value, int) and not isinstance(value, bool)
    number = number or value is Context.REQUEST_EPOCH or (isinstance(value, Parameter) and value.number)
    tag = "BOOL" if isinstance(value, bool) else "N" if number else "S"
    return f"\"$!{old.removeprefix('$')}.get({literal(attribute)}).get('{tag}')\""


def _comparand(bindings: Bindings, value: object) -> str:
    match value:
        case bool():
            return f'"{str(value).lower()}"'
        case int():
            return f'"{value}"'
        case str():
            return literal(value)
        case Parameter() | Claim() | Context():
            return bindings.reference(value)
        case Text(parts) if not any(isinstance(part, BodyField) for part in parts):
            return bindings.joined_text(parts)
        case _:
            raise _UnknownToResponseError
