"""What was bought leaves the customer's cart, once per order."""

from datetime import timedelta

from service_runtime.envelope import Event, utc_now

ALICE = {"sub": "alice-1", "scope": "commerce/shop"}


def confirmed(order_id: str = "order-1", *, ago: timedelta = timedelta(0), **quantities: int) -> Event:
    items = [{"sku": sku, "quantity": quantity} for sku, quantity in quantities.items()]
    return Event.create(
        service="order",
        stage="local",
        detail_type="OrderConfirmed.v1",
        aggregate_id=order_id,
        aggregate_version=5,
        data={"orderId": order_id, "customerId": "alice-1", "items": items},
        occurred_at=utc_now() - ago,
    )


def put(shop, sku: str, quantity: int) -> None:
    answer = shop.request("PUT", f"/me/cart/items/{sku}", body={"quantity": quantity}, claims=ALICE)
    assert answer.status == 200


def quantities(shop) -> dict[str, int]:
    cart = shop.request("GET", "/me/cart", claims=ALICE).json()
    return {line["sku"]: line["quantity"] for line in cart["items"]}


def test_a_confirmed_order_is_subtracted_once_however_often_it_is_told(shop):
    put(shop, "BREAD", 5)
    put(shop, "CAKE", 1)
    order = confirmed(BREAD=2, CAKE=1)
    outcome = shop.feed("Carts/Orders", [order, order])
    assert (len(outcome.handled), outcome.dead_letters) == (2, [])
    assert quantities(shop) == {"BREAD": 3}
    shop.feed("Carts/Orders", [order, confirmed("order-2", BREAD=1)])
    assert quantities(shop) == {"BREAD": 2}


def test_an_order_of_a_customer_without_a_cart_is_remembered(shop):
    order = confirmed(BREAD=1)
    assert shop.feed("Carts/Orders", [order]).dead_letters == []
    put(shop, "BREAD", 1)
    shop.feed("Carts/Orders", [order])
    assert quantities(shop) == {"BREAD": 1}


def test_a_line_put_in_after_the_order_stays(shop):
    put(shop, "CAKE", 1)
    shop.feed("Carts/Orders", [confirmed(ago=timedelta(minutes=1), BREAD=2, CAKE=1)])
    assert quantities(shop) == {"CAKE": 1}
    put(shop, "BREAD", 2)
    shop.feed("Carts/Orders", [confirmed("order-2", CAKE=1)])
    assert quantities(shop) == {"BREAD": 2}


def test_an_order_older_than_the_memory_of_orders_changes_nothing(shop):
    old, memorable = confirmed(ago=timedelta(days=180), BREAD=1), confirmed(ago=timedelta(days=179), BREAD=1)
    put(shop, "BREAD", 1)
    for line in shop.items("Carts"):
        if line["sk"] == "CART":  # as put in long ago
            line["lines"][0]["pricedAt"] = "2020-01-01T00:00:00.000Z"
            shop.table("Carts").put_item(Item=line)
    outcome = shop.feed("Carts/Orders", [old])
    assert (len(outcome.handled), outcome.dead_letters) == (1, [])
    assert quantities(shop) == {"BREAD": 1}
    shop.feed("Carts/Orders", [memorable])
    assert quantities(shop) == {}


def test_other_events_of_orders_are_not_for_carts(shop):
    placed = confirmed(BREAD=1).envelope() | {"detail-type": "OrderPlaced.v1"}
    assert shop.feed("Carts/Orders", [placed]).ignored == [placed]
