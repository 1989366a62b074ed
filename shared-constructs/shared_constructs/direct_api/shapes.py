"""What a pydantic model looks like as JSON and as DynamoDB attributes, so that templates are unrolled at synth."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import PydanticUndefined

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel, GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema

STORED: Final = "x-stored"
"""Keyword by which a model's JSON Schema tells where a field is stored."""

NULL: Final = {"type": "null"}


class ModelError(ValueError):
    """A model has a field that a mapping template or a draft-04 schema cannot express."""


@dataclass(frozen=True)
class Stored:
    """Where a response field is stored, if not in the attribute of its own JSON name.

    Attributes:
        attribute: Name of the attribute.
    """

    attribute: str

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Tell it in the model's schema."""
        return {**handler(schema), STORED: asdict(self)}


@dataclass(frozen=True)
class Scalar:
    """A string, number or boolean; `tag` is DynamoDB's."""

    tag: Literal["S", "N", "BOOL"]
    integer: bool = False


@dataclass(frozen=True)
class Structure:
    """An object with known fields."""

    fields: tuple[Member, ...]

    def member(self, name: str) -> Member | None:
        """Return the field with this JSON name."""
        return next((each for each in self.fields if each.name == name), None)


@dataclass(frozen=True)
class Elements:
    """A list."""

    element: Shape


@dataclass(frozen=True)
class Entries:
    """An object with free keys."""

    value: Shape


@dataclass(frozen=True)
class Nullable:
    """A list element or map value that may be null."""

    shape: Shape


Shape: TypeAlias = Scalar | Structure | Elements | Entries | Nullable


@dataclass(frozen=True)
class Member:
    """A field of a structure.

    Attributes:
        name: In JSON.
        attribute: In DynamoDB.
        shape: Of its value.
        optional: It may be missing.
        default: JSON value of a response field whose attribute is missing, or `PydanticUndefined`.
    """

    name: str
    attribute: str
    shape: Shape
    optional: bool
    default: Any = PydanticUndefined


class NumericSchema(GenerateJsonSchema):
    """pydantic's generator with a Decimal as a number, which is what DynamoDB keeps.

    As text, which pydantic reads too, its bounds would not be checked.
    """

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        """Return the schema of numbers alone."""
        kinds = super().decimal_schema(schema).get("anyOf", [])
        return next((each for each in kinds if each["type"] == "number"), {"type": "number"})


@cache
def structure_of(model: type[BaseModel], direction: Literal["request", "response"]) -> Structure:
    """Read the shape of a model from its JSON Schema, once: an event is asked for its attributes again and again.

    Args:
        model: A pydantic model of strings, numbers, booleans, dates and whatever else is text in JSON, enums, other
            models, lists, maps and Optional of these.
        direction: The JSON names are the validation aliases of a request, the serialization aliases of a response.

    Raises:
        ModelError: Names the model and the field that cannot be expressed, and why.
    """
    schema = model.model_json_schema(
        mode="validation" if direction == "request" else "serialization", schema_generator=NumericSchema
    )
    shape = _shape(schema, schema.get("$defs", {}), model.__name__, ())
    if not isinstance(shape, Structure):
        raise ModelError(f"{model.__name__}: a request or response must be an object with named fields")
    return shape


def attributes_of(model: type[BaseModel]) -> tuple[str, ...]:
    """Names of the attributes that a response is read from, for the index of a list.

    Args:
        model: Of the response.

    Raises:
        ModelError: As in `structure_of`.
    """
    return tuple(member.attribute for member in structure_of(model, "response").fields)


_SCALARS: Final = {
    "string": Scalar("S"),
    "integer": Scalar("N", integer=True),
    "number": Scalar("N"),
    "boolean": Scalar("BOOL"),
}


def _shape(  # noqa: C901, PLR0911 - one branch per kind of schema
    schema: Any, definitions: Mapping[str, Any], where: str, within: tuple[str, ...]
) -> Shape:
    def shape(inner: Any, name: str = "") -> Shape:
        return _shape(inner, definitions, where + name, within)

    match schema:
        case {"$ref": reference}:
            name = reference.removeprefix("#/$defs/")
            if name in within:
                raise ModelError(
                    f"{where}: {name} contains itself; a template unrolled at synth would have no end"
                )
            return _shape(definitions[name], definitions, where, (*within, name))
        case {"anyOf": alternatives} | {"oneOf": alternatives}:
            first, *others = [shape(each) for each in alternatives if each != NULL]
            if any(each != first for each in others):
                raise ModelError(
                    f"{where}: a union of different JSON types cannot be unrolled into a template"
                )
            return Nullable(first) if NULL in alternatives else first
        case {"readOnly": True}:
            raise ModelError(f"{where}: a computed field cannot be evaluated by a mapping template; store it")
        case {"type": str(kind)} if kind in _SCALARS:
            return _SCALARS[kind]
        case {"type": "array", "items": element}:
            return Elements(shape(element))
        case {"type": "object", "properties": properties}:
            required = schema.get("required", ())
            return Structure(
                tuple(
                    _member(name, each, shape(each, f".{name}"), required=name in required)
                    for name, each in properties.items()
                )
            )
        case {"type": "object", "additionalProperties": dict(value)}:
            return Entries(shape(value))
        case {"type": "object", "patternProperties": dict(values)} if len(values) == 1:
            return Entries(shape(*values.values()))
    raise ModelError(
        f"{where}: {schema} cannot be expressed in a mapping template; allowed are str, int, float, Decimal, bool, "
        "dates, UUID, Literal, Enum, models, list[X], dict[str, X] and Optional of these"
    )


def _member(name: str, schema: Mapping[str, Any], shape: Shape, *, required: bool) -> Member:
    attribute = schema.get(STORED, {}).get("attribute", name)
    if isinstance(shape, Nullable):
        return Member(name, attribute, shape.shape, optional=True)
    return Member(name, attribute, shape, not required, schema.get("default", PydanticUndefined))
