import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from service_runtime.money import CurrencyMismatchError, Money

AMOUNTS = st.integers(-(10**12), 10**12).map(lambda amount: Money(amount_minor=amount, currency="EUR"))


def eur(amount):
    return Money(amount_minor=amount, currency="EUR")


@given(AMOUNTS, AMOUNTS)
def test_sums_are_exact(left, right):
    assert (left + right).amount_minor == left.amount_minor + right.amount_minor
    assert left + right == right + left
    assert left + Money.zero("EUR") == left


@given(AMOUNTS, st.integers(0, 99))
def test_a_quantity_is_that_many_additions(price, quantity):
    assert price * quantity == quantity * price == Money.total([price] * quantity, currency="EUR")


@pytest.mark.parametrize(
    "combine",
    [
        lambda a, b: a + b,
        lambda a, b: Money.total([b], currency=a.currency),
    ],
)
def test_currencies_never_mix(combine):
    with pytest.raises(CurrencyMismatchError, match="got EUR and USD"):
        combine(eur(1), Money(amount_minor=1, currency="USD"))


@pytest.mark.parametrize("amount", [1.0, "1", True, None, 2**53, -(2**53)])
def test_an_amount_is_an_integer_that_json_can_carry(amount):
    with pytest.raises(ValidationError):
        Money(amount_minor=amount, currency="EUR")


@pytest.mark.parametrize("currency", ["eur", "EURO", "", 1])
def test_a_currency_is_an_iso_code(currency):
    with pytest.raises(ValidationError):
        Money(amount_minor=1, currency=currency)


@pytest.mark.parametrize("factor", [1.5, True, "2"])
def test_a_fraction_needs_a_rounding_rule_and_is_refused(factor):
    with pytest.raises(TypeError, match="by an int only"):
        eur(1) * factor


def test_money_combines_with_money_only():
    with pytest.raises(TypeError, match="with Money only, got 5"):
        eur(1) + 5


def test_the_wire_form_is_minor_units_and_currency():
    assert eur(1299).model_dump(by_alias=True) == {"amountMinor": 1299, "currency": "EUR"}
    assert Money.model_validate({"amountMinor": 1299, "currency": "EUR"}) == eur(1299)
