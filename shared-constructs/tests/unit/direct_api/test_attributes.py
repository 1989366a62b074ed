"""A body becomes DynamoDB's attribute values, and these become JSON again."""

from __future__ import annotations

from decimal import Decimal  # noqa: TC003 - pydantic reads it
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from service_testing import HOSTILE_VALUES
from shared_constructs.direct_api import Stored, body, claim, path, query, request_epoch, request_id, text
from shared_constructs.direct_api.bindings import Bindings
from shared_constructs.direct_api.dynamodb.attributes import attributes, object_of
from shared_constructs.direct_api.shapes import Scalar, attributes_of, structure_of


class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Author(Camel):
    full_name: str
    born: int | None = None
    motto: str | None = None


class Note(Camel):
    title: str
    rating: float | None = None
    pinned: bool | None = None
    count: int | None = None
    tags: list[str] | None = None
    maybe: list[int | None] | None = None
    grid: list[list[int]] | None = None
    scores: dict[str, float] | None = None
    author: Author | None = None
    authors: list[Author] | None = None
    by_name: dict[str, Author] | None = None
    note: str | None = None


def stored(render, sent):
    bindings = Bindings(Note)
    item = attributes(bindings, {name: body(name) for name in bindings.body_fields()})
    return render(f"{bindings.head()}\n{item}", body=sent).json()


EVERYTHING = {
    "title": 'it\'s "fine" \\ $x #end 😀',
    "rating": -1.5,
    "pinned": False,
    "count": 0,
    "tags": ["a", ""],
    "maybe": [1, None, 3],
    "grid": [[1, 2], [], [3]],
    "scores": {'a"b': 1, "$x": 2.5},
    "author": {"fullName": "Zoë", "motto": ""},
    "authors": [{"fullName": "A", "born": 1}, {"fullName": "B"}],
    "byName": {"a": {"fullName": "A"}, "b": {"fullName": "", "born": 2}},
    "note": "",
}
AS_ATTRIBUTES = {
    "title": {"S": 'it\'s "fine" \\ $x #end 😀'},
    "rating": {"N": "-1.5"},
    "pinned": {"BOOL": False},
    "count": {"N": "0"},
    "tags": {"L": [{"S": "a"}, {"S": ""}]},
    "maybe": {"L": [{"N": "1"}, {"NULL": True}, {"N": "3"}]},
    "grid": {"L": [{"L": [{"N": "1"}, {"N": "2"}]}, {"L": []}, {"L": [{"N": "3"}]}]},
    "scores": {"M": {'a"b': {"N": "1"}, "$x": {"N": "2.5"}}},
    "author": {"M": {"fullName": {"S": "Zoë"}, "motto": {"S": ""}}},
    "authors": {"L": [{"M": {"fullName": {"S": "A"}, "born": {"N": "1"}}}, {"M": {"fullName": {"S": "B"}}}]},
    "byName": {
        "M": {
            "a": {"M": {"fullName": {"S": "A"}}},
            "b": {"M": {"fullName": {"S": ""}, "born": {"N": "2"}}},
        }
    },
    "note": {"S": ""},
}


def test_a_body_is_stored_as_it_is(render):
    assert stored(render, EVERYTHING) == AS_ATTRIBUTES
    assert stored(render, {"title": "t", "pinned": True}) == {"title": {"S": "t"}, "pinned": {"BOOL": True}}


def test_what_is_stored_is_read_as_it_is(render):
    template = object_of("$item", structure_of(Note, "response"))
    assert render(f"#set($item = $input.path('$')){template}", body=AS_ATTRIBUTES).json() == EVERYTHING


@pytest.mark.parametrize("value", HOSTILE_VALUES[::4], ids=repr)
def test_no_text_is_more_than_a_text(render, value):
    sent = {"title": value, "tags": [value], "scores": {value: 1}}
    item = stored(render, sent)
    assert item == {
        "title": {"S": value},
        "tags": {"L": [{"S": value}]},
        "scores": {"M": {value: {"N": "1"}}},
    }
    template = object_of("$item", structure_of(Note, "response"))
    assert render(f"#set($item = $input.path('$')){template}", body=item).json() == sent


@pytest.mark.parametrize(
    ("field", "value"), [("count", "1 OR"), ("count", 1.5), ("rating", '1","x":"'), ("rating", "x")]
)
def test_what_is_no_number_is_none_that_dynamodb_takes(render, field, value):
    """API Gateway's validator has refused it before; if it did not, DynamoDB would."""
    assert stored(render, {"title": "t", field: value})[field] == {"N": ""}


class Defaulted(Camel):
    title: str
    total: int
    tags: list[str]
    labels: dict[str, str]
    kind: str = "plain#$"
    size: int = 3
    open: bool = True
    note: str | None = None
    lines: Annotated[list[str], Stored("contents")] = []


def test_whatever_is_stored_the_answer_is_json(render):
    template = f"#set($item = $input.path('$')){object_of('$item', structure_of(Defaulted, 'response'))}"
    assert render(template, body={}).json() == {
        "title": None,
        "total": None,
        "tags": [],
        "labels": {},
        "kind": "plain#$",
        "size": 3,
        "open": True,
        "lines": [],
    }
    item = {
        "title": {"S": "t"},
        "total": {"S": "no number"},
        "note": {"NULL": True},
        "open": {"BOOL": False},
        "size": {"N": "1"},
        "contents": {"L": [{"S": "a"}]},
        "lines": {"L": [{"S": "not these"}]},
    }
    assert render(template, body=item).json() == {
        "title": "t",
        "total": None,
        "tags": [],
        "labels": {},
        "kind": "plain#$",
        "size": 1,
        "open": False,
        "note": None,
        "lines": ["a"],
    }
    assert set(attributes_of(Defaulted)) == {
        *("title", "total", "tags", "labels", "kind", "size", "open", "note", "contents")
    }


def test_names_and_numbers_of_an_answer_are_those_that_it_is_written_with():
    class Sum(BaseModel):
        total: Annotated[Decimal, Field(validation_alias="given", serialization_alias="answered")]

    assert attributes_of(Sum) == ("answered",)
    (total,) = structure_of(Sum, "response").fields
    assert (total.name, total.shape) == ("answered", Scalar("N"))
    (given,) = structure_of(Sum, "request").fields
    assert (given.name, given.shape) == ("given", Scalar("N"))


def test_values_of_a_route_are_stored_by_their_kind(render):
    values = {
        "text": 'a#$"',
        "number": 5,
        "flag": True,
        "nothing": None,
        "joined": text("C#", claim("sub"), "#", path("id")),
        "asked": query("n", pattern="[0-9]+", number=True),
        "absent": query("absent"),
        "epoch": request_epoch(),
        "by": request_id(),
        "map": {"a": [1, "x"], "absent": query("absent")},
    }
    bindings = Bindings()
    item = attributes(bindings, values)
    made = render(
        f"{bindings.head()}\n{item}", claims={"sub": 'a"b'}, path={"id": "7"}, query={"n": "12"}
    ).json()
    assert made == {
        "text": {"S": 'a#$"'},
        "number": {"N": "5"},
        "flag": {"BOOL": True},
        "nothing": {"NULL": True},
        "joined": {"S": 'C#a"b#7'},
        "asked": {"N": "12"},
        "epoch": {"N": "1770619083"},
        "by": {"S": "request-1"},
        "map": {"M": {"a": {"L": [{"N": "1"}, {"S": "x"}]}}},
    }
