"""An invocation is awaited where it was asked for, and its log lines are there when it ends.

Replaces, in `core/lambda_runtime.py`: in `Worker.invoke` (1402) a thread for each invocation that reads its answer, and
the wait for log lines, which looks once a millisecond and takes 5 ms at least, 50 if there are none
(`_drain_stderr_bounded`, 1362); and a thread for each worker that wakes for each line (`_read_stderr`, 1134). One `poll`
waits for answer and lines; lines are written before the answer, so that none can be missing. As before, the thread drains
what a module writes while it is imported. A function's time limit leaves out the time for which the machine had no
processor for it (`starved`).

And in `services/lambda_svc.py`: each invocation's log stream, which is kept for ever (`_emit_lambda_logs`, 5011); of each
function the latest are. And reserved concurrency, which was looked for at the version that an alias leads to
(`_reserved_concurrency`, 5116) and is the function's, as its counter is.
"""

from __future__ import annotations

import json
import os
import select
import time
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ministack.core import lambda_runtime
from ministack.services import cloudwatch_logs, lambda_svc

from commerce_platform.local_cloud.extension.guard import Guard, edit
from commerce_platform.local_cloud.turns import turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from subprocess import Popen

GUARDS = (
    Guard("core.lambda_runtime.Worker.invoke", "96751a754710"),
    Guard("core.lambda_runtime.Worker._spawn", "c55febf95656"),
    Guard("core.lambda_runtime.Worker._read_stderr", "d8eb30038f94"),
    Guard("lambda_svc._emit_lambda_logs", "111efbf06968"),
    Guard("core.lambda_runtime.Worker._drain_stderr", "71498e9146ca"),
    Guard("lambda_svc._reserved_concurrency", "ebec4b4bba77"),
)

STRAY_LINES = 200
"""Lines of output that are no answer after which the emulator gives a worker up."""

CHUNK = 65_536

SHORTEST_EXTENSION_SECONDS = 0.1
"""A function that was kept waiting for less had its time."""

STREAMS_KEPT = 5_000
"""How many invocations of a function its log group remembers, at one stream each."""

_THREAD = """\
        reader = threading.Thread(target=_read_response, daemon=True)
        reader.start()
        reader.join(timeout=timeout)

        if reader.is_alive():
"""
_IN_PLACE = """\
        if not _commerce_answered(self, envelope, timeout, result_box):
"""


def apply() -> None:
    """Await answers in place, and start workers with a reader that ends when they have started."""
    worker = lambda_runtime.Worker
    vars(lambda_runtime)["_commerce_answered"] = _answered
    edit(
        "core.lambda_runtime.Worker.invoke",
        (_THREAD, _IN_PLACE),
        ('response["log"] = self._drain_stderr_bounded()', 'response["log"] = self._drain_stderr()'),
    )
    lambda_svc._emit_lambda_logs = _forgetting(lambda_svc._emit_lambda_logs)
    lambda_svc._reserved_concurrency = _of_the_function(lambda_svc._reserved_concurrency)
    spawn = worker._spawn

    def spawn_reading(self: Any) -> None:
        self._started, started = os.pipe()
        try:
            with turns.waiting():
                spawn(self)
        finally:
            os.close(started)
            self._stderr_thread.join()
            os.close(self._started)

    worker._spawn, worker._read_stderr = spawn_reading, _log_until_started


class Pipes:
    """What a worker's process writes: answers to its output, log lines to its errors.

    Args:
        process: The worker's.
        log: Takes each log line.
    """

    def __init__(self, process: Popen[str], log: Callable[[str], object]) -> None:
        if process.stdout is None or process.stderr is None:
            raise ValueError("A worker's output and errors are pipes.")
        self._answers, self._errors, self._log = process.stdout.fileno(), process.stderr.fileno(), log
        self._begun = {self._answers: b"", self._errors: b""}
        self._poll = select.poll()
        self._poll.register(self._answers, select.POLLIN)
        self._poll.register(self._errors, select.POLLIN)

    def answers(self, deadline: float) -> Iterator[str]:
        """Give lines of output as they come, and log what comes meanwhile, until the output ends.

        Args:
            deadline: Of the monotonic clock.

        Raises:
            TimeoutError: It has passed.
        """
        while True:
            left = deadline - time.monotonic()
            with turns.waiting():
                ready = {end for end, _event in self._poll.poll(left * 1000)} if left > 0 else set()
            if not ready:
                raise TimeoutError
            lines = self._read(self._answers) if self._answers in ready else []
            # Written before the answer.
            self.log()
            if lines is None:
                return
            yield from lines

    def log(self) -> None:
        """Log the lines that have been written by now."""
        while any(end == self._errors for end, _event in self._poll.poll(0)):
            self._log_once()

    def log_until(self, ended: int) -> None:
        """Log lines as they are written, until a file descriptor is readable or its other end closed."""
        waiting = select.poll()
        waiting.register(ended, select.POLLIN)
        waiting.register(self._errors, select.POLLIN)
        while {end for end, _event in waiting.poll()} == {self._errors} and self._log_once():
            pass

    def _log_once(self) -> bool:
        lines = self._read(self._errors)
        if lines is None:
            self._poll.unregister(self._errors)
            return False
        for line in lines:
            self._log(line)
        return True

    def _read(self, end: int) -> list[str] | None:
        """Whole lines of an end that is ready, or None if it has been closed."""
        found = os.read(end, CHUNK)
        if not found:
            return None
        *lines, self._begun[end] = (self._begun[end] + found).split(b"\n")
        return [line.decode(errors="replace") for line in lines]


def _forgetting(emit: Callable[..., None]) -> Callable[..., None]:
    def emit_and_forget(function: dict[str, Any], *invocation: Any, **options: Any) -> None:
        emit(function, *invocation, **options)
        config = function.get("config") or function
        name = (config.get("LoggingConfig") or {}).get(
            "LogGroup"
        ) or f"/aws/lambda/{config.get('FunctionName')}"
        streams = cloudwatch_logs._log_groups.get(name, {}).get("streams", {})
        for _ in range(len(streams) - STREAMS_KEPT):
            streams.pop(next(iter(streams)), None)

    return emit_and_forget


def _of_the_function(reserved: Callable[..., int | None]) -> Callable[..., int | None]:
    def reserved_for_all_versions(found: dict[str, Any], config: dict[str, Any]) -> int | None:
        return reserved(lambda_svc._functions.get(config.get("FunctionName")) or found, config)

    return reserved_for_all_versions


def _log_until_started(worker: Any) -> None:
    worker._pipes = Pipes(worker._proc, worker._stderr_queue.put)
    worker._pipes.log_until(worker._started)


def _answered(worker: Any, envelope: dict[str, Any], seconds: float, answers: list[dict[str, Any]]) -> bool:
    """Have a worker handle an event, as the emulator's own reader did; False if that takes too long.

    Args:
        worker: Whose process runs.
        envelope: The event and its context.
        seconds: The function's timeout.
        answers: Gets the answer, or what went wrong.
    """
    waited = starved(worker._proc.pid)
    deadline = time.monotonic() + float(seconds)
    try:
        worker._proc.stdin.write(json.dumps(envelope) + "\n")
        worker._proc.stdin.flush()
        while True:
            try:
                found = _first_answer(worker._pipes.answers(deadline))
            except TimeoutError:
                more = starved(worker._proc.pid) - waited
                if more < SHORTEST_EXTENSION_SECONDS:
                    return False
                waited += more
                deadline = time.monotonic() + more
            else:
                answers.append(found or {"status": "error", "error": "Worker process died"})
                return True
    except Exception as error:  # noqa: BLE001 - told to the caller, as whatever else happens to a worker
        answers.append({"status": "error", "error": str(error)})
        return True


def starved(pid: int) -> float:
    """Seconds for which a process could have run and others did: a function on AWS has its processor to itself.

    Without this, a busy machine ends each new worker in its first call, which loads most, and so the next one.

    Args:
        pid: The process, its main thread.

    Returns:
        Since its start; nothing on a system that does not tell (`/proc/<pid>/schedstat`).
    """
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def _first_answer(lines: Iterator[str]) -> dict[str, Any] | None:
    return next(filter(None, map(_answer, islice(lines, STRAY_LINES))), None)


def _answer(line: str) -> dict[str, Any] | None:
    """An answer, if a line of output is one: a native library may write there too."""
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if found.get("status") in {"ok", "error"} else None
