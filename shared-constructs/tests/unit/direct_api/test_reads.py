"""What a read asks of DynamoDB, what it answers, and the bounds of a page."""

from __future__ import annotations

import base64
import re
from typing import Annotated

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_dynamodb as dynamodb
from pydantic import BaseModel, Field
from shared_constructs.direct_api import (
    GetItem,
    Page,
    Problem,
    Query,
    RouteError,
    begins_with,
    claim,
    equals,
    greater_than,
    path,
    query,
    request_epoch,
    text,
)


class Thing(BaseModel):
    name: str
    version: int


KEY = {"pk": text("THING#", path("id")), "sk": "THING"}
ALICE = {"claims": {"sub": "alice"}}


@pytest.fixture(scope="module")
def table():
    return dynamodb.Table.from_table_name(Stack(App(), "Stack"), "Table", "things")


@pytest.mark.parametrize("maximum", [1, 5, 9, 10, 19, 20, 25, 99, 100, 101, 110, 250, 999, 1000])
def test_a_page_takes_exactly_the_numbers_from_1_to_its_maximum(maximum):
    pattern = re.compile(Page(default=1, maximum=maximum).limit.pattern)
    taken = {number for number in range(1200) if pattern.fullmatch(str(number))}
    assert taken == set(range(1, maximum + 1))
    assert not any(pattern.fullmatch(text) for text in ("", "01", "1.0", "+1", "-1", "1e1", " 1", "1\n"))


@pytest.mark.parametrize(("default", "maximum"), [(0, 5), (6, 5), (1, 1001), (-1, -1)])
def test_a_page_has_bounds(default, maximum):
    with pytest.raises(ValueError, match=rf"1000, got default {default}, maximum {maximum}"):
        Page(default=default, maximum=maximum)


def asked(render, operation, **request):
    return render(operation.integration().request_template(), **request)


def answered(render, operation, body):
    rendered = render(operation.integration().response_templates()["200"], body=body)
    return rendered.override, rendered.json()


# ------------------------------------------------------------------------------------------------------------ GetItem
@pytest.mark.parametrize("consistent", [True, False])
def test_one_item_is_read_by_its_key(render, table, consistent):
    operation = GetItem(table=table, key=KEY, response=Thing, consistent=consistent)
    assert asked(render, operation, path={"id": '7"'}).json() == {
        "TableName": "things",
        "ConsistentRead": consistent,
        "Key": {},
    }
    assert asked(render, operation, path={"id": "7"}).json() == {
        "TableName": "things",
        "ConsistentRead": consistent,
        "Key": {"pk": {"S": "THING#7"}, "sk": {"S": "THING"}},
    }
    told = operation.integration()
    assert (told.service, told.action, told.status) == ("dynamodb", "GetItem", 200)
    assert told.contract["Response"]["required"] == ["name", "version"]


def test_an_answer_has_the_names_that_it_is_written_with(render, table):
    class Sum(BaseModel):
        total: Annotated[int, Field(validation_alias="given", serialization_alias="answered")]

    found = answered(render, GetItem(table=table, key=KEY, response=Sum), {"Item": {"answered": {"N": "1"}}})
    assert found[1] == {"answered": 1}
    listed = answered(render, page_of(table, response=Sum), {"Items": [{"answered": {"N": "1"}}]})
    assert listed[1] == {"items": [{"answered": 1}]}


def test_an_item_with_a_condition_is_one_that_a_query_finds(render, table):
    where = greater_than("expires", request_epoch())
    operation = GetItem(table=table, key=KEY, response=Thing, where=where)
    assert asked(render, operation, path={"id": "7"}).json() == {
        "TableName": "things",
        "ConsistentRead": True,
        "KeyConditionExpression": "#n0 = :v0 AND #n1 = :v1",
        "FilterExpression": "#n2 > :v2",
        "ExpressionAttributeNames": {"#n0": "pk", "#n1": "sk", "#n2": "expires"},
        "ExpressionAttributeValues": {
            ":v0": {"S": "THING#7"},
            ":v1": {"S": "THING"},
            ":v2": {"N": "1770619083"},
        },
    }
    assert asked(render, operation).json() == {"TableName": "things", "ConsistentRead": True}
    assert operation.integration().action == "Query"
    item = {"name": {"S": "n"}, "version": {"N": "3"}}
    override, found = answered(render, operation, {"Items": [item]})
    assert (override["header"]["ETag"], found) == ('"3"', {"name": "n", "version": 3})
    assert answered(render, operation, {"Items": []})[0]["status"] == 404


def test_an_absent_item_is_answered_as_the_route_says(render, table):
    gone = GetItem(table=table, key=KEY, response=Thing, missing=Problem(410, "Gone."))
    override, found = answered(render, gone, {})
    assert (override["status"], found["detail"]) == (410, "Gone.")
    empty = GetItem(table=table, key=KEY, response=Thing, default={"name": "nobody", "version": 0})
    override, found = answered(render, empty, {})
    assert ("status" in override, found) == (False, {"name": "nobody", "version": 0})
    override, found = answered(render, empty, {"Item": {"name": {"S": "n"}, "version": {"N": "2"}}})
    assert (override["header"]["ETag"], found) == ('"2"', {"name": "n", "version": 2})


def test_what_has_no_version_has_no_etag(render, table):
    class Plain(BaseModel):
        name: str
        version: str

    override, _ = answered(
        render, GetItem(table=table, key=KEY, response=Plain), {"Item": {"name": {"S": "n"}}}
    )
    assert "ETag" not in override["header"]


# -------------------------------------------------------------------------------------------------------------- Query
def page_of(table, **options):
    return Query(**{"table": table, "partition": text("C#", claim("sub")), "response": Thing} | options)


def test_a_page_is_asked_of_one_partition(render, table):
    assert asked(render, page_of(table), **ALICE).json() == {
        "TableName": "things",
        "ScanIndexForward": True,
        "Limit": 20,
        "KeyConditionExpression": "#n0 = :v0",
        "ExpressionAttributeNames": {"#n0": "pk"},
        "ExpressionAttributeValues": {":v0": {"S": "C#alice"}},
    }
    assert asked(render, page_of(table)).json() == {"TableName": "things", "ScanIndexForward": True}


def test_a_page_of_an_index_as_the_caller_wants_it(render, table):
    operation = page_of(
        table,
        index="gsi1",
        newest_first=True,
        sort=begins_with("gsi1sk", text(query("kind"), "#")),
        where=equals("status", query("status")),
        page=Page(default=2, maximum=5),
    )
    full = asked(render, operation, query={"limit": "5", "kind": "a", "status": "PAID"}, **ALICE).json()
    assert full == {
        "TableName": "things",
        "IndexName": "gsi1",
        "ScanIndexForward": False,
        "Limit": 5,
        "KeyConditionExpression": "#n0 = :v0 AND begins_with(#n1, :v1)",
        "FilterExpression": "#n2 = :v2",
        "ExpressionAttributeNames": {"#n0": "gsi1pk", "#n1": "gsi1sk", "#n2": "status"},
        "ExpressionAttributeValues": {":v0": {"S": "C#alice"}, ":v1": {"S": "a#"}, ":v2": {"S": "PAID"}},
    }
    plain = asked(render, operation, **ALICE).json()
    assert (plain["Limit"], plain["KeyConditionExpression"]) == (2, "#n0 = :v0")
    assert "FilterExpression" not in plain
    refused = {"TableName": "things", "IndexName": "gsi1", "ScanIndexForward": False}
    for bad in ({"limit": "6"}, {"limit": "0"}, {"cursor": "x"}, {"cursor": "YQ=="}, {"kind": "a b"}):
        assert asked(render, operation, query=bad, **ALICE).json() == refused


def test_a_page_says_what_it_is_and_what_a_cursor_must_be(table):
    told = page_of(table).integration()
    assert (told.service, told.action, told.status) == ("dynamodb", "Query", 200)
    assert told.contract["Response"]["title"] == "ThingPage"
    parameters = told.contract["Parameters"]["query"]
    assert parameters["cursor"]["description"] == "Must be the nextCursor of the page before."
    assert parameters["limit"]["description"] == "Must be a number from 1 to 100."


def test_what_no_query_can_do_is_refused(table):
    with pytest.raises(ValueError, match=r"^a Query of index 'gsi1' cannot be consistent: .* tables only$"):
        page_of(table, index="gsi1", consistent=True)
    with pytest.raises(RouteError, match=r"^sort is a condition on the sort key gsi1sk, got 'sk'$"):
        page_of(table, index="gsi1", sort=begins_with("sk", "x")).integration()


def test_a_read_of_the_latest_says_so(render, table):
    assert asked(render, page_of(table, consistent=True), **ALICE).json()["ConsistentRead"] is True


@pytest.mark.parametrize("sort", ["plain", "a.b", "ÿ?>~", "x" * 40])
def test_a_cursor_is_the_position_and_nothing_else(render, table, sort):
    operation = page_of(table, index="gsi1")
    last = {
        "gsi1pk": {"S": "C#bob"},
        "gsi1sk": {"S": sort},
        "pk": {"S": "THING#1"},
        "sk": {"S": "THING"},
    }
    item = {"name": {"S": "n"}, "version": {"N": "1"}}
    _, page = answered(render, operation, {"Items": [item, item], "LastEvaluatedKey": last})
    assert page["items"] == [{"name": "n", "version": 1}] * 2
    assert re.fullmatch("[A-Za-z0-9_=-]+[.][A-Za-z0-9_=-]+[.][A-Za-z0-9_=-]+", page["nextCursor"])
    parts = [base64.urlsafe_b64decode(each).decode() for each in page["nextCursor"].split(".")]
    assert parts == [sort, "THING#1", "THING"]
    following = asked(render, operation, query={"cursor": page["nextCursor"]}, **ALICE).json()
    assert following["ExclusiveStartKey"] == last | {"gsi1pk": {"S": "C#alice"}}


def test_a_cursor_of_a_table_has_its_sort_key_alone(render, table):
    operation = page_of(table)
    last = {"pk": {"S": "C#bob"}, "sk": {"S": "7"}}
    _, page = answered(render, operation, {"Items": [], "LastEvaluatedKey": last})
    assert page == {"items": [], "nextCursor": "Nw=="}
    following = asked(render, operation, query={"cursor": "Nw=="}, **ALICE).json()
    assert following["ExclusiveStartKey"] == {"pk": {"S": "C#alice"}, "sk": {"S": "7"}}


def test_the_last_page_has_no_cursor(render, table):
    assert answered(render, page_of(table), {"Items": []})[1] == {"items": []}
