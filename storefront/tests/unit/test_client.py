"""What the client makes of answers; a stub stands for the APIs."""

from __future__ import annotations

import json

import pytest
import requests
from storefront import client
from storefront.client import (
    ORDERING,
    Caller,
    Commerce,
    Customer,
    Operator,
    Order,
    StorefrontError,
    refusal,
)


def answer(status, body=None, **headers):
    found = requests.Response()
    found.status_code, found._content = status, json.dumps(body).encode()
    found.headers.update(headers)
    return found


@pytest.fixture
def apis(monkeypatch):
    """Answers to come, and the requests that took them."""
    answers, taken = [], []

    def request(_session, method, url, **options):
        taken.append((method, url, options))
        return answers.pop(0)

    monkeypatch.setattr(requests.Session, "request", request)
    monkeypatch.setattr(client.time, "sleep", lambda _seconds: None)
    monkeypatch.setattr(Commerce, "token", lambda _self, user, _group=None: f"token-of-{user}")
    return answers, taken


COMMERCE = Commerce({"services": {"order": {"apiUrl": "http://orders"}}})


def test_services_that_are_not_deployed_are_named():
    with pytest.raises(StorefrontError, match="product-service, inventory-service, payment-service"):
        COMMERCE.require(ORDERING)


def test_without_a_running_platform_its_start_is_advised(monkeypatch, tmp_path):
    monkeypatch.delenv("COMMERCE_ENDPOINTS", raising=False)
    monkeypatch.setenv("COMMERCE_LOCAL_DIR", str(tmp_path))
    with pytest.raises(StorefrontError) as refused:
        Commerce.running()
    assert refused.value.advice == "Start it: make up"


def test_another_instance_is_found_by_its_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("COMMERCE_ENDPOINTS", raising=False)
    monkeypatch.setenv("COMMERCE_LOCAL_DIR", str(tmp_path))
    (tmp_path / "endpoints.json").write_text(json.dumps(COMMERCE.endpoints))
    assert Commerce.running().url("order") == "http://orders"


def test_a_throttled_request_is_sent_again_unless_there_is_no_patience(apis):
    answers, taken = apis
    answers += [answer(429), answer(503), answer(200, {})]
    assert Caller(COMMERCE).send("GET", "order", "/orders").status_code == 200
    answers += [answer(503)]
    assert Caller(Commerce(COMMERCE.endpoints, patience=0)).send("GET", "order", "/").status_code == 503
    assert len(taken) == 4


def test_an_order_waits_for_services_to_hear_of_its_products_under_one_idempotency_key(apis):
    answers, taken = apis
    unheard = {"errors": [{"detail": "sku A is not in the catalogue."}]}
    answers += [answer(422, unheard), answer(409, {"shortages": []}), answer(202, {"orderId": "a1"})]
    assert Customer(COMMERCE, "alice").place({"A": 1}).id == "a1"
    assert len({options["headers"]["Idempotency-Key"] for _, _, options in taken}) == 1
    assert taken[0][2]["headers"]["Authorization"] == "Bearer token-of-alice"


def test_any_other_refusal_is_final(apis):
    answers, _ = apis
    answers += [answer(409, {"detail": "The price has changed.", "total": {}})]
    with pytest.raises(StorefrontError, match=r"The order was refused \(409\): The price has changed."):
        Customer(COMMERCE).place({"A": 1})


def test_an_order_is_followed_until_it_has_been_in_one_of_the_statuses(apis):
    answers, _ = apis

    def seen(*statuses):
        return answer(200, {"status": statuses[-1], "timeline": [{"status": status} for status in statuses]})

    order = Order(Customer(COMMERCE), "a1")
    answers += [seen("PLACED"), seen("PLACED", "PAID", "CONFIRMED")]
    assert order.follow(("PAID",))["status"] == "CONFIRMED"
    answers += [seen("PLACED")]
    with pytest.raises(StorefrontError, match="still PLACED"):
        order.follow(seconds=0)


def test_an_order_without_a_payment_has_nothing_of_one(apis):
    answers, taken = apis
    answers += [answer(404), answer(200, {"status": "REFUNDED"})]
    operator = Operator(Commerce({"services": {"payment": {"apiUrl": "http://payments"}}}))
    assert [operator.payment("a1"), operator.payment("a1")] == [{}, {"status": "REFUNDED"}]
    assert taken[0][:2] == ("GET", "http://payments/payments/a1")


def test_a_refusal_names_each_line():
    problem = {
        "detail": "Some lines cannot be ordered; see errors.",
        "errors": [{"pointer": "#/items/0/sku", "detail": "sku X is no longer sold."}],
        "shortages": [{"sku": "Y", "requested": 3, "available": 0}],
    }
    assert refusal(json.dumps(problem)).splitlines() == [
        "Some lines cannot be ordered; see errors.",
        "  sku X is no longer sold.",
        "  Y: 3 wanted, 0 left",
    ]
    assert refusal("<html>") == "<html>"
