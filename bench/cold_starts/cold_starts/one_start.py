"""One cold start, in a process that has nothing else: import the handler, serve one event, tell what it took.

Standard input: JSON with `path` (the import path), `handler`, `event`, `layer` and `spared` (whether `service_runtime` may spare
the start anything). Standard output's last line: JSON.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace


def _now() -> tuple[float, float]:
    return time.process_time() * 1000, time.perf_counter() * 1000


def _measure() -> dict[str, object]:
    given = json.load(sys.stdin)
    sys.path[:0] = given["path"]
    if not given["spared"]:
        # The comparison takes its rules from our code, and not what our runtime does for a start.
        sys.modules["service_runtime.starts"] = ModuleType("service_runtime.starts")
        sys.modules["service_runtime.starts"].spare = lambda: None  # type: ignore[attr-defined]
    module, _, name = given["handler"].rpartition(".")
    context = SimpleNamespace(get_remaining_time_in_millis=lambda: 10_000, aws_request_id="r-1")
    before = _now()
    handler = getattr(importlib.import_module(module), name)
    imported = _now()
    answer = handler(given["event"], context)
    served = _now()
    modules = list(sys.modules.values())
    files = {Path(file) for module in modules if (file := getattr(module, "__file__", None))}
    layer = [file for file in files if file.is_relative_to(given["layer"])]
    return {
        "import_cpu": imported[0] - before[0],
        "import_wall": imported[1] - before[1],
        "first_cpu": served[0] - imported[0],
        "first_wall": served[1] - imported[1],
        "modules": len(sys.modules),
        "loaded_bytes": sum(file.stat().st_size for file in layer),
        "answer": answer,
    }


print("\n" + json.dumps(_measure()))  # noqa: T201 - what the parent reads
