"""What costs the emulator time and changes nothing that anybody sees.

Replaces, in `services/dynamodb.py`, `services/stepfunctions.py` and `services/eventbridge.py`: `copy.deepcopy`, which
copies each write's item (`_update_item`, 2513) and each Map item's context (2647) at a seventh of `marshal`'s speed.

And the whole process's garbage collection: what the server keeps (change records for a day, executions, log lines) is
gone through again and again, so that throughput falls from run to run; none of it is garbage.
"""

from __future__ import annotations

import copy
import gc
import marshal
from types import SimpleNamespace
from typing import Any

from ministack.services import dynamodb, eventbridge, stepfunctions

from commerce_platform.local_cloud.extension.guard import Guard

GUARDS = (
    Guard("dynamodb._update_item", "4ae0d4444489"),
    Guard("dynamodb._transact_write_items", "d931eab08754"),
)

COLLECTIONS = (50_000, 20, 100)
"""Thresholds of the three generations. Python's own (700, 10, 10) look at everything there is every 70,000 objects."""


def apply() -> None:
    """Take the overheads away."""
    for module in (dynamodb, eventbridge, stepfunctions):
        module.copy = SimpleNamespace(deepcopy=copied)
    # What has been imported by now stays.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTIONS)


def copied(value: Any) -> Any:
    """Copy deeply, as `copy.deepcopy` does.

    Args:
        value: Anything; fast if it is built of plain dicts, lists and JSON's scalars.
    """
    try:
        return marshal.loads(marshal.dumps(value))  # noqa: S302 - written in the line itself
    except ValueError:
        return copy.deepcopy(value)
