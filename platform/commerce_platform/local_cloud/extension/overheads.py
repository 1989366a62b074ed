"""What costs the emulator time and changes nothing that anybody sees.

Replaces, in `services/dynamodb.py`, `services/stepfunctions.py` and `services/eventbridge.py`: `copy.deepcopy`, which
copies each write's item (`_update_item`, 2513) and each Map item's context (2647) at a seventh of `marshal`'s speed.

In `core/concurrency.py` and `services/stepfunctions.py`: a new thread for each execution, batch and request. In `core/responses.py`: `new_uuid` (851), whose random bytes come from the kernel one
call at a time, each of which gives the interpreter lock away.

And the whole process's garbage collection: what the server keeps (change records for a day, executions, log lines) is
gone through again and again, so that throughput falls from run to run; none of it is garbage.
"""

from __future__ import annotations

import copy
import gc
import marshal
import random
import threading
import uuid
from types import SimpleNamespace
from typing import Any

from ministack.core import concurrency, responses
from ministack.services import dynamodb, eventbridge, stepfunctions

from commerce_platform.local_cloud.extension.guard import Guard
from commerce_platform.local_cloud.threads import PooledThread

GUARDS = (
    Guard("dynamodb._update_item", "4ae0d4444489"),
    Guard("dynamodb._transact_write_items", "d931eab08754"),
    Guard("core.concurrency.spawn_background", "18878a26acb0"),
    Guard("core.concurrency.run_reentrant", "bd6c9a9940ab"),
    Guard("stepfunctions._start_execution", "9923282fc76c"),
    Guard("core.responses.new_uuid", "1a88ffd41fb7"),
)

COLLECTIONS = (50_000, 20, 100)
"""Thresholds of the three generations. Python's own (700, 10, 10) look at everything there is every 70,000 objects."""

_random = random.Random()  # noqa: S311


def apply() -> None:
    """Take the overheads away."""
    for module in (dynamodb, eventbridge, stepfunctions):
        module.copy = SimpleNamespace(deepcopy=copied)
    for module in (concurrency, stepfunctions):
        module.threading = _Threading
    responses.uuid = SimpleNamespace(uuid4=random_uuid)
    # What has been imported by now stays.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTIONS)


class _Threading:
    """The module `threading`, with threads that are used again."""

    Lock, Event = threading.Lock, threading.Event
    Thread = PooledThread


def random_uuid() -> uuid.UUID:
    """Give a version 4 UUID, of a generator that the kernel seeded once: nothing here is secret."""
    return uuid.UUID(int=_random.getrandbits(128), version=4)


def copied(value: Any) -> Any:
    """Copy deeply, as `copy.deepcopy` does.

    Args:
        value: Anything; fast if it is built of plain dicts, lists and JSON's scalars.
    """
    try:
        return marshal.loads(marshal.dumps(value))  # noqa: S302 - written in the line itself
    except ValueError:
        return copy.deepcopy(value)
