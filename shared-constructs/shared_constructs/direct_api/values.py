"""Where the values of a request, a condition or an answer come from."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SAFE: Final = r"[A-Za-z0-9._~-]{1,128}"
"""Unreserved URL characters (RFC 3986 §2.3), so that nothing in a path needs decoding."""

PRINTABLE: Final = r"[^\x00-\x1f\x7f]{1,1024}"
"""Anything printable; values are escaped wherever they go."""

CORRELATION_ID: Final = r"[A-Za-z0-9-]{1,64}"
"""DESIGN: X-Correlation-Id is taken when it looks like this, else replaced."""


ANYTHING: Final = r"[\s\S]*"
"""Any value; for headers that are interpreted rather than refused."""


class Source(StrEnum):
    """The part of the request that holds a parameter."""

    PATH = "path"
    QUERY = "querystring"
    HEADER = "header"


@dataclass(frozen=True)
class Parameter:
    """A path, query or header parameter; make it with `path`, `query` or `header`.

    Attributes:
        source: Where it is in the request.
        name: As callers write it.
        pattern: Regular expression that the whole value must match.
        required: Whether a request without it is refused.
        number: Whether it is a number to DynamoDB and in JSON.
        says: The pattern in words, after "must".
        length: How much of it is meant, from its beginning; default all.
    """

    source: Source
    name: str
    pattern: str
    required: bool
    number: bool
    says: str = ""
    length: int | None = None

    def __post_init__(self) -> None:
        if "'" in self.pattern:
            raise ValueError(
                f"the pattern of {self.name!r} can hold no single quote (a template literal ends there), got {self.pattern!r}"
            )
        re.compile(self.pattern)

    @property
    def rule(self) -> str:
        """What a caller may send, in words."""
        kind = {"path": "path value", "querystring": "query parameter", "header": "header"}[self.source]
        return f"{kind} {self.name} must {self.says or f'match {self.pattern}'}"

    def beginning(self, length: int) -> Parameter:
        """Return the first characters of the value, which is checked as a whole: a shard of an id.

        Args:
            length: How many, at least 1; all of a shorter value.
        """
        return replace(self, length=length)


@dataclass(frozen=True)
class BodyField:
    """A field of the request body by its JSON name; make it with `body`."""

    path: tuple[str, ...]


@dataclass(frozen=True)
class Claim:
    """A verified claim of the caller's token; make it with `claim`."""

    name: str


class Context(Enum):
    """What API Gateway knows about the request."""

    CORRELATION_ID = "correlation_id"
    REQUEST_ID = "request_id"
    REQUEST_TIME = "request_time"
    REQUEST_EPOCH = "request_epoch"


@dataclass(frozen=True)
class Text:
    """Texts joined to one; make it with `text`."""

    parts: tuple[Part, ...]


Part: TypeAlias = "str | Parameter | BodyField | Claim | Context"
Value: TypeAlias = "str | int | bool | Parameter | BodyField | Claim | Context | Text"
"""One value of a key, condition or attribute. A plain str, int or bool is a constant."""

Key: TypeAlias = "Mapping[str, Value]"
"""The value of each key attribute, `{"pk": text("NOTE#", NOTE_ID), "sk": "NOTE"}`: annotate with it what several routes share,
because a type checker takes a bare dict of different values for one of `object`."""

Document: TypeAlias = "Value | Mapping[str, Document] | Sequence[Document] | None"
"""Values nested as JSON nests them."""


def path(name: str, *, pattern: str = SAFE, number: bool = False) -> Parameter:
    """Return the decoded value of `{name}` in the route's path.

    Args:
        name: As in the route.
        pattern: Regular expression (Java's) the whole value must match, lengths included, else the caller gets 400.
        number: Store and compare it as a number; the pattern should then admit only numbers.
    """
    return Parameter(Source.PATH, name, pattern, required=True, number=number)


def query(
    name: str, *, pattern: str = SAFE, required: bool = False, number: bool = False, says: str = ""
) -> Parameter:
    """Return a query parameter. Absent and optional, it drops the condition, attribute or input that uses it.

    Args:
        name: As callers write it.
        pattern: Regular expression (Java's) the whole value must match, else the caller gets 400.
        required: Whether a request without it is refused.
        number: Store and compare it as a number; the pattern should then admit only numbers.
        says: The pattern in words, after "must", for the 400; default the pattern itself.
    """
    return Parameter(Source.QUERY, name, pattern, required=required, number=number, says=says)


def header(name: str, *, pattern: str = PRINTABLE, required: bool = False) -> Parameter:
    """Return a request header, found whatever its case. Absent and optional, it drops what uses it."""
    return Parameter(Source.HEADER, name, pattern, required=required, number=False)


def body(name: str = "") -> BodyField:
    """Return a field of the request body, `"price.amountMinor"`; without a name the whole body.

    The operation's `request` model must have the field.
    """
    return BodyField(tuple(name.split(".")) if name else ())


def claim(name: str) -> Claim:
    """Return a claim of the caller's verified token, `"sub"`. The route must have `Scopes`."""
    return Claim(name)


def correlation_id() -> Context:
    """Return the caller's X-Correlation-Id if it matches `CORRELATION_ID`, else the request id."""
    return Context.CORRELATION_ID


def request_id() -> Context:
    """Return API Gateway's id of the request, a UUID."""
    return Context.REQUEST_ID


def request_time() -> Context:
    """Return the time of the request, RFC 3339 in UTC with milliseconds."""
    return Context.REQUEST_TIME


def request_epoch() -> Context:
    """Return the time of the request in seconds since 1970, a number (for time-to-live attributes)."""
    return Context.REQUEST_EPOCH


def text(*parts: Part) -> Text:
    """Join texts: `text("CUST#", claim("sub"))`."""
    return Text(parts)
