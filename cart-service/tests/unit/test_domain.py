"""The rules of carts."""

from datetime import UTC, datetime, timedelta

import pytest
from cart_service.api.runtime.domain import (
    MAX_LINES,
    Cart,
    Merge,
    Owner,
    OwnerKind,
    Product,
    ProductStatus,
    Reason,
    Rejected,
    anonymous,
    customer,
    issue,
    merge,
    new_cart_id,
    put_line,
    remove_line,
    subtract,
)
from service_runtime.money import Money

NOW = datetime(2026, 11, 21, 7, 0, 0, 123_000, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
VISITOR, ALICE, BOB = anonymous("cart-1"), customer("alice"), customer("bob")


def product(sku: str = "BREAD", price: int = 350, **changes) -> Product:
    fields = {"name": f"Name of {sku}", "status": ProductStatus.ACTIVE, "currency": "EUR", **changes}
    money = Money(amount_minor=price, currency=fields.pop("currency"))
    return Product(sku=sku, price=money, **fields)


def filled(owner: Owner, *skus: str, quantity: int = 1, now: datetime = NOW) -> Cart:
    cart = issue(owner, now)
    for sku in skus:
        cart = put_line(cart, owner, product(sku), quantity, now)
        assert isinstance(cart, Cart)
    return cart


def skus(cart: Cart) -> list[str]:
    return [line.sku for line in cart.lines]


def test_an_issued_cart_is_empty_and_lives_seven_days():
    cart = issue(VISITOR, NOW)
    assert (cart.lines, cart.version) == ((), 1)
    assert cart.expires_at == NOW.replace(microsecond=0) + timedelta(days=7)


def test_cart_ids_cannot_be_guessed():
    ids = {new_cart_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert {len(each) for each in ids} == {32}  # 192 bits in base64


def test_a_line_has_todays_name_and_price():
    cart = put_line(issue(VISITOR, NOW), VISITOR, product(price=350), 3, LATER)
    line = cart.line("BREAD")
    assert (line.name, line.quantity, line.priced_at) == ("Name of BREAD", 3, LATER)
    assert (line.unit_price.amount_minor, line.line_total.amount_minor) == (350, 1050)
    assert cart.total == Money(amount_minor=1050, currency="EUR")


def test_putting_a_line_again_replaces_quantity_name_and_price_in_its_place():
    cart = filled(VISITOR, "BREAD", "CAKE", quantity=5)
    changed = put_line(cart, VISITOR, product("BREAD", 400, name="New name"), 2, LATER)
    assert skus(changed) == ["BREAD", "CAKE"]
    assert changed.line("BREAD").model_dump() == {
        "sku": "BREAD",
        "name": "New name",
        "quantity": 2,
        "unit_price": {"amount_minor": 400, "currency": "EUR"},
        "line_total": {"amount_minor": 800, "currency": "EUR"},
        "priced_at": "2026-11-21T08:00:00.123Z",
    }


def test_every_change_makes_a_version_and_a_new_lifetime():
    cart = filled(VISITOR, "BREAD")
    changed = put_line(cart, VISITOR, product(), 2, LATER)
    assert changed.version == cart.version + 1
    assert changed.expires_at == LATER.replace(microsecond=0) + timedelta(days=7)


def test_a_customers_cart_is_made_by_the_first_line_and_lives_ninety_days():
    cart = put_line(None, ALICE, product(), 1, NOW)
    assert (skus(cart), cart.version) == (["BREAD"], 1)
    assert cart.expires_at == NOW.replace(microsecond=0) + timedelta(days=90)


@pytest.mark.parametrize(
    ("offered", "reason", "said"),
    [
        (None, Reason.UNKNOWN_PRODUCT, "There is no product with this sku."),
        (product(status=ProductStatus.RETIRED), Reason.PRODUCT_RETIRED, "BREAD is no longer on sale."),
        (product(currency="USD"), Reason.WRONG_CURRENCY, "BREAD is priced in USD; carts hold EUR only."),
    ],
)
def test_what_is_not_for_sale_cannot_be_put(offered, reason, said):
    rejected = put_line(filled(VISITOR, "BREAD"), VISITOR, offered, 1, NOW)
    assert isinstance(rejected, Rejected)
    assert (rejected.reason, rejected.detail) == (reason, said)


def test_a_retired_product_stays_in_the_cart_until_removed():
    cart = filled(VISITOR, "BREAD", "CAKE")
    assert isinstance(put_line(cart, VISITOR, product(status=ProductStatus.RETIRED), 2, NOW), Rejected)
    assert skus(remove_line(cart, VISITOR, "BREAD", NOW)) == ["CAKE"]


def test_the_fiftieth_line_fits_the_next_does_not_and_known_ones_still_change():
    cart = filled(VISITOR, *(f"SKU-{number}" for number in range(MAX_LINES)))
    rejected = put_line(cart, VISITOR, product("ONE-MORE"), 1, NOW)
    assert (rejected.reason, rejected.lines) == (Reason.TOO_MANY_LINES, {"ONE-MORE": "does not fit"})
    assert rejected.detail == "A cart holds at most 50 different products. Remove one first."
    assert put_line(cart, VISITOR, product("SKU-7"), 9, NOW).line("SKU-7").quantity == 9


@pytest.mark.parametrize(
    "stored",
    [
        None,
        filled(VISITOR, "BREAD", now=NOW - timedelta(days=7)),
        filled(VISITOR, "BREAD").model_copy(update={"merged_into": "alice"}),
    ],
    ids=["never issued", "expired", "merged"],
)
def test_an_anonymous_cart_that_does_not_live_cannot_be_changed(stored):
    rejected = put_line(stored, VISITOR, product(), 1, NOW)
    assert rejected.reason == Reason.NO_SUCH_CART
    assert rejected.detail == "There is no such cart: it was never issued, has expired or was merged."
    assert remove_line(stored, VISITOR, "BREAD", NOW) is None


def test_a_cart_lives_until_the_second_it_expires():
    cart = filled(VISITOR, "BREAD")
    assert isinstance(
        put_line(cart, VISITOR, product(), 2, cart.expires_at - timedelta(milliseconds=1)), Cart
    )
    assert isinstance(put_line(cart, VISITOR, product(), 2, cart.expires_at), Rejected)


def test_a_customers_expired_lines_do_not_come_back():
    expired = filled(ALICE, "BREAD", "CAKE", now=NOW - timedelta(days=90))
    cart = put_line(expired, ALICE, product("TART"), 1, NOW)
    assert skus(cart) == ["TART"]
    assert cart.version == expired.version + 1  # the lock on the stored item holds


def test_removing_takes_one_line_and_is_nothing_when_absent():
    cart = filled(VISITOR, "BREAD", "CAKE")
    assert skus(remove_line(cart, VISITOR, "BREAD", LATER)) == ["CAKE"]
    assert remove_line(cart, VISITOR, "TART", LATER) is None
    assert remove_line(None, ALICE, "TART", LATER) is None


def test_a_merge_moves_every_line_and_leaves_a_tombstone():
    moved = merge(filled(VISITOR, "BREAD", "CAKE"), filled(ALICE, "TART"), VISITOR, ALICE, LATER)
    assert isinstance(moved, Merge)
    assert skus(moved.target) == ["TART", "BREAD", "CAKE"]
    assert (moved.source.lines, moved.source.merged_into) == ((), "alice")


def test_quantities_add_up_to_the_limit():
    moved = merge(
        filled(VISITOR, "BREAD", "CAKE", quantity=60),
        filled(ALICE, "BREAD", quantity=60),
        VISITOR,
        ALICE,
        NOW,
    )
    assert {line.sku: line.quantity for line in moved.target.lines} == {"BREAD": 99, "CAKE": 60}
    assert moved.target.line("BREAD").line_total == Money(amount_minor=99 * 350, currency="EUR")


@pytest.mark.parametrize("visitor_is_later", [True, False])
def test_of_two_prices_the_later_one_applies(visitor_is_later):
    times = (LATER, NOW) if visitor_is_later else (NOW, LATER)
    source = put_line(issue(VISITOR, NOW), VISITOR, product(price=100), 1, times[0])
    target = put_line(None, ALICE, product(price=200), 1, times[1])
    line = merge(source, target, VISITOR, ALICE, LATER).target.line("BREAD")
    assert line.unit_price.amount_minor == (100 if visitor_is_later else 200)
    assert line.priced_at == LATER


def test_a_merge_into_no_cart_makes_one():
    moved = merge(filled(VISITOR, "BREAD"), None, VISITOR, ALICE, NOW)
    assert (skus(moved.target), moved.target.version) == (["BREAD"], 1)


def test_a_repeated_merge_changes_nothing_more():
    moved = merge(filled(VISITOR, "BREAD"), None, VISITOR, ALICE, NOW)
    shopped_on = put_line(moved.target, ALICE, product("CAKE"), 1, LATER)
    assert merge(moved.source, shopped_on, VISITOR, ALICE, LATER) == shopped_on


def test_a_cart_that_was_merged_is_nobody_elses():
    moved = merge(filled(VISITOR, "BREAD"), None, VISITOR, ALICE, NOW)
    assert merge(moved.source, None, VISITOR, BOB, LATER).reason == Reason.NO_SUCH_CART


def test_a_merge_needs_a_living_cart():
    expired = filled(VISITOR, "BREAD", now=NOW - timedelta(days=8))
    assert merge(expired, None, VISITOR, ALICE, NOW).reason == Reason.NO_SUCH_CART
    assert merge(None, None, VISITOR, ALICE, NOW).reason == Reason.NO_SUCH_CART


def test_a_merge_that_does_not_fit_moves_nothing_and_says_what_does_not():
    source = filled(VISITOR, "SKU-0", "NEW-1", "NEW-2")
    target = filled(ALICE, *(f"SKU-{number}" for number in range(MAX_LINES - 1)))
    rejected = merge(source, target, VISITOR, ALICE, NOW)
    assert rejected.reason == Reason.TOO_MANY_LINES
    assert rejected.lines == {"NEW-2": "does not fit"}
    assert rejected.detail == (
        "Together the carts hold 51 different products, 50 are allowed. Nothing was moved: remove 1 first."
    )


def test_a_merge_may_fill_the_cart():
    target = filled(ALICE, *(f"SKU-{number}" for number in range(MAX_LINES - 1)))
    assert len(merge(filled(VISITOR, "NEW"), target, VISITOR, ALICE, NOW).target.lines) == MAX_LINES


def test_a_cart_is_a_visitors_or_a_customers():
    assert (anonymous("c"), customer("c")) == (
        Owner(OwnerKind.ANONYMOUS, "c"),
        Owner(OwnerKind.CUSTOMER, "c"),
    )


def test_what_was_bought_leaves_the_cart_and_the_rest_stays():
    cart = filled(ALICE, "BREAD", "CAKE", "TART", quantity=5)
    left = subtract(cart, ALICE, {"BREAD": 4, "CAKE": 5, "TART": 9, "PIE": 1}, NOW, LATER)
    assert [(line.sku, line.quantity, line.line_total.amount_minor) for line in left.lines] == [
        ("BREAD", 1, 350)
    ]
    assert left.version == cart.version + 1


def test_an_order_of_other_things_or_without_a_cart_changes_nothing():
    expired = filled(ALICE, "BREAD", now=NOW - timedelta(days=91))
    for cart in (filled(ALICE, "BREAD"), None, expired):
        bought = {"PIE": 1} if cart is not expired else {"BREAD": 1}
        assert subtract(cart, ALICE, bought, NOW, NOW) is None


def test_a_line_put_in_after_the_order_was_confirmed_stays_whole():
    later = put_line(filled(ALICE, "BREAD", "CAKE"), ALICE, product("CAKE"), 3, LATER)
    left = subtract(later, ALICE, {"BREAD": 1, "CAKE": 1}, NOW, LATER)
    assert [(line.sku, line.quantity) for line in left.lines] == [("CAKE", 3)]
    assert subtract(left, ALICE, {"CAKE": 1}, NOW, LATER) is None
