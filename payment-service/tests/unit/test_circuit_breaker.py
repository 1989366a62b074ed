"""A provider that is down is spared."""

import pytest
from payment_service.payments.runtime.provider import (
    CircuitBreaker,
    Intent,
    IntentState,
    PaymentMethodError,
    ProviderUnavailableError,
    RefundError,
)


class Provider:
    """Answers with what the test says, and counts its calls."""

    def __init__(self) -> None:
        self.answer: object = Intent(id="i", state=IntentState.CAPTURED)
        self.calls = 0

    def read(self, _intent_id: str) -> object:
        self.calls += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def breaker(provider, now) -> CircuitBreaker:
    return CircuitBreaker(provider, threshold=3, cool_down_seconds=30, clock=lambda: now[0])


def fail(breaker, times: int) -> None:
    for _ in range(times):
        with pytest.raises(ProviderUnavailableError):
            breaker.read("i")


def test_after_three_failures_in_a_row_nothing_reaches_the_provider(breaker, provider):
    provider.answer = ProviderUnavailableError("down")
    fail(breaker, 3)
    with pytest.raises(ProviderUnavailableError, match="circuit open") as error:
        breaker.read("i")
    assert provider.calls == 3
    assert 0 < error.value.retry_after_seconds <= 31


@pytest.mark.parametrize("definite", [PaymentMethodError("CARD_DECLINED"), RefundError("3 refunds failed")])
def test_any_answer_in_between_counts_from_the_start(breaker, provider, definite):
    down = ProviderUnavailableError("down")
    for answer in (down, down, Intent(id="i", state=IntentState.DECLINED), down, down):
        provider.answer = answer
        fail(breaker, 1) if answer is down else breaker.read("i")
    provider.answer = definite
    with pytest.raises(type(definite)):
        breaker.read("i")
    assert provider.calls == 6


def test_after_the_cool_down_one_call_tries_and_its_answer_decides(breaker, provider, now):
    provider.answer = ProviderUnavailableError("down")
    fail(breaker, 3)
    now[0] = 30.0
    fail(breaker, 2)
    assert provider.calls == 4
    now[0] = 60.0
    provider.answer = Intent(id="i", state=IntentState.CAPTURED)
    for _ in range(5):
        breaker.read("i")
    assert provider.calls == 9
