"""Which of the emulator's threads runs next: two at a time, and what goes on already before what is new.

The interpreter runs one thread at a time, a few milliseconds each, in no order. With two hundred orders under way dozens of
threads could run, so that each step of each order, and the event loop with each answer to a function, waits for all of them,
and all orders end together, at the end. In turns, orders end one after the other.

Work that begins while others have their turns needs no thread until then; the one whose work ends takes it on.

Whoever waits for something else leaves its turn to others meanwhile (`waiting`). Where somebody does not, nobody waits for
it for ever: once no turn has been given back for `STALLED_SECONDS`, another one begins.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

AT_ONCE = 2
"""One that runs, and one to run while that waits for a function or the disk. 200 orders at once on two free cores, from accepted
to confirmed in the median, measured beside each other: 35 a second and 0.4 s with one, 37 to 39 and 0.5 s with two, 32 and 3 s with
three, on a machine that was then less free. It was 29 and 5.5 s without turns."""

STALLED_SECONDS = 0.2
"""Longer than a turn lasts, and short for somebody who waits for an answer."""

PATIENCE_SECONDS = 5.0
"""For how long a caller lets everything else go first."""

GOES_ON, BEGINS, ASKS = range(3)
"""Ranks, of which a lower one goes first: what has waited for something and goes on, what begins, what a caller asks for."""


Work = Callable[[], None]


@dataclass(frozen=True)
class _Waiter:
    """Who has a turn next: work that a thread takes on, or a thread that waits.

    Attributes:
        go: Have it go on; it has the turn then.
        work: What a thread that has a turn can run itself instead.
        since: Monotonic time from which it has waited.
    """

    go: Callable[[], object]
    work: Work | None = None
    since: float = field(default_factory=time.monotonic)


class Turns:
    """Turns of which so many are taken at once.

    Args:
        at_once: How many.
    """

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._free = at_once
        self._lock = threading.Lock()
        self._queues: tuple[deque[_Waiter], ...] = (deque(), deque(), deque())
        self._somebody_waits = threading.Event()
        self._watched = False
        self._given_back = 0.0
        self._mine = threading.local()

    @contextmanager
    def turn(self, rank: int) -> Iterator[None]:
        """Have a turn, unless this thread has one already."""
        if getattr(self._mine, "held", False):
            yield
            return
        self._take(rank)
        try:
            yield
        finally:
            self._give()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Leave this thread's turn, if it has one, to others."""
        if not getattr(self._mine, "held", False):
            yield
            return
        self._give()
        try:
            yield
        finally:
            self._take(GOES_ON)

    def begin(self, work: Work, hand: Callable[[Work], None]) -> None:
        """Have work begin in its turn.

        Args:
            work: What to run.
            hand: Gives it to a thread, which calls `run_in_turn`; that of a thread whose work has ended needs none.
        """
        with self._lock:
            if self._free <= 0:
                self._append(BEGINS, _Waiter(partial(hand, work), work))
                return
            self._free -= 1
        hand(work)

    def run_in_turn(self, work: Work) -> None:
        """Run work that has its turn, and then what is next, if that has not begun."""
        following: Work | None = work
        while following:
            self._mine.held = True
            following()
            self._mine.held = False
            chosen = self._next()
            following = chosen.work if chosen else None
            if chosen and not following:
                chosen.go()

    def _take(self, rank: int) -> None:
        self._mine.held = True
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return
            called = threading.Lock()
            called.acquire()
            self._append(rank, _Waiter(called.release))
        called.acquire()

    def _give(self) -> None:
        self._mine.held = False
        if chosen := self._next():
            chosen.go()

    def _next(self) -> _Waiter | None:
        """Give a turn back: to nobody, or to whom it says."""
        with self._lock:
            self._given_back = time.monotonic()
            queue = next(filter(None, self._queues), None)
            if queue and self._free >= 0:
                return queue.popleft()
            self._free += 1
            return None

    def _append(self, rank: int, waiter: _Waiter) -> None:
        self._queues[rank].append(waiter)
        if not self._watched:
            self._watched = True
            threading.Thread(target=self._watch, daemon=True, name="turns").start()
        if not self._somebody_waits.is_set():
            self._somebody_waits.set()

    def _watch(self) -> None:
        while self._somebody_waits.wait():
            time.sleep(STALLED_SECONDS)
            if stalled := self._look():
                stalled.go()

    def _look(self) -> _Waiter | None:
        """Let callers who have been patient begin, and give one more turn if none is given back."""
        with self._lock:
            now, callers = time.monotonic(), self._queues[ASKS]
            while callers and now - callers[0].since > PATIENCE_SECONDS:
                self._queues[BEGINS].append(callers.popleft())
            queue = next(filter(None, self._queues), None)
            if queue is None:
                self._somebody_waits.clear()
            elif now - max(self._given_back, queue[0].since) > STALLED_SECONDS:
                self._free -= 1
                self._given_back = now
                return queue.popleft()
            return None


turns = Turns()
"""The process's."""
