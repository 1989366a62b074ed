"""Redrive of dead-letter queues.

Replaces, in `services/sqs.py`: the table of actions (1187), which lacks StartMessageMoveTask, ListMessageMoveTasks and
ListDeadLetterSourceQueues. What is visible is moved at once, so there is never a running task to be slowed or cancelled.
"""

from __future__ import annotations

import json
import time
from typing import Any

from ministack.core.concurrency import esm_wake
from ministack.core.responses import new_uuid
from ministack.services import sqs

from commerce_platform.local_cloud.extension.guard import Guard

GUARDS = (
    Guard("sqs._dispatch", "6a429fdb61eb"),
    Guard("sqs._dlq_sweep", "6a77691e1671"),
    Guard("sqs._act_send_message", "3abd766508c8"),
    Guard("sqs._queue_by_arn", "b4981875c818"),
)

Json = dict[str, Any]

LISTED_TASKS = 10
"""ListMessageMoveTasks gives the ten most recent tasks of a queue at most."""
ORIGIN = "DeadLetterQueueSourceArn"

_tasks: dict[str, list[Json]] = {}


def apply() -> None:
    """Add the actions."""
    sqs._HANDLERS.update(
        {
            "StartMessageMoveTask": _start,
            "ListMessageMoveTasks": _list,
            "ListDeadLetterSourceQueues": _list_sources,
        }
    )


def _start(data: Json, _url: str) -> Json:
    """Move each message to the destination, or to the queue it came from."""
    source, destination = data.get("SourceArn", ""), data.get("DestinationArn")
    queue = _queue(source)
    if not _sources_of(source):
        raise sqs._Err("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
    with sqs._queues_lock:
        now = time.time()
        visible = [message for message in queue["messages"] if message.get("visible_at", 0) <= now]
        for message in visible:
            target = _queue(destination or (message.get("sys") or {}).get(ORIGIN) or "")
            queue["messages"].remove(message)
            target["messages"].append(_renewed(message, target, now))
    esm_wake.set()
    task = {
        "Status": "COMPLETED",
        "SourceArn": source,
        "ApproximateNumberOfMessagesMoved": len(visible),
        "ApproximateNumberOfMessagesToMove": len(visible),
        "StartedTimestamp": int(now * 1000),
    }
    _tasks.setdefault(source, []).append(task | ({"DestinationArn": destination} if destination else {}))
    return {"TaskHandle": new_uuid()}


def _renewed(message: Json, target: Json, now: float) -> Json:
    """Give a redriven message: a new one, with a new id, enqueue time and receive count."""
    system = {name: value for name, value in (message.get("sys") or {}).items() if name != ORIGIN}
    if target["is_fifo"]:
        target["fifo_seq"] += 1
    return {
        name: message.get(name)
        for name in ("body", "md5_body", "md5_attrs", "message_attributes", "group_id")
    } | {
        "id": new_uuid(),
        "receipt_handle": None,
        "sent_at": now,
        "visible_at": now + sqs.queue_delay(target),
        "receive_count": 0,
        "first_receive_at": None,
        "sys": system | {"SentTimestamp": str(int(now * 1000))},
        "dedup_id": None,
        "dedup_cache_key": None,
        "seq": str(target["fifo_seq"]).zfill(20) if target["is_fifo"] else None,
    }


def _queue(arn: str) -> Json:
    queue: Json | None = sqs._queue_by_arn(arn)
    if queue is None:
        raise sqs._Err(
            "ResourceNotFoundException", f"The resource that you specified for the ARN doesn't exist: {arn}"
        )
    return queue


def _sources_of(arn: str) -> list[str]:
    """Give the URLs of the queues whose redrive policy names a queue."""
    policies = (
        (url, json.loads(queue["attributes"].get("RedrivePolicy") or "{}"))
        for url, queue in list(sqs._queues.items())
    )
    return [url for url, policy in policies if policy.get("deadLetterTargetArn") == arn]


def _list(data: Json, _url: str) -> Json:
    _queue(data.get("SourceArn", ""))
    count = min(int(data.get("MaxResults") or 1), LISTED_TASKS)
    return {"Results": _tasks.get(data["SourceArn"], [])[: -count - 1 : -1]}


def _list_sources(data: Json, url: str) -> Json:
    queue = sqs._get_q(data.get("QueueUrl") or url)
    sources = _sources_of(queue["attributes"]["QueueArn"])
    return {"queueUrls": [sqs._externalize_url(each) for each in sources]}
