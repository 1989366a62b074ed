"""Event source mappings that filter and fail as AWS's do.

Replaces, in `services/lambda_svc.py`: a filter language of its own that knows neither `$or` nor half of the
operators (3726), so that a message is deleted unseen; and the reading of `batchItemFailures` (7674), where an
identifier that is empty, missing or unknown counts as success.

And the number of a queue's batches under way (7418), which is the allowed maximum from the first messages on: messages
that arrive one after the other are handled one by one, in ever more workers. AWS too begins with few and adds some while
messages wait (https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html).
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from ministack import app
from ministack.services import eventbridge, lambda_svc

from commerce_platform.local_cloud.extension.guard import Guard, edit

if TYPE_CHECKING:
    from collections.abc import Callable

GUARDS = (
    Guard("lambda_svc._match_esm_filter", "355086b70ce2"),
    Guard("lambda_svc._apply_filter_criteria", "d8d7d5c8f77e"),
    Guard("lambda_svc._run_sqs_batch", "f9bf630aabf3"),
    Guard("lambda_svc._poll_sqs", "e438a6a1e094"),
    Guard("lambda_svc._sqs_esm_concurrency", "d3e9d1e865aa"),
)

BATCHES_AT_EASE = 2
"""How many batches of a queue are under way while what arrives meanwhile is less than another batch."""

PATIENCE_SECONDS = 0.1
"""After which a message has waited for long enough to begin another one."""

Json = dict[str, Any]
_looked_at_again: set[str] = set()


def apply() -> None:
    """Match with EventBridge's own matcher, gather messages in batches, and read a partial response strictly."""
    lambda_svc._match_esm_filter = _matches
    lambda_svc._sqs_esm_concurrency = _gathering(lambda_svc._sqs_esm_concurrency)
    vars(lambda_svc)["_commerce_strict"] = _strict
    edit(
        "lambda_svc._run_sqs_batch",
        (
            "    result = _execute_function(func_rec, event)\n",
            "    result = _commerce_strict(esm, batch, _execute_function(func_rec, event))\n",
        ),
    )


def _matches(record: Json, pattern: Json) -> bool:
    alternatives = eventbridge._compiled_pattern(json.dumps(pattern)) or ()
    return any(eventbridge._matches_detail(record, alternative) for alternative in alternatives)


def _gathering(allowed: Callable[..., int]) -> Callable[..., int]:
    def needed(mapping: Json, function: Json, config: Json, queue: Json | None = None) -> int:
        limit = allowed(mapping, function, config, queue)
        if queue is None or limit <= BATCHES_AT_EASE:
            return limit
        now = time.time()
        visible = [message.get("visible_at", now) for message in queue["messages"]]
        waiting = [since for since in visible if since <= now]
        if not waiting:
            return BATCHES_AT_EASE
        patience = min(waiting) + PATIENCE_SECONDS - now
        if len(waiting) >= mapping.get("BatchSize", 10) or patience <= 0:
            return limit
        if lambda_svc._esm_inflight.get(mapping["UUID"], 0) >= BATCHES_AT_EASE:
            _look_again(mapping["UUID"], patience)
        return BATCHES_AT_EASE

    return needed


def _look_again(mapping: str, seconds: float) -> None:
    """Wake the poller when the patience with a queue ends, should nothing else wake it before."""
    loop = app._MAIN_LOOP
    if loop is None or mapping in _looked_at_again:
        return

    def wake() -> None:
        _looked_at_again.discard(mapping)
        lambda_svc._esm_wake.set()

    _looked_at_again.add(mapping)
    loop.call_soon_threadsafe(loop.call_later, seconds, wake)


def _strict(esm: Json, batch: list[Json], result: Json) -> Json:
    """Fail the whole batch for a response that AWS takes for a complete failure.

    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """
    if result.get("error") or "ReportBatchItemFailures" not in (esm.get("FunctionResponseTypes") or []):
        return result
    failures = _failures(result.get("body"))
    known = {message["id"] for message in batch}
    named = {each.get("itemIdentifier") if isinstance(each, dict) else None for each in failures}
    if named <= known:
        return result
    everything = [{"itemIdentifier": message["id"]} for message in batch]
    return result | {"body": {"batchItemFailures": everything}}


def _failures(body: Any) -> list[Any]:
    """Read `batchItemFailures`: nothing at all is success, and what is no such list is one nameless failure."""
    if isinstance(body, str | bytes):
        try:
            body = json.loads(body)
        except ValueError:
            return [None]
    if body is None:
        return []
    found = body.get("batchItemFailures") if isinstance(body, dict) else [None]
    return found if isinstance(found, list) else [] if found is None else [None]
