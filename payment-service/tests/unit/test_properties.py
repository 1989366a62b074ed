"""Whatever is repeated, lost, late or at once: nobody is charged twice, and what must be is refunded exactly once."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from payment_service.payments.runtime import domain
from payment_service.payments.runtime.domain import Status
from payment_service.payments.runtime.provider import ProviderUnavailableError
from payment_service.payments.runtime.sandbox import TOKENS, SandboxProvider
from payment_service.payments.runtime.settle import PendingError, Settlement

from .worlds import Accounts, Clock, Payments, request

# What happens at a call of the provider or a write to the store: nothing unusual, the call never arrives, its answer is
# lost, or another consumer handles a message before or after it.
CALLS = st.lists(
    st.sampled_from(["ok", "ok", "unsent", "answer lost", "request", "cancel", "look", "time passes"]),
    max_size=12,
)
ENDED = {Status.CAPTURED, Status.DECLINED, Status.REFUNDED}


class AtTheMercyOf:
    """An object of whose calls the world decides what becomes."""

    def __init__(self, world, real, methods) -> None:
        self._world, self._real, self._methods = world, real, methods

    def __getattr__(self, name):
        method = getattr(self._real, name)
        return (lambda *args: self._world.around(name, method, args)) if name in self._methods else method


class Paying(RuleBasedStateMachine):
    """One order's payment, its messages delivered any number of times in any order and at once."""

    @initialize(token=st.sampled_from(sorted(TOKENS)), seconds=st.integers(1, 60))
    def order(self, token, seconds):
        self.clock, self.payments, self.accounts = Clock(), Payments(), Accounts()
        self.token, self.seconds, self.script, self.requested = token, seconds, [], False
        sandbox = SandboxProvider(self.accounts, clock=self.clock)
        self.settlement = Settlement(
            store=AtTheMercyOf(self, self.payments, {"write"}),
            provider=AtTheMercyOf(self, sandbox, {"create", "read", "confirm", "void", "refund"}),
            clock=self.clock,
            on_settled=lambda _payment: None,
        )

    def around(self, name, method, args):
        happening = self.script.pop(0) if self.script else "ok"
        if name == "confirm" and happening != "time passes":
            # Time that passes between the decision and the provider's clock is the network's, not ours.
            assert self.clock.now < request(seconds=self.seconds).expires_at, "a capture started too late"
        if happening == "unsent" and name != "write":
            raise ProviderUnavailableError("not sent")
        if happening in {"request", "cancel", "look"}:
            self.deliver(happening)
        if happening == "time passes":
            self.clock.advance(7)
        answer = method(*args)
        if happening == "answer lost":
            raise ProviderUnavailableError("answer lost")
        return answer

    def deliver(self, message, request_id="request-1", *, seen_before=False):
        def cancel(payment):
            return domain.cancel(payment, order_id="order-1", cancellation_id="c", correlation_id="c")

        asked = request(self.token, request_id=request_id, seconds=self.seconds)
        try:
            if message == "request":
                self.requested = True
                self.settlement.change(
                    "order-1", lambda payment: domain.request(payment, asked), seen_before=seen_before
                )
            elif message == "cancel":
                self.settlement.change("order-1", cancel, seen_before=seen_before)
            else:
                self.settlement.advance("order-1")
        except (ProviderUnavailableError, PendingError):
            pass  # the message stays in the queue

    @rule(script=CALLS, request_id=st.sampled_from(["request-1", "request-2"]), seen_before=st.booleans())
    def a_request_is_delivered(self, script, request_id, seen_before):
        self.script = script
        self.deliver("request", request_id, seen_before=seen_before)

    @rule(script=CALLS, seen_before=st.booleans())
    def a_cancellation_is_delivered(self, script, seen_before):
        self.script = script
        self.deliver("cancel", seen_before=seen_before)

    @rule(script=CALLS)
    def a_webhook_is_delivered(self, script):
        self.script = script
        self.deliver("look")

    @rule(seconds=st.integers(1, 40))
    def time_passes(self, seconds):
        self.clock.advance(seconds)

    @property
    def captures(self):
        return sum(account.captures for account in self.accounts.accounts.values())

    @property
    def refunds(self):
        return sum(account.refunds for account in self.accounts.accounts.values())

    @invariant()
    def the_books_are_right(self):
        assert 0 <= self.refunds <= self.captures <= 1
        payment = self.payments.read("order-1")
        if payment is None:
            assert self.captures == 0
        elif payment.status is Status.REFUNDED:
            assert (self.captures, self.refunds) == (1, 1)
        elif payment.status is Status.CAPTURED:
            assert self.captures == 1
            assert self.refunds == 0 or payment.cancelled
        elif payment.status in {Status.DECLINED, Status.REQUESTED}:
            assert self.captures == 0

    def teardown(self):
        """The provider is well again, every message is delivered until it is done, and the order gives up in time."""
        self.script = []
        if not self.requested:
            return
        for message in ("request", "request", "request", "time", "look", "cancel", "look"):
            payment = self.payments.read("order-1")
            if message == "time":
                self.clock.advance(100)
            elif message != "cancel" or payment.status not in ENDED:
                self.deliver(message)
        payment = self.payments.read("order-1")
        assert payment.status in ENDED
        assert self.captures - self.refunds == (1 if payment.status is Status.CAPTURED else 0)
        assert not (payment.cancelled and payment.status is Status.CAPTURED)


Paying.TestCase.settings = settings(max_examples=200, stateful_step_count=12, deadline=None)
TestPaying = Paying.TestCase
