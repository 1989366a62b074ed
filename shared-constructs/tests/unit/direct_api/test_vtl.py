"""Pieces of mapping templates: nothing breaks out of them, and what is joined is well-formed whatever is absent."""

from __future__ import annotations

import itertools
import json
import re
from urllib.parse import parse_qs

import pytest
from aws_cdk import Token
from service_testing import HOSTILE_VALUES
from shared_constructs.direct_api import vtl
from shared_constructs.direct_api.bindings import Bindings
from shared_constructs.direct_api.values import header

# A quarter of the values that the integration tests send.
NASTY = [
    *HOSTILE_VALUES[::4],
    '"',
    "\\",
    "\\'",
    "it's",
    "#end",
    "$x",
    "a&b=c+d%41 /é",
    "😀",
    "\n\t\u2028",
    " ~",
    "\x7f",
    "",
]


@pytest.mark.parametrize("value", NASTY, ids=repr)
def test_static_text_is_itself_to_json_and_nothing_to_velocity(render, value):
    assert re.fullmatch(r"([ !%-\[\]-~]|\\u[0-9a-f]{4})*", vtl.json_text(value))
    assert vtl.json_string(value) == f'"{vtl.json_text(value)}"'
    assert render(vtl.json_string(value)).json() == value


def test_only_what_has_to_be_is_written_as_a_code():
    plain = "".join(map(chr, range(0x20, 0x7F))).translate({ord(each): None for each in '"\\#$'})
    assert vtl.json_text(plain) == plain
    assert vtl.json_text('"\\#$\x1f\x7f😀') == "\\u0022\\u005c\\u0023\\u0024\\u001f\\u007f\\ud83d\\ude00"


def test_what_is_known_at_deployment_passes_through():
    token = Token.as_string({"Ref": "Queue"})
    assert (vtl.json_text(token), vtl.url_text(token)) == (token, token)


@pytest.mark.parametrize("value", NASTY, ids=repr)
def test_static_text_is_itself_in_a_form(value):
    assert re.fullmatch(r"[A-Za-z0-9_.~%-]*", vtl.url_text(value))
    assert parse_qs(f"a={vtl.url_text(value)}", keep_blank_values=True) == {"a": [value]}


def test_a_literal_is_never_interpolated_and_cannot_end_early(render):
    assert render(f'#if("$context.stage" == {vtl.literal("prod")})yes#end').text == "yes"
    assert render(f"#set($a = {vtl.literal('$context.stage #end')})$a").text == "$context.stage #end"
    for refused in ("it's", "a\nb", "\x00"):
        with pytest.raises(ValueError, match="neither a single quote nor control characters, got") as error:
            vtl.literal(refused)
        assert repr(refused) in str(error.value)


def test_names_and_references():
    assert vtl.identifier("header", "X-Correlation-Id", "é1") == "header_X_Correlation_Id__1"
    assert vtl.formal("$name") == "${name}"
    assert vtl.quiet("$item.get('a')") == "\"$!item.get('a')\""


def test_plain_json_is_json_and_nothing_to_velocity(render):
    value = {"a": ["#end", "$x", 1, None], "b": {"c": True}}
    text = vtl.json_constant(value)
    assert text == '{"a":["\\u0023end","\\u0024x",1,null],"b":{"c":true}}'
    assert render(text).json() == value


def test_one_of_several_parts_is_there():
    assert vtl.either(["a", None]) is None
    assert vtl.either(["a", "b", "a"]) == "(a) || (b)"
    assert vtl.when(None, "x") == "x"
    assert vtl.when("c", "x") == "#if(c)x#end"


@pytest.mark.parametrize(("number", "said"), [("1", "one"), ("2", "two"), ("3", "three"), ("4", "many")])
def test_the_first_condition_that_holds_decides(render, number, said):
    at_least = [(f"{number} == {n}", text) for n, text in enumerate(("one", "two", "three"), 1)]
    assert render(vtl.first_of([*at_least, ("true", "many")], "none")).text.strip() == said
    assert render(vtl.first_of(at_least, "none")).text.strip() == (said if said != "many" else "none")


@pytest.mark.parametrize("there", list(itertools.product([True, False, None], repeat=3)), ids=str)
def test_entries_are_joined_whichever_of_them_are_there(render, there):
    """None: always there. Those come first, since then no other needs to know whether it is the first."""
    conditions = [None if each is None else str(each).lower() for each in there]
    entries = list(zip(conditions, "abc", strict=True))
    always = [text for condition, text in entries if condition is None]
    given = [*always, *(text for condition, text in entries if condition == "true")]
    assert render(vtl.joined(entries)).text == ",".join(given)
    worded = vtl.joined(entries, comma=" AND ", first="SET ", separator="x")
    assert render(worded).text == ("SET " + " AND ".join(given) if given else "")


def test_joins_are_nested_under_names_of_their_own(render):
    inner = vtl.joined([("false", "a"), ("true", "b"), ("true", "c")], separator="inner")
    assert render(vtl.joined([("true", f"[{inner}]"), ("true", "d")], separator="outer")).text == "[b,c],d"
    assert render(vtl.joined([("true", "a"), ("true", "${sep}")])).text == "a,,"


@pytest.mark.parametrize("value", [each for each in NASTY if each], ids=repr)
def test_a_callers_text_stays_one_text_wherever_it_goes(render, value):
    said = header("X-Said", pattern=r"[\s\S]*")

    def written(encoding: vtl.Encoding, before: str, after: str) -> str:
        bindings = Bindings()
        document = bindings.document({"said": said, "n#": [1, True, None]}, encoding)
        made = render(f"{bindings.head()}\n{before}{document}{after}", headers={"x-said": value}).text
        return made.removeprefix("\n")

    expected = {"said": value, "n#": [1, True, None]}
    assert json.loads(written(vtl.JSON, "", "")) == expected
    assert json.loads(json.loads(written(vtl.JSON_IN_STRING, '{"input":"', '"}'))["input"]) == expected
    assert json.loads(parse_qs(written(vtl.JSON_IN_FORM, "a=1&b=", ""))["b"][0]) == expected
    bindings = Bindings()
    text = bindings.string(said, vtl.FORM)
    form = render(f"{bindings.head()}\na={text}&c=2", headers={"X-Said": value}).text.strip()
    assert parse_qs(form, keep_blank_values=True) == {"a": [value], "c": ["2"]}


def test_a_body_is_written_as_it_is_wherever_it_goes(render):
    body = {"a": ['"', "\\", "it's", "&="], "b": None}
    in_string = vtl.JSON_IN_STRING.json("$input.json('$')")
    assert json.loads(render(f'{{"input":"{in_string}"}}', body=body).json()["input"]) == body
    assert json.loads(parse_qs(f"a={render(vtl.FORM.json('$input.body'), body=body).text}")["a"][0]) == body
