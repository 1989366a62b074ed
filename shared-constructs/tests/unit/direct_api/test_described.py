"""What a route promises, as JSON Schema, from which the published API is made."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads it
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from shared_constructs.direct_api import Stored, body, claim, header, path, query, request_id, text
from shared_constructs.direct_api.bindings import Bindings
from shared_constructs.direct_api.described import of_document, of_model, of_page, of_parameters


class Price(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    amount_minor: int
    currency: str | None


class Thing(BaseModel):
    """What there is."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    display_name: Annotated[str, Field(max_length=5)]
    price: Price
    note: str | None
    reviewed_at: datetime | None = None
    lines: Annotated[list[Price], Stored("contents")] = []


PRICE = {
    "title": "Price",
    "type": "object",
    "properties": {
        "amountMinor": {"title": "Amountminor", "type": "integer"},
        "currency": {"title": "Currency", "anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["amountMinor"],
}
THING = {
    "title": "Thing",
    "description": "What there is.",
    "type": "object",
    "properties": {
        "displayName": {"title": "Displayname", "type": "string", "maxLength": 5},
        "price": {"$ref": "#/$defs/Price"},
        "note": {"title": "Note", "anyOf": [{"type": "string"}, {"type": "null"}]},
        "reviewedAt": {
            "title": "Reviewedat",
            "anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}],
            "default": None,
        },
        "lines": {"title": "Lines", "type": "array", "items": {"$ref": "#/$defs/Price"}, "default": []},
    },
    # What may be absent is not promised: a template leaves it out.
    "required": ["displayName", "price"],
}


def test_an_answer_promises_what_a_template_always_writes():
    assert of_model(Thing) == THING | {"$defs": {"Price": PRICE}}
    assert of_model(Price) == PRICE


def test_a_page_promises_its_items_and_perhaps_a_cursor():
    assert of_page(Thing) == {
        "title": "ThingPage",
        "type": "object",
        "properties": {
            "items": {"type": "array", "items": {"$ref": "#/$defs/Thing"}},
            "nextCursor": {
                "type": "string",
                "description": "The next page's `cursor`; absent on the last page.",
            },
        },
        "required": ["items"],
        "$defs": {"Price": PRICE, "Thing": THING},
    }
    assert of_page(Price)["$defs"] == {"Price": PRICE}


def test_an_answer_that_is_written_down_promises_each_of_its_values():
    document = {
        "id": path("id", pattern="[a-z]+"),
        "by": query("by", pattern="[a-z]", says="be a letter"),
        "agent": header("X-Agent"),
        "name": body("displayName"),
        "price": body("price"),
        "whose": claim("sub"),
        "joined": text("a", request_id()),
        "fixed": "text",
        "one": 1,
        "yes": True,
        "nothing": None,
        "inner": {"a": {"b": 2}},
    }
    found = of_document(document, Thing)
    assert (found["type"], found["required"]) == ("object", list(document))
    described = found["properties"]
    assert described["id"] == {"type": "string", "pattern": "^(?:[a-z]+)$"}
    assert described["by"] == {
        "type": "string",
        "pattern": "^(?:[a-z])$",
        "description": "Must be a letter.",
    }
    assert described["agent"]["type"] == "string"
    assert described["name"] == {
        "title": "Displayname",
        "type": "string",
        "maxLength": 5,
        "$defs": {"Price": PRICE | {"required": ["amountMinor", "currency"]}},
    }
    assert described["price"]["$ref"] == "#/$defs/Price"
    for name in ("whose", "joined", "fixed"):
        assert described[name] == {"type": "string"}
    for name, constant in (("one", 1), ("yes", True), ("nothing", None)):
        assert described[name] == {"const": constant}
    assert described["inner"] == {
        "type": "object",
        "properties": {"a": {"type": "object", "properties": {"b": {"const": 2}}, "required": ["b"]}},
        "required": ["a"],
    }


def test_a_field_of_a_model_without_others_brings_no_definitions():
    assert of_document({"amount": body("amountMinor")}, Price)["properties"]["amount"] == {
        "title": "Amountminor",
        "type": "integer",
    }
    # Without a model nothing more is known of it than that a template writes it as text.
    assert of_document({"amount": body("amountMinor")}, None)["properties"]["amount"] == {"type": "string"}


def test_parameters_are_described_by_where_they_are():
    bindings = Bindings()
    for value in (query("b"), query("a", pattern="[0-9]"), header("X-Any", pattern="x"), path("id")):
        bindings.reference(value)
    found = of_parameters(bindings.parameters.values())
    assert {place: list(names) for place, names in found.items()} == {
        "header": ["X-Any"],
        "path": ["id"],
        "query": ["a", "b"],
    }
    assert found["query"]["a"] == {"type": "string", "pattern": "^(?:[0-9])$"}
    assert of_parameters([]) == {}
