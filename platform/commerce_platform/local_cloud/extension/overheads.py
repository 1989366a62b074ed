"""What costs the emulator time and changes nothing that anybody sees.

Replaces, in `services/dynamodb.py`, `services/stepfunctions.py` and `services/eventbridge.py`: `copy.deepcopy`, which
copies each Map item's context (2647) at a seventh of `marshal`'s speed; and of the four copies that an update makes of an
item (`_update_item`, 2513; `_transact_write_items`, 4780) the two of what is stored. What is stored is replaced and never
changed, as the emulator itself relies on: it is the new image of its change record, too.

In `core/concurrency.py` and `services/stepfunctions.py`: a new thread for each execution, batch and request. In
`core/responses.py`: `new_uuid` (851), whose random bytes come from the kernel one call at a time, each of which gives the
interpreter lock away; and `now_iso` (739), which formats the date each time, ten times for an Express execution.

In `services/dynamodb.py`: `_nesting_level` (349), a call for each leaf of each value; in `core/arn.py`: `parse_arn` (35),
which makes the same five-part object each time.

In `services/dynamodb.py`: `_condition_syntax_error` (6840) and `_tokenize` (6471), asked again with every use of an
expression. In
`services/stepfunctions.py`: `_api_name_to_sfn_key` (4595), asked again for each member of each attribute value; and in
`app.py`: `call_service_handler_sync` (358), which has a workflow's thread wait for the event loop to call DynamoDB
or to answer a task token, and API Gateway's for two turns of it and a thread around each Express execution. The thread calls them itself, under a lock that keeps each call of DynamoDB as undivided as
it is on the loop; `_invoke_dynamodb` (3942) did without either, so that two updates of an item could lose one.

And the whole process's garbage collection: what the server keeps (change records for a day, executions, log lines) is
gone through again and again, so that throughput falls from run to run; none of it is garbage.
"""

from __future__ import annotations

import asyncio
import copy
import gc
import marshal
import random
import threading
import time
import uuid
from concurrent.futures import Future
from contextvars import copy_context
from datetime import UTC, datetime
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ministack import app
from ministack.core import arn, concurrency, responses
from ministack.services import dynamodb, eventbridge, stepfunctions

from commerce_platform.local_cloud.extension.guard import Guard, edit
from commerce_platform.local_cloud.threads import PooledThread
from commerce_platform.local_cloud.turns import turns

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Handler = Callable[..., Coroutine[Any, Any, Any]]

GUARDS = (
    Guard("dynamodb._update_item", "4ae0d4444489"),
    Guard("dynamodb._transact_write_items", "d931eab08754"),
    Guard("dynamodb._apply_update_expression", "ffd488974842"),
    Guard("dynamodb._condition_syntax_error", "5213f1ffac34"),
    Guard("dynamodb._tokenize", "6abb13395c3e"),
    Guard("core.concurrency.spawn_background", "18878a26acb0"),
    Guard("core.concurrency.run_reentrant", "bd6c9a9940ab"),
    Guard("stepfunctions._start_execution", "9923282fc76c"),
    Guard("stepfunctions._api_name_to_sfn_key", "95d6f2b7a355"),
    Guard("stepfunctions._invoke_dynamodb", "3d538d8656c8"),
    Guard("stepfunctions._dispatch_aws_sdk_json", "80067ea21122"),
    Guard("stepfunctions.handle_request", "efa6e8c4532a"),
    Guard("dynamodb.handle_request", "1201f2ac993c"),
    Guard("app.call_service_handler_sync", "64e0d7e63500"),
    Guard("core.responses.new_uuid", "1a88ffd41fb7"),
    Guard("dynamodb._nesting_level", "e880d7cbf812"),
    Guard("core.arn.parse_arn", "779f6e41795e"),
    Guard("core.responses.now_iso", "f75b8f211421"),
)

IN_PLACE = ("DynamoDB_20120810.", "AWSStepFunctions.SendTask", "AWSStepFunctions.StartExecution")
"""Targets whose handlers never wait, so that a workflow's own thread can run them."""

BESIDE = "AWSStepFunctions.StartSyncExecution"
"""The target whose handler waits for an execution, as its caller does who gives it a time: in a thread beside that one."""

COLLECTIONS = (50_000, 20, 100)
"""Thresholds of the three generations. Python's own (700, 10, 10) look at everything there is every 70,000 objects."""

_tables = threading.RLock()
_random = random.Random()  # noqa: S311


def apply() -> None:
    """Take the overheads away."""
    _copy_less()
    for module in (dynamodb, eventbridge, stepfunctions):
        module.copy = SimpleNamespace(deepcopy=copied)
    for module in (concurrency, stepfunctions):
        module.threading = _Threading
    responses.uuid = SimpleNamespace(uuid4=random_uuid)
    for module in (responses, dynamodb, stepfunctions):
        module.now_iso = now_iso
    tokens = lru_cache(maxsize=4096)(dynamodb._tokenize)
    dynamodb._tokenize = lambda expression: list(tokens(expression))
    dynamodb._condition_syntax_error = lru_cache(maxsize=4096)(dynamodb._condition_syntax_error)
    stepfunctions._api_name_to_sfn_key = lru_cache(maxsize=4096)(stepfunctions._api_name_to_sfn_key)
    dynamodb._nesting_level = nesting_level
    for module in (dynamodb, eventbridge, stepfunctions):
        module.parse_arn = parsed_arn
    _call_in_place()
    # What has been imported by now stays.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTIONS)


def _copy_less() -> None:
    edit(
        "dynamodb._update_item",
        ("old_item = copy.deepcopy(existing) if existing else None", "old_item = existing or None"),
        ("item = copy.deepcopy(existing) if existing else dict(key)", "item = existing or dict(key)"),
    )
    edit(
        "dynamodb._transact_write_items",
        (
            'old_item = copy.deepcopy(tbl["items"].get(pk_val, {}).get(sk_val))',
            'old_item = tbl["items"].get(pk_val, {}).get(sk_val)',
        ),
        ("item = copy.deepcopy(old_item) if old_item else dict(key)", "item = old_item or dict(key)"),
    )


def _call_in_place() -> None:
    handle, invoke, call = (
        dynamodb.handle_request,
        stepfunctions._invoke_dynamodb,
        app.call_service_handler_sync,
    )

    async def handle_alone(*request: Any) -> Any:
        with _tables:
            return await handle(*request)

    def invoke_alone(*request: Any) -> Any:
        with _tables:
            return invoke(*request)

    def call_here(handler: Handler, *request: Any, timeout: float | None = None) -> Any:
        _method, _path, headers, *_body_and_query = request
        target = headers.get("x-amz-target", "")
        if target.startswith(IN_PLACE):
            return copy_context().run(_finished, handler(*request))
        if target == BESIDE:
            return _beside(partial(_finished, handler(*request)), timeout)
        with turns.waiting():
            return call(handler, *request, timeout=timeout)

    off_loop = stepfunctions.run_reentrant

    async def run_here(run: Callable[..., Any], *arguments: Any, thread_name: str) -> Any:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return run(*arguments)
        return await off_loop(run, *arguments, thread_name=thread_name)

    stepfunctions.run_reentrant = run_here
    dynamodb.handle_request = handle_alone
    stepfunctions._invoke_dynamodb = invoke_alone
    app.call_service_handler_sync = call_here


def _beside(run: Callable[[], Any], timeout: float | None) -> Any:
    """Run something in another thread.

    Args:
        run: What to run.
        timeout: For how many seconds to wait for it; it goes on afterwards.

    Raises:
        TimeoutError: It takes longer.
    """
    ended: Future[Any] = Future()

    def finish() -> None:
        try:
            ended.set_result(run())
        except BaseException as error:  # noqa: BLE001 - raised where the result is awaited
            ended.set_exception(error)

    PooledThread(target=copy_context().run, args=(finish,)).start()
    with turns.waiting():
        return ended.result(timeout)


def _finished(handling: Coroutine[Any, Any, Any]) -> Any:
    """Run a handler that waits for nothing."""
    try:
        handling.send(None)
    except StopIteration as done:
        return done.value
    handling.close()
    raise RuntimeError("A handler that is called in place waits for something.")


class _Threading:
    """The module `threading`, with threads that are used again."""

    Lock, Event = threading.Lock, threading.Event
    Thread = PooledThread


def random_uuid() -> uuid.UUID:
    """Give a version 4 UUID, of a generator that the kernel seeded once: nothing here is secret."""
    return uuid.UUID(int=_random.getrandbits(128), version=4)


def now_iso() -> str:
    """The time as AWS writes it, to the millisecond: `2026-01-31T12:00:00.123Z`."""
    seconds, milliseconds = divmod(time.time_ns() // 1_000_000, 1_000)
    return f"{_second(seconds)}.{milliseconds:03d}Z"


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def nesting_level(value: Any, depth: int = 1) -> int:
    """The level of the deepest leaf of an attribute value, itself at `depth`; without a call for each leaf."""
    deepest, within = depth, [(value, depth)]
    while within:
        each, level = within.pop()
        deepest = max(deepest, level)
        if isinstance(each, dict) and len(each) == 1:
            ((kind, held),) = each.items()
            if kind == "M" and isinstance(held, dict):
                within += [(child, level + 1) for child in held.values()]
            elif kind == "L" and isinstance(held, list):
                within += [(child, level + 1) for child in held]
    return deepest


def parsed_arn(value: Any) -> arn.Arn:
    """An ARN's parts, which nobody can change; taken apart once."""
    return _known_arn(value) if isinstance(value, str) else arn.parse_arn(value)


_known_arn = lru_cache(maxsize=4096)(arn.parse_arn)


def copied(value: Any) -> Any:
    """Copy deeply, as `copy.deepcopy` does.

    Args:
        value: Anything; fast if it is built of plain dicts, lists and JSON's scalars.
    """
    try:
        return marshal.loads(marshal.dumps(value))  # noqa: S302 - written in the line itself
    except ValueError:
        return copy.deepcopy(value)
