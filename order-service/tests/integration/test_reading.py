"""Reading orders: customers see their own, operators all."""

import pytest
from service_testing.aws import client

CUSTOMER = {"sub": "customer-1", "scope": "openid commerce/shop"}
OPERATOR = {"sub": "operator-1", "scope": "openid commerce/operate"}

HEX = "0123456789abcdef"
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
    placed, confirmed, fulfilled = shop.placed(), shop.placed(claims=OTHER), shop.placed()
    shop.run(confirmed)
    shop.run(fulfilled)
    assert shop.fulfil(fulfilled).status == 202
    for status, order_id in (("PLACED", placed), ("CONFIRMED", confirmed), ("FULFILLED", fulfilled)):
        page = listed(shop, "/operations/orders", OPERATOR, status=status)
        assert page == {"items": [listed(shop, f"/operations/orders/{order_id}", OPERATOR)]}
        assert page["items"][0]["status"] == status
    assert listed(shop, "/operations/orders", OPERATOR, status="CANCELLED") == {"items": []}


class TestOrdersOfAllShards:
    """The list by status is one list, wherever its orders lie in the index."""

    @pytest.fixture
    def orders(self, shop):
        """Three orders in each of the 16 partitions, only seven different times between them; newest first."""
        template = shop.item(shop.placed())
        shop.deployment.table("Orders").delete_item(Key={"pk": template["pk"], "sk": "ORDER"})
        return self.put(shop, template, [f"{digit}{number:031x}" for number in range(3) for digit in HEX])

    def put(self, shop, template, order_ids, **attributes):
        positions = []
        with shop.deployment.table("Orders").batch_writer() as batch:
            for number, order_id in enumerate(order_ids):
                position = f"2026-11-21T08:00:0{number % 7}.000Z#{order_id}"
                keys = {
                    "pk": f"ORDER#{order_id}",
                    "gsi2pk": f"STATUS#PLACED#{order_id[0]}",
                    "gsi2sk": position,
                }
                batch.put_item(Item={**template, "orderId": order_id, **keys, **attributes})
                positions.append(position)
        return [position.partition("#")[2] for position in sorted(positions, reverse=True)]

    @staticmethod
    def pages(shop, **query):
        """The ids on every page, and the number of pages."""
        found, cursor = [], {}
        for number in range(1, 100):
            page = listed(shop, "/operations/orders", OPERATOR, status="PLACED", **query, **cursor)
            found += [order["orderId"] for order in page["items"]]
            if "nextCursor" not in page:
                return found, number
            cursor = {"cursor": page["nextCursor"]}
        raise AssertionError("the list has no end")

    @pytest.mark.parametrize(
        ("query", "pages"), [({}, 3), ({"limit": "16"}, 3), ({"limit": "5"}, 10), ({"limit": "100"}, 1)]
    )
    def test_each_is_listed_once_newest_first_and_the_last_page_says_so(self, shop, orders, query, pages):
        assert self.pages(shop, **query) == (orders, pages)

    def test_a_page_of_one_partition_alone_has_a_next_one(self, shop):
        template = shop.item(shop.placed())
        shop.deployment.table("Orders").delete_item(Key={"pk": template["pk"], "sk": "ORDER"})
        orders = self.put(shop, template, [f"a{number:031x}" for number in range(3)])
        assert self.pages(shop, limit="2") == (orders, 2)

    def test_one_that_changes_while_it_is_listed_is_left_out(self, shop, orders):
        table = shop.deployment.table("Orders")
        table.update_item(
            Key={"pk": f"ORDER#{orders[1]}", "sk": "ORDER"},
            UpdateExpression="SET #status = :now",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":now": "CANCELLED"},
        )
        page = listed(shop, "/operations/orders", OPERATOR, status="PLACED", limit="3")
        assert [order["orderId"] for order in page["items"]] == [orders[0], orders[2]]
        assert "nextCursor" in page

    def test_large_orders_make_smaller_pages(self, shop, orders):
        template = shop.item(orders[0])
        # As many bytes as fifty lines have; moto takes a minute for as many values.
        lines = [{**template["lines"][0], "name": "é" * 50 * 200}]
        assert self.put(shop, template, orders, lines=lines) != []
        found, pages = self.pages(shop, limit="100")
        assert sorted(found) == sorted(orders)
        assert len(orders) > pages > 1

    def test_what_dynamodb_leaves_unread_is_on_a_later_page(self, shop, orders, monkeypatch):
        batch_get = client("dynamodb").batch_get_item
        asked = []

        def leave_some(**request):
            ((table, wanted),) = request["RequestItems"].items()
            asked.append(len(wanted["Keys"]))
            answer = batch_get(**request)
            unread = {table: wanted} if len(wanted["Keys"]) > 4 else {}
            return {**answer, "UnprocessedKeys": unread}

        monkeypatch.setattr(client("dynamodb"), "batch_get_item", leave_some)
        found, _ = self.pages(shop, limit="16")
        assert found == orders
        assert asked[:3] == [16, 8, 4]

    def test_a_cursor_from_anywhere_else_is_400(self, shop):
        for cursor in ("x", "~", "2026-11-21T08:00:00Z#" + "0" * 32, "2026-11-21T08:00:00Z_" + "0" * 31):
            query = {"status": "PLACED", "cursor": cursor}
            answer = shop.deployment.request("GET", "/operations/orders", query=query, claims=OPERATOR)
            assert answer.status == 400
            assert "cursor must be the nextCursor of the page before" in answer.json()["detail"]


@pytest.mark.parametrize("query", [{}, {"status": "LOST"}, {"status": "PLACED", "limit": "101"}])
def test_a_list_that_does_not_exist_is_400(shop, query):
    response = shop.deployment.request("GET", "/operations/orders", query=query, claims=OPERATOR)
    assert response.status == 400
