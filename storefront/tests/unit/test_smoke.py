"""The smoke test against a server that keeps its promises but for one."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
from moto import mock_aws
from rich.console import Console
from storefront.client import Caller, Commerce, StorefrontError
from storefront.smoke import run, selected
from storefront.smoke.visit import Visit, published

PROBLEM = "application/problem+json"
COMPONENTS = {
    "schemas": {
        "Problem": {"type": "object", "required": ["title", "instance"]},
        "Note": {"type": "object", "required": ["text"]},
    }
}
REFUSED = {"content": {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
NOTE = {"name": "noteId", "in": "path", "required": True, "schema": {"pattern": "^[0-9a-f]{32}$"}}
OPERATION = {
    "security": [{"token": ["commerce/operate"]}],
    "parameters": [NOTE],
    "responses": {str(status): REFUSED for status in (400, 401, 403, 404)},
}
BODY = {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Note"}}}}}
DOCUMENT = {
    "paths": {"/notes/{noteId}": {"get": OPERATION, "put": {**OPERATION, **BODY}}},
    "components": COMPONENTS,
}
STATUS = {None: 401, "not.a.token": 401, "customer": 403, "operator": 404}


class Server(BaseHTTPRequestHandler):
    """Refuses as published; `faults` say in what it does not."""

    def _answer(self):
        faults = self.server.faults
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        token = self.headers.get("Authorization", "").removeprefix("Bearer ") or None
        status, detail = STATUS[token], "no"
        if self.path.startswith("/no-such"):
            status = 404
        elif content and token == "operator":
            status = 415 if "charset" in self.headers["Content-Type"] and "charset" in faults else 400
            detail = "no" if "nameless" in faults else 'required: ["text"]'
        if faults & {status}:
            status = 500
        body = {"title": "no", "detail": detail, "instance": "own-id"}
        if "shape" in faults:
            del body["instance"]
        correlation = self.headers["X-Correlation-Id"] if token == "operator" else "own-id"
        self.send_response(status)
        self.send_header(
            "Content-Type", "application/json" if "type" in faults else f"{PROBLEM}; charset=utf-8"
        )
        if "correlation" not in faults:
            self.send_header("X-Correlation-Id", correlation)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    do_GET = do_PUT = _answer  # noqa: N815 - the base class calls them so

    def log_message(self, *_):
        """Nobody reads it."""


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.faults = set()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def commerce(server):
    url = f"http://127.0.0.1:{server.server_port}"
    return Commerce({"endpointUrl": url, "services": {"note": {"apiUrl": url}}}, patience=0)


@pytest.fixture
def visit(commerce, tmp_path):
    folder = tmp_path / "note-service" / "note_service" / "contracts" / "published"
    folder.mkdir(parents=True)
    (folder / "openapi.json").write_text(json.dumps(DOCUMENT))
    visit = Visit(commerce, published(commerce, tmp_path))
    # Who they are, without a user pool to sign them in.
    who = ("customer", "operator")
    visit.__dict__.update({each: type(each.capitalize(), (Caller,), {})(commerce, each) for each in who})
    return visit


def looked(visit, *checks):
    output = Console(record=True, width=400)
    return run(visit, selected(checks, "local"), output), output.export_text()


def test_a_stage_that_answers_as_published_passes(visit):
    is_well, told = looked(visit, "routes", "bodies")
    assert is_well, told
    assert "8 as they should be" in told
    assert "2 as they should be" in told


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (401, "note: GET /notes/{noteId} as nobody: 500 instead of 401"),
        (403, "note: PUT /notes/{noteId} as customer: 500 instead of 403"),
        (404, "note: GET /no-such-route as nobody: 500 instead of 404"),
        ("type", "401 is application/json instead of application/problem+json"),
        ("shape", "'instance' is a required property"),
        ("correlation", "X-Correlation-Id is None"),
        ("charset", "with Content-Type: application/json; charset=utf-8: 415 instead of 400 or 422"),
        ("nameless", "names none of smoke, text"),
    ],
)
def test_a_broken_promise_is_named(server, visit, fault, told):
    server.faults.add(fault)
    is_well, output = looked(visit, "routes", "bodies")
    assert not is_well
    assert told in output


def test_a_status_that_is_not_published_is_not_one_that_may_be_answered(visit):
    (get,) = [route for route in visit.routes if route.method == "GET"]
    del get.operation["responses"]["403"]
    is_well, output = looked(visit, "routes")
    assert not is_well
    assert "403 is not published" in output


def test_a_check_that_looks_at_nothing_shows_nothing(commerce):
    assert not looked(Visit(commerce, ()), "bodies")[0]


def test_a_service_in_a_repository_of_its_own_is_found_too(commerce, tmp_path):
    folder = tmp_path / "note_service" / "contracts" / "published"
    folder.mkdir(parents=True)
    (folder / "openapi.json").write_text(json.dumps(DOCUMENT))
    assert len(published(commerce, tmp_path, ["note"])) == 2
    with pytest.raises(StorefrontError, match="publishes its API below"):
        published(commerce, tmp_path, ["other"])


def test_who_publishes_nothing_cannot_be_looked_at(commerce, tmp_path):
    with pytest.raises(StorefrontError, match="publishes its API below"):
        published(commerce, tmp_path)


def test_nothing_is_bought_in_production():
    assert [*selected([], "prod")] == ["routes", "bodies"]
    with pytest.raises(StorefrontError, match="CHECK=confirmed would place an order"):
        selected(["confirmed"], "prod")
    with pytest.raises(StorefrontError, match="CHECK=nope is not one of routes, bodies"):
        selected(["nope"], "dev")


TWO_ACCOUNTS = """
services = ["order", "cart"]
regions = ["eu-west-1", "eu-central-1"]
[accounts]
shop = "123456789012"
carts = "222222222222"
[stages.dev]
account = "shop"
region = "eu-west-1"
services.cart = { account = "carts", region = "eu-central-1" }
"""


@pytest.fixture
def two_accounts(monkeypatch, tmp_path):
    """An order service where the credentials are, a cart service in an account that a profile is for."""
    with mock_aws():
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        config = tmp_path / "config"
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        (tmp_path / "topologies").mkdir()
        (tmp_path / "topologies" / "two.toml").write_text(TWO_ACCOUNTS)
        role = boto3.client("sts").assume_role(
            RoleArn="arn:aws:iam::222222222222:role/look", RoleSessionName="test"
        )
        keys = role["Credentials"]
        config.write_text(
            f"[profile carts]\naws_access_key_id={keys['AccessKeyId']}\n"
            f"aws_secret_access_key={keys['SecretAccessKey']}\naws_session_token={keys['SessionToken']}\n"
        )
        published = {
            None: {"order/api-url": "https://o/live", "platform/user-pool-id": "here"},
            "carts": {"cart/api-url": "https://c/live", "platform/user-pool-id": "elsewhere"},
        }
        for profile, values in published.items():
            region = "eu-central-1" if profile else "eu-west-1"
            ssm = boto3.Session(profile_name=profile, region_name=region).client("ssm")
            for name, value in values.items():
                ssm.put_parameter(Name=f"/commerce/dev/{name}/v1", Value=value, Type="String")
        yield config


def test_a_stage_of_several_accounts_is_found_in_each_as_the_topology_says(two_accounts, tmp_path):
    commerce = Commerce.deployed("dev", root=tmp_path, topology="two")
    assert commerce.endpoints["services"] == {
        "order": {"apiUrl": "https://o/live"},
        "cart": {"apiUrl": "https://c/live"},
    }
    assert commerce.endpoints["auth"]["userPoolId"] == "here"
    assert commerce.aws("sts").get_caller_identity()["Account"] == "123456789012"
    assert set(Commerce.deployed("dev").endpoints["services"]) == {"order"}
    two_accounts.write_text("")
    assert set(
        Commerce.deployed("dev", root=tmp_path, topology="two", services=["order"]).endpoints["services"]
    ) == {"order"}


def test_an_account_without_credentials_is_named_with_the_profile_that_it_needs(two_accounts, tmp_path):
    two_accounts.write_text("")
    with pytest.raises(
        StorefrontError, match="look at carts, account 222222222222: the credentials are of 12345"
    ) as refused:
        Commerce.deployed("dev", root=tmp_path, topology="two")
    assert "--profile carts" in refused.value.advice
    with pytest.raises(StorefrontError, match="No topology is called 'three'"):
        Commerce.deployed("dev", root=tmp_path, topology="three")


@mock_aws
def test_a_stage_is_found_by_what_its_stacks_publish(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    ssm = boto3.client("ssm")
    for name, value in {
        "order/api-url": "https://api/dev/",
        "platform/user-pool-id": "pool",
        "platform/user-pool-client-id": "client",
        "platform/operator-pool-id": "staff",
        "platform/operator-pool-client-id": "back-office",
        "order/other": "x",
    }.items():
        ssm.put_parameter(Name=f"/commerce/dev/{name}/v1", Value=value, Type="String")
    commerce = Commerce.deployed("dev")
    assert commerce.endpoints == {
        "stage": "dev",
        "services": {"order": {"apiUrl": "https://api/dev"}},
        "auth": {
            "userPoolId": "pool",
            "clientId": "client",
            "operatorPoolId": "staff",
            "operatorClientId": "back-office",
        },
    }
    assert commerce.aws("ssm").meta.endpoint_url == "https://ssm.eu-west-1.amazonaws.com"
    with pytest.raises(StorefrontError, match="No service publishes /commerce/staging/"):
        Commerce.deployed("staging")


def test_without_a_region_it_says_what_is_needed(monkeypatch, tmp_path):
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(StorefrontError, match="cannot be read: You must specify a region") as refused:
        Commerce.deployed("dev")
    assert "aws configure" in refused.value.advice
