"""JSON Schemas of events: made from their models, written as text, and moved into other documents."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Literal

import jsonschema
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from service_runtime.envelope import Metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pydantic import BaseModel

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


class _Untitled(GenerateJsonSchema):
    """pydantic's generator without a title on every field, which would say its name again."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        """No field has one."""
        return False


def of_model(model: Any, *, mode: Literal["validation", "serialization"] = "validation") -> Schema:
    """The JSON Schema of what a model reads or writes, by the names on the wire.

    Args:
        model: A model, or anything else that pydantic can validate.
        mode: Whether it is read, as it is by default, or written.
    """
    return TypeAdapter(model).json_schema(mode=mode, by_alias=True, schema_generator=_Untitled)


def of_event(source: str, detail_type: str, model: type[BaseModel]) -> Schema:
    """The published schema of an event's data.

    Args:
        source: `commerce.<service>`.
        detail_type: `<Fact>.v<major>`.
        model: Of the data, with `examples` in its configuration.
    """
    return {"$schema": DIALECT, "$id": f"{source}/{detail_type}", **of_model(model)}


def of_envelope(source: str, detail_type: str, data: Schema) -> Schema:
    """The schema of the event as EventBridge delivers it.

    Args:
        source: `commerce.<service>`.
        detail_type: `<Fact>.v<major>`.
        data: Schema of the data.
    """
    detail = {
        "type": "object",
        "properties": {"metadata": of_model(Metadata), "data": data},
        "required": ["metadata", "data"],
    }
    return {
        "title": detail_type,
        "type": "object",
        "properties": {
            "source": {"const": source},
            "detail-type": {"const": detail_type},
            "time": {"type": "string", "format": "date-time"},
            "detail": detail,
        },
        "required": ["source", "detail-type", "detail"],
    }


def text(document: Mapping[str, Any]) -> str:
    """A document as it is committed."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def faults(schema: Mapping[str, Any], value: Any) -> list[str]:
    """Where a value does not fit a schema, formats included."""
    validator = jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(value)]


def resolved(schema: Schema, root: Schema) -> Schema:
    """A schema with its own reference followed, within the document that it is in."""
    while isinstance(reference := schema.get("$ref"), str):
        target: Any = root
        for part in reference.removeprefix("#/").split("/"):
            target = target[part.replace("~1", "/").replace("~0", "~")]
        schema = {**target, **{name: value for name, value in schema.items() if name != "$ref"}}
    return schema


class Components:
    """The schemas of a document (AsyncAPI, OpenAPI), each once.

    Attributes:
        schemas: By name, under `#/components/schemas/`.
    """

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}

    def add(self, name: str, schema: Schema) -> Schema:
        """Move a schema and its definitions into the document.

        Args:
            name: It gets this name; a definition keeps its own, or with this one before it, where another schema has it.
            schema: A schema of its own, with `$defs`.

        Returns:
            The reference to it.
        """
        definitions = schema.get("$defs", {})
        names = {each: each for each in definitions}

        def moved(part: Any) -> Any:
            return _rewritten(part, lambda reference: f"#/components/schemas/{names[reference]}")

        for each, definition in definitions.items():
            if self.schemas.get(each, moved(definition)) != moved(definition):
                names[each] = f"{name}.{each}"
        for each, definition in definitions.items():
            self.schemas[names[each]] = moved(definition)
        own = {key: value for key, value in schema.items() if key not in {"$defs", "$schema", "$id"}}
        if self.schemas.setdefault(name, moved(own)) != moved(own):
            raise ValueError(f"two different schemas are called {name}; give one of the models another name")
        return {"$ref": f"#/components/schemas/{name}"}


def _rewritten(part: Any, target: Callable[[str], str]) -> Any:
    if isinstance(part, list):
        return [_rewritten(each, target) for each in part]
    if not isinstance(part, dict):
        return part
    return {
        name: target(value.removeprefix("#/$defs/"))
        if name == "$ref" and isinstance(value, str) and value.startswith("#/$defs/")
        else _rewritten(value, target)
        for name, value in part.items()
    }


def walk(schema: Any) -> Iterator[Schema]:
    """Every object in a JSON document, outermost first."""
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from walk(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from walk(value)
