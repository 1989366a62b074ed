"""What a write asks of DynamoDB, and what its caller is answered."""

from __future__ import annotations

import json
import re

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_dynamodb as dynamodb
from pydantic import BaseModel
from shared_constructs.direct_api import (
    DeleteItem,
    Problem,
    PutItem,
    Require,
    RouteError,
    Succeed,
    UpdateItem,
    claim,
    equals,
    not_exists,
    path,
    query,
    request_id,
    request_time,
    text,
)

KEY = {"pk": text("THING#", path("id")), "sk": "THING"}
AT = "2026-02-09T06:38:03.512Z"
SEVEN = {"path": {"id": "7"}}
NUMBER = query("by", pattern="[0-9]+", number=True)


class Thing(BaseModel):
    name: str
    note: str | None = None


class Versioned(BaseModel):
    name: str
    version: int


@pytest.fixture(scope="module")
def table():
    return dynamodb.Table.from_table_name(Stack(App(), "Stack"), "Table", "things")


def asked(render, operation, **request):
    return render(operation.integration().request_template(), **(SEVEN | request)).json()


def answered(render, operation, answer, outcome="200", **request):
    """Status if the template sets one, headers but the correlation id, and body."""
    rendered = render(operation.integration().response_templates()[outcome], body=answer, **(SEVEN | request))
    headers = rendered.override["header"]
    assert headers.pop("X-Correlation-Id") == "request-1"
    body = rendered.text.strip()
    return rendered.override.get("status"), headers, json.loads(body) if body else None


def problem(status, detail, **more):
    phrases = {404: "Not Found", 409: "Conflict", 410: "Gone", 412: "Precondition Failed"}
    document = {"type": "about:blank", "title": phrases[status], "status": status, "detail": detail}
    return status, {"Content-Type": "application/problem+json"}, document | {"instance": "request-1"} | more


def refused(**more):
    """As DynamoDB tells of a condition that did not hold."""
    return {"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"} | more


# ------------------------------------------------------------------------------------------------------------ PutItem
def new(table, **options):
    return PutItem(**{"table": table, "key": KEY, "request": Thing} | options)


def test_a_new_item_has_its_body_its_key_and_who_wrote_it(render, table):
    operation = new(table, values={"owner": claim("sub"), "kind": "a"})
    assert asked(render, operation, body={"name": "n", "note": ""}, claims={"sub": "alice"}) == {
        "TableName": "things",
        "ConditionExpression": "attribute_not_exists(#n0)",
        "Item": {
            "name": {"S": "n"},
            "note": {"S": ""},
            "owner": {"S": "alice"},
            "kind": {"S": "a"},
            "pk": {"S": "THING#7"},
            "sk": {"S": "THING"},
            "version": {"N": "1"},
            "createdAt": {"S": AT},
            "updatedAt": {"S": AT},
            "correlationId": {"S": "request-1"},
            "causationId": {"S": "request-1"},
        },
        "ExpressionAttributeNames": {"#n0": "pk"},
    }
    told = operation.integration()
    assert (told.service, told.action, told.status) == ("dynamodb", "PutItem", 201)
    assert told.contract["Parameters"] == {
        "header": {"X-Correlation-Id": {"type": "string"}},
        "path": {"id": {"type": "string", "pattern": told.contract["Parameters"]["path"]["id"]["pattern"]}},
    }


def test_a_new_item_of_a_caller_without_a_name_is_no_item(render, table):
    operation = new(table, values={"owner": claim("sub")})
    assert asked(render, operation, body={"name": "n"}) == {"TableName": "things", "Item": {}}


def test_an_item_may_come_without_a_body(render, table):
    item = asked(render, new(table, request=None, values={"by": query("by")}))["Item"]
    assert set(item) == {"pk", "sk", "version", "createdAt", "updatedAt", "correlationId", "causationId"}


def test_a_created_item_is_answered_with_what_the_route_says_and_where_it_is(render, table):
    plain = new(table)
    assert answered(render, plain, {}) == (None, {}, {})
    told = new(
        table,
        response={"id": path("id"), "at": request_time(), "open": True},
        location=text("/things/", path("id")),
        status=202,
    )
    document = {"id": "7", "at": AT, "open": True}
    assert answered(render, told, {}) == (None, {"Location": "/things/7"}, document)
    assert told.integration().status == 202
    assert told.integration().contract["Response"]["required"] == ["id", "at", "open"]
    assert answered(render, new(table, location=request_id()), {})[1] == {"Location": "request-1"}
    assert answered(render, new(table, location="/things"), {})[1] == {"Location": "/things"}


def test_an_item_that_is_there_already_is_answered_as_the_route_says(render, table):
    assert answered(render, new(table), refused(), "400") == problem(409, "The resource already exists.")
    again = new(table, exists=Succeed(200))
    assert answered(render, again, refused(), "400") == (200, {"Content-Type": "application/json"}, {})


# --------------------------------------------------------------------------------------------------------- UpdateItem
def change(table, **options):
    return UpdateItem(**{"table": table, "key": KEY} | options)


def in_full(call):
    """An update with its names and values in it; DynamoDB refuses any that is defined and not used."""
    expressions = [call["UpdateExpression"], call.get("ConditionExpression", "")]
    names, values = (call[f"ExpressionAttribute{each}"] for each in ("Names", "Values"))
    assert set(re.findall(r"#n\d+", " ".join(expressions))) == set(names)
    assert set(re.findall(r":v\d+", " ".join(expressions))) == set(values)
    for pattern, known in ((r"#n\d+", names), (r":v\d+", values)):
        expressions = [
            re.sub(
                pattern,
                lambda found, known=known: (
                    known[found[0]]
                    if isinstance(known[found[0]], str)
                    else json.dumps(known[found[0]], separators=(",", ":"))
                ),
                each,
            )
            for each in expressions
        ]
    return expressions


VERSIONED = (
    'version = if_not_exists(version, {"N":"0"}) + {"N":"1"}'
    f', createdAt = if_not_exists(createdAt, {{"S":"{AT}"}}), updatedAt = {{"S":"{AT}"}}'
)
TRACED = ', correlationId = {"S":"request-1"}, causationId = {"S":"request-1"}'


def test_a_change_sets_what_is_sent_and_removes_what_is_not(render, table):
    operation = change(table, request=Thing, values={"kind": "a"}, remove=("old",))
    call = asked(render, operation, body={"name": "n", "note": "x"})
    assert in_full(call) == [
        f'SET name = {{"S":"n"}}, kind = {{"S":"a"}}, {VERSIONED}{TRACED}, note = {{"S":"x"}} REMOVE old',
        "attribute_exists(pk)",
    ]
    assert call["Key"] == {"pk": {"S": "THING#7"}, "sk": {"S": "THING"}}
    assert (call["TableName"], call["ReturnValues"]) == ("things", "ALL_NEW")
    assert call["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD"
    assert in_full(asked(render, operation, body={"name": "n"})) == [
        f'SET name = {{"S":"n"}}, kind = {{"S":"a"}}, {VERSIONED}{TRACED} REMOVE old, note',
        "attribute_exists(pk)",
    ]
    told = operation.integration()
    assert (told.service, told.action, told.status) == ("dynamodb", "UpdateItem", 200)


def test_a_change_with_what_is_not_acceptable_is_none(render, table):
    operation = change(table, values={"by": query("by")})
    assert asked(render, operation, query={"by": "a b"}) == {"TableName": "things", "Key": {}}


def test_a_change_adds_and_appends(render, table):
    operation = change(
        table, add={"total": 5, "more": NUMBER}, append={"log": {"by": request_id()}, "names": "n"}
    )
    appended = "".join(
        f'{name} = list_append(if_not_exists({name}, {{"L":[]}}), {{"L":[{element}]}}), '
        for name, element in (("log", '{"M":{"by":{"S":"request-1"}}}'), ("names", '{"S":"n"}'))
    )
    expected = f'SET {appended}{VERSIONED}{TRACED} ADD total {{"N":"5"}}'
    assert in_full(asked(render, operation))[0] == expected
    assert in_full(asked(render, operation, query={"by": "3"}))[0] == f'{expected}, more {{"N":"3"}}'
    only = change(table, add={"more": NUMBER})
    assert (
        in_full(asked(render, only, query={"by": "3"}))[0] == f'SET {VERSIONED}{TRACED} ADD more {{"N":"3"}}'
    )


def test_a_later_step_of_the_same_story_leaves_its_correlation_id(render, table):
    kept = in_full(asked(render, change(table, remove=("old",), keep_correlation_id=True)))[0]
    correlation = ', correlationId = if_not_exists(correlationId, {"S":"request-1"})'
    assert kept == f'SET {VERSIONED}{correlation}, causationId = {{"S":"request-1"}} REMOVE old'


def test_a_change_requires_what_the_route_says(render, table):
    operation = change(
        table,
        values={"open": False},
        conditions=(Require(not_exists("done"), otherwise=Problem(410, "Gone.")),),
        if_match=True,
        missing=Problem(410, "There was none."),
    )
    required = "attribute_exists(pk) AND attribute_not_exists(done)"
    assert in_full(asked(render, operation))[1] == required
    matched = in_full(asked(render, operation, headers={"If-Match": '"3"'}))[1]
    assert matched == f'{required} AND version = {{"N":"3"}}'
    assert answered(render, operation, refused(Item={"done": {"S": "x"}}), "400") == problem(410, "Gone.")
    assert answered(render, operation, refused(), "400") == problem(410, "There was none.")
    stale = answered(
        render, operation, refused(Item={"version": {"N": "4"}}), "400", headers={"If-Match": "3"}
    )
    assert stale[0] == 412
    assert operation.integration().contract["Parameters"]["header"]["If-Match"] == {"type": "string"}


def test_an_upsert_makes_what_is_not_there_and_says_so(render, table):
    operation = change(table, request=Thing, upsert=True, response=Versioned)
    call = asked(render, operation, body={"name": "n"})
    assert "ConditionExpression" not in call

    def changed(version, operation=operation):
        item = {"name": {"S": "n"}, "version": {"N": version}}
        return answered(render, operation, {"Attributes": item})

    assert changed("1") == (201, {"ETag": '"1"'}, {"name": "n", "version": 1})
    assert changed("2") == (None, {"ETag": '"2"'}, {"name": "n", "version": 2})
    assert changed("11")[0] is None
    assert changed("1", change(table, request=Thing, upsert=True, created_status=202))[0] == 202
    assert changed("1", change(table, request=Thing, upsert=True, created_status=200))[0] is None
    assert changed("1", change(table, request=Thing))[0] is None
    bound = change(
        table, values={"a": 1}, upsert=True, conditions=(Require(equals("b", 1), otherwise=Succeed()),)
    )
    assert in_full(asked(render, bound))[1] == '(attribute_not_exists(pk) OR b = {"N":"1"})'


def test_a_change_without_a_body_to_answer_answers_none(render, table):
    item = {"Attributes": {"version": {"N": "2"}}}
    assert answered(render, change(table, values={"a": 1}), item) == (None, {}, {})
    assert answered(render, change(table, values={"a": 1}, status=204), item) == (None, {}, None)
    assert change(table, values={"a": 1}, status=204).integration().status == 204
    assert change(table, values={"a": 1}).integration().contract["Response"] is None
    told = change(table, values={"a": 1}, response=Versioned).integration().contract["Response"]
    assert told["required"] == ["name", "version"]


def test_a_missing_item_is_not_found(render, table):
    plain = change(table, values={"a": 1})
    assert answered(render, plain, refused(), "400") == problem(404, "There is no such resource.")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "nothing to write: give request, values, remove, add or append"),
        (
            {"values": {"a": 1, "b": 1}, "remove": ("b", "a")},
            "attributes ['a', 'b'] are written twice; name each once in values, add, append or remove",
        ),
        (
            {"add": {"a": 1}, "append": {"a": 1}},
            "attributes ['a'] are written twice; name each once in values, add, append or remove",
        ),
        (
            {"request": Thing, "remove": ("name",)},
            "attributes ['name'] are written twice; name each once in values, add, append or remove",
        ),
        *(
            (
                {"values": {name: "x"}},
                f"attributes ['{name}'] are keys or written by convention; leave them out",
            )
            for name in ("pk", "sk", "version", "createdAt", "updatedAt", "correlationId", "causationId")
        ),
        ({"add": {"a": "x"}}, "add['a'] must be a number, got 'x'"),
        (
            {"add": {"a": 1, "pk": 1}},
            "attributes ['pk'] are keys or written by convention; leave them out",
        ),
    ],
    ids=str,
)
def test_a_change_that_cannot_be_made_is_refused_at_synthesis(table, options, message):
    with pytest.raises(RouteError) as error:
        change(table, **options).integration()
    assert str(error.value) == message


# --------------------------------------------------------------------------------------------------------- DeleteItem
def test_an_item_is_deleted_by_its_key(render, table):
    operation = DeleteItem(table=table, key=KEY)
    assert asked(render, operation) == {
        "TableName": "things",
        "Key": {"pk": {"S": "THING#7"}, "sk": {"S": "THING"}},
        "ConditionExpression": "attribute_exists(#n0)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        "ExpressionAttributeNames": {"#n0": "pk"},
    }
    assert asked(render, operation, path={}) == {"TableName": "things", "Key": {}}
    told = operation.integration()
    assert (told.service, told.action, told.status) == ("dynamodb", "DeleteItem", 204)
    assert operation.request is None


def test_a_deletion_answers_no_body_and_again_the_same(render, table):
    operation = DeleteItem(table=table, key=KEY)
    assert answered(render, operation, {}) == (None, {}, None)
    assert answered(render, operation, refused(), "400") == (204, {"Content-Type": "application/json"}, None)
    told = DeleteItem(table=table, key=KEY, status=200, missing=Problem(404, "None."))
    assert answered(render, told, {}) == (None, {}, {})
    assert told.integration().status == 200
    assert answered(render, told, refused(), "400") == problem(404, "None.")


def test_a_deletion_requires_what_the_route_says(render, table):
    operation = DeleteItem(
        table=table,
        key=KEY,
        conditions=(
            Require(equals("owner", claim("sub")), otherwise=Problem(404, "None of yours.")),
            Require(not_exists("locked"), otherwise=Problem(409, "Locked.")),
        ),
        if_match=True,
    )
    call = asked(render, operation, claims={"sub": "alice"}, headers={"If-Match": "2"})
    assert call["ConditionExpression"] == (
        "attribute_exists(#n0) AND #n1 = :v0 AND attribute_not_exists(#n2) AND #n3 = :v1"
    )
    assert call["ExpressionAttributeValues"] == {":v0": {"S": "alice"}, ":v1": {"N": "2"}}
    bobs = refused(Item={"owner": {"S": "bob"}, "version": {"N": "2"}})
    sent = {"claims": {"sub": "alice"}, "headers": {"If-Match": "2"}}
    assert answered(render, operation, bobs, "400", **sent) == problem(404, "None of yours.")
    locked = refused(Item={"owner": {"S": "alice"}, "version": {"N": "2"}, "locked": {"BOOL": True}})
    assert answered(render, operation, locked, "400", **sent) == problem(409, "Locked.")
    gone = answered(render, operation, refused(), "400", **sent)
    assert gone[0] == 412
