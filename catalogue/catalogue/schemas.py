"""JSON Schemas as tables: one row per field, nested ones by their path."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from catalogue.markdown import code, plain, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Schema = "Mapping[str, Any]"

LIMITS = {
    "format": "{}",
    "pattern": "matches `{}`",
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "default": "default `{}`",
}

DEEP = 6
"""A schema that refers to itself ends here."""


def fields(schema: Mapping[str, Any], document: Mapping[str, Any] | None = None) -> list[str]:
    """A table of a schema's fields.

    Args:
        schema: Of an object, or of anything that is made of objects.
        document: Where its references point; the schema itself without it.
    """
    rows = list(_rows(schema, document or schema, "", 0))
    return table(("field", "type", "required", "allowed", "meaning"), rows)


def resolved(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema, or what it refers to in its document, with what stands beside the reference."""
    reference = schema.get("$ref", "")
    if not reference.startswith("#/"):
        return schema
    found: Any = document
    for step in reference[2:].split("/"):
        found = found[step.replace("~1", "/").replace("~0", "~")]
    beside = {name: value for name, value in schema.items() if name != "$ref"}
    return {**resolved(found, document), **beside}


def kind(schema: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """A schema's type in words."""
    schema = resolved(schema, document)
    if "const" in schema:
        return code(json.dumps(schema["const"]))
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(kind(choice, document) for choice in choices))
    if schema.get("type") == "array":
        return f"list of {kind(schema.get('items', {}), document)}"
    kinds = schema.get("type", "object" if "properties" in schema else "any")
    return " or ".join(kinds) if isinstance(kinds, list) else str(kinds)


def limits(schema: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """What else a value must be."""
    schema = resolved(schema, document)
    said = [text.format(schema[name]) for name, text in LIMITS.items() if schema.get(name) is not None]
    if "enum" in schema:
        said.insert(0, ", ".join(code(str(value)) for value in schema["enum"]))
    return "; ".join(said)


def _rows(
    schema: Mapping[str, Any], document: Mapping[str, Any], prefix: str, depth: int
) -> Iterator[tuple[str, str, str, str, str]]:
    for path, each in _objects(schema, document, prefix):
        required = each.get("required", ())
        for name, inner in each.get("properties", {}).items():
            whole = resolved(inner, document)
            yield (
                code(f"{path}{name}"),
                kind(inner, document),
                "yes" if name in required else "",
                limits(inner, document),
                plain(str(whole.get("description", ""))),
            )
            if depth < DEEP:
                yield from _rows(whole, document, f"{path}{name}", depth + 1)


def _objects(
    schema: Mapping[str, Any], document: Mapping[str, Any], prefix: str
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects that a value can be or consist of, with what their fields' paths begin with."""
    schema = resolved(schema, document)
    if "properties" in schema:
        yield (f"{prefix}." if prefix else ""), schema
    if "items" in schema:
        yield from _objects(schema["items"], document, f"{prefix}[]")
    for combination in ("allOf", "anyOf", "oneOf"):
        for choice in schema.get(combination, ()):
            yield from _objects(choice, document, prefix)
