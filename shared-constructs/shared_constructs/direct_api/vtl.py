"""Writing mapping templates that no value, static or the caller's, can break out of.

Only features that API Gateway documents or that aws-cdk-lib itself relies on are used: ``#set``, ``#if``, ``#foreach``,
``$input.path/json/params()/body``, ``$util.*``, ``$context.*`` and methods of strings, maps and lists. No macros: API
Gateway does not promise them.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

from aws_cdk import Token

#: A mapping template may have 300 KB: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
MAX_TEMPLATE_BYTES: Final = 300 * 1024

#: How Java prints a JSON number; DynamoDB's N accepts all of these.
NUMBER: Final = r"-?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?"
INTEGER: Final = r"-?[0-9]{1,38}"

_PLAIN: Final = frozenset(map(chr, range(0x20, 0x7F))) - frozenset('"\\#$')


def json_text(value: str) -> str:
    r"""Static text as the inside of a JSON string of a template.

    Everything that JSON or Velocity could read as syntax (quotes, backslashes, ``#``, ``$``) becomes ``\uXXXX``, which
    only the JSON parser behind the template reads. CDK tokens pass through.
    """
    if Token.is_unresolved(value):
        return value
    units = value.encode("utf-16-be", "surrogatepass")
    chars = (chr(int.from_bytes(units[at : at + 2], "big")) for at in range(0, len(units), 2))
    return "".join(char if char in _PLAIN else f"\\u{ord(char):04x}" for char in chars)


def json_string(value: str) -> str:
    """Static text as a JSON string of a template, quotes included."""
    return f'"{json_text(value)}"'


def url_text(value: str) -> str:
    """Static text inside a form-encoded body."""
    return value if Token.is_unresolved(value) else quote(value, safe="")


def escape(reference: str) -> str:
    r"""Escape a run-time string for the inside of a JSON string.

    ``$util.escapeJavaScript`` also writes ``\'``, which JSON does not know; the replacement is AWS's own advice.
    """
    return f"""$util.escapeJavaScript({reference}).replaceAll("\\\\'","'")"""


def literal(value: str) -> str:
    """A Velocity string literal, which is never interpolated.

    Raises:
        ValueError: `value` has a single quote or a control character, which such a literal cannot hold.
    """
    if "'" in value or not value.isprintable():
        msg = f"text compared in a template can hold neither a single quote nor control characters, got {value!r}"
        raise ValueError(msg)
    return f"'{value}'"


def identifier(*parts: str) -> str:
    """A Velocity variable name made of `parts`."""
    return "_".join(
        "".join(char if char.isascii() and char.isalnum() else "_" for char in part) for part in parts
    )
