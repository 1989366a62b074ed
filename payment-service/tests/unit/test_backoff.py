"""How patiently a message waits for a definite outcome."""

from types import SimpleNamespace

import pytest
from service_runtime.consumer import PoisonMessage, RetryLater


@pytest.fixture(scope="module")
def orders():
    """The module, whose errors are its own: the kit imports a handler's package anew for each deployment."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("POWERTOOLS_METRICS_NAMESPACE", "commerce")
        environment.setenv("POWERTOOLS_SERVICE_NAME", "payment")
        from payment_service.payments.runtime import orders

        yield orders


def waits(orders, error, *, receives):
    """How long the message stays out of sight, at the least and at the most."""
    found = []
    for choose in (min, max):
        with pytest.MonkeyPatch.context() as chance:
            chance.setattr(orders.random, "randint", lambda *bounds, choose=choose: choose(bounds))
            with (
                pytest.raises(RetryLater) as later,
                orders.until_definite(SimpleNamespace(receive_count=receives)),
            ):
                raise error
        assert later.value.reason == str(error)
        assert isinstance(later.value.delay_seconds, int)
        found.append(later.value.delay_seconds)
    return tuple(found)


@pytest.mark.parametrize(
    ("receives", "expected"),
    [(1, (1, 2)), (2, (2, 4)), (5, (16, 32)), (10, (512, 1024)), (11, (900, 1800)), (1000, (900, 1800))],
)
def test_it_is_looked_at_less_and_less_often_and_never_seldom(orders, receives, expected):
    assert waits(orders, orders.PendingError("not yet"), receives=receives) == expected
    assert waits(orders, orders.ProviderUnavailableError("down"), receives=receives) == expected


def test_a_provider_that_says_when_is_not_asked_before(orders):
    assert waits(orders, orders.ProviderUnavailableError("down", retry_after_seconds=40), receives=1) == (
        40,
        40,
    )
    assert waits(orders, orders.ProviderUnavailableError("down", retry_after_seconds=3), receives=3) == (4, 8)


def test_what_waiting_cannot_mend_is_left_to_somebody(orders):
    for error in (orders.domain.ContradictionError("contradiction"), orders.RefundError("no way back")):
        with (
            pytest.raises(PoisonMessage, match=str(error)),
            orders.until_definite(SimpleNamespace(receive_count=1)),
        ):
            raise error
