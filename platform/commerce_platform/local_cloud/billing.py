"""How much of what was done AWS bills: units, rounding, minimums. Pure functions that give quantities by name.

| quantity | rule | source |
|---|---|---|
| write units | 1 per started KB of the larger of old and new item, plus the indexes; twice that in a transaction | https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html |
| read units | 1 per started 4 KB, half of it eventually consistent, twice in a transaction | as above |
| queue requests | each API call, each started 64 KB of it | https://aws.amazon.com/sqs/pricing/ |
| events, pipe requests | each started 64 KB of each event | https://aws.amazon.com/eventbridge/pricing/ |
| Standard transitions | each state entered, each retry | https://aws.amazon.com/step-functions/pricing/ |
| Express GB-ms | started 100 ms times started 64 MB of 50 MB + definition + data | as above |
| function GB-ms | started ms times configured memory | https://aws.amazon.com/lambda/pricing/ |
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

KB = 1024
MB = 1024 * KB
CHUNK = 64 * KB
EXPRESS_STEP_MS = 100
EXPRESS_MEMORY_STEP_MB = 64
EXPRESS_BASE_BYTES = 50 * MB

Quantities = dict[str, float]

CIRCUMSTANCES = frozenset(
    {
        *("workflowRuns", "statesEntered", "workflowMs"),
        *("functionCpuMs", "functionWaitedMs", "functionStarts", "functionStartMs"),
        *("pipeRecords", "eventBytes", "errorLogBytes"),
    }
)
"""Not billed themselves, but what would be with another memory, workflow type, filter or log level depends on them."""


def chunks(size: int, of: int = CHUNK) -> int:
    """How many chunks are begun; nothing is still one.

    Args:
        size: Bytes.
        of: A chunk's bytes.
    """
    return max(1, -(-size // of))


def written(size: int, index_units: float = 0.0) -> Quantities:
    """One write to one item, refused ones included: they cost the units of the item that refused.

    Args:
        size: Bytes of the larger of the item before and after.
        index_units: Units of the indexes that changed with it.
    """
    return {"dynamodbWrites": 1, "dynamodbWriteUnits": chunks(size, KB) + index_units}


def written_together(count: int, units: float) -> Quantities:
    """A transaction's or a batch's writes.

    Args:
        count: Items.
        units: What was consumed; of a cancelled transaction, which consumes all the same, the least there can be.
    """
    return {"dynamodbWrites": count, "dynamodbWriteUnits": units or 2 * count}


def read(sizes: Sequence[int], *, consistent: bool, transaction: bool = False) -> Quantities:
    """One request that reads.

    Args:
        sizes: Bytes of each item on its own, or of all that a query gave together.
        consistent: Whether it asked for the latest.
        transaction: Whether it was one.
    """
    units = sum(chunks(size, 4 * KB) for size in sizes)
    return {"dynamodbReads": 1, "dynamodbReadUnits": units * (2 if transaction else 1 if consistent else 0.5)}


def queued(bodies: Sequence[str] = ()) -> Quantities:
    """One request to a queue.

    Args:
        bodies: Of the messages that it sends.
    """
    return {"sqsRequests": chunks(_bytes(bodies)), "sqsMessages": len(bodies)}


def taken(bodies: Sequence[str]) -> Quantities:
    """One request that received messages, which were counted when they were sent."""
    return {"sqsRequests": chunks(_bytes(bodies))}


def published(entries: Iterable[Mapping[str, Any]]) -> Quantities:
    """Events put on a bus."""
    fields = ("Source", "DetailType", "Detail")
    return {"events": sum(chunks(_bytes(str(entry.get(name, "")) for name in fields)) for entry in entries)}


def piped(records: Iterable[Any]) -> Quantities:
    """Records that a pipe's filter let through."""
    return {"pipeRequests": sum(chunks(len(json.dumps(record, default=str))) for record in records)}


def called() -> Quantities:
    """A request to a deployed API."""
    return {"apiRequests": 1}


def invoked(seconds: float, memory_mb: int) -> Quantities:
    """An invocation of a function.

    Args:
        seconds: It took, its start included.
        memory_mb: It has.
    """
    milliseconds = math.ceil(round(seconds * 1000, 6))
    return {"lambdaInvocations": 1, "lambdaGbMs": milliseconds * memory_mb / 1024}


def ran_express(seconds: float, definition_bytes: int, data_bytes: int) -> Quantities:
    """A run of an Express workflow.

    Args:
        seconds: It took.
        definition_bytes: Of its definition.
        data_bytes: Of its data, for each state that it entered: more than AWS counts, which makes no difference below
            14 MB.
    """
    steps = max(1, math.ceil(round(seconds * 1000 / EXPRESS_STEP_MS, 6)))
    memory = chunks(EXPRESS_BASE_BYTES + definition_bytes + data_bytes, EXPRESS_MEMORY_STEP_MB * MB)
    return {
        "expressRuns": 1,
        "expressGbMs": steps * EXPRESS_STEP_MS * memory * EXPRESS_MEMORY_STEP_MB / 1024,
    }


def logged(lines: Iterable[str]) -> Quantities:
    """Lines of a log."""
    return {"logBytes": _bytes(lines)}


def _bytes(texts: Iterable[str]) -> int:
    return sum(len(text.encode(errors="replace")) for text in texts)
