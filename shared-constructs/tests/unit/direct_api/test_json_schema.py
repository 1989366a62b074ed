"""What pydantic accepts and refuses, API Gateway's draft-04 schema accepts and refuses as well."""

from __future__ import annotations

import datetime as dt
import enum
import uuid
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from jsonschema import Draft4Validator
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyAddress,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from shared_constructs.direct_api.json_schema import draft_04
from shared_constructs.direct_api.shapes import ModelError


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    count: int = Field(gt=0, lt=10)


class Cash(BaseModel):
    kind: Literal["cash"]
    amount: int


class Card(BaseModel):
    kind: Literal["card"]
    number: str


MODELS: list[tuple[Any, list[Any], list[Any]]] = [
    (Annotated[int, Field(gt=0, lt=10)], [1, 9], [0, 10, 1.5, "x"]),
    (Annotated[int, Field(ge=0, gt=0)], [1], [0]),
    (Annotated[int, Field(ge=5, gt=1)], [5], [4]),
    (Annotated[int, Field(le=9, lt=9)], [8], [9]),
    (Annotated[int, Field(le=5, lt=9)], [5], [6]),
    (Annotated[int, Field(le=9, lt=5)], [4], [5]),
    (Annotated[float, Field(ge=0, le=1)], [0, 0.5, 1], [-0.1, 1.1]),
    (Annotated[float, Field(multiple_of=0.5)], [0.5, 2], [0.3]),
    (Annotated[Decimal, Field(ge=0)], [0, 1.5], [-1, "-1"]),
    (Annotated[str, Field(min_length=2, max_length=3)], ["ab", "äöü"], ["a", "abcd", None]),
    (Annotated[str, Field(pattern="^[a-z]+$")], ["abc"], ["ABC", ""]),
    (Literal["x"], ["x"], ["y"]),
    (Literal["x", "y"], ["x", "y"], ["z"]),
    (Colour, ["red"], ["green"]),
    (bool, [True], ["maybe", None]),
    (str | None, ["a", None], [[]]),
    (Inner, [{"count": 1}], [{"count": 0}, {}, {"count": 1, "more": 1}]),
    (Inner | None, [{"count": 1}, None], [{"count": 10}]),
    (
        Annotated[list[Inner], Field(min_length=1, max_length=2)],
        [[{"count": 1}]],
        [[], [{"count": 0}], [{"count": 1}] * 3],
    ),
    (dict[str, int], [{}, {"a": 1}], [{"a": "x"}]),
    (
        dict[Annotated[str, Field(pattern="^[a-z]+$")], Inner],
        [{"a": {"count": 1}}],
        [{"A": {"count": 1}}, {"a": {}}],
    ),
    (Annotated[Literal["x"] | None, Field()], ["x", None], ["y"]),
    (Annotated[str, Field(max_length=2)] | int, ["ab", 1], ["abc", 1.5]),
    (
        Annotated[Cash | Card, Field(discriminator="kind")],
        [{"kind": "cash", "amount": 1}, {"kind": "card", "number": "4"}],
        [{"kind": "cash", "number": "4"}, {"kind": "gold", "amount": 1}],
    ),
    (Annotated[Literal["x"] | int | None, Field()], ["x", 1, None], ["y", 1.5]),
    (Annotated[dict[str, int], Field(max_length=1)], [{"a": 1}], [{"a": 1, "b": 2}]),
    (tuple[int, str], [[1, "a"]], [["a", 1], [1], [1, "a", 2]]),
    (dt.date, ["2026-02-01"], ["2026-13-01", "soon"]),
    (dt.datetime, ["2026-02-01T10:00:00Z", "2026-02-01T10:00:00+02:00"], ["2026-02-01T25:00:00Z", "x"]),
    (uuid.UUID, ["7d444840-9dc0-11d1-b245-5ffdce74fad2"], ["7d44"]),
]


@pytest.mark.parametrize(("kind", "accepted", "refused"), MODELS, ids=[str(kind) for kind, _, _ in MODELS])
def test_no_constraint_is_lost(kind, accepted, refused):
    model = type("Sample", (BaseModel,), {"__annotations__": {"value": kind}})
    schema = draft_04(model)
    Draft4Validator.check_schema(schema)
    validator = Draft4Validator(schema)
    for value in accepted:
        assert model.model_validate({"value": value}) is not None
        assert validator.is_valid({"value": value}), value
    for value in refused:
        with pytest.raises(ValidationError):
            model.model_validate({"value": value})
        assert not validator.is_valid({"value": value}), value
    assert not validator.is_valid({})


def test_the_schema_is_self_contained_and_says_its_draft():
    schema = draft_04(Inner)
    assert schema["$schema"] == "http://json-schema.org/draft-04/schema#"
    assert "$ref" not in str(schema)
    assert "$defs" not in str(schema)


def test_what_may_be_null_is_of_two_types():
    class Nullable(BaseModel):
        text: str | None
        choice: Literal["x", "y"] | None
        several: str | int | None

    described = draft_04(Nullable)["properties"]
    assert described["text"] == {"title": "Text", "type": ["string", "null"]}
    assert described["choice"] == {"title": "Choice", "enum": ["x", "y", None], "type": ["string", "null"]}
    kinds = [{"type": "string"}, {"type": "integer"}, {"type": "null"}]
    assert described["several"] == {"title": "Several", "anyOf": kinds}


class Recursive(BaseModel):
    parent: Recursive | None = None


class OddFormat(BaseModel):
    address: IPvAnyAddress


class Whole(BaseModel):
    a: int

    @model_validator(mode="after")
    def consistent(self) -> Whole:
        return self


class Checked(BaseModel):
    a: int
    b: int

    @field_validator("a", "b")
    @classmethod
    def small(cls, value: int) -> int:
        return value


class Nested(BaseModel):
    inner: list[Whole]


class Even(BaseModel):
    number: Annotated[int, AfterValidator(lambda value: value)]


class OddKeys(BaseModel):
    names: dict[Annotated[str, Field(max_length=2)], int]


class Mask(BaseModel):
    value: Annotated[str, Field(json_schema_extra={"if": {"pattern": "a"}, "then": {"maxLength": 1}})]


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Recursive, "Recursive.parent: the recursion through Recursive"),
        (OddFormat, "OddFormat.address: the format 'ipvanyaddress'"),
        (OddKeys, "OddKeys.names: the keyword 'propertyNames'"),
        (Whole, "Whole: the Python validator consistent"),
        (Nested, "Whole: the Python validator consistent"),
        (Checked, "Checked.a, b: the Python validator small"),
        (Even, "Even.number: the Python validator"),
        (Mask, "Mask.value: the keyword 'if'"),
    ],
)
def test_what_draft_04_cannot_express_names_model_and_field(model, message):
    with pytest.raises(ModelError, match="cannot be expressed") as error:
        draft_04(model)
    assert str(error.value).startswith(message)
    assert str(error.value).endswith(
        "use a declarative constraint (pattern, length, bounds, enum) or route to a function"
    )


def test_a_route_to_a_function_may_have_python_validators():
    assert draft_04(Whole, custom_validators=True)["properties"]["a"]["type"] == "integer"


def test_aliases_are_the_names_in_json():
    class Aliased(BaseModel):
        amount_minor: int = Field(alias="amountMinor")

    assert TypeAdapter(Aliased).validate_python({"amountMinor": 1})
    assert draft_04(Aliased)["required"] == ["amountMinor"]
