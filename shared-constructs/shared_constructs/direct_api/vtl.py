"""Writing mapping templates that no value, static or the caller's, can break out of.

Only features that API Gateway documents or that aws-cdk-lib itself relies on are used: `#set`, `#if`, `#foreach`,
`$input.path/json/params()/body`, `$util.*`, `$context.*` and methods of strings, maps and lists. No macros: API
Gateway does not promise them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from aws_cdk import Token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

MAX_TEMPLATE_BYTES: Final = 300 * 1024
"""A mapping template may have 300 KB: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""

NUMBER: Final = r"-?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?"
"""How Java prints a JSON number; DynamoDB's N accepts all of these."""

INTEGER: Final = r"-?[0-9]{1,38}"

_PLAIN: Final = frozenset(map(chr, range(0x20, 0x7F))) - frozenset('"\\#$')


def json_text(value: str) -> str:
    r"""Static text as the inside of a JSON string of a template.

    Everything that JSON or Velocity could read as syntax (quotes, backslashes, `#`, `$`) becomes `\uXXXX`, which
    only the JSON parser behind the template reads. CDK tokens pass through.
    """
    if _is_token(value):
        return value
    units = value.encode("utf-16-be", "surrogatepass")
    chars = (chr(int.from_bytes(units[at : at + 2], "big")) for at in range(0, len(units), 2))
    return "".join(char if char in _PLAIN else f"\\u{ord(char):04x}" for char in chars)


def _is_token(value: str) -> bool:
    # Asking the CDK takes a round trip to its process, thousands of times for an API; in a text a token is `${Token[…]}`.
    return "${" in value and Token.is_unresolved(value)


def json_string(value: str) -> str:
    """Static text as a JSON string of a template, quotes included."""
    return f'"{json_text(value)}"'


def url_text(value: str) -> str:
    """Static text inside a form-encoded body."""
    return value if _is_token(value) else quote(value, safe="")


def escape(reference: str) -> str:
    r"""Escape a run-time string for the inside of a JSON string.

    `$util.escapeJavaScript` also writes `\'`, which JSON does not know; the replacement is AWS's own advice.
    """
    return f"""$util.escapeJavaScript({reference}).replaceAll("\\\\'","'")"""


def literal(value: str) -> str:
    """A Velocity string literal, which is never interpolated.

    Raises:
        ValueError: `value` has a single quote or a control character, which such a literal cannot hold.
    """
    if "'" in value or not value.isprintable():
        raise ValueError(
            f"text compared in a template can hold neither a single quote nor control characters, got {value!r}"
        )
    return f"'{value}'"


def identifier(*parts: str) -> str:
    """A Velocity variable name made of `parts`."""
    return "_".join(
        "".join(char if char.isascii() and char.isalnum() else "_" for char in part) for part in parts
    )


def formal(reference: str) -> str:
    """A reference that may stand next to any text: `$name` as `${name}`."""
    return f"${{{reference.removeprefix('$')}}}"


def quiet(access: str) -> str:
    """What an expression gives as a string, "" for null."""
    return f'"$!{access.removeprefix("$")}"'


def json_constant(value: object) -> str:
    """Plain JSON known at synth, as template text."""
    return json.dumps(value, separators=(",", ":")).replace("#", "\\u0023").replace("$", "\\u0024")


def either(presences: Iterable[str | None]) -> str | None:
    """The condition under which at least one of several parts is there; None if one always is."""
    conditions = list(dict.fromkeys(presences))
    return None if None in conditions else " || ".join(f"({each})" for each in conditions)


def when(condition: str | None, text: str) -> str:
    """Text that is only there under a condition (None: always there)."""
    return f"#if({condition}){text}#end" if condition else text


def first_of(branches: Iterable[tuple[str, str]], otherwise: str) -> str:
    """The text of the first condition that holds."""
    tests = "\n".join(
        f"#{'else' if at else ''}if({condition})\n{text}" for at, (condition, text) in enumerate(branches)
    )
    return f"{tests}\n#else\n{otherwise}\n#end"


def joined(
    entries: Sequence[tuple[str | None, str]], *, comma: str = ",", first: str = "", separator: str = "sep"
) -> str:
    """Join entries with commas, some of which are only there under a condition.

    Args:
        entries: Condition (None: always there) and text.
        comma: Between entries.
        first: Before the first entry, if there is any.
        separator: Name of the Velocity variable, unique among nested joins.
    """
    always = [text for condition, text in entries if condition is None]
    sometimes = [(condition, text) for condition, text in entries if condition is not None]
    if always:
        return first + comma.join(always) + "".join(when(each, comma + text) for each, text in sometimes)
    if not sometimes:
        return ""
    return f'#set(${separator} = "{first}")' + "".join(
        when(condition, f'${{{separator}}}{text}#set(${separator} = "{comma}")')
        for condition, text in sometimes
    )


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How JSON, or plain text, is written into the place where it goes.

    Attributes:
        static: Encodes JSON text known at synth.
        text: Encodes text known at synth for the inside of a string.
        string: Encodes a run-time string for the inside of a string.
        json: Encodes run-time JSON.
    """

    static: Callable[[str], str]
    text: Callable[[str], str]
    string: Callable[[str], str]
    json: Callable[[str], str]


def _url_encode(reference: str) -> str:
    return f"$util.urlEncode({reference})"


JSON: Final = Encoding(static=str, text=json_text, string=escape, json=str)
"""JSON as it is."""

JSON_IN_STRING: Final = Encoding(
    static=json_text,
    text=lambda text: json_text(json_text(text)),
    string=lambda reference: escape(escape(reference)),
    json=escape,
)
"""JSON inside a JSON string, as Step Functions takes it."""

JSON_IN_FORM: Final = Encoding(
    static=url_text,
    text=lambda text: url_text(json_text(text)),
    string=lambda reference: _url_encode(escape(reference)),
    json=_url_encode,
)
"""JSON inside a form field, as SQS's query protocol takes it."""

FORM: Final = Encoding(static=url_text, text=url_text, string=_url_encode, json=_url_encode)
"""Plain text inside a form field."""
