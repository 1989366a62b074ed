"""Event source mappings that filter and fail as AWS's do.

Replaces, in `services/lambda_svc.py`: a filter language of its own that knows neither `$or` nor half of the
operators (3726), so that a message is deleted unseen; and the reading of `batchItemFailures` (7674), where an
identifier that is empty, missing or unknown counts as success.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.services import eventbridge, lambda_svc

from commerce_platform.local_cloud.extension.guard import Guard, edit

GUARDS = (
    Guard("lambda_svc._match_esm_filter", "355086b70ce2"),
    Guard("lambda_svc._apply_filter_criteria", "d8d7d5c8f77e"),
    Guard("lambda_svc._run_sqs_batch", "f9bf630aabf3"),
)

Json = dict[str, Any]


def apply() -> None:
    """Match with EventBridge's own matcher, and read a partial response strictly."""
    lambda_svc._match_esm_filter = _matches
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
