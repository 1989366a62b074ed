"""What a route promises, as JSON Schema: kept with its method in the template, where the published API is made from.

API Gateway checks bodies but no answers, and of a parameter only whether it is there: the rest is known to the mapping
templates alone, which nobody reads. It is metadata of the method, so nothing more is deployed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from shared_constructs.direct_api.shapes import NULL, STORED, NumericSchema
from shared_constructs.direct_api.values import ANYTHING, BodyField, Document, Parameter, Source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import BaseModel

METADATA: Final = "Contract"
"""The method's metadata: `{"Response": schema, "Parameters": {"path": {name: schema}, "query": …, "header": …}}`."""

_PLACES: Final = {Source.PATH: "path", Source.QUERY: "query", Source.HEADER: "header"}

Schema = dict[str, Any]


def of_model(model: type[BaseModel]) -> Schema:
    """The schema of what a template makes of stored attributes: an optional one that is absent is left out.

    Args:
        model: Of the answer.
    """
    schema = model.model_json_schema(mode="serialization", by_alias=True, schema_generator=NumericSchema)
    promised: Schema = _promised(schema)
    return promised


def of_page(model: type[BaseModel]) -> Schema:
    """The schema of a page of a list.

    Args:
        model: Of one item.
    """
    item = of_model(model)
    definitions = {**item.pop("$defs", {}), model.__name__: item}
    return {
        "title": f"{model.__name__}Page",
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": {"$ref": f"#/$defs/{model.__name__}"}},
            "nextCursor": {
                "type": "string",
                "description": "The next page's `cursor`; absent on the last page.",
            },
        },
        "required": ["items"],
        "$defs": definitions,
    }


def of_document(document: Document, body: type[BaseModel] | None) -> Schema:
    """The schema of an answer that is written down value by value.

    Args:
        document: The answer.
        body: Model of the request, whose fields may be in it.
    """
    match document:
        case Mapping():
            properties = {name: of_document(value, body) for name, value in document.items()}
            return {"type": "object", "properties": properties, "required": list(document)}
        case Parameter():
            return _parameter(document)
        case BodyField((name,)) if body:
            schema = body.model_json_schema(mode="validation", by_alias=True)
            return {**schema["properties"][name], **({"$defs": schema["$defs"]} if "$defs" in schema else {})}
        case None | bool() | int():
            return {"const": document}
        case _:
            return {"type": "string"}


def of_parameters(parameters: Iterable[Parameter]) -> dict[str, dict[str, Schema]]:
    """The schemas of the parameters that a route reads, by place and name."""
    found: dict[str, dict[str, Schema]] = {}
    for each in sorted(parameters, key=lambda each: (each.source, each.name)):
        found.setdefault(_PLACES[each.source], {})[each.name] = _parameter(each)
    return found


def _parameter(parameter: Parameter) -> Schema:
    if parameter.pattern == ANYTHING:
        return {"type": "string"}
    says = {"description": f"Must {parameter.says}."} if parameter.says else {}
    return {"type": "string", "pattern": f"^(?:{parameter.pattern})$", **says}


def _promised(schema: Any) -> Any:
    """Without what is the template's own business, and nothing required that may be absent."""
    if isinstance(schema, list):
        return [_promised(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: _promised(value) for name, value in schema.items() if name != STORED}
    if isinstance(properties := kept.get("properties"), dict) and "required" in kept:
        kept["required"] = [
            name for name in kept["required"] if NULL not in properties.get(name, {}).get("anyOf", ())
        ]
    return kept
