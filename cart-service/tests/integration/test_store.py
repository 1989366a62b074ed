"""Two writers of one cart: whatever the interleaving, nothing is lost."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cart_service.api.runtime import domain
from cart_service.api.runtime import store as module
from cart_service.api.runtime.domain import Cart, Owner, Product, ProductStatus
from cart_service.api.runtime.store import MAX_ATTEMPTS, ORDERS_REMEMBERED, CartStore
from moto import mock_aws
from service_runtime.dynamodb import from_attributes, to_attributes
from service_runtime.envelope import Cause, rfc3339
from service_runtime.money import Money
from service_runtime.retries import ContentionError
from service_testing import aws

NOW = datetime(2026, 11, 21, 7, tzinfo=UTC)
CAUSE = Cause(correlation_id="c-1", causation_id="r-1")
VISITOR, ALICE = domain.anonymous("cart-1"), domain.customer("alice")


@pytest.fixture
def client():
    with mock_aws():
        aws.create_table("carts")
        yield aws.client("dynamodb")


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def store(client, waits) -> CartStore:
    return CartStore(table_name="carts", client=client, sleep=waits.append)


def put(store: CartStore, owner: Owner, sku: str, meanwhile: Callable[[], Any] = lambda: None) -> Any:
    """Put a line; `meanwhile` runs once between the read and the write."""
    others = iter([meanwhile])
    price = Money(amount_minor=100, currency="EUR")
    product = Product(sku=sku, name=sku, price=price, status=ProductStatus.ACTIVE)

    def decide(stored: Cart | None) -> Any:
        decision = domain.put_line(stored, owner, product, 1, NOW)
        next(others, lambda: None)()
        return decision

    return store.change(owner, decide, cause=CAUSE)


def merge(store: CartStore, meanwhile: Callable[[], Any] = lambda: None) -> Any:
    others = iter([meanwhile])

    def decide(theirs: Cart | None, ours: Cart | None) -> Any:
        decision = domain.merge(theirs, ours, VISITOR, ALICE, NOW)
        next(others, lambda: None)()
        return decision

    return store.merge(VISITOR, ALICE, decide, cause=CAUSE)


def stored(store: CartStore, owner: Owner) -> Cart | None:
    seen = []
    store.change(owner, seen.append, cause=CAUSE)
    return seen[0]


def skus(store: CartStore, owner: Owner) -> set[str]:
    cart = stored(store, owner)
    return {line.sku for line in cart.lines} if cart else set()


def issue(store: CartStore) -> None:
    store.issue(VISITOR, domain.issue(VISITOR, NOW), cause=CAUSE)


@pytest.fixture
def written_at(monkeypatch) -> datetime:
    """What the store takes for the present moment."""
    moment = NOW + timedelta(seconds=1)
    monkeypatch.setattr(module, "utc_now", lambda: moment)
    return moment


def items(client) -> dict[tuple[str, str], dict[str, Any]]:
    found = [from_attributes(item) for item in client.scan(TableName="carts")["Items"]]
    return {(item.pop("pk"), item.pop("sk")): item for item in found}


def item(lifetime: timedelta, written_at: datetime, **fields: Any) -> dict[str, Any]:
    """A cart without lines as it is stored, with these changes."""
    return {
        "lines": [],
        "version": 1,
        "createdAt": rfc3339(NOW),
        "expiresAt": rfc3339(NOW + lifetime),
        "expiresAtEpoch": int((NOW + lifetime).timestamp()),
        "total": {"amountMinor": 0, "currency": "EUR"},
        "updatedAt": rfc3339(written_at),
        "correlationId": "c-1",
        "causationId": "r-1",
        **fields,
    }


def test_an_issued_cart_is_stored_and_never_replaces_another(store, client, written_at):
    issue(store)
    expected = {("ANON#cart-1", "CART"): item(timedelta(days=7), written_at, cartId="cart-1")}
    assert items(client) == expected
    with pytest.raises(ClientError, match="ConditionalCheckFailed"):
        issue(store)
    assert items(client) == expected


def test_a_changed_cart_is_stored_as_it_is_read(store, client, written_at):
    cart = put(store, ALICE, "BREAD")
    assert cart == stored(store, ALICE)
    money = {"amountMinor": 100, "currency": "EUR"}
    line = {"sku": "BREAD", "name": "BREAD", "quantity": 1, "pricedAt": rfc3339(NOW)}
    assert items(client) == {
        ("CUST#alice", "CART"): item(
            timedelta(days=90),
            written_at,
            cartId="alice",
            total=money,
            lines=[{**line, "unitPrice": money, "lineTotal": money}],
        )
    }


def test_a_merge_stores_both_carts_and_returns_the_customers(store, client, written_at):
    issue(store)
    put(store, VISITOR, "BREAD")
    assert merge(store) == stored(store, ALICE)
    found = items(client)
    assert found["ANON#cart-1", "CART"] == item(
        timedelta(days=7), written_at, cartId="cart-1", version=3, mergedInto="alice"
    )
    assert found["CUST#alice", "CART"]["cartId"] == "alice"
    assert found["CUST#alice", "CART"]["causationId"] == "r-1"


def test_a_merge_that_is_refused_or_done_stores_nothing(store, client):
    assert merge(store).reason == domain.Reason.NO_SUCH_CART
    assert items(client) == {}
    issue(store)
    put(store, VISITOR, "BREAD")
    merged, before = merge(store), items(client)
    assert merge(store) == merged
    assert items(client) == before


def test_an_order_is_remembered_for_as_long_as_it_may_be_told_again(store, client, written_at):
    put(store, ALICE, "BREAD")
    subtract(store)
    found = items(client)
    assert found["CUST#alice", "ORDER#order-1"] == {
        "correlationId": "c-1",
        "causationId": "r-1",
        "expiresAtEpoch": int((written_at + ORDERS_REMEMBERED).timestamp()),
    }
    assert found["CUST#alice", "CART"]["version"] == 2
    assert found["CUST#alice", "CART"]["causationId"] == "r-1"


def test_a_product_is_read_from_the_projection(store, client):
    assert store.product("BREAD") is None
    price = Money(amount_minor=350, currency="EUR")
    fields = {"sku": "BREAD", "name": "Bread", "price": price.model_dump(by_alias=True), "status": "RETIRED"}
    projected = to_attributes({"pk": "PRODUCT#BREAD", "sk": "PRODUCT", "version": 3, **fields})
    client.put_item(TableName="carts", Item=projected)
    assert store.product("BREAD") == Product(
        sku="BREAD", name="Bread", price=price, status=ProductStatus.RETIRED
    )


def test_two_writers_of_one_cart_lose_nothing(store):
    issue(store)
    put(store, VISITOR, "BREAD", meanwhile=lambda: put(store, VISITOR, "CAKE"))
    assert skus(store, VISITOR) == {"BREAD", "CAKE"}
    assert stored(store, VISITOR).version == 3


def test_two_first_lines_of_a_customer_lose_nothing(store):
    put(store, ALICE, "BREAD", meanwhile=lambda: put(store, ALICE, "CAKE"))
    assert skus(store, ALICE) == {"BREAD", "CAKE"}


def test_ten_writers_all_get_through(store):
    def nested(number: int) -> None:
        if number < MAX_ATTEMPTS:
            put(store, ALICE, f"SKU-{number}", meanwhile=lambda: nested(number + 1))

    nested(0)
    assert len(skus(store, ALICE)) == MAX_ATTEMPTS


def test_a_line_put_during_a_merge_is_merged_too(store):
    issue(store)
    merge(store, meanwhile=lambda: put(store, VISITOR, "BREAD"))
    assert skus(store, ALICE) == {"BREAD"}
    assert stored(store, VISITOR).merged_into == "alice"


def test_a_line_put_into_the_target_during_a_merge_stays(store):
    issue(store)
    put(store, VISITOR, "BREAD")
    merge(store, meanwhile=lambda: put(store, ALICE, "CAKE"))
    assert skus(store, ALICE) == {"BREAD", "CAKE"}


def test_two_merges_at_once_add_up_once(store):
    issue(store)
    put(store, VISITOR, "BREAD")
    merge(store, meanwhile=lambda: merge(store))
    assert [line.quantity for line in stored(store, ALICE).lines] == [1]


def test_a_cart_merged_between_read_and_write_takes_nothing_more(store):
    issue(store)
    rejected = put(store, VISITOR, "BREAD", meanwhile=lambda: merge(store))
    assert rejected.reason == domain.Reason.NO_SUCH_CART
    assert skus(store, ALICE) == set()


def test_a_cart_deleted_between_read_and_write_is_not_resurrected(store, client):
    issue(store)
    key = {"pk": {"S": "ANON#cart-1"}, "sk": {"S": "CART"}}
    rejected = put(store, VISITOR, "BREAD", meanwhile=lambda: client.delete_item(TableName="carts", Key=key))
    assert rejected.reason == domain.Reason.NO_SUCH_CART
    assert stored(store, VISITOR) is None


class Failing:
    """A client whose writes fail some times before they are passed on."""

    def __init__(self, client, *errors: ClientError) -> None:
        self._client, self._errors = client, list(errors)

    def __getattr__(self, name: str) -> Any:
        def call(**parameters: Any) -> Any:
            if name in {"put_item", "transact_write_items"} and self._errors:
                raise self._errors.pop()
            return getattr(self._client, name)(**parameters)

        return call


def failure(code: str, *reasons: str) -> ClientError:
    answer = {"Error": {"Code": code}, "CancellationReasons": [{"Code": reason} for reason in reasons]}
    return ClientError(answer, "TransactWriteItems")


@pytest.mark.parametrize(
    "conflict",
    [
        failure("TransactionConflictException"),
        failure("ConditionalCheckFailedException"),
        failure("TransactionCanceledException", "None", "TransactionConflict"),
        failure("TransactionCanceledException", "ConditionalCheckFailed", "None"),
    ],
    ids=["item in a transaction", "condition", "transaction conflict", "transaction condition"],
)
def test_a_conflict_is_tried_again_after_a_wait(store, client, waits, conflict):
    issue(store)
    put(store, VISITOR, "BREAD")
    contended = CartStore(table_name="carts", client=Failing(client, conflict, conflict), sleep=waits.append)
    merge(contended)
    assert skus(store, ALICE) == {"BREAD"}
    assert len(waits) == 2
    assert 0 <= waits[0] <= 0.02
    assert 0 <= waits[1] <= 0.04


def test_who_loses_every_time_is_told_and_has_changed_nothing(client, waits):
    conflicts = [failure("ConditionalCheckFailedException")] * MAX_ATTEMPTS
    contended = CartStore(table_name="carts", client=Failing(client, *conflicts), sleep=waits.append)
    with pytest.raises(ContentionError):
        put(contended, ALICE, "BREAD")
    assert len(waits) == MAX_ATTEMPTS - 1
    assert stored(contended, ALICE) is None


@pytest.mark.parametrize(
    "error",
    [
        failure("ValidationException"),
        failure("TransactionCanceledException", "None", "ValidationError"),
        failure("TransactionCanceledException", "ThrottlingError", "None"),
    ],
    ids=["validation", "transaction validation", "throttling"],
)
def test_what_another_attempt_cannot_mend_is_not_tried_again(store, client, waits, error):
    issue(store)
    with pytest.raises(ClientError):
        merge(CartStore(table_name="carts", client=Failing(client, error), sleep=waits.append))
    assert waits == []


def subtract(store: CartStore, meanwhile: Callable[[], Any] = lambda: None) -> bool:
    others = iter([meanwhile])

    def decide(stored: Cart | None) -> Cart | None:
        decision = domain.subtract(stored, ALICE, {"BREAD": 1}, NOW, NOW)
        next(others, lambda: None)()
        return decision

    return store.once_per_order(ALICE, "order-1", decide, cause=CAUSE)


def test_an_order_is_subtracted_once(store):
    put(store, ALICE, "BREAD")
    put(store, ALICE, "CAKE")
    assert subtract(store)
    put(store, ALICE, "BREAD")
    assert not subtract(store)
    assert skus(store, ALICE) == {"BREAD", "CAKE"}


def test_an_order_without_a_cart_takes_nothing_from_the_next_one(store):
    assert subtract(store)
    put(store, ALICE, "BREAD")
    assert not subtract(store)
    assert skus(store, ALICE) == {"BREAD"}


def test_two_deliveries_of_an_order_at_once_subtract_once(store):
    put(store, ALICE, "CAKE")
    assert not subtract(store, meanwhile=lambda: subtract(store))
    assert stored(store, ALICE).version == 1


def test_a_line_put_while_an_order_is_subtracted_stays(store):
    put(store, ALICE, "BREAD")
    assert subtract(store, meanwhile=lambda: put(store, ALICE, "CAKE"))
    assert skus(store, ALICE) == {"CAKE"}
