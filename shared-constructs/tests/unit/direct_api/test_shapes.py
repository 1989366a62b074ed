"""What a model looks like to a template that is unrolled at synth, and which models cannot be."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, RootModel, computed_field
from pydantic_core import PydanticUndefined
from shared_constructs.direct_api import Stored
from shared_constructs.direct_api.shapes import (
    Elements,
    Entries,
    Member,
    ModelError,
    Nullable,
    Scalar,
    Structure,
    structure_of,
)

TEXT, NUMBER, INTEGER, BOOLEAN = Scalar("S"), Scalar("N"), Scalar("N", integer=True), Scalar("BOOL")


class Leaf(BaseModel):
    name: str


LEAF = Structure((Member("name", "name", TEXT, optional=False),))


@pytest.mark.parametrize(
    ("kind", "shape", "optional"),
    [
        (str, TEXT, False),
        (int, INTEGER, False),
        (float, NUMBER, False),
        (Decimal, NUMBER, False),
        (bool, BOOLEAN, False),
        (dt.datetime, TEXT, False),
        (Literal["a", "b"], TEXT, False),
        (str | None, TEXT, True),
        (int | None, INTEGER, True),
        (str | dt.date, TEXT, False),
        (str | dt.date | None, TEXT, True),
        (list[int], Elements(INTEGER), False),
        (list[int | None], Elements(Nullable(INTEGER)), False),
        (list[list[str]], Elements(Elements(TEXT)), False),
        (dict[str, bool], Entries(BOOLEAN), False),
        (dict[str, float | None], Entries(Nullable(NUMBER)), False),
        (dict[Annotated[str, Field(pattern="^[a-z]+$")], int], Entries(INTEGER), False),
        (Leaf, LEAF, False),
        (Leaf | None, LEAF, True),
        (list[Leaf], Elements(LEAF), False),
    ],
    ids=str,
)
@pytest.mark.parametrize("direction", ["request", "response"])
def test_each_kind_of_field_has_its_shape(kind, shape, optional, direction):
    model = type("Sample", (BaseModel,), {"__annotations__": {"value": kind}})
    assert structure_of(model, direction).fields == (Member("value", "value", shape, optional=optional),)


def test_what_has_a_default_may_be_missing_and_reads_as_that():
    class Defaulted(BaseModel):
        size: int = 3
        tags: list[str] = []
        kept: Annotated[str, Stored("elsewhere")] = "x"
        maybe: str | None = None

    assert structure_of(Defaulted, "response").fields == (
        Member("size", "size", INTEGER, optional=True, default=3),
        Member("tags", "tags", Elements(TEXT), optional=True, default=[]),
        Member("kept", "elsewhere", TEXT, optional=True, default="x"),
        Member("maybe", "maybe", TEXT, optional=True, default=PydanticUndefined),
    )


def test_a_model_without_fields_that_must_be_there_is_an_object_all_the_same():
    class Free(BaseModel):
        a: int = 1

    assert structure_of(Free, "request").member("a") is not None
    assert structure_of(Free, "request").member("b") is None


class Computed(BaseModel):
    a: int

    @computed_field
    def twice(self) -> int:
        return 2 * self.a


class Endless(BaseModel):
    inner: list[Endless]


class Either(BaseModel):
    value: str | int


class Cash(BaseModel):
    kind: Literal["cash"]


class Card(BaseModel):
    kind: Literal["card"]
    number: str


class Paid(BaseModel):
    by: Annotated[Cash | Card, Field(discriminator="kind")]


class Deep(BaseModel):
    leaves: list[dict[str, Either]]


class Anything(BaseModel):
    value: Any


class Pair(BaseModel):
    value: tuple[int, str]


ALLOWED = (
    "allowed are str, int, float, Decimal, bool, dates, UUID, Literal, Enum, models, list[X], dict[str, X] and"
    " Optional of these"
)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Computed, "Computed.twice: a computed field cannot be evaluated by a mapping template; store it"),
        (
            Endless,
            "Endless.inner: Endless contains itself; a template unrolled at synth would have no end",
        ),
        (Either, "Either.value: a union of different JSON types cannot be unrolled into a template"),
        (Paid, "Paid.by: a union of different JSON types cannot be unrolled into a template"),
        (Deep, "Deep.leaves.value: a union of different JSON types cannot be unrolled into a template"),
        (
            Anything,
            f"Anything.value: {{'title': 'Value'}} cannot be expressed in a mapping template; {ALLOWED}",
        ),
        (
            RootModel[list[int]],
            "RootModel[list[int]]: a request or response must be an object with named fields",
        ),
    ],
    ids=lambda given: getattr(given, "__name__", ""),
)
def test_what_no_template_can_be_unrolled_for_is_refused(model, message):
    with pytest.raises(ModelError) as error:
        structure_of(model, "response")
    assert str(error.value) == message


def test_a_tuple_is_no_list():
    with pytest.raises(ModelError, match=r"^Pair\.value: .*'prefixItems'.* cannot be expressed"):
        structure_of(Pair, "request")
