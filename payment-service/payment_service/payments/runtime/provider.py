"""The port to whoever moves the money, and the circuit breaker in front of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, ParamSpec, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from payment_service.payments.runtime.domain import Request

P = ParamSpec("P")
T = TypeVar("T")


class IntentState(StrEnum):
    """What a provider knows of an attempt to take money."""

    UNCONFIRMED = "UNCONFIRMED"
    PROCESSING = "PROCESSING"
    CAPTURED = "CAPTURED"
    REFUNDING = "REFUNDING"
    DECLINED = "DECLINED"
    VOIDED = "VOIDED"
    REFUNDED = "REFUNDED"


@dataclass(frozen=True, kw_only=True)
class Intent:
    """An attempt to take money. It can succeed once, so whatever is repeated takes nothing twice.

    Attributes:
        id: The provider's id.
        state: Where it stands.
        reason: Why it was declined.
    """

    id: str
    state: IntentState
    reason: str = ""


class ProviderUnavailableError(Exception):
    """The provider did not answer, or not definitely: the outcome of the call is unknown.

    Args:
        message: What happened, for the log.
        retry_after_seconds: How long to leave the provider alone at least.
    """

    def __init__(self, message: str, *, retry_after_seconds: int = 0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class PaymentMethodError(Exception):
    """The provider refuses the payment method or the amount before any money is asked for: a definite no.

    Args:
        reason: As in `PaymentDeclined`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class RefundError(Exception):
    """The provider tried to give the money back and could not: somebody has to find another way."""


class PaymentProvider(Protocol):
    """Who moves the money. Every method may raise `ProviderUnavailableError`; repeating any of them is safe."""

    def create(self, request: Request) -> Intent:
        """Prepare an attempt, without taking anything yet.

        Raises:
            PaymentMethodError: It can never succeed.
        """

    def read(self, intent_id: str) -> Intent:
        """Return where an attempt stands."""

    def confirm(self, intent_id: str) -> Intent:
        """Take the money."""

    def void(self, intent_id: str) -> Intent:
        """Give an attempt up, if that is still possible; the answer says how it stands now."""

    def refund(self, intent_id: str) -> Intent:
        """Give everything back; the answer is `REFUNDED` as soon as, and only if, that has succeeded.

        Raises:
            RefundError: It fails again and again.
        """


class CircuitBreaker:
    """A provider that is spared while it is down.

    After some failures in a row nothing reaches the provider for a while; then a single call tries it. Each execution
    environment of the function has its own breaker: they need no store, and a provider that is down is down for all.

    Args:
        provider: The provider.
        threshold: Failures in a row that open it.
        cool_down_seconds: For how long it stays open.
        clock: Monotonic seconds; tests pass their own.
    """

    def __init__(
        self,
        provider: PaymentProvider,
        *,
        threshold: int = 10,
        cool_down_seconds: int = 15,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._provider: Final = provider
        self._threshold: Final = threshold
        self._cool_down: Final = cool_down_seconds
        self._clock: Final = clock
        self._failures = 0
        self._closed_again_at = 0.0

    def create(self, request: Request) -> Intent:
        """Prepare an attempt."""
        return self._call(self._provider.create, request)

    def read(self, intent_id: str) -> Intent:
        """Return where an attempt stands."""
        return self._call(self._provider.read, intent_id)

    def confirm(self, intent_id: str) -> Intent:
        """Take the money."""
        return self._call(self._provider.confirm, intent_id)

    def void(self, intent_id: str) -> Intent:
        """Give an attempt up."""
        return self._call(self._provider.void, intent_id)

    def refund(self, intent_id: str) -> Intent:
        """Give everything back."""
        return self._call(self._provider.refund, intent_id)

    def _call(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        remaining = self._closed_again_at - self._clock()
        if remaining > 0:
            raise ProviderUnavailableError("circuit open", retry_after_seconds=int(remaining) + 1)
        try:
            result = method(*args, **kwargs)
        except ProviderUnavailableError:
            self._failures += 1
            if self._failures >= self._threshold:
                self._closed_again_at = self._clock() + self._cool_down
            raise
        except (PaymentMethodError, RefundError):
            self._failures = 0
            raise
        self._failures = 0
        return result
