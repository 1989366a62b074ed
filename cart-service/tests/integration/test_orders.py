"""What was bought leaves the customer's cart, once per order."""

from service_runtime.envelope import Event

ALICE = {"sub": "alice-1", "scope": "commerce/shop"}


def confirmed(order_id: str = "order-1", **quantities: int) -> Event:
    items = [{"sku": sku, "quantity": quantity} for sku, quantity in quantities.items()]
    return Event.create(
        service="order",
        stage="local",
        detail_type="OrderConfirmed.v1",
        aggregate_id=order_id,
        aggregate_version=5,
        data={"orderId": order_id, "customerId": "alice-1", "items": items},
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


def test_other_events_of_orders_are_not_for_carts(shop):
    placed = confirmed(BREAD=1).envelope() | {"detail-type": "OrderPlaced.v1"}
    assert shop.feed("Carts/Orders", [placed]).ignored == [placed]
