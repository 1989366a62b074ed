"""Every route, from the synthesized template to DynamoDB and back."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from .conftest import product_changed

ALICE = {"sub": "alice-1", "scope": "commerce/shop"}
BOB = {"sub": "bob-1", "scope": "commerce/shop"}


def issue(shop) -> str:
    return shop.request("POST", "/carts").json()["cartId"]


def put(shop, cart_id: str, sku: str, quantity: int = 1):
    return shop.request("PUT", f"/carts/{cart_id}/items/{sku}", body={"quantity": quantity})


def put_own(shop, sku: str, quantity: int = 1, claims=ALICE):
    return shop.request("PUT", f"/me/cart/items/{sku}", body={"quantity": quantity}, claims=claims)


def merge(shop, cart_id: str, claims=ALICE):
    return shop.request("POST", "/me/cart/merge", body={"cartId": cart_id}, claims=claims)


def quantities(response) -> dict[str, int]:
    assert response.status == 200, response.body
    return {line["sku"]: line["quantity"] for line in response.json()["items"]}


def assert_problem(response, status: int, *fields: str) -> None:
    assert response.status == status, response.body
    assert response.headers["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["instance"]
    named = [error["pointer"].removeprefix("#/") for error in problem.get("errors", [])]
    assert [*named, *(line["sku"] for line in problem.get("lines", []))] == list(fields)


def expire(shop, pk: str) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    shop.table("Carts").update_item(
        Key={"pk": pk, "sk": "CART"},
        UpdateExpression="SET expiresAt = :text, expiresAtEpoch = :seconds",
        ExpressionAttributeValues={":text": past.isoformat(), ":seconds": int(past.timestamp())},
    )


class TestAnonymousCart:
    def test_is_issued_without_a_token(self, shop):
        issued = shop.request("POST", "/carts")
        assert issued.status == 201
        assert re.fullmatch(r"[A-Za-z0-9_-]{32}", issued.json()["cartId"])

    def test_starts_empty_with_seven_days_to_live(self, shop):
        cart_id = issue(shop)
        cart = shop.request("GET", f"/carts/{cart_id}").json()
        lifetime = datetime.fromisoformat(cart.pop("expiresAt")) - datetime.now(UTC)
        assert timedelta(days=6, hours=23) < lifetime < timedelta(days=7, seconds=1)
        assert cart == {"cartId": cart_id, "items": [], "total": {"amountMinor": 0, "currency": "EUR"}}

    def test_shows_what_was_put(self, shop):
        cart_id = issue(shop)
        line = put(shop, cart_id, "BREAD", 3)
        put(shop, cart_id, "CAKE", 2)
        assert line.status == 200
        assert line.json() == {
            "sku": "BREAD",
            "name": "Name of BREAD",
            "quantity": 3,
            "unitPrice": {"amountMinor": 350, "currency": "EUR"},
            "lineTotal": {"amountMinor": 1050, "currency": "EUR"},
            "pricedAt": line.json()["pricedAt"],
        }
        cart = shop.request("GET", f"/carts/{cart_id}").json()
        assert cart["items"][0] == line.json()
        assert cart["total"] == {"amountMinor": 1050 + 4800, "currency": "EUR"}

    def test_keeps_the_price_of_its_last_change(self, shop):
        cart_id = issue(shop)
        put(shop, cart_id, "BREAD", 1)
        shop.feed("Products", [product_changed("BREAD", price=400, version=2)])
        (line,) = shop.request("GET", f"/carts/{cart_id}").json()["items"]
        assert line["unitPrice"]["amountMinor"] == 350
        assert put(shop, cart_id, "BREAD", 1).json()["unitPrice"]["amountMinor"] == 400

    def test_loses_a_line_when_it_is_deleted_once_or_twice(self, shop):
        cart_id = issue(shop)
        put(shop, cart_id, "BREAD")
        put(shop, cart_id, "CAKE")
        for _ in range(2):
            deleted = shop.request("DELETE", f"/carts/{cart_id}/items/BREAD")
            assert (deleted.status, deleted.body) == (204, "")
        assert quantities(shop.request("GET", f"/carts/{cart_id}")) == {"CAKE": 1}

    def test_unknown_reads_as_empty_and_takes_nothing(self, shop):
        assert shop.request("GET", "/carts/never-issued").json() == {
            "cartId": "never-issued",
            "items": [],
            "total": {"amountMinor": 0, "currency": "EUR"},
            "expiresAt": None,
        }
        assert_problem(put(shop, "never-issued", "BREAD"), 404)
        assert shop.request("DELETE", "/carts/never-issued/items/BREAD").status == 204
        assert {item["pk"] for item in shop.items("Carts")} == {
            "PRODUCT#BREAD",
            "PRODUCT#CAKE",
            "PRODUCT#TART",
        }

    def test_expired_reads_as_empty_at_once_and_does_not_come_back(self, shop):
        cart_id = issue(shop)
        put(shop, cart_id, "BREAD")
        expire(shop, f"ANON#{cart_id}")
        assert quantities(shop.request("GET", f"/carts/{cart_id}")) == {}
        assert_problem(put(shop, cart_id, "CAKE"), 404)
        assert_problem(merge(shop, cart_id), 404)

    def test_lives_on_with_every_change(self, shop):
        cart_id = issue(shop)
        soon = int((datetime.now(UTC) + timedelta(minutes=5)).timestamp())
        shop.table("Carts").update_item(
            Key={"pk": f"ANON#{cart_id}", "sk": "CART"},
            UpdateExpression="SET expiresAtEpoch = :soon",
            ExpressionAttributeValues={":soon": soon},
        )
        put(shop, cart_id, "BREAD")
        (cart,) = [item for item in shop.items("Carts") if item["sk"] == "CART"]
        assert cart["expiresAtEpoch"] > soon + timedelta(days=6).total_seconds()
        assert cart["expiresAtEpoch"] == datetime.fromisoformat(cart["expiresAt"]).timestamp()


class TestInvalidRequests:
    def test_an_unknown_product_is_404_and_a_retired_one_409(self, shop):
        cart_id = issue(shop)
        assert_problem(put(shop, cart_id, "NOPE"), 404)
        assert_problem(put(shop, cart_id, "TART"), 409)

    @pytest.mark.parametrize("quantity", [0, 100, -1, 1.5, "3", True, None])
    def test_a_quantity_is_a_whole_number_from_1_to_99(self, shop, quantity):
        assert_problem(put(shop, issue(shop), "BREAD", quantity), 400, "quantity")

    @pytest.mark.parametrize("quantity", [1, 99])
    def test_both_limits_are_allowed(self, shop, quantity):
        assert put(shop, issue(shop), "BREAD", quantity).json()["quantity"] == quantity

    def test_every_wrong_field_is_named(self, shop):
        body = {"quantity": 0, "price": 1}
        answer = shop.request("PUT", f"/carts/{issue(shop)}/items/BREAD", body=body)
        assert_problem(answer, 400, "quantity", "price")

    def test_a_sku_does_not_lose_a_trailing_line_feed(self, shop):
        for verb in ("PUT", "DELETE"):
            path = f"/carts/{issue(shop)}/items/BREAD%0A"
            assert shop.request(verb, path, body={"quantity": 1}).status == 400

    @pytest.mark.parametrize("body", ["", "{", "[]", "null", '"x"'])
    def test_a_body_must_be_a_json_object(self, shop, body):
        answer = shop.request("PUT", f"/carts/{issue(shop)}/items/BREAD", body=body)
        assert answer.status == 400
        assert answer.headers["Content-Type"] == "application/problem+json"

    def test_another_content_type_is_415(self, shop):
        answer = shop.request(
            "PUT",
            f"/carts/{issue(shop)}/items/BREAD",
            body="quantity=3",
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        assert_problem(answer, 415)

    def test_the_51st_line_is_409_and_the_50th_is_not(self, shop):
        shop.feed("Products", [product_changed(f"SKU-{number}") for number in range(51)])
        cart_id = issue(shop)
        answers = [put(shop, cart_id, f"SKU-{number}").status for number in range(50)]
        assert set(answers) == {200}
        assert_problem(put(shop, cart_id, "SKU-50"), 409, "SKU-50")
        assert put(shop, cart_id, "SKU-7", 9).status == 200
        cart = shop.request("GET", f"/carts/{cart_id}").json()
        assert len(cart["items"]) == 50
        assert cart["total"] == {"amountMinor": 58 * 350, "currency": "EUR"}


class TestOwnCart:
    def test_needs_the_shop_scope(self, shop):
        assert_problem(shop.request("GET", "/me/cart"), 401)
        assert_problem(shop.request("GET", "/me/cart", claims={"sub": "x", "scope": "openid"}), 403)
        assert_problem(put_own(shop, "BREAD", claims={"sub": "x", "scope": "openid"}), 403)
        assert_problem(merge(shop, "x", claims=None), 401)

    @pytest.mark.parametrize("sub", ["", "s" * 129], ids=["empty", "long"])
    def test_is_no_cart_of_a_caller_who_is_nobody(self, shop, sub):
        nobody = {"sub": sub, "scope": "commerce/shop"}
        assert_problem(put_own(shop, "BREAD", claims=nobody), 401)
        assert_problem(merge(shop, issue(shop), claims=nobody), 401)
        assert [item["pk"] for item in shop.items("Carts") if item["pk"].startswith("CUST#")] == []
        assert put_own(shop, "BREAD", claims={**nobody, "sub": "s" * 128}).status == 200

    def test_is_there_with_the_first_line_and_belongs_to_its_customer(self, shop):
        assert quantities(shop.request("GET", "/me/cart", claims=ALICE)) == {}
        assert put_own(shop, "BREAD", 2).status == 200
        cart = shop.request("GET", "/me/cart", claims=ALICE)
        assert cart.json()["cartId"] == "alice-1"
        assert quantities(cart) == {"BREAD": 2}
        assert quantities(shop.request("GET", "/me/cart", claims=BOB)) == {}

    def test_no_cart_id_reaches_it(self, shop):
        put_own(shop, "BREAD")
        assert quantities(shop.request("GET", "/carts/alice-1")) == {}
        assert_problem(put(shop, "alice-1", "CAKE"), 404)
        assert_problem(merge(shop, "alice-1", claims=BOB), 404)

    def test_lives_ninety_days(self, shop):
        put_own(shop, "BREAD")
        cart = shop.request("GET", "/me/cart", claims=ALICE).json()
        assert datetime.fromisoformat(cart["expiresAt"]) - datetime.now(UTC) > timedelta(days=89, hours=23)

    def test_loses_a_line_when_it_is_deleted(self, shop):
        put_own(shop, "BREAD")
        assert shop.request("DELETE", "/me/cart/items/BREAD", claims=BOB).status == 204
        assert quantities(shop.request("GET", "/me/cart", claims=ALICE)) == {"BREAD": 1}
        assert shop.request("DELETE", "/me/cart/items/BREAD", claims=ALICE).status == 204
        assert quantities(shop.request("GET", "/me/cart", claims=ALICE)) == {}

    def test_expired_lines_are_gone_when_it_is_filled_again(self, shop):
        put_own(shop, "BREAD")
        expire(shop, "CUST#alice-1")
        assert quantities(shop.request("GET", "/me/cart", claims=ALICE)) == {}
        assert put_own(shop, "CAKE").status == 200
        assert quantities(shop.request("GET", "/me/cart", claims=ALICE)) == {"CAKE": 1}


class TestMerge:
    def test_moves_the_anonymous_cart_and_answers_as_a_read_does(self, shop):
        cart_id = issue(shop)
        put(shop, cart_id, "BREAD", 60)
        put(shop, cart_id, "CAKE", 2)
        put_own(shop, "BREAD", 60)
        merged = merge(shop, cart_id)
        assert quantities(merged) == {"BREAD": 99, "CAKE": 2}
        assert merged.json() == shop.request("GET", "/me/cart", claims=ALICE).json()
        assert quantities(shop.request("GET", f"/carts/{cart_id}")) == {}
        assert_problem(put(shop, cart_id, "BREAD"), 404)

    def test_repeated_changes_nothing_more(self, shop):
        cart_id = issue(shop)
        put(shop, cart_id, "BREAD", 2)
        merge(shop, cart_id)
        put_own(shop, "CAKE", 5)
        before = shop.items("Carts")
        assert quantities(merge(shop, cart_id)) == {"BREAD": 2, "CAKE": 5}
        assert shop.items("Carts") == before

    def test_of_what_somebody_else_has_merged_is_404(self, shop):
        cart_id = issue(shop)
        put(shop, cart_id, "BREAD")
        merge(shop, cart_id)
        assert_problem(merge(shop, cart_id, claims=BOB), 404)

    def test_of_a_cart_never_issued_is_404_and_of_no_cart_id_400(self, shop):
        assert_problem(merge(shop, "never-issued"), 404)
        assert_problem(merge(shop, "not an id"), 400, "cartId")
        assert_problem(shop.request("POST", "/me/cart/merge", body={}, claims=ALICE), 400, "cartId")

    def test_that_does_not_fit_moves_nothing(self, shop):
        shop.feed("Products", [product_changed(f"SKU-{number}") for number in range(49)])
        for number in range(49):
            put_own(shop, f"SKU-{number}")
        cart_id = issue(shop)
        put(shop, cart_id, "BREAD")
        put(shop, cart_id, "CAKE")
        assert_problem(merge(shop, cart_id), 409, "CAKE")
        assert quantities(shop.request("GET", f"/carts/{cart_id}")) == {"BREAD": 1, "CAKE": 1}
        assert len(quantities(shop.request("GET", "/me/cart", claims=ALICE))) == 49


def test_a_change_can_be_traced_to_its_request(shop):
    shop.request("POST", "/carts", headers={"X-Correlation-Id": "conversation-7"})
    (cart,) = [item for item in shop.items("Carts") if item["sk"] == "CART"]
    assert cart["correlationId"] == "conversation-7"
    assert cart["causationId"]


def test_reads_call_no_function(shop):
    for path, claims in [("/carts/{cartId}", None), ("/me/cart", ALICE)]:
        shop.calls.clear()
        shop.request("GET", path.replace("{cartId}", "some-cart"), claims=claims)
        assert [(call.service, call.action) for call in shop.calls] == [("dynamodb", "Query")]
