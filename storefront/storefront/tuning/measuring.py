"""Tries sizes of memory: gives a function each in turn, invokes it, reads its report, and puts the old one back.

It changes the unpublished version (`$LATEST`). Where callers use an alias, nobody notices; else they get each size for the
seconds that it is tried. Needs `cloudformation:DescribeStackResource`, `lambda:GetFunctionConfiguration`,
`lambda:UpdateFunctionConfiguration` and `lambda:InvokeFunction`, and nothing else.
"""

from __future__ import annotations

import base64
import json
import math
import re
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from storefront.bench.measured import quantile
from storefront.client import StorefrontError
from storefront.prices import price_list

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Json = dict[str, Any]

SIZES_MB = (128, 256, 512, 1024, 1769, 3008)
"""Tried by default: doublings, one whole processor (1,769 MB), and more, which only several threads can use."""
LEAST_MB, MOST_MB = 128, 10_240
"""Source: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html ."""
TIMES = 20
UPDATE_SECONDS = 60.0
_FIGURE = {
    "billedDurationMs": re.compile(r"\tBilled Duration: (\d+) ms"),
    "durationMs": re.compile(r"\tDuration: ([\d.]+) ms"),
    "initDurationMs": re.compile(r"\tInit Duration: ([\d.]+) ms"),
    "maxMemoryUsedMB": re.compile(r"\tMax Memory Used: (\d+) MB"),
}


@dataclass(frozen=True)
class Size:
    """What invocations with one size of memory took.

    Attributes:
        memory_mb: The size.
        ms: Billed milliseconds of each, those that started the function left out.
        start_ms: What the start took.
        used_mb: The most memory that one used.
        failed: How many ended with an error.
    """

    memory_mb: int
    ms: tuple[int, ...]
    start_ms: float
    used_mb: int
    failed: int = 0

    @property
    def is_enough(self) -> bool:
        """Whether it held what the function used. AWS ends a function that needs more; the local cloud does not."""
        return self.used_mb <= self.memory_mb

    @property
    def mean_ms(self) -> float:
        """What is paid for on average; infinite without an invocation that ended well."""
        return math.fsum(self.ms) / len(self.ms) if self.ms else math.inf

    @property
    def p95_ms(self) -> float:
        """What 95 of 100 did not exceed."""
        return quantile(self.ms, 0.95)

    @property
    def usd(self) -> float:
        """What an invocation costs, in US dollars."""
        prices = price_list().prices
        return (
            prices["lambdaInvocations"].usd + self.mean_ms * self.memory_mb / 1024 * prices["lambdaGbMs"].usd
        )


def parsed(text: str) -> tuple[int, ...]:
    """Sizes as a user gives them.

    Raises:
        StorefrontError: They are none.
    """
    try:
        sizes = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        sizes = ()
    if not sizes or not all(LEAST_MB <= size <= MOST_MB for size in sizes):
        raise StorefrontError(
            f"MEMORY is a list of sizes from {LEAST_MB} to {MOST_MB} MB; got {text!r}.",
            f"make tune MEMORY={','.join(map(str, SIZES_MB))}",
        )
    return sizes


def payload(event: Any, now: datetime | None = None) -> bytes:
    """An event for one invocation: `{id}` is a new id, `{now}`, `{later}` and `{ms}` are times.

    A body of a queue's record that is written as an object is sent as text, as queues do.
    """
    at = now or datetime.now(UTC)
    later = at + timedelta(hours=1)
    values = {
        "{id}": uuid.uuid4().hex,
        "{now}": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "{later}": later.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "{ms}": str(int(at.timestamp() * 1000)),
    }
    if isinstance(event, dict):
        event = {**event}
        if "Records" in event:
            event["Records"] = [
                {**record, "body": _as_text(record.get("body"))} for record in event["Records"]
            ]
    text = json.dumps(event)
    for name, value in values.items():
        text = text.replace(name, value)
    return text.encode()


def _as_text(body: Any) -> Any:
    return body if isinstance(body, str) else json.dumps(body)


def report(tail: str) -> Json:
    """The figures of the last report in a log's tail, of a function that logs text or JSON.

    Raises:
        StorefrontError: There is none.
    """
    for line in reversed(tail.splitlines()):
        if line.startswith("{") and '"platform.report"' in line:
            metrics: Json = json.loads(line)["record"]["metrics"]
            return metrics
        if line.startswith("REPORT "):
            return {
                name: float(found[1]) for name, figure in _FIGURE.items() if (found := figure.search(line))
            }
    raise StorefrontError(
        "The function's log has no report.",
        "A function that logs JSON tells it from SystemLogLevel INFO on.",
    )


@dataclass(frozen=True)
class Tuner:
    """One function, and how it is tried.

    Attributes:
        functions: A boto3 client for Lambda.
        name: The function's physical name.
        event: What it is invoked with, see `payload`.
        times: How often with each size.
        said: Told of each size when it was tried.
    """

    functions: Any
    name: str
    event: Any
    times: int = TIMES
    said: Callable[[Size], object] = lambda _size: None

    def try_all(self, sizes: Sequence[int]) -> list[Size]:
        """Try sizes, the largest first, and put back what was there, whatever happens.

        Raises:
            StorefrontError: The function did not take a size, or fails with every one.
        """
        found = []
        with self.as_it_was():
            for memory in sorted(sizes, reverse=True):
                self.give(memory)
                found.append(self.tried(memory))
                self.said(found[-1])
        if all(not size.ms for size in found):
            raise StorefrontError(
                f"{self.name} failed each time: its event does not fit.",
                "Give another: make tune PAYLOAD=event.json",
            )
        return sorted(found, key=lambda size: size.memory_mb)

    @contextmanager
    def as_it_was(self) -> Iterator[None]:
        """Put the memory back that the function has now, also when it is interrupted."""
        memory = int(self.functions.get_function_configuration(FunctionName=self.name)["MemorySize"])
        try:
            yield
        finally:
            self.give(memory)

    def give(self, memory_mb: int) -> None:
        """Give it so much memory and wait until it has it.

        Raises:
            StorefrontError: It did not take it in time.
        """
        self.functions.update_function_configuration(FunctionName=self.name, MemorySize=memory_mb)
        deadline = time.monotonic() + UPDATE_SECONDS
        while time.monotonic() < deadline:
            now = self.functions.get_function_configuration(FunctionName=self.name)
            if now.get("LastUpdateStatus", "Successful") == "Successful" and now["MemorySize"] == memory_mb:
                return
            if now.get("LastUpdateStatus") == "Failed":
                break
            time.sleep(0.5)
        raise StorefrontError(f"{self.name} did not take {memory_mb} MB.", "Look at its state in Lambda.")

    def tried(self, memory_mb: int) -> Size:
        """Invoke it one time more than it counts: the first one starts it."""
        reports, failed = [], 0
        for _ in range(self.times + 1):
            answer = self.functions.invoke(
                FunctionName=self.name, LogType="Tail", Payload=payload(self.event)
            )
            failed += "FunctionError" in answer
            figures = report(base64.b64decode(answer.get("LogResult", "")).decode(errors="replace"))
            reports.append((figures, "FunctionError" in answer))
        good = [figures for figures, is_wrong in reports if not is_wrong]
        return Size(
            memory_mb,
            tuple(int(each["billedDurationMs"]) for each in good if "initDurationMs" not in each),
            max((float(each.get("initDurationMs", 0.0)) for each in good), default=0.0),
            max((int(each.get("maxMemoryUsedMB", 0)) for each in good), default=0),
            failed,
        )


STRATEGIES = ("balanced", "cost", "speed")
WITHIN = 1.25
"""`balanced` takes the cheapest of those that take at most a quarter longer than the fastest."""


def best(sizes: Sequence[Size], strategy: str = STRATEGIES[0], within: float = WITHIN) -> Size:
    """The size to choose.

    Args:
        sizes: Those tried.
        strategy: `cost` takes the cheapest, `speed` the fastest, `balanced` the cheapest of those nearly as fast.
        within: How many times the fastest's time is nearly as fast.
    """
    ran = [size for size in sizes if size.ms]
    well = [size for size in ran if size.is_enough and not size.failed] or ran
    # More memory that makes nothing faster is no better.
    fastest = min(well, key=lambda size: (round(size.mean_ms), size.memory_mb))
    if strategy == "speed":
        return fastest
    quick = (
        well if strategy == "cost" else [size for size in well if size.mean_ms <= within * fastest.mean_ms]
    )
    return min(quick, key=lambda size: (size.usd, size.mean_ms))
