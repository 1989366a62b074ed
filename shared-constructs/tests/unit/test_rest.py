"""A REST handler answers whatever it is sent: 4xx for what it cannot accept, never 5xx."""

import json
from http import HTTPStatus
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from botocore.exceptions import ClientError
from pydantic import Field
from service_runtime.envelope import WireModel
from service_runtime.problems import Problem
from service_runtime.rest import RestRouter, Route, claims, rest_router


class Order(WireModel):
    quantity: Annotated[int, Field(strict=True, ge=1, le=99)]


class Placed(WireModel):
    order_id: str
    quantity: int


@pytest.fixture
def app(monkeypatch) -> RestRouter:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "commerce")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "shop")
    app = rest_router()

    @app.put("/things/<thing>")
    def put(thing: Annotated[str, Field(pattern="^[A-Z]{1,5}$")], order: Order) -> dict[str, Any]:
        return {"thing": thing, "quantity": order.quantity}

    @app.post("/orders", status=HTTPStatus.CREATED)
    def place(order: Order) -> Placed:
        return Placed(order_id="o-1", quantity=order.quantity)

    @app.delete("/things/<thing>")
    def remove(thing: str) -> None: ...

    @app.get("/busy")
    def busy() -> None:
        raise Problem(503, detail="Busy.", headers={"Retry-After": "1"})

    @app.get("/throttled")
    def throttled() -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException"}}, "PutItem")

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("secret cause")

    @app.get("/lookup")
    def lookup() -> None:
        raise KeyError("shelf")

    app.problem_of(LookupError, lambda error: Problem(409, detail=f"No {error.args[0]}."))
    return app


def answer(app, method: str, path: str, body: str | None = None, **event) -> SimpleNamespace:
    headers = {"Content-Type": event.pop("content_type", "application/json"), **event.pop("headers", {})}
    proxy_event = {
        "httpMethod": method,
        "path": path,
        "headers": {name: value for name, value in headers.items() if value},
        "body": body,
        "requestContext": {"requestId": "request-1"},
        **event,
    }
    raw = app(proxy_event, SimpleNamespace())
    headers = {name: values[0] for name, values in raw["multiValueHeaders"].items()}
    return SimpleNamespace(status=raw["statusCode"], headers=headers, body=json.loads(raw["body"] or "null"))


@pytest.mark.parametrize("content_type", [None, "application/json", "APPLICATION/JSON; charset=utf-8"])
def test_json_is_read_however_its_type_is_written(app, content_type):
    given = answer(app, "PUT", "/things/ABC", '{"quantity": 3}', content_type=content_type)
    assert (given.status, given.body) == (200, {"thing": "ABC", "quantity": 3})


def test_a_body_may_arrive_base64_encoded(app):
    given = answer(app, "PUT", "/things/ABC", "eyJxdWFudGl0eSI6IDN9", isBase64Encoded=True)
    assert given.body["quantity"] == 3


def test_what_is_returned_is_the_body_by_its_names_on_the_wire(app):
    given = answer(app, "POST", "/orders", '{"quantity": 3}')
    assert (given.status, given.body) == (201, {"orderId": "o-1", "quantity": 3})
    assert given.headers["Content-Type"] == "application/json"


def test_nothing_is_an_answer_without_a_body(app):
    given = answer(app, "DELETE", "/things/ABC")
    assert (given.status, given.body) == (204, None)
    assert "Content-Type" not in given.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nowhere"), ("PUT", "/orders"), ("DELETE", "/things/a/b"), ("DELETE", "/things/")],
)
def test_what_no_route_answers_is_not_found(app, method, path):
    assert answer(app, method, path).status == 404


@pytest.mark.parametrize("path", ["/busy/", "/busy//", "/v2/busy"])
def test_a_trailing_slash_and_a_major_name_the_same_route(app, path):
    assert answer(app, "GET", path).status == 503


def test_an_exception_of_the_services_own_is_answered_as_it_says_subclasses_too(app):
    given = answer(app, "GET", "/lookup")
    assert (given.status, given.body["detail"]) == (409, "No shelf.")


def test_faults_of_path_and_body_are_told_at_once(app):
    given = answer(app, "PUT", "/things/abc", '{"quantity": 0}')
    assert "path thing: " in given.body["detail"]
    assert [error["pointer"] for error in given.body["errors"]] == ["#/quantity"]


@pytest.mark.parametrize("path", ["/things", "/things/<thing>/<other>"])
def test_a_function_that_cannot_be_given_its_arguments_is_no_route(path):
    def function(thing: str, order: Order) -> None: ...

    with pytest.raises(ValueError, match=r"function must take .* of /things.* and at most one body"):
        Route(method="PUT", path=path, function=function)


def test_the_base_path_of_a_custom_domain_is_not_part_of_the_route(app):
    assert answer(app, "PUT", "/v1/things/ABC", '{"quantity": 3}').status == 200


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx"],
)
def test_any_other_type_is_unsupported(app, content_type):
    given = answer(app, "PUT", "/things/ABC", '{"quantity": 3}', content_type=content_type)
    assert given.status == 415
    assert content_type in given.body["detail"]


@pytest.mark.parametrize(
    "body",
    ["{", "{'quantity': 3}", '{"quantity": ' + "9" * 5000 + "}", "[" * 100_000],
    ids=["open", "not JSON", "huge integer", "nested too deeply"],
)
def test_what_is_not_json_is_a_bad_request(app, body):
    given = answer(app, "PUT", "/things/ABC", body)
    assert (given.status, given.body["detail"]) == (400, "The body is not valid JSON.")


@pytest.mark.parametrize("body", [None, "", "null", "[]", "3", '"x"', '[{"quantity": 3}]'])
def test_a_body_that_is_no_object_is_a_bad_request(app, body):
    given = answer(app, "PUT", "/things/ABC", body)
    assert (given.status, given.body["errors"][0]["pointer"]) == (400, "#")


@pytest.mark.parametrize("quantity", ["0", "100", "1.0", '"3"', "true", "null", "NaN"])
def test_an_invalid_field_is_named(app, quantity):
    given = answer(app, "PUT", "/things/ABC", f'{{"quantity": {quantity}}}')
    assert (given.status, given.body["errors"][0]["pointer"]) == (400, "#/quantity")
    assert given.headers["Content-Type"] == "application/problem+json"


def test_an_invalid_path_value_is_named(app):
    given = answer(app, "PUT", "/things/abc", '{"quantity": 3}')
    assert given.status == 400
    assert "path thing: " in given.body["detail"]
    assert "errors" not in given.body


def test_a_path_does_not_lose_a_trailing_line_feed(app):
    given = answer(app, "PUT", "/things/ABC\n", '{"quantity": 3}')
    assert (given.status, given.headers["Content-Type"]) == (400, "application/problem+json")


def test_a_problem_keeps_its_headers_and_the_correlation_id(app):
    given = answer(app, "GET", "/busy", headers={"x-correlation-id": "c-1"})
    assert (given.status, given.headers["Retry-After"], given.headers["X-Correlation-Id"]) == (
        503,
        "1",
        "c-1",
    )


def test_an_unacceptable_correlation_id_is_replaced(app):
    assert (
        answer(app, "GET", "/busy", headers={"x-correlation-id": "c 1"}).headers["X-Correlation-Id"]
        == "request-1"
    )


def test_the_instance_is_the_request(app):
    assert answer(app, "GET", "/busy", headers={"x-correlation-id": "c-1"}).body["instance"] == "request-1"


def test_a_pointer_escapes_what_json_pointers_give_a_meaning(app):
    @app.put("/labels")
    def label(labels: dict[str, int]) -> dict[str, int]:
        return labels

    given = answer(app, "PUT", "/labels", '{"a/b~c": "x"}')
    assert [error["pointer"] for error in given.body["errors"]] == ["#/a~1b~0c"]


def test_an_unexpected_failure_hides_its_cause(app):
    given = answer(app, "GET", "/broken")
    assert given.status == 500
    assert "secret" not in json.dumps(given.body)


def test_a_throttled_service_is_a_reason_to_come_back(app):
    given = answer(app, "GET", "/throttled")
    assert (given.status, given.headers["Retry-After"]) == (503, "1")


@pytest.mark.parametrize(
    ("origins", "caller", "allowed", "vary"),
    [
        ("*", "https://a.example", "*", None),
        ("https://a.example,https://b.example", "https://b.example", "https://b.example", "Origin"),
        ("https://a.example", "https://evil.example", None, "Origin"),
        ("https://a.example", None, None, "Origin"),
        ("", "https://a.example", None, None),
    ],
)
def test_only_the_stages_origins_may_read_answers_and_problems(monkeypatch, origins, caller, allowed, vary):
    """A cache that keeps an answer for one origin must not give it to another: Vary, also without one."""
    monkeypatch.setenv("CORS_ORIGINS", origins)
    for content_type in ("application/json", "text/plain"):
        given = answer(
            rest_router(), "PUT", "/nowhere", "{}", content_type=content_type, headers={"origin": caller}
        )
        assert given.headers.get("Access-Control-Allow-Origin") == allowed
        assert given.headers.get("Vary") == vary


def test_a_problem_is_a_document_as_the_rfc_has_it(app):
    given = answer(app, "GET", "/nowhere").body
    assert given == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "Not found",
        "instance": "request-1",
    }


def test_a_problem_may_have_a_type_and_a_title_of_its_own():
    problem = Problem(409, detail="Gone already.", type="https://shop.example/sold-out", title="Sold out")
    assert str(problem) == "409 Sold out: Gone already."
    assert (problem.type, problem.title) == ("https://shop.example/sold-out", "Sold out")


def test_claims_are_those_that_the_gateway_has_verified():
    assert claims({"requestContext": {"authorizer": {"claims": {"sub": "alice"}}}}) == {"sub": "alice"}
    for nobody in ({}, {"requestContext": None}, {"requestContext": {"authorizer": None}}):
        assert claims(nobody) == {}


def test_a_missing_body_is_told_beside_a_fault_of_the_path(app):
    given = answer(app, "PUT", "/things/toolong").body
    assert "thing" in given["detail"]
    assert given["errors"] == [{"pointer": "#", "detail": "Field required"}]
