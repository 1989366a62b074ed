"""What a pydantic model looks like as JSON and as DynamoDB attributes, so that templates are unrolled at synth."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import types
import typing
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, Union

from pydantic import AnyUrl, BaseModel, RootModel
from pydantic_core import PydanticUndefined

if typing.TYPE_CHECKING:
    from pydantic.fields import FieldInfo

Direction: TypeAlias = Literal["request", "response"]


class ModelError(ValueError):
    """A model has a field that a mapping template or a draft-04 schema cannot express."""


@dataclass(frozen=True)
class Stored:
    """Where a response field is stored, if not in the attribute of its own JSON name.

    Attributes:
        attribute: name of the attribute.
        as_map: the attribute is a map whose values are the elements of this list.
    """

    attribute: str
    as_map: bool = False


@dataclass(frozen=True)
class Scalar:
    """A string, number or boolean; `tag` is DynamoDB's."""

    tag: Literal["S", "N", "BOOL"]
    integer: bool = False


@dataclass(frozen=True)
class Structure:
    """An object with known fields."""

    model: str
    fields: tuple[Member, ...]

    def member(self, name: str) -> Member | None:
        """Return the field with this JSON name."""
        return next((each for each in self.fields if each.name == name), None)


@dataclass(frozen=True)
class Elements:
    """A list; with `as_map`, stored as the values of a map."""

    element: Shape
    as_map: bool = False


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
        name: in JSON.
        attribute: in DynamoDB.
        shape: of its value.
        optional: it may be missing.
        default: JSON value of a response field whose attribute is missing, or `PydanticUndefined`.
    """

    name: str
    attribute: str
    shape: Shape
    optional: bool
    default: Any = PydanticUndefined


_TEXT = (str, dt.datetime, dt.date, dt.time, dt.timedelta, uuid.UUID, AnyUrl)


def structure_of(
    model: type[BaseModel], direction: Direction, *, _within: tuple[type, ...] = ()
) -> Structure:
    """Read the shape of a model.

    Args:
        model: a pydantic model; its fields may be str, int, float, Decimal, bool, dates, UUID, Literal, Enum, other
            models, list[X], tuple[X, ...], dict[str, X] and Optional of these.
        direction: the JSON names are the validation aliases of a request, the serialization aliases of a response.

    Raises:
        ModelError: names the model and the field that cannot be expressed, and why.
    """
    if issubclass(model, RootModel):
        msg = f"{model.__name__} is a RootModel; a request or response must be an object with named fields"
        raise ModelError(msg)
    if direction == "response" and model.model_computed_fields:
        computed = ", ".join(model.model_computed_fields)
        msg = f"{model.__name__}.{computed}: a computed field cannot be evaluated by a mapping template; store it"
        raise ModelError(msg)
    members = []
    for name, field in model.model_fields.items():
        where = f"{model.__name__}.{name}"
        stored = next((each for each in field.metadata if isinstance(each, Stored)), None)
        json_name = _json_name(name, field, direction, where)
        shape, nullable = _unwrap(_shape(field.annotation, direction, where, (*_within, model)))
        if stored and stored.as_map:
            if not isinstance(shape, Elements):
                msg = f"{where}: Stored(as_map=True) needs a list, got {field.annotation}"
                raise ModelError(msg)
            shape = Elements(shape.element, as_map=True)
        default: Any = PydanticUndefined
        if not nullable and not field.is_required() and field.default_factory is None:
            default = _json_default(field.default)
        members.append(
            Member(
                name=json_name,
                attribute=stored.attribute if stored else json_name,
                shape=shape,
                optional=nullable or not field.is_required(),
                default=default,
            )
        )
    return Structure(model.__name__, tuple(members))


def _json_name(name: str, field: FieldInfo, direction: Direction, where: str) -> str:
    alias = field.validation_alias if direction == "request" else field.serialization_alias
    chosen = alias or field.alias or name
    if not isinstance(chosen, str):
        msg = f"{where}: an alias must be one name, got {chosen!r}"
        raise ModelError(msg)
    return chosen


def _unwrap(shape: Shape) -> tuple[Shape, bool]:
    return (shape.shape, True) if isinstance(shape, Nullable) else (shape, False)


def _json_default(value: object) -> Any:
    return value.value if isinstance(value, enum.Enum) else value


def _shape(  # noqa: PLR0911 - one answer per kind of annotation
    annotation: Any, direction: Direction, where: str, within: tuple[type, ...]
) -> Shape:
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if isinstance(annotation, typing.NewType):
        return _shape(annotation.__supertype__, direction, where, within)
    if hasattr(annotation, "__value__"):  # a type alias statement
        return _shape(annotation.__value__, direction, where, within)
    if origin is Annotated:
        return _shape(arguments[0], direction, where, within)
    if origin in (Union, types.UnionType):
        return _union(arguments, direction, where, within)
    if origin is Literal:
        return _one_scalar([type(each) for each in arguments], where)
    if origin in (list, Sequence) or (origin is tuple and arguments[1:] == (...,)):
        return Elements(_shape(arguments[0], direction, where, within))
    if origin in (dict, Mapping):
        if _shape(arguments[0], direction, where, within) != Scalar("S"):
            msg = f"{where}: the keys of a map must be strings, got {annotation}"
            raise ModelError(msg)
        return Entries(_shape(arguments[1], direction, where, within))
    if isinstance(annotation, type):
        return _named(annotation, direction, where, within)
    raise _inexpressible(annotation, where)


def _named(annotation: type, direction: Direction, where: str, within: tuple[type, ...]) -> Shape:
    if issubclass(annotation, BaseModel):
        if annotation in within:
            msg = f"{where}: {annotation.__name__} contains itself; a template unrolled at synth would have no end"
            raise ModelError(msg)
        return structure_of(annotation, direction, _within=within)
    if issubclass(annotation, enum.Enum):
        return _one_scalar([type(each.value) for each in annotation], where)
    if issubclass(annotation, bool):
        return Scalar("BOOL")
    if issubclass(annotation, int):
        return Scalar("N", integer=True)
    if issubclass(annotation, float | decimal.Decimal):
        return Scalar("N")
    if issubclass(annotation, _TEXT):
        return Scalar("S")
    raise _inexpressible(annotation, where)


def _union(arguments: tuple[Any, ...], direction: Direction, where: str, within: tuple[type, ...]) -> Shape:
    shapes = {_shape(each, direction, where, within) for each in arguments if each is not type(None)}
    if len(shapes) != 1:
        msg = f"{where}: a union of different JSON types cannot be unrolled into a template, got {arguments}"
        raise ModelError(msg)
    shape = shapes.pop()
    return Nullable(shape) if type(None) in arguments else shape


def _one_scalar(kinds: list[type], where: str) -> Shape:
    shapes = {_named(kind, "request", where, ()) for kind in kinds}
    if len(shapes) != 1:
        msg = f"{where}: its values must be of one JSON type, got {sorted(kind.__name__ for kind in set(kinds))}"
        raise ModelError(msg)
    return shapes.pop()


def _inexpressible(annotation: Any, where: str) -> ModelError:
    return ModelError(
        f"{where}: {annotation} cannot be expressed in a mapping template; allowed are str, int, float, Decimal, bool, "
        "dates, UUID, Literal, Enum, models, list[X], dict[str, X] and Optional of these"
    )
