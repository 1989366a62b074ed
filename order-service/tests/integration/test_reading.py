"""Reading orders: customers see their own, operators all."""

import pytest

CUSTOMER = {"sub": "customer-1", "scope": "openid commerce/shop"}
OPERATOR = {"sub": "operator-1", "scope": "openid commerce/operate"}

OTHER = {"sub": "customer-2", "scope": "commerce/shop"}


def listed(shop, path, claims, **query):
    response = shop.deployment.request("GET", path, query=query, claims=claims)
    assert response.status == 200, response.body
    return response.json()


def test_customers_list_their_own_orders_newest_first_page_by_page(shop):
    mine = [shop.placed() for _ in range(3)]
    shop.placed(claims=OTHER)
    first = listed(shop, "/orders", CUSTOMER, limit="2")
    rest = listed(shop, "/orders", CUSTOMER, limit="2", cursor=first["nextCursor"])
    assert [order["orderId"] for order in first["items"] + rest["items"]] == mine[::-1]
    assert "nextCursor" not in rest


def test_another_customers_order_does_not_exist(shop):
    order_id = shop.placed()
    for method, path in (("GET", f"/orders/{order_id}"), ("POST", f"/orders/{order_id}/cancellation")):
        assert shop.deployment.request(method, path, claims=OTHER).status == 404
    assert shop.item(order_id)["status"] == "PLACED"


@pytest.mark.parametrize("path", ["/operations/orders?status=PLACED", "/operations/orders/" + "0" * 32])
def test_operations_are_for_operators(shop, path):
    assert shop.deployment.request("GET", path, claims=CUSTOMER).status == 403


def test_operators_see_every_order_by_status(shop):
    placed, confirmed = shop.placed(), shop.placed(claims=OTHER)
    shop.run(confirmed)
    for status, order_id in (("PLACED", placed), ("CONFIRMED", confirmed)):
        page = listed(shop, "/operations/orders", OPERATOR, status=status)
        assert [order["orderId"] for order in page["items"]] == [order_id]
    assert listed(shop, f"/operations/orders/{confirmed}", OPERATOR)["status"] == "CONFIRMED"


@pytest.mark.parametrize("query", [{}, {"status": "LOST"}])
def test_a_status_that_does_not_exist_is_400(shop, query):
    response = shop.deployment.request("GET", "/operations/orders", query=query, claims=OPERATOR)
    assert response.status == 400
