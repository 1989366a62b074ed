"""An invocation's report tells what AWS would bill, and the caller who asks for the log's tail gets it.

Replaces, in `services/lambda_svc.py`: the report of an invocation (`_emit_lambda_logs`, 5060), which tells the emulator's
own time whatever the function's memory, and in plain text whatever its log format; and the log's tail (`_invoke`, 3226),
which lacks it. In `core/lambda_runtime.py`: the worker (`_PYTHON_WORKER_SCRIPT`), which measures nothing.

**The time is a model.** A function of AWS has a share of a processor in proportion to its memory, a whole one at
1,769 MB (https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html). Here the worker measures the
processor time and the time that it waited for others; the report tells the waiting as it was and the processor time over
that share. More than one processor is of no use to one thread. Not told are this machine's speed beside AWS's, the time
that AWS's own services take to answer, and that a machine which is short of processors makes waiting longer.

The start (`Init Duration`) is what the module's import took here, whatever the memory: AWS bills it since August 2025
(https://aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase/), and does not document its share.
"""

from __future__ import annotations

import json
import math
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from commerce_platform.local_cloud.extension.guard import EmulatorChangedError, Guard, edit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GUARDS = (
    Guard("lambda_svc._emit_lambda_logs", "111efbf06968"),
    Guard("lambda_svc._execute_function_dispatch", "f62cd259213e"),
    Guard("lambda_svc._execute_function_warm", "62b9218bef5b"),
)

WHOLE_PROCESSOR_MB = 1769
"""The memory that comes with one whole processor."""

Json = dict[str, Any]

# Passages of the worker's script, and what measures there; the last one is what `function_errors` has put in.
_SCRIPT = (
    (
        "\n    init = json.loads(sys.stdin.readline())\n",
        "\n    _ms_start = _ms_now()\n    init = json.loads(sys.stdin.readline())\n",
    ),
    (
        '        _real_stdout.write(json.dumps({"status": "ready", "cold": True})',
        '        _ms_init = _ms_since(_ms_start)\n        _real_stdout.write(json.dumps({"status": "ready", "cold": True})',
    ),
    (
        "            result = handler_fn(event, context)\n",
        "            _ms_start = _ms_now()\n            result = handler_fn(event, context)\n",
    ),
    (
        '{"status": "ok", "result": result}',
        '{"status": "ok", "result": result, "usage": [_ms_since(_ms_start), _ms_init, _ms_most_mb()]}',
    ),
    (
        '"type": type(e).__name__,',
        '"type": type(e).__name__, "usage": [_ms_since(_ms_start), _ms_init, _ms_most_mb()],',
    ),
)
_MEASURES = """
import resource as _ms_resource, sys as _ms_sys, time as _ms_time

def _ms_most_mb():
    used = _ms_resource.getrusage(_ms_resource.RUSAGE_SELF).ru_maxrss
    return used // (1048576 if _ms_sys.platform == "darwin" else 1024)

def _ms_starved():
    try:
        with open("/proc/self/schedstat") as _file:
            return int(_file.read().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0

def _ms_now():
    return _ms_time.perf_counter(), _ms_time.process_time(), _ms_starved()

def _ms_since(start):
    wall, cpu, starved = (now - then for now, then in zip(_ms_now(), start))
    return {"cpu": cpu, "waited": max(0.0, wall - cpu - starved)}

"""


@dataclass(frozen=True)
class Report:
    """What an invocation took.

    Attributes:
        cpu: Processor seconds of the handler.
        waited: Seconds for which it waited for others.
        init: Seconds that its start took; 0 where it had been started.
        most_mb: The most memory that its process has had.
    """

    cpu: float
    waited: float
    init: float = 0.0
    most_mb: int = 0

    @classmethod
    def of(cls, measured: Sequence[Any], *, is_cold: bool) -> Report:
        """What a worker measured: of the invocation, of its start, and its memory."""
        run, start, most_mb = measured
        return cls(run["cpu"], run["waited"], start["cpu"] + start["waited"] if is_cold else 0.0, most_mb)

    def seconds(self, memory_mb: int) -> float:
        """How long it would have taken with so much memory, its start left out."""
        return self.waited + self.cpu / min(1.0, memory_mb / WHOLE_PROCESSOR_MB)

    def billed_ms(self, memory_mb: int) -> int:
        """Milliseconds that are billed: each one begun, its start included."""
        return max(1, math.ceil(round((self.seconds(memory_mb) + self.init) * 1000, 6)))


last: ContextVar[Report | None] = ContextVar("function_report", default=None)
"""Of the invocation that runs in this context."""
_lines: ContextVar[list[str]] = ContextVar("function_log")


def apply() -> None:
    """Have workers measure, and tell it in the log and its tail."""
    script = lambda_runtime._PYTHON_WORKER_SCRIPT
    for old, new in _SCRIPT:
        if script.count(old) != 1:
            raise EmulatorChangedError(f"ministack's Python worker no longer holds once: {old!r}")
        script = script.replace(old, new)
    lambda_runtime._PYTHON_WORKER_SCRIPT = _MEASURES + script
    execute = lambda_svc._execute_function_dispatch
    vars(lambda_svc).update(_commerce_log=_log, _commerce_measured=_measured)
    edit(
        "lambda_svc._execute_function_warm",
        (
            '        if result.get("status") == "ok":\n',
            '        _commerce_measured(result)\n        if result.get("status") == "ok":\n',
        ),
    )
    edit(
        "lambda_svc._emit_lambda_logs",
        (
            "lines = [start, *(log_text.splitlines() if log_text else []), end, _report()]",
            "lines = _commerce_log(config, request_id, log_text or '', duration_ms, error)",
        ),
    )

    def execute_with_tail(*invocation: Any) -> Json:
        last.set(None)
        _lines.set([])
        result: Json = execute(*invocation)
        if isinstance(result, dict) and _lines.get():
            result["log"] = "\n".join(_lines.get())
        return result

    lambda_svc._execute_function_dispatch = execute_with_tail


def _measured(answer: Json) -> None:
    if "usage" in answer:
        last.set(Report.of(answer.pop("usage"), is_cold=bool(answer.get("cold_start"))))


@dataclass(frozen=True)
class Ended:
    """An invocation that has ended, as its function's log tells it.

    Attributes:
        request: Its id.
        version: Of the function.
        memory_mb: The function has.
        is_error: Whether the handler raised.
        report: What it took.
    """

    request: str
    version: str
    memory_mb: int
    is_error: bool
    report: Report

    @property
    def milliseconds(self) -> float:
        """How long it took, its start left out."""
        return self.report.seconds(self.memory_mb) * 1000

    def as_text(self) -> list[str]:
        """Its lines around the function's own.

        Source: https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-view.html
        """
        parts = [
            f"REPORT RequestId: {self.request}",
            f"Duration: {self.milliseconds:.2f} ms",
            f"Billed Duration: {self.report.billed_ms(self.memory_mb)} ms",
            f"Memory Size: {self.memory_mb} MB",
            f"Max Memory Used: {self.report.most_mb} MB",
        ]
        if self.report.init:
            parts.append(f"Init Duration: {self.report.init * 1000:.2f} ms")
        start = f"START RequestId: {self.request} Version: {self.version}"
        return [start, f"END RequestId: {self.request}", "\t".join([*parts, ""])]

    def as_json(self) -> list[str]:
        """The same of a function that logs JSON.

        Source: https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
        """
        metrics = {
            "durationMs": round(self.milliseconds, 3),
            "billedDurationMs": self.report.billed_ms(self.memory_mb),
            "memorySizeMB": self.memory_mb,
            "maxMemoryUsedMB": self.report.most_mb,
        }
        if self.report.init:
            metrics["initDurationMs"] = round(self.report.init * 1000, 3)
        status = "error" if self.is_error else "success"
        return [
            _platform("start", {"requestId": self.request, "version": self.version}),
            _platform("report", {"requestId": self.request, "metrics": metrics, "status": status}),
        ]


def _log(
    config: Mapping[str, Any],
    request: str,
    text: str,
    duration_ms: int,
    is_error: bool,  # noqa: FBT001 - as the emulator calls it
) -> list[str]:
    """An invocation's lines: the platform's around the function's own."""
    memory = int(config.get("MemorySize", 128))
    report = last.get() or Report(0.0, duration_ms / 1000)
    told = Ended(request, config.get("Version", "$LATEST"), memory, is_error, report)
    logs_json = (config.get("LoggingConfig") or {}).get("LogFormat") == "JSON"
    first, *rest = told.as_json() if logs_json else told.as_text()
    lines = [first, *text.splitlines(), *rest]
    _lines.set(lines)
    return lines


def _platform(kind: str, record: Json) -> str:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"time": now, "type": f"platform.{kind}", "record": record}, separators=(",", ":"))
