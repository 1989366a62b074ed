"""The variables of mapping templates: where a caller's values are read, checked and escaped."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from shared_constructs.direct_api.shapes import Member, Scalar, Shape, Structure, structure_of
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
    NUMBER,
    Encoding,
    formal,
    identifier,
    joined,
    json_string,
    literal,
)

if TYPE_CHECKING:
    from pydantic import BaseModel

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

# `$context.requestTime` (CLF, always UTC) as RFC 3339: 21/Nov/2026:06:38:03 +0000 -> 2026-11-21T06:38:03.512Z.
# The milliseconds are the epoch's (13 digits until 2286), so that it compares with what workflows and functions write.
_REQUEST_TIME: Final = (
    "#set($months = {"
    + ", ".join(f'"{name}": "{number:02}"' for number, name in enumerate(_MONTHS, 1))
    + "})\n"
    '#set($clf = "$context.requestTime")\n'
    "#set($year = $clf.substring(7, 11))\n"
    "#set($month = $months.get($clf.substring(3, 6)))\n"
    "#set($day = $clf.substring(0, 2))\n"
    "#set($clock = $clf.substring(12, 20))\n"
    '#set($epoch = "$context.requestTimeEpoch")\n'
    "#set($millis = $epoch.substring(10, 13))\n"
    '#set($requestTime = "${year}-${month}-${day}T${clock}.${millis}Z")'
)
_REQUEST_EPOCH: Final = (
    '#set($epochMillis = "$context.requestTimeEpoch")\n'
    "#set($millisAt = $epochMillis.length() - 3)\n"
    "#set($requestEpoch = $epochMillis.substring(0, $millisAt))"
)
# What API Gateway knows: the variable, and the lines that set it.
_CONTEXT: Final = {
    Context.REQUEST_ID: ("$requestId", '#set($requestId = "$context.requestId")'),
    Context.REQUEST_TIME: ("$requestTime", _REQUEST_TIME),
    Context.REQUEST_EPOCH: ("$requestEpoch", _REQUEST_EPOCH),
}
_CORRELATION_HEADER: Final = Parameter(
    Source.HEADER, "X-Correlation-Id", ANYTHING, required=False, number=False
)

Reference = Parameter | BodyField | Claim | Context


class RouteError(ValueError):
    """A route cannot work as written; the message names the route, what was given and what is allowed."""


@dataclass
class Bindings:
    """The variables at the head of one template, and the checks of what the caller sent.

    Attributes:
        model: Of the request body, if the operation has one.
        checks: Whether unacceptable values set `$ok` to false (request templates).
    """

    model: type[BaseModel] | None = None
    checks: bool = True
    lines: list[str] = field(default_factory=list)
    parameters: dict[tuple[Source, str], Parameter] = field(default_factory=dict)
    claims: set[str] = field(default_factory=set)
    _bound: dict[object, str] = field(default_factory=dict)
    _body: Structure | None = field(init=False)

    def __post_init__(self) -> None:
        self._body = structure_of(self.model, "request") if self.model else None

    @classmethod
    def of_answer(cls) -> Bindings:
        """The variables of a response template, where nothing is left to refuse."""
        return cls(checks=False)

    def head(self) -> str:
        """Return the variables and checks."""
        return "\n".join(self.lines)

    def rules(self) -> list[str]:
        """What callers may send, in words."""
        return sorted(each.rule for each in self.parameters.values() if each.pattern != ANYTHING)

    # ------------------------------------------------------------------------------------------------- references
    def reference(self, value: Reference) -> str:
        """Return the variable that holds the value as an unescaped string ("" when absent)."""
        if value not in self._bound:
            self._bound[value] = self._bind(value)
        return self._bound[value]

    def _bind(self, value: Reference) -> str:
        match value:
            case Parameter(length=int(length)):
                whole = self.reference(replace(value, length=None))
                self.lines.append(f"#set({whole}_{length} = {whole}.replaceAll('(?<=^.{{{length}}}).*',''))")
                return f"{whole}_{length}"
            case Parameter():
                return self._bind_parameter(value)
            case BodyField():
                return self._bind_body(value)
            case Claim(name):
                self.claims.add(name)
                plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name)
                access = f".{name}" if plain else f".get({literal(name)})"
                variable = self._text(identifier("claim", name), f"$context.authorizer.claims{access}")
                self._check(f'{variable} == ""')
                return variable
            case Context.CORRELATION_ID:
                caller = self.reference(_CORRELATION_HEADER)
                self.lines.append('#set($correlationId = "$context.requestId")')
                self.lines.append(
                    f"#if({caller}.matches('{CORRELATION_ID}'))#set($correlationId = {caller})#end"
                )
                return "$correlationId"
            case _:
                variable, lines = _CONTEXT[value]
                self.lines.append(lines)
                return variable

    def _text(self, name: str, access: str) -> str:
        """Bind what an expression gives as a string, "" for null."""
        self.lines += [f"#set(${name} = {access})", f'#set(${name} = "$!{name}")']
        return f"${name}"

    def _bind_parameter(self, parameter: Parameter) -> str:
        name = identifier(parameter.source, parameter.name)
        variable = f"${name}"
        known = self.parameters.get((parameter.source, parameter.name))
        if known is None and parameter.source is Source.HEADER:
            self.lines.append(
                f'#set({variable} = "")'
                "#foreach($name in $input.params().header.keySet())"
                f"#if($name.equalsIgnoreCase({literal(parameter.name)}))"
                f"#set({variable} = $input.params().header.get($name))#end#end"
            )
        elif known is None:
            self._text(name, f"$input.params().{parameter.source}.get({literal(parameter.name)})")
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
            raise RouteError(
                f"body({'.'.join(value.path)!r}) is {type(member.shape).__name__}, but a single value is needed here"
            )
        return self._text(identifier("body", *value.path), self.body_access(value))

    def _check(self, unacceptable: str) -> None:
        if self.checks:
            self.lines.append(f"#if({unacceptable})#set($ok = false)#end")

    # ------------------------------------------------------------------------------------------------------- body
    def body_fields(self) -> dict[str, BodyField]:
        """The fields of the request model by their JSON names."""
        return {each.name: BodyField((each.name,)) for each in (self._body.fields if self._body else ())}

    def member(self, value: BodyField) -> Member:
        """Return the field of the request model.

        Raises:
            RouteError: There is no model or no such field.
        """
        structure: Shape | None = self._body
        member: Member | None = None
        for name in value.path:
            if not isinstance(structure, Structure) or (member := structure.member(name)) is None:
                known = [each.name for each in structure.fields] if isinstance(structure, Structure) else []
                raise RouteError(
                    f"body({'.'.join(value.path)!r}): {name!r} is not a field; "
                    f"{f'allowed are {known}' if known else 'the operation needs a request model with it'}"
                )
            structure = member.shape
        if member is None:
            raise RouteError("the whole body() can only be a message or a workflow's input")
        return member

    def body_access(self, value: BodyField) -> str:
        """Return the expression that reads a field of the parsed body."""
        if "body" not in self._bound:
            self._bound["body"] = "$body"
            self.lines.append("#set($body = $input.path('$'))")
        return "$body" + "".join(f".get({literal(name)})" for name in value.path)

    # --------------------------------------------------------------------------------------------------- presence
    def presence(self, value: Document) -> str | None:
        """Return the Velocity condition under which an optional value is there; None if it always is."""
        match value:
            case Parameter(required=False):
                return f'{self.reference(value)} != ""'
            case BodyField(path) if any(
                self.member(BodyField(path[:n])).optional for n in range(1, len(path) + 1)
            ):
                return self._body_presence(value)
            case Text(parts):
                return " && ".join(each for part in parts if (each := self.presence(part))) or None
            case _:
                return None

    def _body_presence(self, value: BodyField) -> str:
        match self.member(value).shape:
            case Scalar("S"):
                return f'({self.reference(value)} != "" || {self.body_access(value)}.equals(""))'
            case Scalar():
                return f'{self.reference(value)} != ""'
            case _:
                name = identifier("has", *value.path)
                if ("has", value.path) not in self._bound:
                    self._bound["has", value.path] = self._text(name, self.body_access(value))
                return f'${name} != ""'

    # -------------------------------------------------------------------------------------------------- rendering
    def string(self, value: Part | Text, encoding: Encoding) -> str:
        """Return the inside of a string."""
        match value:
            case Text(parts):
                return "".join(self.string(part, encoding) for part in parts)
            case Parameter() | BodyField() | Claim() | Context():
                return encoding.string(self.reference(value))
            case _:
                return encoding.text(value)

    def document(  # noqa: PLR0911 - one answer per type
        self, value: Document, encoding: Encoding
    ) -> str:
        """Return plain JSON, encoded for the place where it goes."""
        match value:
            case None:
                return encoding.static("null")
            case bool() | int():
                return encoding.static(str(value).lower())
            case Parameter(number=True) | Context.REQUEST_EPOCH:
                return formal(self.reference(value))
            case BodyField(path):
                if path:
                    self.member(value)
                selector = "$" + "".join(f"['{name}']" for name in path)
                return encoding.json(f'$input.json("{selector}")')
            case str() | Text() | Parameter() | Claim() | Context():
                quote = encoding.static('"')
                return f"{quote}{self.string(value, encoding)}{quote}"
            case Mapping():
                inner = self.members(value, lambda each: self.document(each, encoding), encoding)
                return f"{encoding.static('{')}{inner}{encoding.static('}')}"
            case _:
                inner = encoding.static(",").join(self.document(each, encoding) for each in value)
                return f"{encoding.static('[')}{inner}{encoding.static(']')}"

    def members(
        self, values: Mapping[str, Document], render: Callable[[Document], str], encoding: Encoding
    ) -> str:
        """Return the inside of a JSON object; a member whose optional value is absent is left out."""
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
        self.lines.append(f'#set({variable} = "{"".join(map(formal, references))}")')
        return variable
