"""Events are believed only as far as they fit the contract by which this service reads them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from service_runtime.envelope import Metadata
from states_language import definition as asl

from shared_constructs.direct_api.json_schema import draft_04

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pydantic import BaseModel

_HERE = Path(__file__).parent
_FIELD = re.compile(r"\$(data|metadata)\.([A-Za-z_][A-Za-z0-9_]*)")
# The keywords that `faults.jsonata` knows.
_CHECKED: Final = frozenset(
    (
        *("type", "enum", "required", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
        *("minLength", "maxLength", "minItems", "maxItems"),
    )
)


def believed(
    definition: Path, model: type[BaseModel], *, required: Collection[str], optional: Collection[str] = ()
) -> asl.Definition:
    """A workflow for one event that fails with `ContractBroken` before its first state if the event does not fit.

    Required fields, types, enumerations and bounds of the model are checked, its patterns are not; of the metadata,
    what the expressions read. The cause names the field and what it should be.

    Args:
        definition: What to do with an event that fits.
        model: What is read of the event's data.
        required: Expressions over `$data` and `$metadata` that may read required fields only.
        optional: Expressions that may read any.

    Raises:
        ValueError: An expression reads a field that the model does not have, or one of `required` an optional one.
    """
    handling = asl.load(definition)
    faults = asl.expression(_HERE / "faults.jsonata", Schema=json.dumps(_contract(model, required, optional)))
    guard = asl.substitute(
        asl.load(_HERE / "believed.asl.yaml"), {"Faults": faults, "FirstState": handling["StartAt"]}
    )
    return {**handling, **guard, "States": guard["States"] | handling["States"]}


def fields_read(model: type[BaseModel], read: str) -> dict[str, Mapping[str, Any]]:
    """The schemas of the fields that an expression reads, by name (`data.sku`).

    Args:
        model: What is read of the event's data.
        read: An expression over `$data` and `$metadata`.

    Raises:
        ValueError: It reads a field that the model does not have.
    """
    promised = _promised(model)
    fields = {}
    for part, name in _FIELD.findall(read):
        if name not in promised[part]["properties"]:
            raise ValueError(f"{read!r} reads {part}.{name}, which {model.__name__} does not have")
        fields[f"{part}.{name}"] = promised[part]["properties"][name]
    return fields


def _promised(model: type[BaseModel]) -> dict[str, dict[str, Any]]:
    return {"data": draft_04(model, custom_validators=True), "metadata": draft_04(Metadata)}


def _contract(model: type[BaseModel], required: Collection[str], optional: Collection[str]) -> dict[str, Any]:
    """Schema of the events' `detail`: the data as the model has it, and of the metadata what is read."""
    promised = _promised(model)
    metadata: dict[str, Any] = {}
    for read in (*required, *optional):
        for field, schema in fields_read(model, read).items():
            part, name = field.split(".")
            if read in required and name not in promised[part].get("required", ()):
                raise ValueError(f"{read!r} must read required fields only: {name} is optional")
            if part == "metadata":
                metadata[name] = schema
    detail = {
        "data": promised["data"],
        "metadata": {"type": "object", "properties": metadata, "required": [*metadata]},
    }
    return _checked({"type": "object", "properties": detail, "required": [*detail]})


def _checked(schema: Mapping[str, Any]) -> dict[str, Any]:
    """What of a schema is checked; titles and descriptions would only lengthen the definition."""
    checked: dict[str, Any] = {name: value for name, value in schema.items() if name in _CHECKED}
    if fields := schema.get("properties"):
        checked["properties"] = {name: _checked(field) for name, field in fields.items()}
    if isinstance(items := schema.get("items"), dict):
        checked["items"] = _checked(items)
    for choice in {"anyOf", "oneOf"} & schema.keys():
        checked[choice] = [_checked(each) for each in schema[choice]]
    return checked
