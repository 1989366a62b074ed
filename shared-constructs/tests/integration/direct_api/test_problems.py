"""Every error has one shape, whoever answers: the gateway, a direct route, a workflow or a function."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from apigateway_engine import BackendResponse
from botocore.exceptions import ClientError
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field
from service_runtime.problems import Problem
from service_runtime.rest import rest_router
from service_testing import Deployment

TEXT = {"type": "string", "minLength": 1}
ONE_SHAPE = Draft202012Validator(
    {
        "type": "object",
        "required": ["type", "title", "status", "detail", "instance"],
        "properties": {
            **dict.fromkeys(("type", "title", "detail", "instance"), TEXT),
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "errors": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["pointer", "detail"],
                    "properties": {"pointer": {"type": "string", "pattern": "^#(/.*)?$"}, "detail": TEXT},
                    "additionalProperties": False,
                },
            },
        },
    }
)
ALICE = {"sub": "alice", "scope": "commerce/shop"}
ORDER = {"receiptId": "r-1", "quantity": 1}
NO_LINE = {"pointer": "#/items/0", "detail": "No such line."}


def assert_problem(answer: Any, status: int) -> None:
    assert answer.status == status, answer.body
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Correlation-Id"]
    document = json.loads(answer.body)
    ONE_SHAPE.validate(document)
    assert document["status"] == status


@pytest.fixture(scope="module")
def ask(everything):
    """Ask a route whose service answers as told."""
    told = BackendResponse(status=200)
    with Deployment(everything, backend=lambda _: told) as deployment:

        def ask(method: str, path: str, answer: tuple[int, Any] = (200, {}), **request: Any) -> Any:
            nonlocal told
            told = BackendResponse(status=answer[0], body=json.dumps(answer[1]))
            return deployment.request(method, path, **request)

        yield ask


GATEWAY = [
    ("PATCH", "/notes/n-1", {}, 404),
    ("GET", "/orders/o-1", {}, 401),
    ("GET", "/orders/o-1", {"claims": {"sub": "alice", "scope": "openid"}}, 403),
    ("PUT", "/notes/n-1", {"body": {}}, 400),
    ("PUT", "/notes/n-1", {"body": "<note/>", "headers": {"Content-Type": "text/xml"}}, 415),
    ("POST", "/webhooks", {"body": {}}, 400),
]


@pytest.mark.parametrize(("method", "path", "request_", "status"), GATEWAY)
def test_the_gateways(ask, method, path, request_, status):
    assert_problem(ask(method, path, **request_), status)


FAILED = {"__type": "ConditionalCheckFailedException"}
ITEM = {"Item": {"pk": {"S": "x"}, "version": {"N": "3"}}}
DIRECT = [
    ("GET", "/notes/n-1", (200, {}), {}, 404),
    ("GET", "/notes/n-1", (400, {"__type": "ValidationException"}), {}, 400),
    ("GET", "/notes/n-1", (400, {"__type": "AccessDeniedException"}), {}, 500),
    ("GET", "/notes/n-1", (400, {"__type": "ThrottlingException"}), {}, 503),
    ("GET", "/notes/n-1", (500, {}), {}, 503),
    ("PUT", "/notes/n-1", (400, FAILED), {"body": {"title": "t"}}, 409),
    ("DELETE", "/notes/n-1", (400, FAILED | ITEM), {"headers": {"If-Match": "1"}}, 412),
    ("POST", "/orders/o-1/cancellation", (400, FAILED), {"claims": ALICE}, 404),
]


@pytest.mark.parametrize(("method", "path", "answer", "request_", "status"), DIRECT)
def test_a_direct_routes(ask, method, path, answer, request_, status):  # noqa: PLR0917 - pytest gives them by name
    assert_problem(ask(method, path, answer, **request_), status)


WORKFLOW = [
    ({"status": "SUCCEEDED", "output": json.dumps({"problem": {"status": 422, "detail": "No."}})}, 422),
    (
        {
            "status": "SUCCEEDED",
            "output": json.dumps({"problem": {"status": 409, "detail": "No.", "errors": [NO_LINE]}}),
        },
        409,
    ),
    ({"status": "SUCCEEDED", "output": json.dumps({"problem": {"status": 499, "detail": "Gone."}})}, 499),
    ({"status": "SUCCEEDED", "output": json.dumps({"problem": {"status": 422}})}, 500),
    ({"status": "FAILED", "error": "PricesChanged"}, 503),
    ({"status": "FAILED", "error": "Unheard"}, 500),
    ({"status": "TIMED_OUT"}, 504),
]


@pytest.mark.parametrize(("outcome", "status"), WORKFLOW)
def test_a_workflows(ask, outcome, status):
    headers = {"Idempotency-Key": "k-1"}
    assert_problem(ask("POST", "/orders", (200, outcome), body=ORDER, headers=headers, claims=ALICE), status)


class Line(BaseModel):
    quantity: Annotated[int, Field(ge=1)]


FUNCTION = [
    ("GET", "/nowhere", None, 404),
    ("PUT", "/lines/1", "{", 400),
    ("PUT", "/lines/1", '{"quantity": 0}', 400),
    ("PUT", "/lines/x", '{"quantity": 1}', 400),
    ("GET", "/problem", None, 409),
    ("GET", "/named", None, 422),
    ("GET", "/throttled", None, 503),
    ("GET", "/broken", None, 500),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), FUNCTION)
def test_a_functions(method, path, body, status):
    app = rest_router()

    @app.put("/lines/<number>")
    def put(number: int, line: Line) -> dict[str, Any]:
        return {"number": number, "quantity": line.quantity}

    def fails(error: Exception) -> Any:
        def fail() -> None:
            raise error

        return fail

    app.get("/problem")(fails(Problem(409)))
    app.get("/named")(fails(Problem(422, detail="No.", errors=[NO_LINE])))
    app.get("/throttled")(fails(ClientError({"Error": {"Code": "ThrottlingException"}}, "PutItem")))
    app.get("/broken")(fails(RuntimeError("secret")))
    event = {
        "httpMethod": method,
        "path": path,
        "headers": {"Content-Type": "application/json"},
        "body": body,
        "requestContext": {"requestId": "request-1"},
    }
    given = app(event, SimpleNamespace())
    headers = {name: values[0] for name, values in given["multiValueHeaders"].items()}
    assert_problem(SimpleNamespace(status=given["statusCode"], headers=headers, body=given["body"]), status)
