"""What holds for carts whatever is done to them."""

from datetime import UTC, datetime, timedelta

from cart_service.api.runtime.domain import (
    CURRENCY,
    MAX_LINES,
    MAX_QUANTITY,
    Cart,
    Merge,
    Product,
    ProductStatus,
    Rejected,
    anonymous,
    customer,
    issue,
    merge,
    put_line,
    remove_line,
)
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from service_runtime.money import Money

NOW = datetime(2026, 11, 21, 7, tzinfo=UTC)
VISITOR, ALICE = anonymous("cart-1"), customer("alice")

skus = st.sampled_from([f"SKU-{number}" for number in range(MAX_LINES + 10)])
quantities = st.integers(1, MAX_QUANTITY)
prices = st.integers(0, 100_000_000)
carts = st.lists(st.tuples(skus, quantities, prices), max_size=MAX_LINES + 10)


def product(sku: str, price: int) -> Product:
    money = Money(amount_minor=price, currency=CURRENCY)
    return Product(sku=sku, name=sku.lower(), price=money, status=ProductStatus.ACTIVE)


def filled(owner, puts) -> Cart:
    cart = issue(owner, NOW)
    for sku, quantity, price in puts:
        changed = put_line(cart, owner, product(sku, price), quantity, NOW)
        cart = changed if isinstance(changed, Cart) else cart
    return cart


def assert_sound(cart: Cart) -> None:
    assert cart.total.amount_minor == sum(line.quantity * line.unit_price.amount_minor for line in cart.lines)
    assert all(line.line_total == line.unit_price * line.quantity for line in cart.lines)
    assert all(1 <= line.quantity <= MAX_QUANTITY for line in cart.lines)
    assert len({line.sku for line in cart.lines}) == len(cart.lines) <= MAX_LINES


class Shopping(RuleBasedStateMachine):
    """Any sequence of puts and removals, against a plain dictionary."""

    @initialize()
    def start(self):
        self.cart = issue(VISITOR, NOW)
        self.expected = {}

    @rule(sku=skus, quantity=quantities, price=prices)
    def put(self, sku, quantity, price):
        changed = put_line(self.cart, VISITOR, product(sku, price), quantity, NOW)
        if isinstance(changed, Rejected):
            assert len(self.expected) == MAX_LINES
            assert sku not in self.expected
        else:
            self.cart, self.expected[sku] = changed, quantity

    @rule(sku=skus)
    def remove(self, sku):
        changed = remove_line(self.cart, VISITOR, sku, NOW)
        assert (changed is None) == (sku not in self.expected)
        self.cart = changed or self.cart
        self.expected.pop(sku, None)

    @invariant()
    def the_cart_holds_what_was_put_and_costs_what_it_holds(self):
        assert {line.sku: line.quantity for line in self.cart.lines} == self.expected
        assert_sound(self.cart)


TestShopping = Shopping.TestCase


@given(theirs=carts, ours=carts)
def test_a_merge_loses_nothing_within_the_limits_and_happens_once(theirs, ours):
    source, target = filled(VISITOR, theirs), filled(ALICE, ours)
    moved = merge(source, target, VISITOR, ALICE, NOW + timedelta(hours=1))
    wanted = {line.sku for line in source.lines} | {line.sku for line in target.lines}
    if isinstance(moved, Rejected):
        assert len(wanted) > MAX_LINES
        assert len(moved.lines) == len(wanted) - MAX_LINES
        return
    assert isinstance(moved, Merge)
    assert_sound(moved.target)
    for sku in wanted:
        pieces = sum(cart.line(sku).quantity for cart in (source, target) if cart.line(sku))
        assert moved.target.line(sku).quantity == min(pieces, MAX_QUANTITY)
    assert merge(moved.source, moved.target, VISITOR, ALICE, NOW + timedelta(hours=2)) == moved.target


@given(puts=carts)
def test_a_cart_survives_being_stored(puts):
    cart = filled(VISITOR, puts)
    assert Cart.model_validate(cart.model_dump(mode="json", by_alias=True)) == cart
