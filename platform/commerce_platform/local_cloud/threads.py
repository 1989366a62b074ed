"""Threads that are used again, one for each piece of work at a time, so that nothing waits for another's end."""

from __future__ import annotations

import sys
import threading
from contextvars import Context
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from commerce_platform.local_cloud.turns import turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

KEPT_IDLE = 64
"""Threads that wait for work; one that finds so many waiting ends."""

_work: SimpleQueue[Callable[[], None]] = SimpleQueue()
_lock = threading.Lock()
_idle = 0


class PooledThread:
    """What the emulator uses of `threading.Thread`, run by a thread that has run other work before.

    As a new thread it begins with an empty context, so that no account or scope of the work before is left in it.

    Args:
        target: What to run.
        args: Its arguments.
        name: For the log of an exception.
        daemon: Nothing waits for it at the process's end; there is no other kind here.
    """

    def __init__(
        self,
        *,
        target: Callable[..., object],
        args: Iterable[Any] = (),
        name: str = "pooled",
        daemon: bool = True,
    ) -> None:
        if not daemon:
            raise ValueError("Only daemon threads are pooled, got daemon=False.")
        self.name, self.daemon = name, daemon
        self._target, self._args = target, tuple(args)
        self._ended = threading.Lock()
        self._ended.acquire()

    def start(self) -> None:
        """Have it run in its turn."""
        turns.begin(self._run, _hand)

    def is_alive(self) -> bool:
        """Whether it has not ended, or not begun."""
        return self._ended.locked()

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, or so many seconds."""
        with turns.waiting():
            ended = self._ended.acquire(timeout=-1 if timeout is None else max(0.0, timeout))
        if ended:
            self._ended.release()

    def _run(self) -> None:
        try:
            Context().run(self._target, *self._args)
        except BaseException:  # noqa: BLE001 - told as a thread of its own would, and no end of the one that ran it
            threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), None)))
        finally:
            self._ended.release()


def _hand(run: Callable[[], None]) -> None:
    """Have an idle thread run it, or a new one if there is none."""
    global _idle  # noqa: PLW0603 - of the process, as its threads are
    with _lock:
        found = _idle > 0
        _idle -= found
    if found:
        _work.put(run)
    else:
        threading.Thread(target=_serve, args=(run,), daemon=True, name="pooled").start()


def _serve(run: Callable[[], None]) -> None:
    global _idle  # noqa: PLW0603
    while True:
        turns.run_in_turn(run)
        del run
        with _lock:
            if _idle >= KEPT_IDLE:
                return
            _idle += 1
        run = _work.get()
