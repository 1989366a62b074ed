"""Every operation, run against the service it calls."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from service_testing import HOSTILE_VALUES, Deployment

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def shop(everything) -> Iterator[Deployment]:
    with Deployment(everything) as deployment:
        yield deployment


OPERATOR = {"sub": "op", "scope": "commerce/operate"}
ALICE = {"sub": "alice", "scope": "commerce/shop"}
BOB = {"sub": "bob", "scope": "commerce/shop"}
NOTE = {
    "title": "A 'fine' note",
    "rating": 4.5,
    "pinned": True,
    "tags": ["a", 'b"', "\\"],
    "scores": {"x": 1, "size": -2},
    "author": {"name": "Zoë 😀"},
}


# ------------------------------------------------------------------------------------------------------------ PutItem
def test_a_body_of_every_shape_comes_back_as_it_was(shop):
    created = shop.request("PUT", "/notes/n-1", body=NOTE)
    assert created.status == 201, created
    assert created.headers["Location"] == "/notes/n-1"
    assert created.json()["noteId"] == "n-1"
    stored = shop.request("GET", "/notes/n-1").json()
    assert stored.pop("createdAt") == created.json()["createdAt"]
    assert stored == {**NOTE, "noteId": "n-1", "version": 1}


def test_only_what_was_sent_is_stored(shop):
    shop.request("PUT", "/notes/n-1", body={"title": "t", "author": {"name": "", "born": 1980}})
    assert shop.request("GET", "/notes/n-1").json() == {
        "title": "t",
        "pinned": False,
        "tags": [],
        "scores": {},
        "author": {"name": "", "born": 1980},
        "noteId": "n-1",
        "version": 1,
        "createdAt": shop.items("Table")[0]["createdAt"],
    }
    assert "by" not in shop.items("Table")[0]


def test_what_exists_is_not_overwritten(shop):
    shop.request("PUT", "/notes/n-1", body=NOTE)
    answer = shop.request("PUT", "/notes/n-1", body={"title": "other"})
    assert (answer.status, answer.json()["detail"]) == (409, "The resource already exists.")
    assert shop.request("GET", "/notes/n-1").json()["title"] == NOTE["title"]


@pytest.mark.parametrize("path", ["/notes/n-1", "/orders/o-1"])
def test_an_item_is_read_as_it_is_now(shop, path):
    """Whoever has just written it sees that, with a condition (`/orders`) and without."""
    assert shop.render("GET", path, claims=ALICE).json()["ConsistentRead"] is True


# --------------------------------------------------------------------------------------------------------- DeleteItem
def test_deleting_is_idempotent(shop):
    shop.request("PUT", "/notes/n-1", body=NOTE)
    assert shop.request("DELETE", "/notes/n-1").status == 204
    assert shop.request("DELETE", "/notes/n-1").status == 204
    assert shop.items("Table") == []


def test_deleting_another_version_is_412(shop):
    shop.request("PUT", "/notes/n-1", body=NOTE)
    assert shop.request("DELETE", "/notes/n-1", headers={"If-Match": "2"}).status == 412
    assert shop.request("DELETE", "/notes/n-1", headers={"If-Match": '"1"'}).status == 204
    assert shop.request("DELETE", "/notes/n-1", headers={"If-Match": "1"}).status == 412


# --------------------------------------------------------------------------------------------------------- UpdateItem
def test_numbers_are_added_for_signed_callers_only(shop):
    shop.request("PUT", "/notes/n-1", body=NOTE)
    identity = {"userArn": "arn:aws:iam::123456789012:role/Service"}
    assert shop.request("PATCH", "/notes/n-1", query={"by": "2"}, identity=identity).status == 200
    assert shop.request("PATCH", "/notes/n-1", query={"by": "3"}, identity=identity).status == 200
    assert shop.items("Table")[0]["views"] == 5
    assert shop.items("Table")[0]["version"] == 3
    assert shop.request("PATCH", "/notes/n-1", query={"by": "3"}).status in {401, 403, 404}


def order(shop, **attributes: Any) -> None:
    item = {
        "pk": "ORDER#o-1",
        "sk": "ORDER",
        "orderId": "o-1",
        "customerId": "alice",
        "status": "PAID",
        "total": 10,
    }
    shop.table("Table").put_item(Item=item | attributes)


def cancel(shop, claims=ALICE):
    return shop.request("POST", "/orders/o-1/cancellation", claims=claims)


def test_a_cancellation_is_recorded_once(shop):
    order(shop)
    first = cancel(shop)
    assert first.status == 202
    assert first.json()["cancelRequested"] is True
    assert [step["status"] for step in first.json()["timeline"]] == ["CANCELLING"]
    again = cancel(shop)
    assert (again.status, again.json()) == (202, {})
    assert shop.items("Table")[0]["version"] == 1


def test_a_later_step_of_a_story_keeps_its_correlation_id(shop):
    order(shop, correlationId="placed-with", causationId="placing")
    answer = cancel(shop)
    item = shop.items("Table")[0]
    assert (item["correlationId"], item["causationId"]) == ("placed-with", answer.headers["x-amzn-RequestId"])


@pytest.mark.parametrize(
    ("attributes", "claims", "status", "detail"),
    [
        ({}, BOB, 404, "There is no such order."),
        ({"status": "FULFILLED"}, ALICE, 409, "It is too late to cancel."),
        ({"total": 5000}, ALICE, 422, "Large orders are cancelled by phone."),
        ({"orderId": "x", "pk": "ORDER#other"}, ALICE, 404, "There is no such order."),
    ],
)
def test_each_condition_has_its_own_answer(shop, attributes, claims, status, detail):
    order(shop, **attributes)
    answer = cancel(shop, claims)
    assert (answer.status, answer.json()["detail"]) == (status, detail)
    assert "cancelRequested" not in shop.items("Table")[0]


def test_another_customers_order_does_not_exist(shop):
    order(shop)
    assert shop.request("GET", "/orders/o-1", claims=ALICE).json()["status"] == "PAID"
    assert shop.request("GET", "/orders/o-1", claims=BOB).status == 404


def test_own_orders_newest_first_and_filtered(shop):
    for number in range(4):
        status = "PAID" if number % 2 else "PLACED"
        order(
            shop,
            pk=f"ORDER#{number}",
            orderId=str(number),
            status=status,
            gsi1pk="CUST#alice",
            gsi1sk=f"2026-0{number}",
        )
    first = shop.request("GET", "/orders", claims=ALICE).json()
    assert [each["orderId"] for each in first["items"]] == ["3", "2"]
    second = shop.request("GET", "/orders", query={"cursor": first["nextCursor"]}, claims=ALICE).json()
    assert [each["orderId"] for each in second["items"]] == ["1", "0"]
    paid = shop.request("GET", "/orders", query={"status": "PAID", "limit": "5"}, claims=ALICE).json()
    assert [each["orderId"] for each in paid["items"]] == ["3", "1"]


def test_a_cursor_of_another_customer_leads_to_ones_own_orders_alone(shop):
    """Both have orders on either side of the position, so that a page of the wrong partition would show."""
    for number in range(4):
        for customer in ("alice", "bob"):
            keys = {
                "pk": f"ORDER#{customer}-{number}",
                "orderId": f"{customer}-{number}",
                "gsi1pk": f"CUST#{customer}",
                "gsi1sk": f"2026-0{number}",
            }
            order(shop, customerId=customer, **keys)
    cursor = shop.request("GET", "/orders", claims=ALICE).json()["nextCursor"]
    answer = shop.request("GET", "/orders", query={"cursor": cursor}, claims=BOB)
    assert answer.status == 200
    assert [each["orderId"] for each in answer.json()["items"]] == ["bob-1", "bob-0"]


# -------------------------------------------------------------------------------------------------------- SendToQueue
def test_a_webhook_is_stored_exactly_as_it_was_sent(shop):
    raw = '{ "id":"évt_1",  "data" : {"x": "a&b=c+d %41 \\" $x #end"}}\n'
    answer = shop.request(
        "POST", "/webhooks", headers={"Stripe-Signature": "t=1,v1=ab&c", "X-Correlation-Id": "c-1"}, body=raw
    )
    assert answer.status == 202, answer
    queue = shop.resource("Queue", "AWS::SQS::Queue").ref
    (message,) = shop.client("sqs").receive_message(QueueUrl=queue, MessageAttributeNames=["All"])["Messages"]
    assert message["Body"] == raw
    attributes = {name: each["StringValue"] for name, each in message["MessageAttributes"].items()}
    assert attributes == {"signature": "t=1,v1=ab&c", "correlationId": "c-1"}


def test_a_webhook_without_its_signature_is_400(shop):
    answer = shop.request("POST", "/webhooks", body={"id": 1})
    assert answer.status == 400
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_typed_message(shop):
    receipt = {"receiptId": "r-1", "quantity": 5}
    answer = shop.request(
        "POST", "/stock/S-1/receipts", body=receipt, headers={"X-Source": "web"}, claims=OPERATOR
    )
    assert answer.status == 202, answer
    assert answer.json()["correlationId"] == answer.headers["X-Correlation-Id"]
    (message,) = map(json.loads, shop.messages("Queue"))
    assert message.pop("requestId") == answer.json()["correlationId"]
    assert message == {"sku": "S-1", "receipt": receipt, "quantity": 5, "by": "op"}


@pytest.mark.parametrize("said", [*HOSTILE_VALUES, '"', "\\", '","quantity":9,"x":"', "a&b=c+d%41"], ids=repr)
def test_whatever_a_caller_says_stays_one_text_of_the_message(shop, said):
    """JSON in a form: escaped for the one, encoded for the other."""
    receipt = {"receiptId": "r-1", "quantity": 5}
    claims = {**OPERATOR, "sub": said}
    answer = shop.request("POST", "/stock/S-1/receipts", body=receipt, claims=claims)
    if answer.status == 202:
        (message,) = map(json.loads, shop.messages("Queue"))
        assert (message["by"], message["quantity"], message["receipt"]) == (said, 5, receipt)
    else:
        assert answer.status in {400, 403, 404}
        assert shop.messages("Queue") == []


def test_an_attribute_outside_its_pattern_is_400_and_nothing_is_sent(shop):
    answer = shop.request(
        "POST",
        "/stock/S-1/receipts",
        body={"receiptId": "r", "quantity": 1},
        headers={"X-Source": "UPPER"},
        claims=OPERATOR,
    )
    assert answer.status == 400, answer
    assert shop.messages("Queue") == []
