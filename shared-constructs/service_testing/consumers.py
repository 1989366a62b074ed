"""Feed the consumers of a deployment with events, and read what its change feeds would put on the bus.

Everything between the bus and the handler is run as the template describes it: the rules' patterns, the real queue
with its receive counts and its DLQ (in moto), the pipe's or event source mapping's filter and batch size, and the
workflow or the function with a real SQS batch.
"""

from __future__ import annotations

import base64
import json
import re
import uuid
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, Any

from moto.dynamodb.models import dynamodb_backends
from moto.stepfunctions.models import stepfunctions_backends
from service_runtime.envelope import Event

from service_testing import aws
from service_testing.aws import ACCOUNT, REGION
from service_testing.patterns import matches
from service_testing.resources import state_machine_definition
from service_testing.stacks import logical_name, misnamed
from service_testing.workflows import Execution, run_workflow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from service_testing.resources import DeployedResource
    from service_testing.stacks import Stacks

Message = dict[str, Any]

_DEFAULT_BATCH_SIZE = 10
# What a consumer's queue adds to the name of the construct that has it.
_QUEUE = re.compile(r"(Consumer)?Queue[0-9A-F]{8}$")


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """A message that ended in the DLQ.

    Attributes:
        body: Its body, parsed if it is JSON.
        reason: Why the handler sent it there itself, else None (it was received too often).
    """

    body: Any
    reason: str | None = None


@dataclass(kw_only=True)
class FeedResult:
    """What became of what a consumer was fed.

    Attributes:
        handled: Bodies of the messages that were handled.
        ignored: Events that no rule wanted, and messages that a filter dropped.
        pending: Bodies of the messages that failed and wait for their next receive.
        dead_letters: Messages in the DLQ.
        executions: The workflow's executions, one per batch.
        errors: What a function or workflow failed with as a whole.
    """

    handled: list[Any] = field(default_factory=list)
    ignored: list[Any] = field(default_factory=list)
    pending: list[Any] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    executions: list[Execution] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def feed(
    stacks: Stacks,
    consumer_id: str,
    events: Sequence[Event[Any] | Mapping[str, Any]],
    *,
    receives: int | None = None,
) -> FeedResult:
    """Give a consumer events, as the bus would, and let it work until its queue is empty.

    Args:
        stacks: The deployed templates.
        consumer_id: Construct id of the `QueueConsumer`, `Projection` or `Counter` (`"Catalogue"`), with the ids of those
            that it is in where there are some (`"Earning/Orders"`).
        events: `service_runtime` events or EventBridge events; none to work off what a route has put on the queue.
        receives: How often a failing message is received; default the queue's limit, after which it is in the DLQ.
    """
    consumer = _Consumer(stacks, consumer_id)
    result = FeedResult()
    for event in events:
        envelope = event.envelope() if isinstance(event, Event) else dict(event)
        bodies = list(consumer.delivered(envelope))
        if not bodies:
            result.ignored.append(envelope)
        for body in bodies:
            consumer.send(body)
    for _ in range(receives or consumer.max_receives):
        result.pending = []
        if not consumer.work(result):
            break
    else:
        if receives is None:
            consumer.redrive(result)
    result.dead_letters = list(consumer.dead_letters())
    return result


def run_state_machine(stacks: Stacks, workflow_id: str, workflow_input: Any, **options: Any) -> Execution:
    """Run a deployed workflow.

    Args:
        stacks: The deployed templates.
        workflow_id: Construct id or path of the workflow, or its ARN, an alias's too: there is one version here.
        workflow_input: Its input.
        **options: See `run_workflow`.
    """
    machines = stacks.resources("AWS::StepFunctions::StateMachine")
    by_arn = [machine for machine in machines if machine.ref == aws.unqualified(workflow_id)]
    machine = by_arn[0] if by_arn else stacks.resource(workflow_id, "AWS::StepFunctions::StateMachine")
    definition = json.loads(state_machine_definition(machine.properties))
    return run_workflow(definition, workflow_input, **options)


@dataclass(frozen=True, kw_only=True)
class Started:
    """An execution of a Standard workflow that somebody has started, and that moto does not run.

    Attributes:
        arn: Of the execution.
        machine: ARN of the workflow.
        name: Of the execution.
        given: Its input.
    """

    arn: str
    machine: str
    name: str
    given: Any


def started(stacks: Stacks) -> list[Started]:
    """The executions of the templates' Standard workflows so far, the oldest first.

    Args:
        stacks: The deployed templates.
    """
    # From moto itself: a call of its API for each workflow takes longer than most of what is being tested.
    known = {each.arn: each.executions for each in stepfunctions_backends[ACCOUNT][REGION].state_machines}
    return [
        Started(
            arn=execution.execution_arn,
            machine=machine.ref,
            name=execution.name,
            given=json.loads(execution.execution_input),
        )
        for machine in stacks.resources("AWS::StepFunctions::StateMachine")
        for execution in known.get(machine.ref, ())
    ]


def events_of(
    stacks: Stacks, feed_id: str, *, new: Mapping[str, Any], old: Mapping[str, Any] | None = None
) -> list[Event[Any]]:
    """The events that a change feed makes of one change.

    Args:
        stacks: The deployed templates.
        feed_id: Construct id or path of the `ChangeFeed`.
        new: The item after the change, DynamoDB-typed (`{"sku": {"S": "A"}}`).
        old: The item before; None for a new item.
    """
    images = {"NewImage": new} | ({"OldImage": old} if old is not None else {})
    record = {
        "eventID": uuid.uuid4().hex,
        "eventName": "MODIFY" if old is not None else "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": REGION,
        "dynamodb": {
            "ApproximateCreationDateTime": 1_700_000_000,
            "Keys": {name: value for name, value in new.items() if name in {"pk", "sk"}},
            **images,
            "SequenceNumber": "1",
            "SizeBytes": 1,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    }
    return _ChangeFeed(stacks, feed_id).events([record])


def published(stacks: Stacks, feed_id: str) -> list[Event[Any]]:
    """The events that a change feed makes of everything that has happened to its table so far, in order.

    Args:
        stacks: The deployed templates.
        feed_id: Construct id or path of the `ChangeFeed`.
    """
    change_feed = _ChangeFeed(stacks, feed_id)
    return [event for record in change_feed.stream() for event in change_feed.events([record])]


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """A rule of the bus that puts events on a consumer's queue.

    Attributes:
        rule: Its logical id.
        queue: The queue's.
        pattern: Which events it wants.
    """

    rule: str
    queue: str
    pattern: Mapping[str, Any]


def subscriptions(stacks: Stacks) -> list[Subscription]:
    """The rules of the templates that put events on queues, in the templates' order.

    Args:
        stacks: The deployed templates.
    """
    queues = {queue.attributes["Arn"]: queue.logical_id for queue in stacks.resources("AWS::SQS::Queue")}
    return [
        Subscription(
            rule=rule.logical_id, queue=queues[target["Arn"]], pattern=rule.properties["EventPattern"]
        )
        for rule in stacks.resources("AWS::Events::Rule")
        for target in rule.properties.get("Targets", ())
        if "EventPattern" in rule.properties and target["Arn"] in queues
    ]


class ChangeFeedReader:
    """A change feed as its pipe reads it: each record once, in order, in batches.

    Args:
        stacks: The deployed templates.
        feed_id: Construct id or path of the `ChangeFeed`, or its pipe's logical id.
    """

    def __init__(self, stacks: Stacks, feed_id: str) -> None:
        self._feed = _ChangeFeed(stacks, feed_id)
        self._read = 0

    def read(self) -> list[dict[str, Any]]:
        """What the pipe puts on the bus for the changes since the last time: `source`, `detail-type` and `detail`.

        Raises:
            AssertionError: The enrichment failed; the changes of its batch are passed over.
        """
        made: list[dict[str, Any]] = []
        while records := list(self._feed.stream(self._read, self._feed.batch_size)):
            self._read += len(records)
            made += self._feed.entries(records)
        return made


class _Consumer:
    def __init__(self, stacks: Stacks, consumer_id: str) -> None:
        self._stacks = stacks
        self._sqs = stacks.client("sqs")
        prefix = logical_name(consumer_id)
        queues = stacks.resources("AWS::SQS::Queue")
        found = [q for q in queues if q.logical_id.startswith(prefix) and "RedrivePolicy" in q.properties]
        if len(found) != 1:
            there = [
                _QUEUE.sub("", queue.logical_id) for queue in queues if "RedrivePolicy" in queue.properties
            ]
            raise LookupError(misnamed(consumer_id, "a consumer", len(found), there))
        self._queue = found[0]
        self._arn = self._queue.attributes["Arn"]
        redrive = self._queue.properties["RedrivePolicy"]
        self.max_receives = int(redrive["maxReceiveCount"])
        self._dlq_url = next(q.ref for q in queues if q.attributes["Arn"] == redrive["deadLetterTargetArn"])

    def delivered(self, event: Mapping[str, Any]) -> Iterator[str]:
        """The message bodies that the rules make of an event, one per rule that matches."""
        for rule in self._stacks.resources("AWS::Events::Rule"):
            for target in rule.properties.get("Targets", ()):
                if target["Arn"] == self._arn and matches(rule.properties["EventPattern"], event):
                    yield target.get("Input") or json.dumps(event)

    def send(self, body: str) -> None:
        self._sqs.send_message(QueueUrl=self._queue.ref, MessageBody=body)

    def work(self, result: FeedResult) -> bool:
        """Receive everything that is visible once, in batches, let the target handle it, and say if there was any."""
        received = list(self._received())
        failed: list[Message] = []
        for start in range(0, len(received), self._batch_size):
            batch = received[start : start + self._batch_size]
            wanted = [m for m in batch if self._passes(m)]
            identifiers = self._target(wanted, result) if wanted else set()
            for message in batch:
                body = _parsed(message["body"])
                if message not in wanted:
                    result.ignored.append(body)
                elif message["messageId"] in identifiers:
                    result.pending.append(body)
                    failed.append(message)
                    continue
                else:
                    result.handled.append(body)
                self._sqs.delete_message(QueueUrl=self._queue.ref, ReceiptHandle=message["receiptHandle"])
        for message in failed:
            self._sqs.change_message_visibility(
                QueueUrl=self._queue.ref, ReceiptHandle=message["receiptHandle"], VisibilityTimeout=0
            )
        return bool(received)

    def redrive(self, result: FeedResult) -> None:
        """The receive after the last one: SQS moves what has been received too often to the DLQ."""
        list(self._received())
        result.pending = []

    def dead_letters(self) -> Iterator[DeadLetter]:
        for message in self._stacks.take(self._dlq_url):
            reason = message.get("MessageAttributes", {}).get("reason", {}).get("StringValue")
            yield DeadLetter(body=_parsed(message["Body"]), reason=reason)

    @property
    def _pipe(self) -> DeployedResource | None:
        pipes = self._stacks.resources("AWS::Pipes::Pipe")
        return next((pipe for pipe in pipes if pipe.properties["Source"] == self._arn), None)

    @property
    def _mapping(self) -> DeployedResource:
        for mapping in self._stacks.resources("AWS::Lambda::EventSourceMapping"):
            if mapping.properties["EventSourceArn"] == self._arn:
                return mapping
        raise LookupError(f"neither a pipe nor an event source mapping reads {self._queue.logical_id}")

    @property
    def _source_parameters(self) -> Mapping[str, Any]:
        parameters: Mapping[str, Any] = (
            self._pipe.properties["SourceParameters"] if self._pipe else self._mapping.properties
        )
        return parameters

    @property
    def _batch_size(self) -> int:
        parameters = self._source_parameters
        return int(parameters.get("SqsQueueParameters", parameters).get("BatchSize", _DEFAULT_BATCH_SIZE))

    def _passes(self, message: Message) -> bool:
        filters = self._source_parameters.get("FilterCriteria", {}).get("Filters", [])
        return not filters or any(matches(json.loads(each["Pattern"]), message) for each in filters)

    def _received(self) -> Iterator[Message]:
        for message in self._stacks.receive(self._queue.ref):
            yield {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "messageAttributes": {
                    name: {"stringValue": attribute.get("StringValue"), "dataType": attribute["DataType"]}
                    for name, attribute in message.get("MessageAttributes", {}).items()
                },
                "md5OfBody": message["MD5OfBody"],
                "eventSource": "aws:sqs",
                "eventSourceARN": self._arn,
                "awsRegion": REGION,
            }

    def _target(self, batch: list[Message], result: FeedResult) -> set[str]:
        """Identifiers of the messages that failed; all of them when the target fails or its answer makes no sense."""
        every = {message["messageId"] for message in batch}
        pipe = self._pipe
        if pipe:
            execution = run_state_machine(self._stacks, pipe.properties["Target"], batch)
            result.executions.append(execution)
            if execution.status != "SUCCEEDED":
                result.errors.append(f"{execution.error}: {execution.cause}")
                return every
            answer = execution.output
        else:
            function = self._stacks.function(self._mapping.properties["FunctionName"])
            try:
                answer = function.invoke({"Records": batch})
            except Exception as error:  # noqa: BLE001 - whatever a handler raises fails its batch
                result.errors.append(f"{type(error).__name__}: {error}")
                return every
        items = (answer or {}).get("batchItemFailures", []) if isinstance(answer, dict) else []
        identifiers = {str(item["itemIdentifier"]) for item in items}
        return identifiers if identifiers.issubset(every) else every


class _ChangeFeed:
    def __init__(self, stacks: Stacks, feed_id: str) -> None:
        self._stacks = stacks
        self._pipe = stacks.resource(feed_id, "AWS::Pipes::Pipe")

    @property
    def batch_size(self) -> int:
        parameters = self._pipe.properties["SourceParameters"]["DynamoDBStreamParameters"]
        return int(parameters.get("BatchSize", _DEFAULT_BATCH_SIZE))

    def stream(self, first: int = 0, most: int | None = None) -> Iterator[dict[str, Any]]:
        """The table's stream records so far, as the pipe reads them; from a number on, so many."""
        # From moto's table itself: moto's streams endpoint does not speak botocore's present protocol.
        table = self._pipe.properties["Source"].split("/")[1]
        shard = dynamodb_backends[ACCOUNT][REGION].get_table(table).stream_shard
        if shard is None:
            return
        for record in shard.get(shard.starting_sequence_number + first, most or len(shard.items)):
            change = dict(record["dynamodb"])
            created = change["ApproximateCreationDateTime"]
            change["ApproximateCreationDateTime"] = created.replace(tzinfo=UTC).timestamp()
            yield json.loads(
                json.dumps(
                    {**record, "dynamodb": change}, default=lambda value: base64.b64encode(value).decode()
                )
            )

    def entries(self, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What the pipe would put on the bus for a batch of records."""
        properties = self._pipe.properties
        filters = [
            json.loads(f["Pattern"]) for f in properties["SourceParameters"]["FilterCriteria"]["Filters"]
        ]
        wanted = [record for record in records if any(matches(pattern, record) for pattern in filters)]
        if not wanted:
            return []
        execution = run_state_machine(self._stacks, properties["Enrichment"], wanted)
        if execution.status != "SUCCEEDED":
            raise AssertionError(f"the enrichment failed with {execution.error}: {execution.cause}")
        source = properties["TargetParameters"]["EventBridgeEventBusParameters"]["Source"]
        return [
            {"source": source, "detail-type": each["detailType"], "detail": each["detail"]}
            for each in execution.output
        ]

    def events(self, records: list[dict[str, Any]]) -> list[Event[Any]]:
        """The same as typed events."""
        return [Event.parse(entry) for entry in self.entries(records)]


def _parsed(body: str) -> Any:
    try:
        return json.loads(body)
    except json.JSONDecodeError:
        return body
