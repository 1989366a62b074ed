"""Which pages may read an API's answers, its own and the gateway's."""

from __future__ import annotations

import pytest
from aws_cdk import Duration
from shared_constructs.direct_api import Cors

SHOP, DESK = "https://shop.example.com", "https://desk.example.com"
EXPOSED = "'Content-Type,ETag,Location,Retry-After,X-Correlation-Id'"


@pytest.mark.parametrize(
    ("origins", "answers", "gateway"),
    [
        ((SHOP,), {"Access-Control-Allow-Origin": f"'{SHOP}'", "Vary": "'Origin'"}, f"'{SHOP}'"),
        (("*",), {"Access-Control-Allow-Origin": "'*'"}, "'*'"),
        ((SHOP, DESK), {"Vary": "'Origin'"}, "'*'"),
    ],
    ids=str,
)
def test_answers_say_which_page_may_read_them(origins, answers, gateway):
    cors = Cors(origins=origins)
    assert cors.headers() == answers | {"Access-Control-Expose-Headers": EXPOSED}
    assert cors.gateway_headers() == {
        "Access-Control-Allow-Origin": gateway,
        "Access-Control-Expose-Headers": EXPOSED,
    }


@pytest.mark.parametrize("name", ["Origin", "origin"])
@pytest.mark.parametrize(
    ("origin", "allowed"),
    [(SHOP, SHOP), (DESK, DESK), ("https://other.example.com", None), (f"{SHOP}.x", None)],
)
def test_of_several_origins_the_callers_is_answered_if_it_is_one(render, name, origin, allowed):
    rendered = render(Cors(origins=(SHOP, DESK)).template(), headers={name: origin})
    assert rendered.override["header"].get("Access-Control-Allow-Origin") == allowed
    assert rendered.text.strip() == ""


def test_a_caller_without_an_origin_is_no_page(render):
    assert render(Cors(origins=(SHOP, DESK)).template()).override["header"] == {}


def test_one_origin_needs_no_template():
    assert (Cors(origins=(SHOP,)).template(), Cors(origins=("*",)).template()) == ("", "")


def test_a_preflight_allows_what_the_api_takes_and_for_how_long():
    asked = Cors(origins=(SHOP, DESK), max_age=Duration.minutes(5)).preflight()
    assert asked.allow_origins == [SHOP, DESK]
    assert asked.allow_methods == ["DELETE", "GET", "PATCH", "POST", "PUT"]
    assert asked.allow_headers == [
        "Authorization",
        "Content-Type",
        "Idempotency-Key",
        "If-Match",
        "X-Correlation-Id",
    ]
    assert asked.expose_headers == ["Content-Type", "ETag", "Location", "Retry-After", "X-Correlation-Id"]
    assert asked.max_age.to_seconds() == 300
    assert Cors(origins=(SHOP,)).preflight().max_age.to_seconds() == 3600


@pytest.mark.parametrize("origins", [(), ("*", SHOP), (SHOP, "*")])
def test_all_origins_and_some_are_a_contradiction(origins):
    with pytest.raises(ValueError, match=r"^Cors needs origins: some, or only '\*', got \["):
        Cors(origins=origins)
