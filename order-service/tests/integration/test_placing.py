"""POST /orders, executed from the synthesized template."""

import json

import pytest
from botocore.exceptions import ClientError
from service_contracts import Contracts
from service_testing.aws import client
from service_testing.workflows import aws_call


def test_an_order_is_accepted_priced_from_the_catalogue(shop):
    response = shop.place(("TARTE-CITRON", 2), ("BRIOCHE", 1))
    assert response.status == 202
    order = response.json()
    assert response.headers["Location"] == f"/orders/{order['orderId']}"
    assert order["status"] == "PLACED"
    assert order["total"] == {"amountMinor": 1690, "currency": "EUR"}
    assert order["items"][0] == {
        "sku": "TARTE-CITRON",
        "name": "Tarte au citron",
        "quantity": 2,
        "unitPrice": {"amountMinor": 620, "currency": "EUR"},
        "lineTotal": {"amountMinor": 1240, "currency": "EUR"},
    }
    assert shop.order(order["orderId"])["items"] == order["items"]


def test_the_same_key_and_body_answer_as_the_first_did_even_after_a_price_change(shop):
    first = shop.place(key="again")
    shop.product("BRIOCHE", name="Brioche", price=999, version=2)
    second = shop.place(key="again")
    assert (second.status, second.json()) == (202, first.json())
    assert len(shop.deployment.items("Orders")) == 1


def test_the_same_key_twice_at_once_is_one_order_that_nothing_is_written_over(shop, monkeypatch):
    batch_get, table = client("dynamodb").batch_get_item, shop.deployment.table("Orders")
    first = []

    def meanwhile(**request):
        """The same request is accepted, and the order goes on, between the look at the key and the write."""
        monkeypatch.undo()
        first.append(shop.placed(key="again"))
        table.update_item(
            Key={"pk": f"ORDER#{first[0]}", "sk": "ORDER"},
            UpdateExpression="SET #status = :status",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":status": "STOCK_RESERVED"},
        )
        return batch_get(**request)

    monkeypatch.setattr(client("dynamodb"), "batch_get_item", meanwhile)
    assert shop.placed(key="again") == first[0]
    assert [order["status"] for order in shop.deployment.items("Orders")] == ["STOCK_RESERVED"]


def test_an_order_is_looked_for_as_it_is_now_and_not_as_a_replica_has_it(shop, monkeypatch):
    get, asked = client("dynamodb").get_item, []

    def look(**request):
        asked.append(request)
        return get(**request)

    monkeypatch.setattr(client("dynamodb"), "get_item", look)
    shop.place()
    assert [request.get("ConsistentRead") for request in asked] == [True]


def test_no_order_is_priced_from_half_a_catalogue(shop, monkeypatch):
    def leave_one(**request):
        ((table, wanted),) = request["RequestItems"].items()
        answer = batch_get(RequestItems={table: {"Keys": wanted["Keys"][:1]}})
        return {**answer, "UnprocessedKeys": {table: {"Keys": wanted["Keys"][1:]}}}

    batch_get = client("dynamodb").batch_get_item
    with monkeypatch.context() as throttled:
        throttled.setattr(client("dynamodb"), "batch_get_item", leave_one)
        response = shop.place(key="again")
    assert (response.status, response.headers["Retry-After"]) == (503, "1")
    assert shop.deployment.items("Orders") == []
    assert shop.place(key="again").status == 202


def test_the_order_of_lines_does_not_make_another_body(shop):
    first = shop.place(("TARTE-CITRON", 2), ("BRIOCHE", 1), key="again")
    second = shop.place(("BRIOCHE", 1), ("TARTE-CITRON", 2), key="again")
    assert second.json()["orderId"] == first.json()["orderId"]


@pytest.mark.parametrize(
    "changed",
    [
        {"items": [{"sku": "BRIOCHE", "quantity": 1}]},
        {"items": [{"sku": "TARTE-CITRON", "quantity": 1}, {"sku": "BRIOCHE", "quantity": 1}]},
        {"paymentMethod": "tok_declined"},
        {"expectedTotal": {"amountMinor": 1690, "currency": "EUR"}},
    ],
)
def test_the_same_key_with_another_body_is_refused(shop, changed):
    shop.placed(key="again")
    assert shop.place(key="again", **changed).status == 422
    assert len(shop.deployment.items("Orders")) == 1


def test_another_customer_may_use_the_same_key(shop):
    mine = shop.placed(key="again")
    other = shop.placed(key="again", claims={"sub": "customer-2", "scope": "commerce/shop"})
    assert mine != other


def test_two_requests_at_once_make_one_order(shop):
    """Both found nothing before; the second one's write meets the first one's order."""
    first = shop.place(key="race").json()
    second_input = json.loads(shop.deployment.calls[-1].json()["input"])
    unseen = {"reads": 1}

    def blind_once(integration, arguments):
        if integration.action == "getItem" and unseen["reads"]:
            unseen["reads"] -= 1
            return {}
        return aws_call(integration, arguments)

    execution = shop.deployment.run("PlaceOrder", second_input, call=blind_once)
    assert "AcceptOrder" in execution.path
    assert execution.output["statusCode"] == 202
    assert json.loads(execution.output["body"]) == first
    assert shop.item(first["orderId"])["version"] == 1


def test_every_faulty_line_is_named(shop):
    shop.product("OLD", status="RETIRED")
    response = shop.place(("TARTE-CITRON", 1), ("UNKNOWN", 1), ("OLD", 1))
    assert response.status == 422
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["errors"] == [
        {"pointer": "#/items/1/sku", "detail": "sku UNKNOWN is not in the catalogue."},
        {"pointer": "#/items/2/sku", "detail": "sku OLD is no longer sold."},
    ]


@pytest.mark.parametrize("price", [None, {}, {"currency": "EUR"}, {"amountMinor": 5}], ids=str)
def test_a_line_without_a_price_is_named_and_never_dropped(shop, price):
    product = {"pk": "SKU#UNPRICED", "sk": "CATALOGUE", "name": "Unpriced", "status": "ACTIVE"}
    shop.deployment.table("Catalogue").put_item(Item=product | ({} if price is None else {"price": price}))
    unpriced = "sku UNPRICED has no price and cannot be ordered."
    alone, second = shop.place(("UNPRICED", 1)), shop.place(("BRIOCHE", 1), ("UNPRICED", 1))
    assert (alone.status, second.status) == (422, 422)
    assert alone.json()["errors"] == [{"pointer": "#/items/0/sku", "detail": unpriced}]
    assert second.json()["errors"] == [{"pointer": "#/items/1/sku", "detail": unpriced}]


def test_a_sku_with_a_trailing_line_feed_is_400(shop):
    response = shop.place(("BRIOCHE\n", 1))
    assert response.status == 400
    assert "does not match" in response.body


def test_a_sku_on_two_lines_is_refused(shop):
    response = shop.place(("BRIOCHE", 1), ("BRIOCHE", 2))
    assert response.status == 422
    assert [error["pointer"] for error in response.json()["errors"]] == ["#/items/0/sku", "#/items/1/sku"]


def test_a_refused_order_does_not_bind_its_key(shop):
    assert shop.place(("UNKNOWN", 1), key="k").status == 422
    assert shop.place(("BRIOCHE", 1), key="k").status == 202


@pytest.mark.parametrize(
    "body",
    [
        {"items": []},
        {"items": [{"sku": "BRIOCHE", "quantity": 0}]},
        {"items": [{"sku": "BRIOCHE", "quantity": 100}]},
        {"items": [{"sku": "BRIOCHE", "quantity": 1.5}]},
        {"items": [{"sku": f"SKU-{n}", "quantity": 1} for n in range(51)]},
        {"items": [{"sku": "BRIOCHE", "quantity": 1, "price": 1}]},
        {"paymentMethod": "4242424242424242"},
        {"customerId": "somebody else"},
    ],
)
def test_what_the_model_refuses_is_400(shop, body):
    response = shop.place(**body)
    assert response.status == 400
    assert shop.deployment.items("Orders") == []


def test_the_idempotency_key_is_required(shop):
    response = shop.deployment.request(
        "POST",
        "/orders",
        body={"items": [{"sku": "BRIOCHE", "quantity": 1}], "paymentMethod": "tok_visa"},
        claims={"sub": "customer-1", "scope": "commerce/shop"},
    )
    assert response.status == 400


def test_a_caller_whose_id_can_be_no_key_is_400_and_no_failed_execution(shop):
    claims = {"sub": "s" * 129, "scope": "commerce/shop"}
    response = shop.place(claims=claims)
    assert (response.status, response.json()["detail"][:23]) == (400, "The caller's identity i")
    assert shop.deployment.items("Orders") == []


@pytest.mark.parametrize("key", ["k" * 129, "two words", "schlüssel"], ids=["long", "space", "umlaut"])
def test_an_idempotency_key_that_is_malformed_is_400(shop, key):
    assert shop.place(key=key).status == 400
    assert shop.deployment.items("Orders") == []
    assert shop.place(key="k" * 128).status == 202


def test_no_two_callers_share_an_order_id_whatever_their_keys(shop):
    pairs = [("a", "b|c"), ("a|b", "c"), ('a","b', "c"), ("a", 'b","c')]
    ids = [
        shop.placed(key=key, claims={"sub": sub, "scope": "commerce/shop"}) for sub, key in [*pairs, *pairs]
    ]
    assert len(set(ids)) == len(pairs)
    assert ids[: len(pairs)] == ids[len(pairs) :]


def test_an_order_of_another_customer_is_never_the_answer(shop):
    order_id = shop.placed(key="mine")
    shop.deployment.table("Orders").update_item(
        Key={"pk": f"ORDER#{order_id}", "sk": "ORDER"},
        UpdateExpression="SET customerId = :other",
        ExpressionAttributeValues={":other": "customer-2"},
    )
    response = shop.place(key="mine")
    assert (response.status, "orderId" in response.body) == (422, False)


def test_an_unexpected_total_is_refused_with_the_new_one(shop):
    response = shop.place(("BRIOCHE", 2), expectedTotal={"amountMinor": 800, "currency": "EUR"})
    assert response.status == 409
    assert response.json()["total"] == {"amountMinor": 900, "currency": "EUR"}
    assert shop.place(("BRIOCHE", 2), expectedTotal=response.json()["total"]).status == 202


def test_what_is_known_to_be_sold_out_is_refused(shop):
    shop.stock_level("BRIOCHE", 0)
    response = shop.place()
    assert response.status == 409
    assert response.json()["shortages"] == [{"sku": "BRIOCHE", "requested": 1, "available": 0}]
    shop.stock_level("BRIOCHE", 20, version=2, fact="StockReplenished.v1")
    assert shop.place().status == 202


def test_fifty_lines_are_one_order(shop):
    for n in range(50):
        shop.product(f"SKU-{n}")
    response = shop.place(*((f"SKU-{n}", 1) for n in range(50)))
    assert response.status == 202
    assert response.json()["total"]["amountMinor"] == 5000
    Contracts("order_service").check_event(shop.last("OrderPlaced.v1").envelope())


def test_without_the_scope_nothing_is_placed(shop):
    assert shop.place(claims={"sub": "customer-1", "scope": "openid"}).status == 403
    assert shop.place(claims=None).status == 401


@pytest.mark.parametrize("call", ["get_item", "batch_get_item", "put_item"])
def test_while_dynamodb_throttles_callers_are_told_to_try_again(shop, monkeypatch, call):
    def throttle(**_):
        raise ClientError({"Error": {"Code": "ProvisionedThroughputExceededException"}}, call)

    with monkeypatch.context() as throttling:
        throttling.setattr(client("dynamodb"), call, throttle)
        response = shop.place(key="again")
    assert (response.status, response.headers["Retry-After"]) == (503, "1")
    assert shop.deployment.items("Orders") == []
    assert shop.place(key="again").status == 202
