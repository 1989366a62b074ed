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
_LONG_MIN, _LONG_MAX = -(2**63), 2**63 - 1


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


def _compare(left: str, right: str) -> int:
    a, b = utf16(left), utf16(right)
    for one, other in zip(a, b, strict=False):
        if one != other:
            return ord(one) - ord(other)
    return len(a) - len(b)


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

_POSIX_CLASSES: Final = {
    "Lower": "a-z", "Upper": "A-Z", "ASCII": r"\x00-\x7f", "Alpha": "a-zA-Z", "Digit": "0-9", "Alnum": "a-zA-Z0-9",
    "Punct": r"!-/:-@\[-`{-~", "Graph": "!-~", "Print": " -~", "Blank": r" \t", "Cntrl": r"\x00-\x1f\x7f",
    "XDigit": "0-9a-fA-F", "Space": r"\s",
}  # fmt: skip
_TERMINATORS = r"\n\r\u0085\u2028\u2029"
_TOKEN = re.compile(
    r"(?P<quote>\\Q(?P<quoted>.*?)(?:\\E|\Z))|(?P<posix>\\[pP]\{(?P<posix_name>\w+)\})"
    r"|(?P<codepoint>\\x\{(?P<code>[0-9a-fA-F]+)\})|(?P<escape>\\.)|(?P<named>\(\?<(?![=!]))|(?P<any>.)",
    re.DOTALL,
)


@lru_cache(maxsize=512)
def java_regex(pattern: str) -> re.Pattern[str]:
    r"""Compile a `java.util.regex` pattern.

    Raises:
        UnsupportedFeatureError: for what Python cannot express (`&&` in a class, nested classes, `\p{L}`).
        TemplateExecutionError: when the pattern is malformed, as PatternSyntaxException.
    """
    flags = re.match(r"\(\?([a-z]+)\)", pattern)
    plain = {"[": "[", ".": f"[^{_TERMINATORS}]", "$": rf"(?=(?:\r\n|[{_TERMINATORS}])?\Z)", "(?<": "(?P<"}
    for flag, character in (("s", "."), ("m", "$")):
        if flags and flag in flags[1]:
            del plain[character]
    out: list[str] = []
    in_class = False
    for token in _TOKEN.finditer(pattern):
        text = token[0]
        if token["any"] is None and token["named"] is None:
            out.append(_translated(token, in_class=in_class))
        elif not in_class:
            out.append(plain.get(text, text))
            in_class = text == "["
        elif text == "[" or (text == "&" and pattern.startswith("&&", token.start())):
            raise UnsupportedFeatureError(
                f"regular expression {pattern!r}: nested or intersected character classes"
            )
        else:
            in_class = text != "]" or _opens_class(pattern, token.start())
            out.append(r"\]" if text == "]" and in_class else text)
    try:
        return re.compile("".join(out), re.ASCII)
    except re.error as error:
        raise TemplateExecutionError(f"PatternSyntaxException: {error} in {pattern!r}") from error


def _translated(token: re.Match[str], *, in_class: bool) -> str:
    """A quotation, class, code point or escape of Java in Python's notation."""
    if token["quote"] is not None:
        return re.escape(token["quoted"])
    if token["posix"] is not None:
        return _posix_class(token["posix_name"], negated=token[0][1] == "P", in_class=in_class)
    if token["codepoint"] is not None:
        return re.escape(chr(int(token["code"], 16)))
    return {"\\z": r"\Z", "\\Z": rf"(?=[{_TERMINATORS}]?\Z)", "\\h": r"[ \t\xA0]"}.get(token[0], token[0])


def _opens_class(pattern: str, position: int) -> bool:
    """Whether the `]` at position is the first character of its class, where it is a literal."""
    return pattern[position - 1] == "[" or pattern[position - 2 : position] == "[^"


def _posix_class(name: str, *, negated: bool, in_class: bool) -> str:
    if name not in _POSIX_CLASSES or (negated and in_class):
        raise UnsupportedFeatureError(
            f"regular expression class \\p{{{name}}}: only ASCII POSIX classes are known"
        )
    members = _POSIX_CLASSES[name]
    return members if in_class else f"[{'^' if negated else ''}{members}]"


_REPLACEMENT = re.compile(r"\\(?P<literal>.)|\$(?:(?P<group>\d)|\{(?P<name>\w+)\})|(?P<bad>[\\$])", re.DOTALL)


def _replacement(text: str) -> Callable[[re.Match[str]], str]:
    """`Matcher.appendReplacement`: `$1` and `${name}` are groups, a backslash makes the next character literal."""

    def expand(match: re.Match[str]) -> str:
        def one(reference: re.Match[str]) -> str:
            if reference["literal"] is not None:
                return reference["literal"]
            if reference["bad"] is not None:
                raise TemplateExecutionError(f"IllegalArgumentException: illegal group reference in {text!r}")
            group = reference["name"] or int(reference["group"])
            try:
                return match[group] or ""
            except IndexError as error:
                raise TemplateExecutionError(
                    f"IndexOutOfBoundsException: no group {group} in {text!r}"
                ) from error

        return _REPLACEMENT.sub(one, text)

    return expand


# Methods --------------------------------------------------------------------------------------------------------------


def _parse_integer(text: Any, low: int = _INT_MIN, high: int = _INT_MAX) -> int:
    if isinstance(text, str) and re.fullmatch(r"[+-]?[0-9]+", text) and low <= int(text) <= high:
        return int(text)
    raise TemplateExecutionError(f"NumberFormatException: for input string {to_string(text)!r}")


def _parse_double(text: Any) -> float:
    try:
        return float(str(text).strip())
    except ValueError as error:
        raise TemplateExecutionError(f"NumberFormatException: for input string {text!r}") from error


def _hash_code(text: str) -> int:
    value = 0
    for char in utf16(text):
        value = (31 * value + ord(char)) & 0xFFFFFFFF
    return value - 2**32 if value > _INT_MAX else value


def _put(target: dict[Any, Any], key: Any, value: Any) -> Any:
    previous = target.get(key)
    target[key] = value
    return previous


def _put_all(target: dict[Any, Any], values: Mapping[Any, Any]) -> None:
    target.update(values)


def _append(target: list[Any], *args: Any) -> bool | None:
    if len(args) == 1:
        target.append(args[0])
        return True
    target.insert(int(args[0]), args[1])
    return None


def _get_item(target: list[Any], index: int) -> Any:
    if not isinstance(index, int) or not 0 <= index < len(target):
        raise TemplateExecutionError(f"IndexOutOfBoundsException: index {index}, size {len(target)}")
    return target[index]


def _set_item(target: list[Any], index: int, value: Any) -> Any:
    previous = _get_item(target, index)
    target[index] = value
    return previous


def _remove_item(target: list[Any], index_or_value: Any) -> Any:
    if isinstance(index_or_value, int):
        removed = _get_item(target, index_or_value)
        del target[index_or_value]
        return removed
    present = index_or_value in target
    if present:
        target.remove(index_or_value)
    return present


def _add_all(target: list[Any], values: list[Any]) -> bool:
    target.extend(values)
    return bool(values)


def _index_of(target: list[Any], value: Any) -> int:
    return target.index(value) if value in target else -1


def _sub_list(target: list[Any], begin: int, end: int) -> list[Any]:
    return target[begin:end]


_STRING: Final[dict[str, Callable[..., Any]]] = {
    "charAt": lambda s, i: _substring(s, i, i + 1),
    "compareTo": _compare,
    "compareToIgnoreCase": lambda s, o: _compare(s.lower(), o.lower()),
    "concat": lambda s, o: s + o,
    "contains": lambda s, o: to_string(o) in s,
    "endsWith": lambda s, o: s.endswith(o),
    "equals": lambda s, o: isinstance(o, str) and s == o,
    "equalsIgnoreCase": lambda s, o: isinstance(o, str) and s.casefold() == o.casefold(),
    "hashCode": _hash_code,
    "indexOf": lambda s, o, start=0: utf16(s).find(utf16(o), start),
    "isBlank": lambda s: not s.strip(),
    "isEmpty": lambda s: not s,
    "lastIndexOf": lambda s, o: utf16(s).rfind(utf16(o)),
    "length": lambda s: len(utf16(s)),
    "matches": lambda s, p: java_regex(p).fullmatch(s) is not None,
    "replace": lambda s, old, new: s.replace(to_string(old), to_string(new)),
    "replaceAll": lambda s, p, r: java_regex(p).sub(_replacement(r), s),
    "replaceFirst": lambda s, p, r: java_regex(p).sub(_replacement(r), s, count=1),
    "split": _split,
    "startsWith": lambda s, o, start=0: s.startswith(o, start),
    "substring": _substring,
    "toLowerCase": lambda s: s.lower(),
    "toString": lambda s: s,
    "toUpperCase": lambda s: s.upper(),
    "trim": lambda s: s.strip("".join(map(chr, range(33)))),
    "valueOf": lambda _, o: to_string(o),
}
_NUMBER: Final[dict[str, Callable[..., Any]]] = {
    "compareTo": lambda n, o: (n > o) - (n < o),
    "doubleValue": float,
    "equals": equals,
    "hashCode": int,
    "intValue": int,
    "longValue": int,
    "max": lambda _, a, b: max(a, b),
    "min": lambda _, a, b: min(a, b),
    "parseDouble": lambda _, text: _parse_double(text),
    "parseInt": lambda _, text: _parse_integer(text),
    "parseLong": lambda _, text: _parse_integer(text, _LONG_MIN, _LONG_MAX),
    "toString": lambda n, *other: to_string(other[0] if other else n),
    "valueOf": lambda n, o: (
        _parse_double(o) if isinstance(n, float) else o if is_number(o) else _parse_integer(o)
    ),
}
_BOOLEAN: Final[dict[str, Callable[..., Any]]] = {
    "booleanValue": lambda b: b,
    "equals": lambda b, o: b is o,
    "parseBoolean": lambda _, text: str(text).lower() == "true",
    "toString": to_string,
}
_MAP: Final[dict[str, Callable[..., Any]]] = {
    "clear": lambda m: m.clear(),
    "containsKey": lambda m, k: k in m,
    "containsValue": lambda m, v: v in m.values(),
    "entrySet": lambda m: [{"key": k, "value": v} for k, v in m.items()],
    "equals": lambda m, o: m == o,
    "get": lambda m, k: m.get(k),
    "getKey": lambda m: m["key"],
    "getOrDefault": lambda m, k, default: m.get(k, default),
    "getValue": lambda m: m["value"],
    "isEmpty": lambda m: not m,
    "keySet": list,
    "put": _put,
    "putAll": _put_all,
    "remove": lambda m, k: m.pop(k, None),
    "size": len,
    "toString": to_string,
    "values": lambda m: list(m.values()),
}
_LIST: Final[dict[str, Callable[..., Any]]] = {
    "add": _append,
    "addAll": _add_all,
    "clear": lambda items: items.clear(),
    "contains": lambda items, v: v in items,
    "containsAll": lambda items, o: all(v in items for v in o),
    "equals": lambda items, o: items == o,
    "get": _get_item,
    "indexOf": _index_of,
    "isEmpty": lambda items: not items,
    "remove": _remove_item,
    "set": _set_item,
    "size": len,
    "subList": _sub_list,
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
    if name in ("empty", "blank", "bytes", "class"):
        _, methods = _methods_of(target)
        return methods["isEmpty"](target) if name == "empty" and "isEmpty" in methods else MISSING
    return MISSING


def call_method(target: Any, name: str, args: list[Any]) -> Any:
    """`$target.name(args)`, where target is not null.

    Raises:
        UnsupportedFeatureError: when the method is not one that this engine knows for the type.
        TemplateExecutionError: when the call fails as it would in Java.
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
