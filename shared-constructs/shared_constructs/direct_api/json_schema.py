"""Request models: pydantic's JSON Schema 2020-12 as the draft-04 that API Gateway validates."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, PlainValidator, WrapValidator

from shared_constructs.direct_api.shapes import NULL, STORED, ModelError, NumericSchema

if TYPE_CHECKING:
    from collections.abc import Mapping

# Keywords that mean the same in both drafts.
_SAME: Final = re.compile(
    "type|title|description|default|enum|(min|max)imum|multipleOf|(min|max)(Length|Items|Properties)|pattern|uniqueItems|"
    "required"
)
# Keywords that constrain nothing.
_ANNOTATIONS: Final = frozenset(
    ["examples", "deprecated", "readOnly", "writeOnly", "discriminator", "$defs", STORED]
)
_DATE: Final = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)([.][0-9]+)?"
_ZONE: Final = r"(Z|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])"
# Formats are hints to most draft-04 validators; a pattern binds all of them.
_FORMATS: Final = {
    "date": f"^{_DATE}$",
    "time": f"^{_TIME}{_ZONE}?$",
    "date-time": f"^{_DATE}[Tt ]{_TIME}{_ZONE}?$",
    "uuid": "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
    "uri": "^[A-Za-z][A-Za-z0-9+.-]*:[^\\s]+$",
    "email": "^[^@\\s]+@[^@\\s]+[.][^@\\s]+$",
    "duration": "^-?P(?=[0-9T])([0-9]+Y)?([0-9]+M)?([0-9]+W)?([0-9]+D)?(T([0-9]+H)?([0-9]+M)?([0-9]+([.][0-9]+)?S)?)?$",
}


def draft_04(model: type[BaseModel], *, custom_validators: bool = False) -> dict[str, Any]:
    """Translate the model's validation schema.

    Args:
        model: The request model.
        custom_validators: Accept Python validators, which no schema can hold, because the code behind the route runs
            the model again.

    Returns:
        A self-contained draft-04 schema with every constraint of the model.

    Raises:
        ModelError: Names the model, the field and the constraint that draft-04 cannot express.
    """
    if not custom_validators:
        _refuse_python_validators(model, set())
    schema = model.model_json_schema(mode="validation", by_alias=True, schema_generator=NumericSchema)
    inlined = _inlined(schema, schema.get("$defs", {}), model.__name__, ())
    return {"$schema": "http://json-schema.org/draft-04/schema#", **inlined}


def _refuse_python_validators(model: type[BaseModel], seen: set[type]) -> None:
    if model in seen:
        return
    seen.add(model)
    decorators = model.__pydantic_decorators__
    for name, validator in decorators.field_validators.items():
        raise _lost(f"{model.__name__}.{', '.join(validator.info.fields)}", f"the Python validator {name}")
    for name in decorators.model_validators:
        raise _lost(model.__name__, f"the Python validator {name}")
    for name, field in model.model_fields.items():
        for each in field.metadata:
            if isinstance(each, AfterValidator | BeforeValidator | PlainValidator | WrapValidator):
                raise _lost(f"{model.__name__}.{name}", f"the Python validator {each.func}")
        for nested in _models_in(field.annotation):
            _refuse_python_validators(nested, seen)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for each in getattr(annotation, "__args__", ()) for model in _models_in(each)]


def _lost(where: str, what: str) -> ModelError:
    return ModelError(
        f"{where}: {what} cannot be expressed in the JSON Schema draft-04 that API Gateway validates; use a declarative "
        "constraint (pattern, length, bounds, enum) or route to a function"
    )


def _inlined(  # noqa: C901, PLR0912 - one branch per keyword of the specification
    schema: Any, definitions: Mapping[str, Any], where: str, within: tuple[str, ...]
) -> Any:
    """The schema with every definition where it is used, and every keyword as draft-04 has it."""
    if isinstance(schema, bool):
        return schema

    def inner(each: Any, name: str = "") -> Any:
        return _inlined(each, definitions, where + name, within)

    result: dict[str, Any] = {}
    for keyword, value in schema.items():
        match keyword:
            case "minimum" | "maximum" if f"exclusive{keyword.capitalize()}" in result:
                pass  # The other bound is tighter, and written in this one's place.
            case _ if _SAME.fullmatch(keyword):
                result[keyword] = value
            case "$ref":
                name = value.removeprefix("#/$defs/")
                if name in within:
                    raise _lost(where, f"the recursion through {name}")
                result = _inlined(definitions[name], definitions, where, (*within, name)) | result
            case "properties":
                result[keyword] = {key: inner(each, f".{key}") for key, each in value.items()}
            case "patternProperties":
                # pydantic refuses keys that match no pattern; JSON Schema by itself lets them pass.
                patterns = {key: inner(each) for key, each in value.items()}
                result |= {keyword: patterns, "additionalProperties": False}
            case "items" | "additionalProperties":
                result[keyword] = inner(value)
            case "prefixItems":
                result |= {"items": [inner(each) for each in value], "additionalItems": False}
            case "const":
                result["enum"] = [value]
            case "anyOf" | "oneOf" | "allOf":
                result |= _alternatives(keyword, [inner(each) for each in value])
            case "exclusiveMinimum" | "exclusiveMaximum":
                bound = keyword.removeprefix("exclusive").lower()
                tighter = max if bound == "minimum" else min
                if tighter(schema.get(bound, value), value) == value:
                    result |= {bound: value, keyword: True}
            case "format" if value in _FORMATS and "pattern" not in schema:
                result["pattern"] = _FORMATS[value]
            case "format":
                raise _lost(where, f"the format {value!r}")
            case _ if keyword not in _ANNOTATIONS:
                raise _lost(where, f"the keyword {keyword!r}")
    return result


def _alternatives(keyword: str, schemas: list[dict[str, Any]]) -> dict[str, Any]:
    """Nullable values are two types; other alternatives stay as they are."""
    match [each for each in schemas if each != NULL]:
        case [{"type": str(kind)} as only] if keyword == "anyOf" and len(schemas) > 1:
            nullable = {"enum": [*only["enum"], None]} if "enum" in only else {}
            return {**only, **nullable, "type": [kind, "null"]}
        case _:
            return {keyword: schemas}
