"""Which of the emulator's threads runs next: one at a time, and what goes on already before what is new.

The interpreter runs one thread at a time, a few milliseconds each, in no order. With two hundred orders under way dozens of
threads could run, so that each step of each order, and the event loop with each answer to a function, waits for all of them,
and all orders end together, at the end. In turns, orders end one after the other.

Whoever waits for something else leaves its turn to others meanwhile (`waiting`). Where somebody does not, nobody waits for
it for ever: once no turn has been given back for `STALLED_SECONDS`, another one begins.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

AT_ONCE = 1
"""As many as the interpreter runs. With two and three, 200 orders at once take as much CPU or more, and orders end later: the
median from placed to confirmed is 0.4, 0.9 and 3 s (5.5 s without turns)."""

STALLED_SECONDS = 0.2
"""Longer than a turn lasts, and short for somebody who waits for an answer."""

PATIENCE_SECONDS = 5.0
"""For how long a caller lets everything else go first."""

GOES_ON, BEGINS, ASKS = range(3)
"""Ranks, of which a lower one goes first: what has waited for something and goes on, what begins, what a caller asks for."""


class Turns:
    """Turns of which so many are taken at once.

    Args:
        at_once: How many.
    """

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._free = at_once
        self._lock = threading.Lock()
        self._queues: tuple[deque[threading.Lock], ...] = (deque(), deque(), deque())
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

    def _take(self, rank: int) -> None:
        self._mine.held = True
        with self._lock:
            if self._free > 0:
                self._free -= 1
                return
            called = threading.Lock()
            called.acquire()
            self._queues[rank].append(called)
        begun = time.monotonic()
        while not called.acquire(timeout=STALLED_SECONDS):
            with self._lock:
                now, queue = time.monotonic(), self._queues[rank]
                if called not in queue:
                    continue
                if now - self._given_back > STALLED_SECONDS:
                    queue.remove(called)
                    self._free -= 1
                    self._given_back = now
                    return
                if rank == ASKS and now - begun > PATIENCE_SECONDS:
                    queue.remove(called)
                    rank = BEGINS
                    self._queues[rank].append(called)

    def _give(self) -> None:
        self._mine.held = False
        with self._lock:
            self._given_back = time.monotonic()
            queue = next(filter(None, self._queues), None)
            if queue and self._free >= 0:
                queue.popleft().release()
            else:
                self._free += 1


turns = Turns()
"""The process's."""
