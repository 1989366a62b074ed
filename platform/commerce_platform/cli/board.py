"""Progress that a person can follow: one line per app and step, with a spinner where there is a terminal."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

NAME_WIDTH = 24


class Board:
    """What is being done, and what has been.

    Lines on a pipe or in a build log: one when a step begins, one when it ends. On a terminal the running steps
    spin below the lines of those that have ended.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._live = Progress(
            SpinnerColumn(),
            TextColumn(f"{{task.fields[subject]:<{NAME_WIDTH}}} {{task.description}}"),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def say(self, subject: str, text: str, *, style: str = "", seconds: float | None = None) -> None:
        """Write a line that stays."""
        elapsed = "" if seconds is None else f"{seconds:6.1f} s"
        self.console.print(
            f"  {subject:<{NAME_WIDTH}} {text:<28}{elapsed}".rstrip(), style=style or None, markup=False
        )

    @contextlib.contextmanager
    def step(self, subject: str, doing: str, done: str = "") -> Iterator[None]:
        """Show that something is being done, and how long it took.

        Args:
            subject: Who: an app, or the local cloud.
            doing: What, as a participle: `deploying`.
            done: What is said when it has been done; nothing if empty.
        """
        began = time.monotonic()
        task = self._live.add_task(doing, subject=subject)
        if not self.console.is_terminal:
            self.say(subject, doing)
        try:
            yield
        except BaseException as error:
            verb = "failed" if isinstance(error, Exception) else "stopped"
            self.say(subject, f"{verb} {doing}", style="red", seconds=time.monotonic() - began)
            raise
        else:
            if done:
                self.say(subject, done, style="green", seconds=time.monotonic() - began)
        finally:
            self._live.remove_task(task)
