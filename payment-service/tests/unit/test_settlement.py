"""From an event to a definite outcome, with the sandbox."""

import pytest
from payment_service.payments.runtime import domain
from payment_service.payments.runtime.domain import Status
from payment_service.payments.runtime.provider import Intent, IntentState, ProviderUnavailableError
from payment_service.payments.runtime.sandbox import SandboxProvider
from payment_service.payments.runtime.settle import PendingError, Settlement
from service_runtime.money import Money

from .worlds import Accounts, Clock, Payments, request


class World:
    def __init__(self, provider=None) -> None:
        self.clock, self.payments, self.accounts = Clock(), Payments(), Accounts()
        self.sandbox = SandboxProvider(self.accounts, clock=self.clock)
        self.settled = []
        self.settlement = Settlement(
            store=self.payments,
            provider=provider or self.sandbox,
            on_settled=self.settled.append,
            clock=self.clock,
        )

    def request(self, card: str = "tok_visa", *, seen_before=False, **options):
        return self.settlement.change(
            "order-1", lambda p: domain.request(p, request(card, **options)), seen_before=seen_before
        )

    def cancel(self):
        def decide(payment):
            return domain.cancel(payment, order_id="order-1", cancellation_id="c", correlation_id="c")

        return self.settlement.change("order-1", decide)

    @property
    def payment(self):
        return self.payments.read("order-1")

    @property
    def account(self):
        (account,) = self.accounts.accounts.values()
        return account


@pytest.fixture
def world() -> World:
    return World()


def test_a_good_card_is_charged_once_however_often_it_is_asked_for(world):
    for _ in range(3):
        assert world.request().status is Status.CAPTURED
    assert (world.account.captures, world.account.attempts) == (1, 1)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("tok_declined", "CARD_DECLINED"),
        ("tok_insufficient_funds", "INSUFFICIENT_FUNDS"),
        ("tok_unknown", "INVALID_PAYMENT_METHOD"),
    ],
)
def test_a_bad_card_is_declined_with_the_reason(world, token, reason):
    payment = world.request(token)
    assert (payment.status, payment.reason) == (Status.DECLINED, reason)


def test_an_amount_of_nothing_is_refused_as_by_a_real_provider(world):
    nothing = request().model_copy(update={"amount": Money(amount_minor=0, currency="EUR")})
    payment = world.settlement.change("order-1", lambda known: domain.request(known, nothing))
    assert (payment.status, payment.reason) == (Status.DECLINED, "INVALID_PAYMENT_METHOD")


def test_the_intents_id_is_stored_before_anything_is_taken(world):
    world.request()
    assert [p.status for p in world.payments.history["order-1"]] == ["CAPTURING", "CAPTURED"]
    assert world.payments.history["order-1"][0].intent_id == world.account.intent_id


def test_a_provider_that_fails_twice_is_asked_until_it_answers(world):
    for _ in range(2):
        with pytest.raises(ProviderUnavailableError):
            world.request("tok_flaky")
        assert world.payment.status is Status.CAPTURING
    assert world.request("tok_flaky").status is Status.CAPTURED
    assert world.account.captures == 1


def test_a_provider_that_never_answers_keeps_the_payment_open_until_the_order_gives_up(world):
    with pytest.raises(ProviderUnavailableError):
        world.request("tok_timeout")
    world.clock.advance(3600)
    with pytest.raises(PendingError):
        world.request("tok_timeout")
    payment = world.cancel()
    assert (payment.status, payment.reason) == (Status.DECLINED, "CANCELLED")
    assert (world.account.state, world.account.captures) == (IntentState.VOIDED, 0)


def test_what_is_captured_after_the_order_gave_up_is_refunded(world):
    with pytest.raises(PendingError):
        world.request("tok_late")
    world.clock.advance(30)
    with pytest.raises(PendingError):
        world.cancel()
    world.clock.advance(5)
    assert world.request("tok_late").status is Status.REFUNDED
    assert (world.account.captures, world.account.refunds) == (1, 1)


def test_nothing_is_taken_from_the_time_limit_on(world):
    world.clock.advance(30)
    payment = world.request()
    assert (payment.status, payment.reason) == (Status.DECLINED, "EXPIRED")
    assert world.accounts.accounts == {}


def test_an_intent_that_was_not_confirmed_in_time_is_voided(world):
    with pytest.raises(ProviderUnavailableError):
        world.request("tok_flaky")
    world.clock.advance(30)
    payment = world.request("tok_flaky")
    assert (payment.status, payment.reason) == (Status.DECLINED, "EXPIRED")
    assert (world.account.state, world.account.captures) == (IntentState.VOIDED, 0)


def test_a_cancellation_after_the_capture_refunds_once_however_often_it_comes(world):
    world.request()
    for _ in range(3):
        assert world.cancel().status is Status.REFUNDED
    assert (world.account.captures, world.account.refunds) == (1, 1)


def test_a_cancellation_before_the_request_means_that_nothing_is_ever_taken(world):
    world.cancel()
    assert world.request().status is Status.DECLINED
    assert world.accounts.accounts == {}


def test_a_refund_on_its_way_is_no_refund_yet(monkeypatch, world):
    world.request()
    on_its_way = Intent(id=world.account.intent_id, state=IntentState.REFUNDING)
    with monkeypatch.context() as while_the_bank_takes_its_time:
        while_the_bank_takes_its_time.setattr(world.sandbox, "refund", lambda _intent_id: on_its_way)
        for _ in range(2):
            with pytest.raises(PendingError, match="REFUNDING"):
                world.cancel()
        assert world.payment.status is Status.CAPTURED
    assert world.cancel().status is Status.REFUNDED
    assert [payment.status for payment in world.settled] == ["CAPTURED", "REFUNDED"]


class Interrupting:
    """The sandbox, with something else happening around one of its calls."""

    def __init__(self, method: str, *, before=None, after=None) -> None:
        self.world, self._method, self._hooks = (
            World(provider=self),
            method,
            {"before": before, "after": after},
        )

    def __getattr__(self, name: str):
        def call(*args):
            mine = name == self._method
            self._run("before", mine=mine)
            answer = getattr(self.world.sandbox, name)(*args)
            self._run("after", mine=mine)
            return answer

        return call

    def _run(self, moment: str, *, mine: bool) -> None:
        hook = self._hooks[moment]
        if mine and hook:
            self._hooks[moment] = None
            hook(self.world)


def lose_the_answer(_world) -> None:
    raise ProviderUnavailableError("connection reset")


@pytest.mark.parametrize("method", ["create", "confirm"])
@pytest.mark.parametrize("seen_before", [True, False])
def test_a_lost_answer_is_found_again_and_nothing_is_taken_twice(method, seen_before):
    world = Interrupting(method, after=lose_the_answer).world
    with pytest.raises(ProviderUnavailableError):
        world.request()
    assert world.request(seen_before=seen_before).status is Status.CAPTURED
    assert (world.account.captures, world.account.attempts) == (1, 1)


def asked_by(world, **options) -> list[str]:
    """The provider's methods that a request calls."""
    asked = []
    for name in ("create", "read", "confirm"):
        method = getattr(world.sandbox, name)
        setattr(world.sandbox, name, lambda *args, n=name, m=method: asked.append(n) or m(*args))
    world.request(**options)
    return asked


def test_a_request_that_was_here_before_asks_for_its_intent_and_makes_no_other(world):
    with pytest.raises(ProviderUnavailableError):
        world.request("tok_flaky")
    with pytest.raises(ProviderUnavailableError):
        world.request("tok_flaky")
    assert asked_by(world, card="tok_flaky", seen_before=True) == ["read", "confirm"]


def test_an_intent_that_somebody_else_has_stored_is_asked_for_before_it_is_confirmed():
    world = Interrupting("confirm", after=lose_the_answer).world
    with pytest.raises(ProviderUnavailableError):
        world.request()
    assert asked_by(world) == ["create", "read"]
    assert (world.payment.status, world.account.attempts) == (Status.CAPTURED, 1)


def test_an_intent_that_nobody_has_confirmed_is_voided_and_never_confirmed_once_the_order_is_cancelled():
    world = Interrupting("confirm", before=lose_the_answer).world
    with pytest.raises(ProviderUnavailableError):
        world.request()
    assert world.payment.status is Status.CAPTURING
    assert world.cancel().status is Status.DECLINED
    assert (world.payment.reason, world.account.captures) == (domain.CANCELLED, 0)


def test_a_payment_that_was_stored_before_it_had_an_intent_gets_one(world):
    world.payments.write(domain.request(None, request()))
    assert world.settlement.advance("order-1").status is Status.CAPTURED
    assert world.account.captures == 1


def test_a_lost_answer_to_a_refund_is_found_again():
    world = Interrupting("refund", after=lose_the_answer).world
    world.request()
    with pytest.raises(ProviderUnavailableError):
        world.cancel()
    assert world.cancel().status is Status.REFUNDED
    assert world.account.refunds == 1


@pytest.mark.parametrize("method", ["create", "confirm"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_cancellation_during_the_attempt_leaves_the_customer_with_the_money(method, moment):
    world = Interrupting(method, **{moment: World.cancel}).world
    world.request()
    payment = world.settlement.advance("order-1")
    assert payment.cancelled
    assert payment.status in {Status.REFUNDED, Status.DECLINED}
    accounts = world.accounts.accounts.values()
    assert sum(account.captures - account.refunds for account in accounts) == 0


@pytest.mark.parametrize("method", ["create", "confirm"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_two_deliveries_of_a_request_at_once_charge_once(method, moment):
    world = Interrupting(method, **{moment: World.request}).world
    assert world.request().status is Status.CAPTURED
    assert world.account.captures == 1


def test_what_is_not_definite_says_what_is_waited_for(world):
    world.sandbox.confirm = lambda intent_id: Intent(id=intent_id, state=IntentState.PROCESSING)
    with pytest.raises(PendingError, match=rf"^intent \S+ is {IntentState.PROCESSING}$"):
        world.request()


def test_a_refund_that_is_not_definite_says_so(world):
    world.request()
    world.sandbox.refund = lambda intent_id: Intent(id=intent_id, state=IntentState.REFUNDING)
    with pytest.raises(PendingError, match=rf"^refund of \S+ is {IntentState.REFUNDING}$"):
        world.cancel()


def test_two_cancellations_at_once_refund_once():
    world = Interrupting("refund", before=World.cancel).world
    world.request()
    assert world.cancel().status is Status.REFUNDED
    assert world.account.refunds == 1
