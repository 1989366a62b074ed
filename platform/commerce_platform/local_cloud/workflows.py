"""How a workflow execution waits, and what ends its waiting: time limits, heartbeats, callbacks, an abort."""

from __future__ import annotations

import math
import random
import threading
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from commerce_platform.local_cloud.turns import turns

if TYPE_CHECKING:
    from collections.abc import Callable

EXPRESS_LIMIT_SECONDS = 300.0
"""An Express execution lasts five minutes at most
(https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html)."""


class Stopped(BaseException):
    """The execution, or the Parallel state around this branch, has ended; no state may catch that."""


class Overdue(BaseException):
    """The execution has reached the time limit of its state machine; no state may catch that."""


@dataclass(eq=False)
class Scope:
    """An execution or one branch of it, as far as waiting is concerned.

    Attributes:
        parent: The scope around a branch or a nested execution.
    """

    parent: Scope | None = None
    deadline: float = math.inf
    _stopped: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def __post_init__(self) -> None:
        if self.parent:
            self._changed = self.parent._changed

    def limit(self, seconds: float) -> None:
        """End the execution once it has lasted this long from now."""
        self.deadline = min(self.deadline, time.monotonic() + seconds)

    def stop(self) -> None:
        """End everything that waits in this scope."""
        self._stopped = True
        self.notify()

    def notify(self) -> None:
        """Have everything that waits look again whether it is done."""
        with self._changed:
            self._changed.notify_all()

    def check(self) -> None:
        """Raise if there is no reason to go on.

        Raises:
            Stopped: This scope or one around it was stopped.
            Overdue: The time limit has passed.
        """
        scope: Scope | None = self
        while scope:
            if scope._stopped:
                raise Stopped
            if time.monotonic() >= scope.deadline:
                raise Overdue
            scope = scope.parent

    def _nearest_deadline(self) -> float:
        return min(self.deadline, self.parent._nearest_deadline() if self.parent else math.inf)

    def wait(self, done: Callable[[], bool], until: float = math.inf) -> bool:
        """Wait until something is done.

        Args:
            done: Whether it is.
            until: Monotonic time at which to give up.

        Returns:
            Whether it was done in time.

        Raises:
            Stopped: The execution or branch has ended meanwhile.
            Overdue: Its time limit has passed meanwhile.
        """
        self.check()
        if done():
            return True
        # Left before the lock is taken: who waits for a turn must not hold what one with a turn waits for.
        with turns.waiting(), self._changed:
            while True:
                self.check()
                if done():
                    return True
                left = min(until, self._nearest_deadline()) - time.monotonic()
                if until <= time.monotonic():
                    return False
                self._changed.wait(min(left, threading.TIMEOUT_MAX))


current: ContextVar[Scope | None] = ContextVar("workflow_scope", default=None)


def scope() -> Scope:
    """Give the scope of the running execution, or a free one outside of any."""
    return current.get() or Scope()


def sleep(seconds: float) -> None:
    """Sleep as a state does: an abort or the execution's time limit ends it."""
    scope().wait(lambda: False, time.monotonic() + seconds)


def retry_delay(retrier: dict[str, Any], attempt: int) -> float:
    """Give the seconds before a retry.

    Args:
        retrier: An entry of a state's `Retry`.
        attempt: How many retries by it there were.

    Returns:
        The interval with backoff, at most `MaxDelaySeconds`, anywhere below that with `JitterStrategy` FULL.
    """
    delay = float(retrier.get("IntervalSeconds", 1)) * float(retrier.get("BackoffRate", 2.0)) ** attempt
    delay = min(delay, float(retrier.get("MaxDelaySeconds", math.inf)))
    return random.uniform(0, delay) if retrier.get("JitterStrategy") == "FULL" else delay  # noqa: S311 - no secret


class CallbackSignal:
    """Stands where the emulator keeps a callback's `threading.Event`: waking the execution's scope instead."""

    def __init__(self, waiting: Scope) -> None:
        self._waiting = waiting
        self._set = False

    def set(self) -> None:
        """Tell the execution that the answer is there."""
        self._set = True
        self._waiting.notify()

    def is_set(self) -> bool:
        """Say whether the answer is there."""
        return self._set


def await_callback(info: dict[str, Any], timeout_seconds: float, heartbeat_seconds: float) -> str | None:
    """Wait for the answer to a task token.

    Args:
        info: The token's record: `event` is its signal, `heartbeat` the monotonic time of the last heartbeat.
        timeout_seconds: The state's `TimeoutSeconds`.
        heartbeat_seconds: The state's `HeartbeatSeconds`.

    Returns:
        The error's name if the answer did not come in time, else nothing.
    """
    signal, started = info["event"], time.monotonic()
    info["heartbeat"] = started
    while True:
        expires = started + timeout_seconds
        silent = info["heartbeat"] + heartbeat_seconds
        if scope().wait(signal.is_set, min(expires, silent)):
            return None
        now = time.monotonic()
        if now >= expires:
            return "States.Timeout"
        if now >= info["heartbeat"] + heartbeat_seconds:
            return "States.HeartbeatTimeout"
