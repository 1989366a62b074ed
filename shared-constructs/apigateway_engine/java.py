"""The Java values that mapping templates see: methods, equality and text, with Java's results.

A template on AWS calls methods of `java.lang.String`, `java.util.List`, `java.util.Map` and the boxed numbers.
Python's look alike and differ (`length` of an emoji, `split`, `replaceAll` with `$1`, integer division), so each one
that templates use is written here. A method that is not here is an `UnsupportedFeatureError`, never Python's own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from apigateway_engine.errors import TemplateExecutionError, UnsupportedFeatureError

MISSING: Final = object()
"""No such member; distinct from a member whose value is null."""

_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1


class JsonList(list[Any]):
    """A list that came from a JSON document: its text is JSON, where a list made in the template prints `[a, b]`."""


class JavaMethods:
    """An object whose public methods templates may call; names are Java's."""


def from_json(value: Any) -> Any:
    """Wrap a decoded JSON value so that it prints as API Gateway prints it."""
    if isinstance(value, dict):
        return {key: from_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return JsonList(from_json(item) for item in value)
    return value


def to_string(value: Any) -> str:  # noqa: PLR0911  # one case per Java type
    """`String.valueOf(value)`."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case float():
            return _double_text(value)
        case JsonList():
            return json_text(value)
        case Mapping():
            return "{" + ", ".join(f"{to_string(k)}={to_string(v)}" for k, v in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(to_string(item) for item in value) + "]"
        case _:
            return str(value)


def json_text(value: Any) -> str:
    """Compact JSON, non-ASCII characters as themselves."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _double_text(value: float) -> str:
    """`Double.toString`: decimal between 1e-3 and 1e7, otherwise computerized scientific notation."""
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124  # NaN is the value unequal to itself
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[repr(value)]
    exact = Decimal(repr(value))
    if value == 0 or 1e-3 <= abs(value) < 1e7:  # noqa: PLR2004  # the bounds in Double.toString's contract
        text = format(exact, "f")
        return text if "." in text else text + ".0"
    digits = "".join(map(str, exact.as_tuple().digits)).rstrip("0") or "0"
    return f"{'-' if value < 0 else ''}{digits[0]}.{digits[1:] or '0'}E{exact.adjusted()}"


def is_number(value: Any) -> bool:
    """A boxed Java number (a Boolean is not one)."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def truthy(value: Any) -> bool:
    """Velocity 1.7's condition: null and false are false, everything else, the empty string included, is true."""
    return value is not None and value is not False


def equals(left: Any, right: Any) -> bool:
    """Velocity's `==`: numbers by value, equal types by `equals`, other pairs by their text."""
    if left is None or right is None:
        return left is right
    if is_number(left) and is_number(right):
        return bool(left == right)
    if isinstance(left, bool) != isinstance(right, bool) or type(left) is not type(right):
        return to_string(left) == to_string(right)
    return bool(left == right)


# Strings: Java counts UTF-16 units ------------------------------------------------------------------------------------


def utf16(text: str) -> str:
    """The string with each astral character as its two surrogates, so that indexes count as Java's do."""
    if all(ord(char) <= 0xFFFF for char in text):  # noqa: PLR2004  # the end of the basic multilingual plane
        return text
    units = text.encode("utf-16-le", "surrogatepass")
    return "".join(chr(int.from_bytes(units[i : i + 2], "little")) for i in range(0, len(units), 2))


def from_utf16(text: str) -> str:
    """Join surrogate pairs again."""
    if not any(0xD800 <= ord(char) <= 0xDFFF for char in text):  # noqa: PLR2004  # the surrogates
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def escape_java_script(text: str) -> str:
    r"""`StringEscapeUtils.escapeJavaScript`: JSON's escapes and also `\'`, which is not JSON, and `\/`, which is."""
    named = {"'": "\\'", '"': '\\"', "\\": "\\\\", "/": "\\/"}
    named |= {"\b": "\\b", "\n": "\\n", "\t": "\\t", "\f": "\\f", "\r": "\\r"}
    return "".join(
        named.get(char) or (char if " " <= char <= "\x7f" else f"\\u{ord(char):04X}") for char in utf16(text)
    )


def _substring(text: str, begin: int, end: int | None = None) -> str:
    units = utf16(text)
    stop = len(units) if end is None else end
    if not 0 <= begin <= stop <= len(units):
        raise TemplateExecutionError(
            f"StringIndexOutOfBoundsException: begin {begin}, end {stop}, length {len(units)}"
        )
    return from_utf16(units[begin:stop])


def _split(text: str, pattern: str, limit: int = 0) -> list[str]:
    """`String.split`: no trailing empty strings unless a limit is given, no empty leading match."""
    parts: list[str] = []
    start = 0
    for match in java_regex(pattern).finditer(text):
        if 0 < limit <= len(parts) + 1:
            break
        if match.end() == 0 or (match.start() == match.end() == len(text)):
            continue
        parts.append(text[start : match.start()])
        start = match.end()
    if not parts:
        return [text]
    parts.append(text[start:])
    while limit == 0 and parts and not parts[-1]:
        parts.pop()
    return parts


# Regular expressions --------------------------------------------------------------------------------------------------

_TERMINATORS = r"\n\r\u0085\u2028\u2029"
_TOKEN = re.compile(
    r"(?P<java>\\[EGHNPQRVXZchkpvz]|\\x\{|\(\?<(?![=!])|\(\?[a-zA-Z-]+\)|&&)|(?P<escape>\\.)|(?P<any>.)",
    re.DOTALL,
)


@lru_cache(maxsize=512)
def java_regex(pattern: str) -> re.Pattern[str]:
    r"""Compile a `java.util.regex` pattern: what Java and Python write alike, with Java's `.` and `$`.

    Raises:
        UnsupportedFeatureError: What they write differently (`\p{…}`, `\Q…\E`, flags, named groups, nested classes).
        TemplateExecutionError: The pattern is malformed, as PatternSyntaxException.
    """
    plain = {".": f"[^{_TERMINATORS}]", "$": rf"(?=(?:\r\n|[{_TERMINATORS}])?\Z)"}
    out: list[str] = []
    in_class = False
    for token in _TOKEN.finditer(pattern):
        text = token[0]
        if token["java"] or (in_class and text == "["):
            raise UnsupportedFeatureError(
                f"regular expression {pattern!r}: {text!r} is not known to this engine"
            )
        if token["escape"]:
            out.append(text)
        elif in_class:
            in_class = text != "]" or _opens_class(pattern, token.start())
            out.append(r"\]" if text == "]" and in_class else text)
        else:
            out.append(plain.get(text, text))
            in_class = text == "["
    try:
        return re.compile("".join(out), re.ASCII)
    except re.error as error:
        raise TemplateExecutionError(f"PatternSyntaxException: {error} in {pattern!r}") from error


def _opens_class(pattern: str, position: int) -> bool:
    """Whether the `]` at position is the first character of its class, where it is a literal."""
    return pattern[position - 1] == "[" or pattern[position - 2 : position] == "[^"


_REPLACEMENT = re.compile(r"\\(?P<literal>.)|\$(?P<group>\d)|(?P<bad>[\\$])", re.DOTALL)


def _replacement(text: str) -> Callable[[re.Match[str]], str]:
    """`Matcher.appendReplacement`: `$1` is a group, a backslash makes the next character literal."""

    def expand(match: re.Match[str]) -> str:
        def one(reference: re.Match[str]) -> str:
            if reference["literal"] is not None:
                return reference["literal"]
            if reference["bad"] or int(reference["group"]) > match.re.groups:
                raise TemplateExecutionError(f"IllegalArgumentException: illegal group reference in {text!r}")
            return match[int(reference["group"])] or ""

        return _REPLACEMENT.sub(one, text)

    return expand


# Methods --------------------------------------------------------------------------------------------------------------


def _parse_int(_number: float, text: Any) -> int:
    if isinstance(text, str) and re.fullmatch(r"[+-]?[0-9]+", text) and _INT_MIN <= int(text) <= _INT_MAX:
        return int(text)
    raise TemplateExecutionError(f"NumberFormatException: for input string {to_string(text)!r}")


def _put(target: dict[Any, Any], key: Any, value: Any) -> Any:
    previous = target.get(key)
    target[key] = value
    return previous


def _append(target: list[Any], value: Any) -> bool:
    target.append(value)
    return True


def _get_item(target: list[Any], index: int) -> Any:
    if not isinstance(index, int) or not 0 <= index < len(target):
        raise TemplateExecutionError(f"IndexOutOfBoundsException: index {index}, size {len(target)}")
    return target[index]


def _set_item(target: list[Any], index: int, value: Any) -> Any:
    previous = _get_item(target, index)
    target[index] = value
    return previous


_STRING: Final[dict[str, Callable[..., Any]]] = {
    "concat": lambda s, o: s + o,
    "contains": lambda s, o: to_string(o) in s,
    "endsWith": lambda s, o: s.endswith(o),
    "equals": lambda s, o: isinstance(o, str) and s == o,
    "equalsIgnoreCase": lambda s, o: isinstance(o, str) and s.casefold() == o.casefold(),
    "indexOf": lambda s, o, start=0: utf16(s).find(utf16(o), start),
    "isEmpty": lambda s: not s,
    "length": lambda s: len(utf16(s)),
    "matches": lambda s, p: java_regex(p).fullmatch(s) is not None,
    "replace": lambda s, old, new: s.replace(to_string(old), to_string(new)),
    "replaceAll": lambda s, p, r: java_regex(p).sub(_replacement(r), s),
    "split": _split,
    "startsWith": lambda s, o: s.startswith(o),
    "substring": _substring,
    "toLowerCase": lambda s: s.lower(),
    "toString": lambda s: s,
    "toUpperCase": lambda s: s.upper(),
    "trim": lambda s: s.strip("".join(map(chr, range(33)))),
}
_NUMBER: Final[dict[str, Callable[..., Any]]] = {
    "equals": equals,
    "parseInt": _parse_int,
    "toString": to_string,
}
_BOOLEAN: Final[dict[str, Callable[..., Any]]] = {"equals": lambda b, o: b is o, "toString": to_string}
_MAP: Final[dict[str, Callable[..., Any]]] = {
    "containsKey": lambda m, k: k in m,
    "entrySet": lambda m: [{"key": k, "value": v} for k, v in m.items()],
    "get": lambda m, k: m.get(k),
    "isEmpty": lambda m: not m,
    "keySet": list,
    "put": _put,
    "size": len,
    "toString": to_string,
    "values": lambda m: list(m.values()),
}
# The methods that DirectApi's templates and AWS's examples of mapping templates call; any other is refused.
_LIST: Final[dict[str, Callable[..., Any]]] = {
    "add": _append,
    "contains": lambda items, v: v in items,
    "get": _get_item,
    "isEmpty": lambda items: not items,
    "set": _set_item,
    "size": len,
    "toString": to_string,
}


def _methods_of(value: Any) -> tuple[str, Mapping[str, Callable[..., Any]]]:
    match value:
        case bool():
            return "Boolean", _BOOLEAN
        case str():
            return "String", _STRING
        case int() | float():
            return "Number", _NUMBER
        case Mapping():
            return "Map", _MAP
        case list() | tuple() | range():
            return "List", _LIST
        case _:
            raise UnsupportedFeatureError(f"a template cannot use a value of type {type(value).__name__}")


def get_member(target: Any, name: str) -> Any:
    """`$target.name`: a key of a map, or a bean property (`$x.empty` is `isEmpty()`); MISSING when there is none."""
    if isinstance(target, Mapping) and name in target:
        return target[name]
    if isinstance(target, JavaMethods):
        return getattr(target, name) if isinstance(getattr(type(target), name, None), property) else MISSING
    if name == "empty" and not is_number(target):
        return call_method(target, "isEmpty", [])
    return MISSING


def call_method(target: Any, name: str, args: list[Any]) -> Any:
    """`$target.name(args)`, where target is not null.

    Raises:
        UnsupportedFeatureError: When the method is not one that this engine knows for the type.
        TemplateExecutionError: When the call fails as it would in Java.
    """
    if isinstance(target, JavaMethods):
        method = None if name.startswith("_") else getattr(target, name, None)
        kind, known = (
            type(target).__name__.lower().lstrip("_"),
            sorted(n for n in dir(target) if not n.startswith("_")),
        )
    else:
        kind, methods = _methods_of(target)
        method = methods.get(name)
        method = None if method is None else _bound(method, target)
        known = sorted(methods)
    if not callable(method):
        raise UnsupportedFeatureError(f"{kind}.{name}() is not known; known methods: {', '.join(known)}")
    try:
        return method(*args)
    except (TypeError, AttributeError, KeyError, ValueError, OverflowError) as error:
        raise TemplateExecutionError(
            f"{kind}.{name}({', '.join(map(to_string, args))}) failed: {error}"
        ) from error


def _bound(method: Callable[..., Any], target: Any) -> Callable[..., Any]:
    return lambda *args: method(target, *args)
