"""What the OpenAPI document says is what was deployed."""

from __future__ import annotations

from typing import Annotated

import openapi_spec_validator
import pytest
from pydantic import BaseModel, Field
from service_contracts.openapi import openapi
from service_testing import synthesize
from shared_constructs import ServiceStack, ServiceTable, StackKind
from shared_constructs.direct_api import (
    PUBLIC,
    DirectApi,
    GetItem,
    Problem,
    Query,
    Require,
    Scopes,
    Stored,
    Succeed,
    UpdateItem,
    not_equals,
    path,
    text,
)

KEY = {"pk": text("NOTE#", path("id", pattern="[a-z]{1,8}")), "sk": "NOTE"}


class NoteText(BaseModel, extra="forbid"):
    """Body."""

    words: Annotated[str, Field(min_length=1, max_length=80)]
    weight: Annotated[int, Field(gt=0)] = 1


class Note(BaseModel):
    """A note."""

    words: Annotated[str, Stored("body")]
    author: str | None
    version: int


def build(app):
    data = ServiceStack(app, kind=StackKind.STATEFUL)
    notes = ServiceTable(data, "Notes", indexes={"gsi1": ("body", "author", "version")})
    stack = ServiceStack(app, kind=StackKind.STATELESS)
    api = DirectApi(stack, "Api", description="Notes")
    api.route("GET", "/notes", Query(table=notes, index="gsi1", partition="ALL", response=Note), auth=PUBLIC)
    api.route("GET", "/notes/{id}", GetItem(table=notes, key=KEY, response=Note), auth=PUBLIC, name="getNote")
    write = UpdateItem(
        table=notes,
        key=KEY,
        request=NoteText,
        upsert=True,
        if_match=True,
        conditions=(
            Require(not_equals("status", "LOCKED"), otherwise=Problem(423, "The note is locked.")),
            Require(not_equals("status", "SAME"), otherwise=Succeed(204)),
        ),
        response=Note,
    )
    api.route("PUT", "/notes/{id}", write, auth=Scopes("notes/write"))


@pytest.fixture(scope="module")
def document():
    template = synthesize(build, service="notes", stage="dev")["commerce-dev-notes"]
    return openapi(template, service="notes", routers=lambda _: {})


def test_it_is_openapi(document):
    openapi_spec_validator.validate(document)
    assert {path: set(verbs) for path, verbs in document["paths"].items()} == {
        "/notes": {"get"},
        "/notes/{id}": {"get", "put"},
    }


def test_every_answer_that_the_templates_can_give_is_there(document):
    responses = document["paths"]["/notes/{id}"]["put"]["responses"]
    assert {"200", "201", "204"} == {status for status in responses if status < "300"}
    assert responses["423"]["description"] == "- The note is locked."
    assert {"400", "401", "403", "412", "415", "423", "429", "500", "503", "504"} <= responses.keys()
    assert "404" in document["paths"]["/notes/{id}"]["get"]["responses"]
    assert "404" not in document["paths"]["/notes"]["get"]["responses"]


def test_who_may_call_is_there(document):
    assert document["paths"]["/notes/{id}"]["put"]["security"] == [{"customerToken": ["notes/write"]}]
    assert document["paths"]["/notes/{id}"]["get"]["security"] == []
    assert "401" not in document["paths"]["/notes/{id}"]["get"]["responses"]


def test_the_request_is_what_the_gateway_checks(document):
    operation = document["paths"]["/notes/{id}"]["put"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/NoteText"}
    assert document["components"]["schemas"]["NoteText"]["properties"] == {
        "words": {"type": "string", "minLength": 1, "maxLength": 80},
        "weight": {"type": "integer", "exclusiveMinimum": 0, "default": 1},
    }
    parameters = {each["name"]: each for each in operation["parameters"]}
    assert parameters["id"]["schema"] == {"type": "string", "pattern": "^(?:[a-z]{1,8})$"}
    assert parameters["If-Match"]["required"] is False


def test_the_answer_is_what_the_template_makes_of_the_item(document):
    note = document["components"]["schemas"]["Note"]
    assert list(note["properties"]) == ["words", "author", "version"]
    assert note["required"] == ["words", "version"], "an absent attribute that may be null is left out"
    page = document["components"]["schemas"]["NotePage"]
    assert (page["required"], page["properties"]["items"]["items"]) == (
        ["items"],
        {"$ref": "#/components/schemas/Note"},
    )
