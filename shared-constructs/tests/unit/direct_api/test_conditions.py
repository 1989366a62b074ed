"""Conditions as DynamoDB gets them, and what a template makes of one that did not hold."""

from __future__ import annotations

import json
import re

import pytest
from pydantic import BaseModel
from shared_constructs.direct_api import (
    Problem,
    Require,
    RouteError,
    Succeed,
    all_of,
    any_of,
    at_least,
    at_most,
    begins_with,
    body,
    claim,
    equals,
    exists,
    greater_than,
    less_than,
    not_equals,
    not_exists,
    one_of,
    path,
    query,
    request_epoch,
    request_id,
    text,
)
from shared_constructs.direct_api.bindings import Bindings
from shared_constructs.direct_api.conditions import AllOf, AnyOf, Comparison, OneOf, Operator
from shared_constructs.direct_api.dynamodb.expressions import Expressions, holds
from shared_constructs.direct_api.dynamodb.preconditions import Preconditions


class Thing(BaseModel):
    name: str
    count: int | None = None


KEY = {"pk": text("THING#", path("id")), "sk": "THING"}
BY = query("by")
AT_LEAST = query("least", pattern="[0-9]+", number=True)


def in_full(call) -> str:
    """An expression with its names and values; DynamoDB refuses any that is defined and not used."""
    expression = call.get("FilterExpression", "") + call.get("ConditionExpression", "")
    names, values = (call.get(f"ExpressionAttribute{each}", {}) for each in ("Names", "Values"))
    assert set(re.findall(r"#n\d+", expression)) == set(names)
    assert set(re.findall(r":v\d+", expression)) == set(values)
    assert len(set(names.values())) == len(names)
    assert not any(value in ({}, "") for value in call.values())
    said = re.sub(r"#n\d+", lambda found: names[found[0]], expression)
    return re.sub(r":v\d+", lambda found: json.dumps(values[found[0]], separators=(",", ":")), said)


def filtered(render, condition, **request) -> str:
    expressions = Expressions(Bindings(Thing))
    member = expressions.filter(condition)
    call = f'{expressions.bindings.head()}\n{{"Limit":1{member}{expressions.placeholders()}}}'
    return in_full(render(call, **({"body": {"name": "n"}} | request)).json())


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (None, ""),
        (equals("a", "x"), 'a = {"S":"x"}'),
        (not_equals("a", 1), 'a <> {"N":"1"}'),
        (less_than("a", 1), 'a < {"N":"1"}'),
        (at_most("a", 1), 'a <= {"N":"1"}'),
        (greater_than("a", request_epoch()), 'a > {"N":"1770619083"}'),
        (at_least("a", 1), 'a >= {"N":"1"}'),
        (equals("a", True), 'a = {"BOOL":true}'),
        (begins_with("a", text("x#", request_id())), 'begins_with(a, {"S":"x#request-1"})'),
        (exists("a"), "attribute_exists(a)"),
        (not_exists("a"), "attribute_not_exists(a)"),
        (one_of("a", "x", 2), 'a IN ({"S":"x"}, {"N":"2"})'),
        (equals("a", body("name")), 'a = {"S":"n"}'),
        (equals("a", claim("sub")), 'a = {"S":"alice"}'),
        (all_of(exists("a"), equals("a", "x")), '(attribute_exists(a) AND a = {"S":"x"})'),
        (any_of(exists("a"), equals("b", "x")), '(attribute_exists(a) OR b = {"S":"x"})'),
        (all_of(equals("a", 1)), 'a = {"N":"1"}'),
        (
            all_of(equals("a", 1), any_of(equals("a", BY), equals("b", 2), all_of(exists("c"), exists("d")))),
            '(a = {"N":"1"} AND (b = {"N":"2"} OR (attribute_exists(c) AND attribute_exists(d))))',
        ),
        (equals("a", BY), ""),
        (equals("a", AT_LEAST), ""),
        (all_of(equals("a", BY), at_least("b", AT_LEAST)), ""),
        (all_of(equals("a", BY), at_least("b", AT_LEAST), exists("c")), "(attribute_exists(c))"),
        (equals("a", body("count")), ""),
    ],
    ids=str,
)
def test_a_condition_with_what_is_absent_left_out(render, condition, expected):
    assert filtered(render, condition, claims={"sub": "alice"}) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (equals("a", BY), 'a = {"S":"me"}'),
        (at_least("a", AT_LEAST), 'a >= {"N":"5"}'),
        (all_of(equals("a", BY), at_least("b", AT_LEAST)), '(a = {"S":"me"} AND b >= {"N":"5"})'),
        (any_of(equals("a", BY), exists("a")), '(attribute_exists(a) OR a = {"S":"me"})'),
        (equals("a", body("count")), 'a = {"N":"3"}'),
    ],
    ids=str,
)
def test_a_condition_with_all_that_is_optional(render, condition, expected):
    assert (
        filtered(render, condition, query={"by": "me", "least": "5"}, body={"name": "n", "count": 3})
        == expected
    )


def test_each_condition_is_what_its_name_says():
    made = {
        equals: Operator.EQUALS,
        not_equals: Operator.NOT_EQUALS,
        less_than: Operator.LESS_THAN,
        at_most: Operator.AT_MOST,
        greater_than: Operator.GREATER_THAN,
        at_least: Operator.AT_LEAST,
        begins_with: Operator.BEGINS_WITH,
    }
    for make, operator in made.items():
        assert make("a", BY) == Comparison(operator, "a", BY)
    assert (exists("a"), not_exists("a")) == (
        Comparison(Operator.EXISTS, "a"),
        Comparison(Operator.NOT_EXISTS, "a"),
    )
    assert one_of("a", "x", 1) == OneOf("a", ("x", 1))
    both = (exists("a"), exists("b"))
    assert (all_of(*both), any_of(*both)) == (AllOf(both), AnyOf(both))


def test_choices_are_as_many_as_dynamodb_takes():
    assert [len(one_of("a", *range(many)).choices) for many in (1, 100)] == [1, 100]
    for many in (0, 101):
        with pytest.raises(ValueError, match=rf"one_of\('a'\) takes 1 to 100 constants, got {many}"):
            one_of("a", *range(many))


ITEM = {"s": {"S": "x"}, "n": {"N": "1"}, "b": {"BOOL": True}, "owner": {"S": "C#alice"}, "q": {"S": '"\\$x'}}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (equals("s", "x"), True),
        (equals("s", "y"), False),
        (equals("absent", "x"), False),
        (not_equals("s", "x"), False),
        (not_equals("absent", "x"), True),
        (equals("n", 1), True),
        (equals("n", 2), False),
        (equals("n", "1"), False),
        (equals("s", 1), False),
        (equals("b", True), True),
        (equals("b", False), False),
        (equals("n", True), False),
        (equals("q", '"\\$x'), True),
        (exists("s"), True),
        (exists("absent"), False),
        (not_exists("s"), False),
        (not_exists("absent"), True),
        (one_of("s", "y", "x"), True),
        (one_of("s", "y", "z"), False),
        (one_of("n", 2, 1), True),
        (equals("s", query("by")), True),
        (equals("n", AT_LEAST), True),
        (equals("owner", text("C#", claim("sub"))), True),
        (equals("owner", claim("sub")), False),
        (equals("s", request_id()), False),
        (all_of(equals("s", "x"), equals("n", 1)), True),
        (all_of(equals("s", "x"), equals("n", 2)), False),
        (any_of(equals("s", "y"), equals("n", 1)), True),
        (any_of(equals("s", "y"), equals("n", 2)), False),
        (all_of(exists("s"), any_of(exists("absent"), not_equals("n", 2))), True),
    ],
    ids=str,
)
def test_a_template_tells_whether_a_condition_holds(render, condition, expected):
    bindings = Bindings.of_answer()
    test = holds(bindings, "$old", condition)
    template = f"{bindings.head()}\n#set($old = $input.path('$'))#if({test})holds#end#if(!({test}))fails#end"
    read = render(template, body=ITEM, query={"by": "x", "least": "1"}, claims={"sub": "alice"}).text
    assert read.strip() == ("holds" if expected else "fails")


@pytest.mark.parametrize(
    "condition",
    [
        less_than("a", 1),
        at_least("a", 1),
        begins_with("a", "x"),
        equals("a", body("name")),
        equals("a", text("x", body("name"))),
        all_of(exists("a"), less_than("a", 1)),
        any_of(less_than("a", 1), exists("a")),
    ],
    ids=str,
)
def test_a_template_does_not_guess_at_what_it_cannot_tell(condition):
    assert holds(Bindings.of_answer(), "$old", condition) is None


# ------------------------------------------------------------------------------------------------------ preconditions
OWN = Require(equals("owner", claim("sub")), otherwise=Problem(404, "There is none."))
DONE = Require(not_exists("done"), otherwise=Succeed(202))
SMALL = Require(less_than("total", 10), otherwise=Problem(422, "Too large."))


def required(render, *conditions, sent=None, **options) -> str:
    expressions = Expressions(Bindings())
    preconditions = Preconditions(key=KEY, conditions=conditions, **options)
    member = preconditions.expression(expressions)
    call = f'{expressions.bindings.head()}\n{{"TableName":"t"{member}{expressions.placeholders()}}}'
    headers = {} if sent is None else {"if-match": sent}
    return in_full(render(call, headers=headers, claims={"sub": "alice"}).json())


@pytest.mark.parametrize(
    ("conditions", "options", "expected"),
    [
        ((), {}, "attribute_exists(pk)"),
        ((), {"upsert": True}, ""),
        ((OWN,), {}, 'attribute_exists(pk) AND owner = {"S":"alice"}'),
        ((OWN,), {"upsert": True}, '(attribute_not_exists(pk) OR owner = {"S":"alice"})'),
        (
            (OWN, DONE),
            {"upsert": True},
            " AND ".join(
                f"(attribute_not_exists(pk) OR {each})"
                for each in ('owner = {"S":"alice"}', "attribute_not_exists(done)")
            ),
        ),
        ((Require(equals("a", BY), otherwise=Succeed()),), {"upsert": True}, ""),
        ((Require(equals("a", BY), otherwise=Succeed()),), {}, "attribute_exists(pk)"),
        ((), {"if_match": True}, "attribute_exists(pk)"),
        ((), {"if_match": True, "upsert": True}, ""),
    ],
    ids=str,
)
def test_what_a_write_requires(render, conditions, options, expected):
    assert required(render, *conditions, **options) == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("7", 'version = {"N":"7"}'),
        ('"7"', 'version = {"N":"7"}'),
        ("*", "attribute_exists(pk)"),
        ("9" * 18, f'version = {{"N":"{"9" * 18}"}}'),
        *((each, 'version = {"N":"-1"}') for each in ('"7', "-2", "1 OR 1=1", "x", "9" * 19, 'W/"7"', "**")),
    ],
)
def test_if_match_is_a_version_anything_or_nothing_that_any_item_has(render, sent, expected):
    assert required(render, sent=sent, upsert=True, if_match=True) == expected


def answered(render, *conditions, old=None, sent=None, missing=None, **options):
    """Status and detail of the answer to a write that DynamoDB refused."""
    bindings = Bindings.of_answer()
    preconditions = Preconditions(key=KEY, conditions=conditions, **options)
    template = preconditions.told_apart(bindings, missing or Problem(404, "Missing."))
    refusal = {"__type": "ConditionalCheckFailedException"} | ({"Item": old} if old is not None else {})
    rendered = render(
        f"{bindings.head()}\n{template}",
        body=refusal,
        headers={} if sent is None else {"If-Match": sent},
        claims={"sub": "alice"},
    )
    return rendered.override["status"], rendered.json().get("detail")


MINE = {"owner": {"S": "alice"}, "version": {"N": "2"}}
STALE = (412, "The resource has another version than If-Match requires, or does not exist.")
CHANGED = (409, "The resource has changed meanwhile; try again.")


@pytest.mark.parametrize(
    ("conditions", "given", "expected"),
    [
        ((), {}, (404, "Missing.")),
        ((), {"missing": Problem(410, "Gone.")}, (410, "Gone.")),
        ((), {"old": MINE}, CHANGED),
        ((), {"sent": "1"}, (404, "Missing.")),
        ((), {"sent": "1", "if_match": True}, STALE),
        ((), {"sent": "*", "if_match": True}, STALE),
        ((), {"if_match": True}, (404, "Missing.")),
        ((), {"sent": "1", "if_match": True, "old": MINE}, STALE),
        ((), {"sent": "x", "if_match": True, "old": MINE}, STALE),
        ((), {"sent": "2", "if_match": True, "old": MINE}, CHANGED),
        ((), {"sent": "*", "if_match": True, "old": MINE}, CHANGED),
        ((OWN,), {"old": {"owner": {"S": "bob"}}}, (404, "There is none.")),
        ((OWN,), {"old": {}, "sent": "2"}, (404, "There is none.")),
        ((OWN, DONE), {"old": MINE | {"done": {"BOOL": True}}}, (202, None)),
        ((OWN, DONE), {"old": {"owner": {"S": "bob"}, "done": {"BOOL": True}}}, (404, "There is none.")),
        ((DONE, OWN), {"old": {"owner": {"S": "bob"}, "done": {"BOOL": True}}}, (202, None)),
        ((SMALL, OWN, DONE), {"old": MINE}, (422, "Too large.")),
        ((SMALL, OWN), {"old": {"owner": {"S": "bob"}}}, (404, "There is none.")),
        ((OWN, DONE), {"old": MINE}, CHANGED),
    ],
    ids=str,
)
def test_the_first_condition_that_failed_decides_the_answer(render, conditions, given, expected):
    assert answered(render, *conditions, **given) == expected


def test_of_several_conditions_that_no_template_can_tell_none_would_be_blamed_rightly():
    preconditions = Preconditions(key=KEY, conditions=(SMALL, SMALL))
    with pytest.raises(RouteError, match=r"at most one condition may be an ordering or .*; got 2$") as error:
        preconditions.told_apart(Bindings.of_answer(), Succeed())
    assert "the answer is found by ruling out the others" in str(error.value)
