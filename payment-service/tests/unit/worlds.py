"""Stores in memory that keep what the real ones promise: the next version, or nothing."""

from datetime import UTC, datetime, timedelta

from payment_service.payments.runtime.domain import Payment, Request
from payment_service.payments.runtime.sandbox import Account
from payment_service.payments.runtime.settle import StaleError
from service_runtime.money import Money

START = datetime(2026, 11, 21, 8, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Payments:
    def __init__(self) -> None:
        self.history: dict[str, list[Payment]] = {}

    def read(self, order_id: str) -> Payment | None:
        return self.history.get(order_id, [None])[-1]

    def write(self, payment: Payment) -> None:
        before = self.read(payment.order_id)
        if payment.version != (before.version if before else 0) + 1:
            raise StaleError(payment.order_id, before)
        self.history.setdefault(payment.order_id, []).append(payment)


class Accounts:
    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}

    def read(self, intent_id: str) -> Account | None:
        return self.accounts.get(intent_id)

    def write(self, account: Account) -> bool:
        before = self.read(account.intent_id)
        if account.revision != (before.revision if before else 0) + 1:
            return False
        self.accounts[account.intent_id] = account
        return True


def request(card: str = "tok_visa", *, request_id: str = "request-1", seconds: float = 30) -> Request:
    return Request(
        request_id=request_id,
        correlation_id="conversation-1",
        order_id="order-1",
        amount=Money(amount_minor=1299, currency="EUR"),
        payment_method=card,
        expires_at=START + timedelta(seconds=seconds),
    )
