"""Request models: pydantic's JSON Schema 2020-12 as the draft-04 that API Gateway validates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, PlainValidator, WrapValidator

from shared_constructs.direct_api.shapes import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Keywords that mean the same in both drafts.
_SAME: Final = frozenset(
    [
        "type",
        "title",
        "description",
        "default",
        "enum",
        "minimum",
        "maximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "pattern",
        "minItems",
        "maxItems",
        "uniqueItems",
        "required",
        "minProperties",
        "maxProperties",
    ]
)
#: Keywords that constrain nothing.
_ANNOTATIONS: Final = frozenset(
    ["examples", "deprecated", "readOnly", "writeOnly", "discriminator", "$schema", "$defs"]
)
#: Keywords whose translation builds on that of others.
_AFTER_OTHERS: Final = frozenset({"propertyNames", "format"})
_DATE: Final = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME: Final = r"([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)([.][0-9]+)?"
_ZONE: Final = r"(Z|[+-]([01][0-9]|2[0-3]):?[0-5][0-9])"
#: Formats are hints to most draft-04 validators; a pattern binds all of them.
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
        model: the request model.
        custom_validators: accept Python validators, which no schema can hold, because the code behind the route runs
            the model again.

    Returns:
        A self-contained draft-04 schema with every constraint of the model.

    Raises:
        ModelError: names the model, the field and the constraint that draft-04 cannot express.
    """
    if not custom_validators:
        _refuse_python_validators(model, set())
    schema = model.model_json_schema(mode="validation", by_alias=True)
    translated = _Translator(model.__name__, schema.get("$defs", {})).translate(schema, model.__name__, ())
    return {"$schema": "http://json-schema.org/draft-04/schema#", **translated}


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


def _without_texts_of_numbers(alternatives: list[Any]) -> list[Any]:
    """A Decimal also reads text, to which its bounds would not apply: only its numbers are let through."""
    types = [each.get("type") for each in alternatives if isinstance(each, dict)]
    if "number" not in types:
        return alternatives
    return [each for each in alternatives if each.get("type") != "string"]


class _Translator:
    def __init__(self, model: str, definitions: Mapping[str, Any]) -> None:
        self._model = model
        self._definitions = definitions

    def translate(self, schema: Any, where: str, within: tuple[str, ...]) -> dict[str, Any]:
        if schema is True:
            return {}
        if schema is False:
            return {"not": {}}
        result = {keyword: value for keyword, value in schema.items() if keyword in _SAME}
        others = [keyword for keyword in schema if keyword not in _SAME | _ANNOTATIONS]
        for keyword in sorted(others, key=_AFTER_OTHERS.__contains__):
            self._keyword(result, keyword, schema[keyword], where, within)
        return result

    def _keyword(  # noqa: C901, PLR0912 - one branch per keyword of the specification
        self, result: dict[str, Any], keyword: str, value: Any, where: str, within: tuple[str, ...]
    ) -> None:
        match keyword:
            case "$ref":
                name = value.removeprefix("#/$defs/")
                if name in within:
                    raise _lost(where, f"the recursion through {name}")
                for key, each in self.translate(self._definitions[name], where, (*within, name)).items():
                    result.setdefault(key, each)
            case "properties":
                result[keyword] = {
                    key: self.translate(each, f"{where}.{key}", within) for key, each in value.items()
                }
            case "items":
                result[keyword] = self.translate(value, where, within) if isinstance(value, dict) else value
            case "anyOf" | "oneOf" | "allOf":
                result[keyword] = [
                    self.translate(each, where, within) for each in _without_texts_of_numbers(value)
                ]
            case "not":
                result[keyword] = self.translate(value, where, within)
            case "additionalProperties":
                result[keyword] = value if isinstance(value, bool) else self.translate(value, where, within)
            case "patternProperties":
                result[keyword] = {key: self.translate(each, where, within) for key, each in value.items()}
                # pydantic refuses keys that match no pattern; JSON Schema by itself lets them pass.
                result.setdefault("additionalProperties", False)
            case "exclusiveMinimum" | "exclusiveMaximum":
                bound = keyword.removeprefix("exclusive").lower()
                tighter = max if bound == "minimum" else min
                inclusive = result.get(bound)
                if inclusive is None or tighter(inclusive, value) == value:
                    result |= {bound: value, keyword: True}
            case "const":
                result["enum"] = [value]
            case "prefixItems":
                result |= {
                    "items": [self.translate(each, where, within) for each in value],
                    "additionalItems": False,
                }
            case "propertyNames":
                self._property_names(result, value, where)
            case "dependentRequired":
                result["dependencies"] = value
            case "format":
                self._format(result, value, where)
            case _:
                raise _lost(where, f"the keyword {keyword!r}")

    def _property_names(self, result: dict[str, Any], names: dict[str, Any], where: str) -> None:
        constraints = {
            key: each for key, each in names.items() if key not in {"type", "title", "description"}
        }
        if set(constraints) == {"pattern"}:
            pattern = constraints["pattern"]
        elif constraints and set(constraints) <= {"minLength", "maxLength"}:
            pattern = f"^[\\s\\S]{{{constraints.get('minLength', 0)},{constraints.get('maxLength', '')}}}$"
        elif set(constraints) == {"enum"}:
            pattern = "^(" + "|".join(constraints["enum"]) + ")$"
        elif not constraints:
            return
        else:
            raise _lost(where, f"the constraint {constraints} on the keys of a map")
        values = result.get("additionalProperties", {})
        result |= {
            "patternProperties": {pattern: values if isinstance(values, dict) else {}},
            "additionalProperties": False,
        }

    def _format(self, result: dict[str, Any], name: str, where: str) -> None:
        pattern = _FORMATS.get(name)
        if pattern is None:
            raise _lost(where, f"the format {name!r}")
        if "pattern" in result:
            result["allOf"] = [*result.get("allOf", ()), {"pattern": pattern}]
        else:
            result["pattern"] = pattern
