"""The function itself, with the events that API Gateway and SQS give it; `test_api.py` has the routes before it."""

import importlib
import json
import os
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from moto import mock_aws
from service_runtime.dynamodb import from_attributes, to_attributes
from service_runtime.envelope import Event
from service_runtime.retries import ContentionError
from service_testing import aws

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "POWERTOOLS_METRICS_NAMESPACE": "commerce",
    "POWERTOOLS_SERVICE_NAME": "cart",
    "TABLE_NAME": "carts",
}


@pytest.fixture(scope="module")
def module():
    """The handler's, imported as Lambda does: after its environment."""
    with patch.dict(os.environ, ENVIRONMENT):
        yield importlib.import_module("cart_service.api.runtime.handler")


@pytest.fixture
def client(module, monkeypatch):
    with mock_aws():
        client = aws.client("dynamodb")
        aws.create_table("carts")
        monkeypatch.setattr(module, "store", module.CartStore(table_name="carts", client=client))
        yield client


class Function:
    def __init__(self, module, client) -> None:
        self.module, self.client = module, client

    def sell(self, sku: str, status: str = "ACTIVE", currency: str = "EUR") -> None:
        price = {"amountMinor": 350, "currency": currency}
        product = {"sku": sku, "name": f"Name of {sku}", "price": price, "status": status}
        item = to_attributes({"pk": f"PRODUCT#{sku}", "sk": "PRODUCT", **product})
        self.client.put_item(TableName="carts", Item=item)

    def request(
        self, method: str, path: str, body: object = None, *, claims: dict | None = None
    ) -> SimpleNamespace:
        event = {
            "httpMethod": method,
            "path": path,
            "headers": {"Content-Type": "application/json", "X-Correlation-Id": "conversation-1"},
            "body": json.dumps(body) if body else None,
            "requestContext": {
                "requestId": "request-1",
                **({"authorizer": {"claims": claims}} if claims is not None else {}),
            },
        }
        raw = self.module.handler(event, SimpleNamespace())
        headers = {name: values[0] for name, values in raw["multiValueHeaders"].items()}
        return SimpleNamespace(
            status=raw["statusCode"], headers=headers, body=json.loads(raw["body"] or "null")
        )

    def put(self, sku: str, quantity: int = 1, sub: str = "alice") -> SimpleNamespace:
        return self.request("PUT", f"/me/cart/items/{sku}", {"quantity": quantity}, claims={"sub": sub})

    def cart(self, pk: str) -> dict | None:
        key = to_attributes({"pk": pk, "sk": "CART"})
        answer = self.client.get_item(TableName="carts", Key=key)
        return from_attributes(answer["Item"]) if "Item" in answer else None

    def lines(self, pk: str) -> dict[str, int]:
        return {line["sku"]: line["quantity"] for line in self.cart(pk)["lines"]}


@pytest.fixture
def function(module, client) -> Function:
    function = Function(module, client)
    for sku in ("BREAD", "CAKE"):
        function.sell(sku)
    return function


def counted(capsys) -> list[dict[str, list[float]]]:
    """The metrics written since the last call, by line."""
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    return [
        {metric["Name"]: line[metric["Name"]] for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]}
        for line in lines
    ]


def test_a_line_is_put_and_taken_out_of_the_callers_cart_alone(function, capsys):
    function.put("BREAD", 2)
    function.put("BREAD", 5, sub="bob")

    answer = function.put("CAKE", 3)

    assert answer.status == 200
    assert (answer.body["sku"], answer.body["quantity"]) == ("CAKE", 3)
    assert (answer.body["name"], answer.body["unitPrice"]["amountMinor"]) == ("Name of CAKE", 350)
    assert counted(capsys) == [{"LinesPut": [1.0]}] * 3
    assert function.request("DELETE", "/me/cart/items/BREAD", claims={"sub": "alice"}).status == 204
    assert (function.lines("CUST#alice"), function.lines("CUST#bob")) == ({"CAKE": 3}, {"BREAD": 5})


def test_every_change_can_be_traced_to_its_request(function):
    cart_id = function.request("POST", "/carts").body["cartId"]
    function.put("BREAD")
    function.request("DELETE", "/me/cart/items/BREAD", claims={"sub": "alice"})
    for pk in (f"ANON#{cart_id}", "CUST#alice"):
        cart = function.cart(pk)
        assert (cart["correlationId"], cart["causationId"]) == ("conversation-1", "request-1")


@pytest.mark.parametrize("claims", [None, {}, {"sub": ""}, {"sub": "s" * 129}])
def test_whoever_is_nobody_has_no_cart(function, claims):
    for answer in (
        function.request("PUT", "/me/cart/items/BREAD", {"quantity": 1}, claims=claims),
        function.request("DELETE", "/me/cart/items/BREAD", claims=claims),
        function.request("POST", "/me/cart/merge", {"cartId": "cart-1"}, claims=claims),
    ):
        assert (answer.status, answer.body["detail"]) == (401, "A signed-in customer is needed.")


@pytest.mark.parametrize("sub", ["s", "s" * 128])
def test_whoever_cognito_can_name_has_one(function, sub):
    assert function.put("BREAD", sub=sub).status == 200
    assert function.lines(f"CUST#{sub}") == {"BREAD": 1}


def test_what_is_rejected_is_a_problem_that_says_why(function):
    function.sell("TART", status="RETIRED")
    function.sell("PIE", currency="USD")
    expected = {
        "NOPE": (404, "There is no product with this sku."),
        "TART": (409, "TART is no longer on sale."),
        "PIE": (409, "PIE is priced in USD; carts hold EUR only."),
    }
    for sku, told in expected.items():
        answer = function.put(sku)
        assert (answer.status, answer.body["detail"]) == told
        assert "lines" not in answer.body
    assert function.cart("CUST#alice") is None

    unknown = function.request("PUT", "/carts/never-issued/items/BREAD", {"quantity": 1})
    assert unknown.status == 404


def test_the_lines_that_do_not_fit_are_named(function, monkeypatch):
    monkeypatch.setattr(function.module.domain, "MAX_LINES", 1)
    function.put("BREAD")
    answer = function.put("CAKE")
    assert answer.status == 409
    assert answer.body["lines"] == [{"sku": "CAKE", "detail": "does not fit"}]
    assert function.lines("CUST#alice") == {"BREAD": 1}


def test_whoever_loses_to_others_every_time_may_ask_again(function, monkeypatch):
    def lose(*_, **__):
        raise ContentionError("conflicts at each of 10 attempts")

    monkeypatch.setattr(function.module.store, "change", lose)
    answer = function.put("BREAD")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
    assert answer.body["detail"] == "The cart is being changed by others. Try again."


def test_a_batch_of_orders_is_taken_out_of_the_customers_carts(function):
    function.put("BREAD", 5)
    order = Event.create(
        service="order",
        stage="local",
        detail_type="OrderConfirmed.v1",
        aggregate_id="order-1",
        aggregate_version=5,
        data={
            "orderId": "order-1",
            "customerId": "alice",
            "items": [{"sku": "BREAD", "quantity": 2}],
        },
    )
    record = {
        "messageId": "message-1",
        "receiptHandle": "handle-1",
        "body": json.dumps(order.envelope()),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1795248000000"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:eu-west-1:111111111111:cart",
        "awsRegion": "eu-west-1",
    }
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 30_000)
    for _ in range(2):
        assert function.module.handler({"Records": [record]}, context) == {"batchItemFailures": []}
    assert function.lines("CUST#alice") == {"BREAD": 3}
