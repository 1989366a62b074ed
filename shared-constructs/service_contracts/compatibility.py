"""Whether what one side sends is what the other side reads, and what a change of a contract means for whom.

One question answers all: is every value that a writer's schema allows one that a reader's schema takes? A consumer's model
is the reader of its producer's schema; the last released schema is the reader of the present one; the present request
model of a route is the reader of what callers were told to send.

jsoncompat 0.3.1 was tried and not taken: it answers yes or no without saying where; an enum value that is added counts as
compatible for readers that know the others only; patterns and formats are not looked at; `$id` is an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from service_contracts.schemas import faults, resolved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from service_contracts.schemas import Schema

_ANNOTATIONS: Final = frozenset(
    (
        "$schema",
        "$id",
        "components",
        "$defs",
        "$ref",
        "title",
        "description",
        "default",
        "examples",
        "deprecated",
        "readOnly",
    )
)
_COMPARED: Final = frozenset(
    (
        *(
            "type",
            "enum",
            "const",
            "anyOf",
            "oneOf",
            "properties",
            "required",
            "additionalProperties",
            "items",
        ),
        *("pattern", "format", "multipleOf", "uniqueItems"),
        *("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"),
        *("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"),
    )
)
_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_EXACT: Final = ("pattern", "format")


class Kind(StrEnum):
    """What a change of a contract means."""

    SAFE = "safe"
    ADDITIVE = "additive"
    BREAKING = "breaking"


@dataclass(frozen=True)
class Fault:
    """A value that one side may send and the other does not take.

    Attributes:
        path: Where: `data.items[].sku`.
        message: What, naming the place.
        is_value: Whether it is about the values of an enumeration.
    """

    path: str
    message: str
    is_value: bool = False


@dataclass(frozen=True)
class Change:
    """How a contract differs from its last release.

    Attributes:
        kind: Safe (nothing that travels), additive (readers of the release notice nothing) or breaking.
        faults: Of a breaking change, what breaks.
    """

    kind: Kind
    faults: tuple[Fault, ...] = ()


def unmet(reader: Schema, writer: Schema, *, where: str = "data", never_sent: bool = True) -> list[Fault]:
    """What a reader needs that a writer does not promise.

    Args:
        reader: What is read; a document of its own, with its definitions.
        writer: What may be sent.
        where: How the whole is called.
        never_sent: Whether an optional field that is never sent is a fault: somebody waits for it in vain.
    """
    return list(_Comparison(reader, writer, never_sent=never_sent).between(reader, writer, where))


def change(old: Schema, new: Schema) -> Change:
    """What the change of an event's schema means for those who read by the old one.

    A value that is no longer sent counts as breaking: a consumer may wait for it, and an archive may still hold it.

    Args:
        old: As it was released.
        new: As it is now.
    """
    found = unmet(old, new)
    backwards = unmet(new, old)
    dropped = [
        Fault(each.path, f"{each.path} lost values of its enumeration: {each.message}", is_value=True)
        for each in backwards
        if each.is_value
    ]
    if found or dropped:
        return Change(Kind.BREAKING, (*found, *dropped))
    return Change(Kind.ADDITIVE if _bare(old) != _bare(new) else Kind.SAFE)


def reads(schema: Schema, path: str) -> bool:
    """Whether a reader's schema has the field at a path, or one within it.

    Args:
        schema: Of the reader.
        path: As in `Fault.path`.
    """
    part = schema
    for name in re.findall(r"[^.\[\]]+|\[\]", path)[1:]:
        part = next((each for each in _branches(part, schema) if name == "[]" or "properties" in each), {})
        part = part.get("items", {}) if name == "[]" else part.get("properties", {}).get(name)
        if part is None:
            return False
    return True


def api_changes(old: Schema, new: Schema) -> Change:
    """What the change of an API means for its callers, requests and answers each in its own direction.

    Args:
        old: The OpenAPI document as it was released.
        new: As it is now.
    """
    before, now = _operations(old), _operations(new)
    found: list[Fault] = []
    for name, operation in before.items():
        if name not in now:
            found.append(Fault(name, f"{name} is gone"))
            continue
        found += _operation_faults(name, (operation, old), (now[name], new))
    if found:
        return Change(Kind.BREAKING, tuple(found))
    return Change(Kind.ADDITIVE if _bare(old) != _bare(new) else Kind.SAFE)


# ------------------------------------------------------------------------------------------------------------- schemas
class _Comparison:
    def __init__(self, reader: Schema, writer: Schema, *, never_sent: bool) -> None:
        self._reader = reader
        self._writer = writer
        self._never_sent = never_sent

    def between(self, reader: Schema, writer: Schema, where: str) -> Iterator[Fault]:
        """What each alternative of the writer lacks for the alternative of the reader that it fits best."""
        readers = [*_branches(reader, self._reader)]
        for alternative in _branches(writer, self._writer):
            attempts = [[*self._one(each, alternative, where)] for each in readers]
            # Faults within an alternative say more than that its type is another.
            yield from min(
                attempts, key=lambda found: (bool(found), len(found) and found[0].path == where, len(found))
            )

    def _one(self, reader: Schema, writer: Schema, where: str) -> Iterator[Fault]:
        for keyword in sorted(reader.keys() - _ANNOTATIONS - _COMPARED):
            yield Fault(where, f"{where}: the keyword {keyword!r} cannot be compared; use others")
        if (values := _values(writer)) is not None:
            yield from self._values(reader, values, where)
            return
        if (wanted := _values(reader)) is not None:
            yield Fault(
                where,
                f"{where} can be any {writer.get('type', 'value')}, read are only {_listed(wanted)}",
                True,
            )
            return
        if not _is_of(writer.get("type"), reader.get("type")):
            yield Fault(where, f"{where} is {writer.get('type', 'anything')}, not {reader['type']}")
            return
        yield from _narrower(reader, writer, where)
        yield from self._fields(reader, writer, where)
        if "items" in reader:
            yield from self.between(reader["items"], writer.get("items", {}), f"{where}[]")

    def _values(self, reader: Schema, values: list[Any], where: str) -> Iterator[Fault]:
        rest = {
            **reader,
            "$defs": self._reader.get("$defs", {}),
            "components": self._reader.get("components", {}),
        }
        refused = [value for value in values if faults(rest, value)]
        if refused:
            known = _values(reader)
            taken = _listed(known) if known is not None else reader.get("type", "others")
            yield Fault(
                where, f"{where} can be {_listed(refused)}, read are only {taken}", is_value=known is not None
            )

    def _fields(self, reader: Schema, writer: Schema, where: str) -> Iterator[Fault]:
        read, sent = reader.get("properties", {}), writer.get("properties", {})
        for name, schema in read.items():
            if name in sent:
                yield from self.between(schema, sent[name], f"{where}.{name}")
            if name in reader.get("required", ()) and name not in writer.get("required", ()):
                yield Fault(f"{where}.{name}", f"{where}.{name} is not promised")
            elif name not in sent and self._never_sent:
                yield Fault(f"{where}.{name}", f"{where}.{name} is read but never sent")
        further = reader.get("additionalProperties", True)
        if further is False:
            for name in sent.keys() - read.keys():
                yield Fault(f"{where}.{name}", f"{where}.{name} is sent, but no further fields are taken")
            if writer.get("additionalProperties", True) is not False:
                yield Fault(where, f"{where} may have further fields, but none are taken")
        elif isinstance(further, dict):
            values = writer.get("additionalProperties", {})
            yield from self.between(further, values if isinstance(values, dict) else {}, f"{where}.*")


def _narrower(reader: Schema, writer: Schema, where: str) -> Iterator[Fault]:
    """Bounds, patterns and formats that the reader insists on and the writer does not keep."""
    beyond: tuple[tuple[tuple[str, ...], Callable[[Any, Any], bool]], ...] = (
        (_LOWER, lambda read, sent: sent < read),
        (_UPPER, lambda read, sent: sent > read),
    )
    for keywords, is_beyond in beyond:
        for keyword in keywords:
            if keyword in reader:
                promised = writer.get(keyword)
                if promised is None or is_beyond(reader[keyword], promised):
                    yield Fault(
                        where,
                        f"{where} has {keyword} {_none(promised)}, read is only {keyword} {reader[keyword]}",
                    )
    for keyword in _EXACT:
        if keyword in reader and reader[keyword] != writer.get(keyword):
            yield Fault(
                where,
                f"{where} has the {keyword} {_none(writer.get(keyword))}, read is only {reader[keyword]!r}",
            )
    multiple = reader.get("multipleOf")
    if multiple and (not writer.get("multipleOf") or writer["multipleOf"] % multiple):
        yield Fault(where, f"{where} need not be a multiple of {multiple}")
    if reader.get("uniqueItems") and not writer.get("uniqueItems"):
        yield Fault(where, f"{where} may repeat an element")


def _branches(schema: Schema, root: Schema) -> Iterator[Schema]:
    """The alternatives that a schema allows, references followed."""
    schema = resolved(schema, root)
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    if alternatives:
        for each in alternatives:
            yield from _branches(each, root)
    elif isinstance(kinds := schema.get("type"), list):
        for kind in kinds:
            yield {**schema, "type": kind}
    else:
        yield schema


def _values(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    values: list[Any] | None = schema.get("enum")
    return values


def _is_of(sent: str | None, read: str | None) -> bool:
    return read is None or sent == read or (sent, read) == ("integer", "number")


def _listed(values: list[Any]) -> str:
    return ", ".join(map(str, values))


def _none(value: Any) -> str:
    return "none" if value is None else repr(value)


def _bare(part: Any) -> Any:
    """Without what only people read, and definitions where they are used."""
    if isinstance(part, list):
        return [_bare(each) for each in part]
    if not isinstance(part, dict):
        return part
    said = {"title", "description", "examples", "$id", "operationId", "info"}
    return {
        name: {each: _bare(inner) for each, inner in value.items()} if name == "properties" else _bare(value)
        for name, value in part.items()
        if name not in said
    }


# ---------------------------------------------------------------------------------------------------------------- APIs
def _operations(document: Schema) -> dict[str, Schema]:
    return {
        f"{verb.upper()} {re.sub(r'{[^}]*}', '{}', path)}": operation
        for path, operations in document["paths"].items()
        for verb, operation in operations.items()
    }


def _operation_faults(
    name: str, before: tuple[Schema, Schema], now: tuple[Schema, Schema]
) -> Iterator[Fault]:
    (old, old_root), (new, new_root) = before, now
    yield from _parameter_faults(name, old, new)
    body, taken = old.get("requestBody"), new.get("requestBody")
    if taken and not body:
        yield Fault(name, f"{name} takes a body now")
    if taken and body:
        for kind, media in body["content"].items():
            if kind not in taken["content"]:
                yield Fault(name, f"{name} takes no {kind} any more")
                continue
            reader = _rooted(taken["content"][kind]["schema"], new_root)
            writer = _rooted(media["schema"], old_root)
            yield from unmet(reader, writer, where=f"{name} request", never_sent=False)
    for status, response in new["responses"].items():
        promised = old["responses"].get(status)
        # RFC 9110: a 204 ends after its header section, whatever a document says of a body.
        if promised is None or status == "204":
            continue
        for kind, media in promised.get("content", {}).items():
            sent = response.get("content", {}).get(kind)
            if sent is None:
                yield Fault(name, f"{name} answers {status} without {kind}")
                continue
            yield from unmet(
                _rooted(media["schema"], old_root),
                _rooted(sent["schema"], new_root),
                where=f"{name} {status}",
            )
    if not any(
        int(status) < HTTPStatus.BAD_REQUEST for status in old["responses"].keys() & new["responses"].keys()
    ):
        yield Fault(name, f"{name} answers success with another status")
    yield from _security_faults(name, old, new)


def _parameter_faults(name: str, old: Schema, new: Schema) -> Iterator[Fault]:
    def by_place(operation: Schema) -> dict[tuple[str, Any], Schema]:
        found: dict[tuple[str, Any], Schema] = {}
        for number, each in enumerate(operation.get("parameters", ())):
            key = number if each["in"] == "path" else each["name"]
            found[each["in"], key] = each
        return found

    known = by_place(old)
    for key, parameter in by_place(new).items():
        if key not in known:
            if parameter["required"]:
                yield Fault(name, f"{name} requires the {key[0]} parameter {parameter['name']} now")
            continue
        if parameter["required"] and not known[key]["required"]:
            yield Fault(name, f"{name} requires the {key[0]} parameter {parameter['name']} now")
        where = f"{name} {parameter['name']}"
        yield from unmet(parameter["schema"], known[key]["schema"], where=where)


def _security_faults(name: str, old: Schema, new: Schema) -> Iterator[Fault]:
    def scopes(operation: Schema) -> set[tuple[str, str]]:
        return {
            (scheme, scope)
            for each in operation["security"]
            for scheme, names in each.items()
            for scope in names or [""]
        }

    if new["security"] and not old["security"]:
        yield Fault(name, f"{name} needs credentials now")
    elif new["security"]:
        for scheme, scope in sorted(scopes(old) - scopes(new)):
            yield Fault(name, f"{name} does not accept {scope or scheme} any more")


def _rooted(schema: Schema, root: Schema) -> Schema:
    return {**schema, "components": root["components"]}
