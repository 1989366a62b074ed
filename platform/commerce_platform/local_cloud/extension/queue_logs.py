"""Which messages went through which queue, as lines of a log group that only the local cloud has.

Replaces, in `services/sqs.py`: `_collect_msgs` (1305), which forgets a message once it is deleted. A service's
consumers delete what they have processed; whoever traces an order wants to see it nevertheless. The group
`/local-cloud/queues` has a line for each message sent and one for each receipt; it is made and filled when it is read. AWS has nothing like it.
"""

from __future__ import annotations

import json
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch_logs, sqs

from commerce_platform.local_cloud.extension import deferred_logs
from commerce_platform.local_cloud.extension.deferred_logs import Group
from commerce_platform.local_cloud.extension.guard import Guard

if TYPE_CHECKING:
    from commerce_platform.local_cloud.extension.deferred_logs import Line, Response

GUARDS = (
    Guard("sqs._collect_msgs", "308a6eb1b3d4"),
    Guard("sqs._dlq_sweep", "6a77691e1671"),
)

GROUP = "/local-cloud/queues"
MESSAGES_KEPT = 20_000
"""How many receipts that nobody has traced are kept, the latest ones; about 2,000 orders' worth."""

Json = dict[str, Any]

_received: deque[tuple[str, Json]] = deque(maxlen=MESSAGES_KEPT)
_TOLD, _RECEIPTS = "local_cloud_told", "local_cloud_receipts"
"""Notes in a message's record: what the log has told of it, and the queue and the time of each receipt; a dead-letter
queue gets a copy."""


def apply() -> None:
    """Note messages as they are received; tell of them when the group is read."""
    collect, read = sqs._collect_msgs, cloudwatch_logs._filter_log_events

    def collect_noting(queue: Json, *limits: int) -> list[Json]:
        messages: list[Json] = collect(queue, *limits)
        for message in messages:
            message.setdefault(_RECEIPTS, []).append((queue["name"], time.time()))
            _received.append((queue["attributes"]["QueueArn"], message))
        return messages

    def read_filled(data: Json) -> Response:
        if data.get("logGroupName") == GROUP:
            _fill()
        answer: Response = read(data)
        return answer

    sqs._collect_msgs = collect_noting
    cloudwatch_logs._filter_log_events = read_filled


def _fill() -> None:
    group = Group(get_account_id(), get_region(), GROUP)
    if GROUP not in cloudwatch_logs._log_groups:
        cloudwatch_logs._create_log_group({"logGroupName": GROUP})
    waiting = [
        (queue["name"], message)
        for queue in list(sqs._queues.values())
        for message in list(queue["messages"])
    ]
    ours = f"arn:aws:sqs:{group.region}:{group.account}:"
    for _ in range(len(_received)):
        arn, message = _received.popleft()
        if arn.startswith(ours):
            waiting.append((arn.removeprefix(ours), message))
        else:
            _received.append((arn, message))
    by_queue: dict[str, list[Line]] = {}
    for name, message in waiting:
        by_queue.setdefault(name, []).extend(_lines(name, message))
    for name, lines in by_queue.items():
        deferred_logs.write(group, name, lines)


def _lines(queue: str, message: Json) -> list[Line]:
    """What has not been told yet of a message in a queue."""
    told = message.setdefault(_TOLD, [])
    received = ((name, "received", at) for name, at in message.get(_RECEIPTS, ()) if name == queue)
    fresh = [each for each in [(queue, "sent", message["sent_at"]), *received] if each not in told]
    told += fresh
    line = {"queue": queue, "messageId": message["id"], "body": message["body"]}
    return [(int(at * 1000), json.dumps(line | {"action": action})) for _, action, at in fresh]
