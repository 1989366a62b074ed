"""A provider that moves no money: what happens is decided by the payment token.

=========================  =============================================================
`tok_visa`               captured
`tok_declined`           declined, `CARD_DECLINED`
`tok_insufficient_funds` declined, `INSUFFICIENT_FUNDS`
`tok_slow`               captured, after the second and a half that real providers take
`tok_flaky`              fails twice without an answer, then captured
`tok_timeout`            never answers; can be voided
`tok_late`               captured shortly after the request's time limit; cannot be voided
=========================  =============================================================

An intent's id says all that it was made from, so that one which nobody has confirmed needs no account: what happens to
it afterwards is in the ledger, where a real provider would keep it.
"""

from __future__ import annotations

import hashlib
import re
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from service_runtime.envelope import WireModel, utc_now

from payment_service.payments.runtime.provider import (
    Intent,
    IntentState,
    PaymentMethodError,
    ProviderUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from payment_service.payments.runtime.domain import Request

DECLINES: Final = {"tok_declined": "CARD_DECLINED", "tok_insufficient_funds": "INSUFFICIENT_FUNDS"}
TOKENS: Final = frozenset({"tok_visa", "tok_slow", "tok_flaky", "tok_timeout", "tok_late", *DECLINES})
FLAKY_FAILURES: Final = 2
SLOW_SECONDS: Final = 1.5
LATE_BY: Final = timedelta(seconds=2)

_MADE: Final = re.compile(r"sbx_[0-9a-f]{24}\.(?P<card>[a-z_]+)\.(?P<expiry>[0-9]+)")


class Account(WireModel):
    """What the sandbox keeps of one attempt, as a real provider would on its side.

    Attributes:
        attempts: how often it was confirmed.
        captures: how often money was taken: at most once.
        refunds: how often it was given back: at most once.
        revision: +1 per change.
    """

    intent_id: str
    token: str
    expires_at: datetime
    state: IntentState = IntentState.UNCONFIRMED
    attempts: int = 0
    captures: int = 0
    refunds: int = 0
    revision: int = 1


class Ledger(Protocol):
    """Where the sandbox keeps its accounts."""

    def read(self, intent_id: str) -> Account | None:
        """Return an account as it is now."""

    def write(self, account: Account) -> bool:
        """Store the next revision; False when it is stored already."""


class SandboxProvider:
    """The sandbox as a `PaymentProvider`.

    Args:
        ledger: Of the accounts.
        clock: The present moment; tests pass their own.
        sleep: Waits so many seconds; tests pass their own.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        clock: Callable[[], datetime] = utc_now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._sleep = sleep

    def create(self, request: Request) -> Intent:
        """Prepare an attempt; the same one for the same request.

        Raises:
            PaymentMethodError: The token is not one of the sandbox's, or the amount is nothing.
        """
        if request.payment_method not in TOKENS or request.amount.amount_minor < 1:
            raise PaymentMethodError("INVALID_PAYMENT_METHOD")
        order = hashlib.sha256(request.order_id.encode()).hexdigest()[:24]
        expiry = round(request.expires_at.timestamp() * 1000)
        card = request.payment_method.removeprefix("tok_")
        return Intent(id=f"sbx_{order}.{card}.{expiry}", state=IntentState.UNCONFIRMED)

    def read(self, intent_id: str) -> Intent:
        """Return where an attempt stands."""
        return _intent(self._change(intent_id, lambda account: account))

    def confirm(self, intent_id: str) -> Intent:
        """Take the money, as the token decides.

        Raises:
            ProviderUnavailableError: The token is one that does not answer (now).
        """
        # Most are confirmed the first time: the ledger refuses the account if there is one.
        account = self._change(intent_id, self._confirmed, known=_untouched(intent_id))
        if account.token == "tok_slow":  # noqa: S105 - no secret
            self._sleep(SLOW_SECONDS)
        if account.token == "tok_timeout" and account.state is IntentState.PROCESSING:  # noqa: S105 - no secret
            raise ProviderUnavailableError("tok_timeout never answers")
        if account.state is IntentState.UNCONFIRMED:
            raise ProviderUnavailableError(f"tok_flaky fails, attempt {account.attempts}")
        return _intent(account)

    def void(self, intent_id: str) -> Intent:
        """Give an attempt up, if it was not confirmed or never answers."""

        def voided(account: Account) -> Account:
            waiting = account.state is IntentState.PROCESSING and account.token != "tok_late"  # noqa: S105 - no secret
            if account.state is IntentState.UNCONFIRMED or waiting:
                return _moved(account, IntentState.VOIDED)
            return account

        return _intent(self._change(intent_id, voided))

    def refund(self, intent_id: str) -> Intent:
        """Give the money back, once."""

        def refunded(account: Account) -> Account:
            if account.state is IntentState.CAPTURED:
                return _moved(account, IntentState.REFUNDED, refunds=account.refunds + 1)
            return account

        return _intent(self._change(intent_id, refunded))

    def _confirmed(self, account: Account) -> Account:
        if account.state is not IntentState.UNCONFIRMED:
            return account
        attempts = account.attempts + 1
        if account.token in DECLINES:
            return _moved(account, IntentState.DECLINED, attempts=attempts)
        if account.token in {"tok_timeout", "tok_late"}:
            return _moved(account, IntentState.PROCESSING, attempts=attempts)
        if account.token == "tok_flaky" and attempts <= FLAKY_FAILURES:  # noqa: S105 - no secret
            return _moved(account, IntentState.UNCONFIRMED, attempts=attempts)
        return _moved(account, IntentState.CAPTURED, attempts=attempts, captures=account.captures + 1)

    def _settled(self, account: Account) -> Account:
        """What has happened by itself meanwhile."""
        late = account.token == "tok_late" and account.state is IntentState.PROCESSING  # noqa: S105 - no secret
        if late and self._clock() >= account.expires_at + LATE_BY:
            return _moved(account, IntentState.CAPTURED, captures=account.captures + 1)
        return account

    def _change(
        self, intent_id: str, change: Callable[[Account], Account], *, known: Account | None = None
    ) -> Account:
        while True:
            account = known or self._ledger.read(intent_id) or _untouched(intent_id)
            if account is None:
                raise LookupError(f"the sandbox has no intent {intent_id}")
            changed = change(self._settled(account))
            if changed == account:
                return account
            if self._ledger.write(changed.model_copy(update={"revision": account.revision + 1})):
                return changed
            known = None


def _untouched(intent_id: str) -> Account | None:
    """The account of an intent that nothing has happened to; None if the id is not one of `create`'s."""
    made = _MADE.fullmatch(intent_id)
    if made is None:
        return None
    expires_at = datetime.fromtimestamp(int(made["expiry"]) / 1000, UTC)
    token = f"tok_{made['card']}"
    return Account(intent_id=intent_id, token=token, expires_at=expires_at, revision=0)


def _moved(account: Account, state: IntentState, **update: int) -> Account:
    return account.model_copy(update={"state": state, **update})


def _intent(account: Account) -> Intent:
    reason = DECLINES.get(account.token, "") if account.state is IntentState.DECLINED else ""
    return Intent(id=account.intent_id, state=account.state, reason=reason)
