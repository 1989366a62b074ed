"""Redrive of dead-letter queues.

Replaces, in `services/sqs.py`: the table of actions (1187), which lacks StartMessageMoveTask, ListMessageMoveTasks,
CancelMessageMoveTask and ListDeadLetterSourceQueues.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from ministack.core.concurrency import esm_wake, spawn_background
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
FASTEST_PER_SECOND = 500
"""MaxNumberOfMessagesPerSecond is at most this."""

_CARRIED = ("body", "md5_body", "md5_attrs", "message_attributes", "group_id")
"""What a redriven message keeps: it is a new message, with a new id, enqueue time and receive count."""


@dataclass
class MoveTask:
    """One redrive.

    Args:
        source: ARN of the dead-letter queue.
        destination: ARN of the queue to move to; nothing: each message to the queue it came from.
        per_second: Upper limit of messages per second; nothing: as fast as possible.
    """

    source: str
    destination: str | None
    per_second: int | None
    to_move: int
    started: float = field(default_factory=time.time)
    moved: int = 0
    status: str = "RUNNING"
    failure: str = ""

    @property
    def handle(self) -> str:
        """The task's name for CancelMessageMoveTask."""
        return base64.b64encode(
            json.dumps({"sourceArn": self.source, "started": self.started}).encode()
        ).decode()

    def described(self) -> Json:
        """Give the task as ListMessageMoveTasks does."""
        found: Json = {
            "Status": self.status,
            "SourceArn": self.source,
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self.to_move,
            "StartedTimestamp": int(self.started * 1000),
        }
        optional = {
            "TaskHandle": self.handle if self.status == "RUNNING" else None,
            "DestinationArn": self.destination,
            "MaxNumberOfMessagesPerSecond": self.per_second,
            "FailureReason": self.failure or None,
        }
        return found | {name: value for name, value in optional.items() if value is not None}

    def run(self) -> None:
        """Move what is visible now, one message after the other."""
        for _ in range(self.to_move):
            if self.status != "RUNNING":
                self.status = "CANCELLED"
                return
            try:
                if not self._move_one():
                    break
            except sqs._Err as error:
                self.status, self.failure = "FAILED", error.message
                return
            self.moved += 1
            if self.per_second:
                time.sleep(1 / self.per_second)
        self.status = "COMPLETED"

    def _move_one(self) -> bool:
        with sqs._queues_lock:
            queue = _queue(self.source)
            now = time.time()
            message = next((each for each in queue["messages"] if each.get("visible_at", 0) <= now), None)
            if message is None:
                return False
            origin = (message.get("sys") or {}).get("DeadLetterQueueSourceArn")
            target = _queue(self.destination or origin or "")
            system = {
                key: value
                for key, value in (message.get("sys") or {}).items()
                if key != "DeadLetterQueueSourceArn"
            }
            moved = {key: message.get(key) for key in _CARRIED} | {
                "id": new_uuid(),
                "receipt_handle": None,
                "sent_at": now,
                "visible_at": now + sqs.queue_delay(target),
                "receive_count": 0,
                "first_receive_at": None,
                "sys": system | {"SentTimestamp": str(int(now * 1000))},
                "dedup_id": None,
                "dedup_cache_key": None,
                "seq": None,
            }
            if target["is_fifo"]:
                target["fifo_seq"] += 1
                moved["seq"] = str(target["fifo_seq"]).zfill(20)
            target["messages"].append(moved)
            queue["messages"].remove(message)
        esm_wake.set()
        return True


_tasks: dict[str, list[MoveTask]] = {}
_starting = threading.Lock()


def apply() -> None:
    """Add the actions."""
    sqs._HANDLERS.update(
        {
            "StartMessageMoveTask": _start,
            "ListMessageMoveTasks": _list,
            "CancelMessageMoveTask": _cancel,
            "ListDeadLetterSourceQueues": _list_sources,
        }
    )


def _queue(arn: str) -> Json:
    queue: Json | None = sqs._queue_by_arn(arn)
    if queue is None:
        raise sqs._Err(
            "ResourceNotFoundException", f"The resource that you specified for the ARN doesn't exist: {arn}"
        )
    return queue


def _sources_of(arn: str) -> list[str]:
    """Give the URLs of the queues whose redrive policy names a queue."""
    found = []
    for url, queue in list(sqs._queues.items()):
        policy = json.loads(queue["attributes"].get("RedrivePolicy") or "{}")
        if policy.get("deadLetterTargetArn") == arn:
            found.append(url)
    return found


def _start(data: Json, _url: str) -> Json:
    source = data.get("SourceArn", "")
    queue = _queue(source)
    if not _sources_of(source):
        raise sqs._Err("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
    destination = data.get("DestinationArn")
    if destination:
        _queue(destination)
    per_second = data.get("MaxNumberOfMessagesPerSecond")
    if per_second is not None and not 1 <= int(per_second) <= FASTEST_PER_SECOND:
        raise sqs._Err(
            "InvalidParameterValue",
            f"MaxNumberOfMessagesPerSecond must be between 1 and {FASTEST_PER_SECOND}, got {per_second}.",
        )
    with _starting:
        tasks = _tasks.setdefault(source, [])
        if tasks and tasks[-1].status == "RUNNING":
            raise sqs._Err(
                "InvalidParameterValue", "There is already a task running. Only one active task is allowed."
            )
        task = MoveTask(source, destination, int(per_second) if per_second else None, len(queue["messages"]))
        tasks.append(task)
    spawn_background(task.run, thread_name="redrive")
    return {"TaskHandle": task.handle}


def _list(data: Json, _url: str) -> Json:
    _queue(data.get("SourceArn", ""))
    count = min(int(data.get("MaxResults") or 1), LISTED_TASKS)
    recent = reversed(_tasks.get(data["SourceArn"], [])[-count:])
    return {"Results": [task.described() for task in recent]}


def _cancel(data: Json, _url: str) -> Json:
    for tasks in _tasks.values():
        for task in tasks:
            if task.handle == data.get("TaskHandle") and task.status == "RUNNING":
                task.status = "CANCELLING"
                return {"ApproximateNumberOfMessagesMoved": task.moved}
    raise sqs._Err("ResourceNotFoundException", "Task does not exist.")


def _list_sources(data: Json, url: str) -> Json:
    queue = sqs._get_q(data.get("QueueUrl") or url)
    return {
        "queueUrls": [sqs._externalize_url(each) for each in _sources_of(queue["attributes"]["QueueArn"])]
    }
