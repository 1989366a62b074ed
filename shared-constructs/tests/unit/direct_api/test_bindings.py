"""What a template reads, and where from."""

from __future__ import annotations

import re

import pytest
from pydantic import BaseModel
from shared_constructs.direct_api import (
    RouteError,
    body,
    claim,
    correlation_id,
    equals,
    header,
    path,
    query,
    request_epoch,
    request_id,
    request_time,
    text,
)
from shared_constructs.direct_api.bindings import Bindings
from shared_constructs.direct_api.dynamodb.expressions import holds
from shared_constructs.direct_api.values import (
    PRINTABLE,
    SAFE,
    BodyField,
    Claim,
    Context,
    Parameter,
    Source,
    Text,
)
from shared_constructs.direct_api.vtl import JSON


class Price(BaseModel):
    amount: int
    currency: str | None = None


class Thing(BaseModel):
    name: str
    note: str | None = None
    count: int | None = None
    price: Price | None = None
    tags: list[str] = []


def test_what_the_gateway_knows_is_compared_and_joined_by_its_value():
    answer = Bindings.of_answer()
    assert str(holds(answer, "$old", equals("causationId", request_id()))).endswith("== $requestId")
    joined = answer.joined_text(["/jobs/", request_id()])
    assert answer.head().endswith(f'#set({joined} = "${{static1}}${{requestId}}")')


def accepted(render, *values, **request) -> bool:
    """Whether a request with these values goes on to the service."""
    bindings = Bindings()
    for value in values:
        bindings.reference(value)
    return {"true": True, "false": False}[
        render(f"#set($ok = true)\n{bindings.head()}\n$ok", **request).text.strip()
    ]


ID = path("id", pattern="[a-z]{1,3}")
LIMIT = query("limit", pattern="[0-9a-z]+", number=True)


@pytest.mark.parametrize(
    ("value", "request_parts", "expected"),
    [
        (ID, {"path": {"id": "abc"}}, True),
        (ID, {"path": {"id": "abcd"}}, False),
        (ID, {"path": {"id": "abc\n"}}, False),
        (ID, {"path": {}}, False),
        (ID, {"query": {"id": "abc"}}, False),
        (LIMIT, {"query": {"limit": "7"}}, True),
        (LIMIT, {"query": {"limit": "x"}}, False),
        (LIMIT, {"query": {"limit": "7-"}}, False),
        (LIMIT, {}, True),
        (query("by", required=True), {}, False),
        (query("by", required=True), {"query": {"by": "me"}}, True),
        (query("by"), {"query": {"by": "a b"}}, False),
        (query("by"), {}, True),
        (header("X-By"), {}, True),
        (header("X-By"), {"headers": {"x-bY": "a b"}}, True),
        (header("X-By"), {"headers": {"X-By": "a\x00b"}}, False),
        (header("X-By", required=True), {}, False),
        (header("X-By", required=True), {"headers": {"x-by": "me"}}, True),
        (header("X-By", pattern="[a-z]"), {"headers": {"X-By": "ab"}}, False),
        (claim("sub"), {"claims": {"sub": "u-1"}}, True),
        (claim("sub"), {"claims": {"sub": ""}}, False),
        (claim("sub"), {"claims": {}}, False),
        (claim("cognito:groups"), {"claims": {"cognito:groups": "[a]"}}, True),
        (claim("cognito:groups"), {"claims": {"cognito": "[a]"}}, False),
        (path("n", pattern=".+", number=True), {"path": {"n": "-1.5e3"}}, True),
        (path("n", pattern=".+", number=True), {"path": {"n": "1;"}}, False),
        (correlation_id(), {"headers": {"X-Correlation-Id": "\x00"}}, True),
    ],
    ids=str,
)
def test_a_request_goes_on_with_acceptable_values_alone(render, value, request_parts, expected):
    assert accepted(render, value, **request_parts) is expected


def test_an_answer_has_nothing_left_to_refuse():
    answer = Bindings.of_answer()
    answer.reference(ID)
    answer.reference(claim("sub"))
    assert "$ok" not in answer.head()


def shown(render, value, model=None, **request) -> str:
    """What a value is in a template."""
    bindings = Bindings(model)
    reference = bindings.reference(value)
    return render(f"{bindings.head()}[{reference}]", **request).text.strip()[1:-1].rpartition("[")[2]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (path("id"), "p1"),
        (query("id"), "q1"),
        (query("absent"), ""),
        (header("X-ID"), "h1"),
        (claim("sub"), "alice"),
        (claim("cognito:groups"), "admins"),
        (body("name"), "Zoë"),
        (body("price.amount"), "5"),
        (body("note"), ""),
        (request_id(), "request-1"),
        (request_time(), "2026-02-09T06:38:03.512Z"),
        (request_epoch(), "1770619083"),
        (correlation_id(), "request-1"),
        (path("id").beginning(1), "p"),
        (path("id").beginning(9), "p1"),
    ],
    ids=str,
)
def test_each_value_is_read_from_its_place(render, value, expected):
    given = {
        "path": {"id": "p1"},
        "query": {"id": "q1"},
        "headers": {"x-id": "h1"},
        "claims": {"sub": "alice", "cognito:groups": "admins"},
        "body": {"name": "Zoë", "price": {"amount": 5}},
    }
    assert shown(render, value, Thing, **given) == expected


@pytest.mark.parametrize(
    ("sent", "taken"), [("abc-123", True), ("a" * 64, True), ("a" * 65, False), ("a b", False), ("", False)]
)
def test_a_correlation_id_is_the_callers_if_it_looks_like_one(render, sent, taken):
    read = shown(render, correlation_id(), headers={"x-correlation-id": sent})
    assert read == (sent if taken else "request-1")


def test_a_value_is_read_once_and_what_is_stricter_counts(render):
    bindings = Bindings()
    optional, required = query("by"), query("by", required=True)
    assert bindings.reference(optional) == bindings.reference(required) == bindings.reference(optional)
    assert len([line for line in bindings.lines if "params()" in line]) == 1
    assert list(bindings.parameters.values()) == [required]
    assert not accepted(render, optional, required)
    bindings.reference(query("by", pattern="[a-z]"))
    assert list(bindings.parameters.values()) == [required]
    twice = Bindings()
    twice.reference(header("X-By"))
    twice.reference(header("X-By", required=True))
    assert len([line for line in twice.lines if "params()" in line]) == 1


def test_the_body_is_parsed_once_and_each_part_of_it_looked_for_once():
    bindings = Bindings(Thing)
    for name in ("name", "count", "name"):
        bindings.reference(body(name))
    for _ in range(2):
        bindings.presence(body("price"))
    lines = "\n".join(bindings.lines)
    assert lines.count("$input.path('$')") == 1
    assert lines.count("$body.get('price')") == 1
    assert lines.count("$body.get('name')") == 1


def test_callers_are_told_the_rules_of_what_is_read():
    bindings = Bindings()
    for value in (query("limit", pattern="[1-9]", says="be small"), ID, header("X-By", pattern="[a-z]+")):
        bindings.reference(value)
    bindings.reference(correlation_id())
    assert bindings.rules() == [
        "header X-By must match [a-z]+",
        "path value id must match [a-z]{1,3}",
        "query parameter limit must be small",
    ]


def test_which_claims_are_read_is_known():
    bindings = Bindings()
    bindings.reference(claim("sub"))
    assert bindings.claims == {"sub"}


def test_each_value_is_what_its_name_says():
    assert path("a") == Parameter(Source.PATH, "a", SAFE, required=True, number=False)
    assert query("a") == Parameter(Source.QUERY, "a", SAFE, required=False, number=False)
    assert header("a") == Parameter(Source.HEADER, "a", PRINTABLE, required=False, number=False)
    assert path("a", pattern="x", number=True) == Parameter(Source.PATH, "a", "x", required=True, number=True)
    asked = query("a", pattern="x", required=True, number=True, says="be x")
    assert asked == Parameter(Source.QUERY, "a", "x", required=True, number=True, says="be x")
    sent = header("a", pattern="x", required=True)
    assert sent == Parameter(Source.HEADER, "a", "x", required=True, number=False)
    assert (sent.length, sent.beginning(3).length) == (None, 3)
    assert (body("a.b"), body()) == (BodyField(("a", "b")), BodyField(()))
    assert (claim("sub"), text("a", claim("sub"))) == (Claim("sub"), Text(("a", Claim("sub"))))
    known = (correlation_id(), request_id(), request_time(), request_epoch())
    assert known == (Context.CORRELATION_ID, Context.REQUEST_ID, Context.REQUEST_TIME, Context.REQUEST_EPOCH)


def test_a_pattern_that_would_end_early_or_is_none_is_refused():
    with pytest.raises(ValueError, match="the pattern of 'id' can hold no single quote"):
        path("id", pattern="it's")
    with pytest.raises(re.error):
        path("id", pattern="(")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "nope",
            "body('nope'): 'nope' is not a field; allowed are ['name', 'note', 'count', 'price', 'tags']",
        ),
        ("price.nope", "body('price.nope'): 'nope' is not a field; allowed are ['amount', 'currency']"),
        (
            "name.more",
            "body('name.more'): 'more' is not a field; the operation needs a request model with it",
        ),
        ("", "the whole body() can only be a message or a workflow's input"),
        ("tags", "body('tags') is Elements, but a single value is needed here"),
        ("price", "body('price') is Structure, but a single value is needed here"),
    ],
)
def test_a_field_that_cannot_be_read_is_refused(value, message):
    with pytest.raises(RouteError) as error:
        Bindings(Thing).reference(body(value))
    assert str(error.value) == message


def test_the_fields_of_the_body_are_known_by_their_names():
    assert list(Bindings(Thing).body_fields().items()) == [
        (name, body(name)) for name in ("name", "note", "count", "price", "tags")
    ]
    assert Bindings().body_fields() == {}


def test_what_is_absent_is_left_out(render):
    document = {
        "always": "x",
        "note": body("note"),
        "count": body("count"),
        "price": body("price"),
        "currency": body("price.currency"),
        "by": query("by"),
        "both": text("#", query("by"), "-", query("at")),
        "id": request_id(),
        "name": body("name"),
        "none": None,
        "list": [1, "a", False],
        "epoch": request_epoch(),
        "limit": LIMIT,
    }

    def written(sent: dict[str, object], asked: dict[str, str]):
        bindings = Bindings(Thing)
        rendered = bindings.document(document, JSON)
        return render(f"{bindings.head()}\n{rendered}", body=sent, query=asked).json()

    always = {
        "always": "x",
        "id": "request-1",
        "name": "n",
        "none": None,
        "list": [1, "a", False],
        "epoch": 1770619083,
    }
    assert written({"name": "n"}, {}) == always
    everything = {"name": "n", "note": "", "count": 0, "price": {"amount": 1, "currency": "EUR"}}
    assert written(everything, {"by": "me", "at": "now", "limit": "5"}) == always | {
        "note": "",
        "count": 0,
        "price": {"amount": 1, "currency": "EUR"},
        "currency": "EUR",
        "by": "me",
        "both": "#me-now",
        "limit": 5,
    }
    assert written({"name": "n", "price": {"amount": 1}}, {"by": "me"}) == always | {
        "price": {"amount": 1},
        "by": "me",
    }


def test_texts_are_joined_from_what_is_fixed_and_what_is_read(render):
    bindings = Bindings()
    first = bindings.joined_text(["/a/", path("id"), "/b/", request_id()])
    second = bindings.joined_text([path("id"), "$x"])
    made = render(f"{bindings.head()}\n{first} {second}", path={"id": "7"}).text.strip()
    assert made == "/a/7/b/request-1 7$x"
