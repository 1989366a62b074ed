"""The construct: table stream, pipe with filter and enrichment, bus; and the way to emit events again."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aws_cdk import Acknowledgment, Duration, Validations
from aws_cdk.aws_iam import PolicyStatement, Role
from aws_cdk.aws_pipes import CfnPipe
from aws_cdk.aws_sqs import Queue, QueueEncryption
from constructs import Construct
from states_language.definition import expression, library

from shared_constructs.alarms import dlq_alarm, pipe_failure_alarm, unread_stream_alarm
from shared_constructs.change_feed.conditions import excludes, seen, weakest
from shared_constructs.change_feed.events import quoted
from shared_constructs.customize import Customization
from shared_constructs.express_workflow import ExpressWorkflow, StandardWorkflow
from shared_constructs.permissions import on_behalf_of_this_account
from shared_constructs.queries import FAILED_PIPES, saved
from shared_constructs.queue_consumer import DLQ_RETENTION, pipe_filter, pipe_logs
from shared_constructs.service import ServiceStack
from shared_constructs.table import cdk_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aws_cdk.aws_cloudwatch import Alarm
    from aws_cdk.aws_dynamodb import ITable

    from shared_constructs.change_feed.conditions import Alternative
    from shared_constructs.change_feed.events import DomainEvent
    from shared_constructs.customize import Customize
    from shared_constructs.table import ServiceTable

MAX_ENTRIES = 10
"""EventBridge Pipes: a bus takes at most ten entries at once; if the enrichment returns more, the target is not called."""

MAX_PARALLEL = 10
"""Pipes: at most ten batches of a shard at once, those of one partition key still in order."""

MAX_PATTERNS = 5
"""Pipes: at most five filter patterns; more alternatives are one pattern with $or
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html)."""

REPUBLISH_PAGE = 20
"""How many items republish reads at once; half as many whenever they or their events turn out to be too large."""

REPUBLISH_CHARACTERS = 64 * 1024
"""How long the events of a page may be as JSON: at four bytes a character at most, Step Functions' limit of 256 KiB
for a variable and a state's input, and EventBridge's for a request."""

# A Standard execution's history ends at 25,000 events; republish stops well before and leaves the rest to the next.
_HISTORY_EVENTS = 20_000
_HISTORY_EVENTS_PER_PAGE = 17
_HISTORY_EVENTS_PER_REQUEST = 7

# What events.jsonata itself reads of an item.
_METADATA = ("version", "correlationId", "causationId", "updatedAt")
_HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class StreamRetry:
    """When the feed gives a record up.

    Age decides: attempts follow each other within seconds, so any number of them would give up during a short outage.
    A record that can never pass holds up only what shares its lane (a tenth of the shard's partition keys).

    Attributes:
        attempts: Deliveries of a batch after the first, 0 to 10,000; default -1, any number.
        max_age: Age at which a record is given up, 60 seconds to below 24 hours (the stream's own retention, after
            which it would be lost without a word); default 23 hours.
    """

    attempts: int = -1
    max_age: Duration = field(default_factory=lambda: Duration.hours(23))


@dataclass(frozen=True, kw_only=True)
class FeedResources:
    """What a `ChangeFeed` consists of.

    Attributes:
        table: The table that is read.
        pipe: The pipe.
        enrichment: The workflow that makes the events.
        republish: The operator's workflow.
        dlq: Positions of records that were given up.
        alarms: DLQ depth, the pipe's failures, and a stream that nobody reads.
    """

    table: ITable
    pipe: CfnPipe
    enrichment: ExpressWorkflow
    republish: StandardWorkflow
    dlq: Queue
    alarms: Sequence[Alarm]


class ChangeFeed(Construct):
    """Every change of a table as events on the service's bus; nothing else publishes.

    Builds a pipe from the table's stream through an Express workflow, which turns each record into envelopes (see
    `DomainEvent`), to the bus; a DLQ; a log; alarms on the DLQ, the pipe and a stream that is not read (a pipe that does
    not run fails at nothing); and `republish`. Only inserts and
    modifications are read, and the pipe's filter drops what can mean no event, as far as the events' conditions show
    it; of the rest only those count that change the item's `version`: a service ends an item's life by a state, and
    two events never share an id. Correlation and causation come from the new image's
    `correlationId` and `causationId` (default: the event's own id), `occurredAt` from its `updatedAt`
    (default: the stream's time).

    Batches hold as many records as can never exceed a bus's ten entries, by how many of the events their conditions let
    one change mean (see `most_at_once`); should it mean more after all, its batch fails. Ten batches of a shard are handled at
    once; changes with the same partition key stay in order. A batch that fails is bisected, retried
    within `retry` (the pipe's alarm tells after three minutes; a repair within a day loses nothing) and then described
    in the DLQ: positions in the stream, not records; after the repair, start
    `republish` (input `{}` for the whole table, `{"pk": "…"}` for one partition key), which emits the present
    state's events again, with the same ids, in pages of as many items as fit. Its output's `startKey` continues in a
    further execution.

    Args:
        scope: Construct inside a `ServiceStack`.
        construct_id: Its id.
        table: A `ServiceTable` or table with a stream of new and old images. A feed must be the stream's only
            reader (DynamoDB allows two per shard; the second is the operator's).
        events: What changes mean.
        retry: When a record is given up.
        customize: Properties of the `dlq`, the `pipe` and of all `alarms` that have no argument here.

    Attributes:
        resources: Table, pipe, workflows, DLQ and alarms.

    Raises:
        ValueError: No events, more than ten, two of one type, no stream, or a second feed of the same table.

    Examples:
        >>> feed = ChangeFeed(stack, "Feed", table=table, events=[
        ...     DomainEvent(ProductChanged, aggregate_id="sku"),
        ...     DomainEvent(ProductRetired, aggregate_id="sku", when=became("status", "RETIRED"))])
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        table: ServiceTable | ITable,
        events: Sequence[DomainEvent],
        retry: StreamRetry | None = None,
        customize: Customize | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        stack = ServiceStack.of(self)
        self._table = cdk_table(table)
        stream = self._stream(events)
        customization = Customization(customize, "dlq", "pipe", "alarms")
        source = f"commerce.{stack.service}"
        events_of = events_expression(events, service=stack.service, stage=stack.stage.name.value)
        dlq = Queue(
            self,
            "Dlq",
            **customization.of(
                "dlq",
                enforced={"encryption": QueueEncryption.SQS_MANAGED, "enforce_ssl": True},
                retention_period=DLQ_RETENTION,
                removal_policy=stack.stage.removal_policy,
            ),
        )
        Validations.of(dlq).acknowledge(
            Acknowledgment(
                id="AwsSolutions-SQS3", reason="It is itself the dead-letter queue, of the stream's pipe."
            )
        )
        enrichment = ExpressWorkflow(
            self,
            "Enrichment",
            definition=_HERE / "enrichment.asl.yaml",
            substitutions={"EventsOf": events_of, "MaxEntries": MAX_ENTRIES},
        )
        role = self._role(source, stream=stream, dlq=dlq, enrichment=enrichment)
        pipe_log, log = pipe_logs(self, role)
        pipe = CfnPipe(
            self,
            "Pipe",
            **customization.of(
                "pipe",
                enforced={
                    "role_arn": role.role_arn,
                    "source": stream,
                    "source_parameters": self._source(events, dlq=dlq, retry=retry or StreamRetry()),
                    "enrichment": enrichment.resources.state_machine.state_machine_arn,
                    "target": stack.event_bus.event_bus_arn,
                    "target_parameters": CfnPipe.PipeTargetParametersProperty(
                        event_bridge_event_bus_parameters=CfnPipe.PipeTargetEventBridgeEventBusParametersProperty(
                            source=source, detail_type="$.detailType"
                        ),
                        input_template="<$.detail>",
                    ),
                },
                log_configuration=log,
            ),
        )
        # The pipe polls as soon as it exists: its permissions must be there first.
        pipe.node.add_dependency(role)
        republish = StandardWorkflow(
            self,
            "Republish",
            definition=_HERE / "republish.asl.yaml",
            substitutions={
                "Table": self._table,
                "Bus": stack.event_bus,
                "Source": source,
                "EventsOf": events_of,
                "MaxEntries": MAX_ENTRIES,
                "PageSize": REPUBLISH_PAGE,
                "MaxCharacters": REPUBLISH_CHARACTERS,
                "MaxHistory": _HISTORY_EVENTS,
                "HistoryPerPage": _HISTORY_EVENTS_PER_PAGE,
                "HistoryPerRequest": _HISTORY_EVENTS_PER_REQUEST,
            },
        )
        customized = customization.of("alarms", enforced={})
        query = saved(self, FAILED_PIPES, pipe_log)
        self.resources = FeedResources(
            table=self._table,
            pipe=pipe,
            enrichment=enrichment,
            republish=republish,
            dlq=dlq,
            alarms=(
                dlq_alarm(
                    self,
                    "DlqAlarm",
                    dlq=dlq,
                    what=f"{construct_id}: positions of changes that were not told",
                    query=query,
                    customized=customized,
                ),
                pipe_failure_alarm(self, "PipeAlarm", pipe_name=pipe.ref, query=query, customized=customized),
                unread_stream_alarm(
                    self,
                    "UnreadAlarm",
                    table=self._table,
                    pipe_name=pipe.ref,
                    query=query,
                    customized=customized,
                ),
            ),
        )

    def _role(self, source: str, *, stream: str, dlq: Queue, enrichment: ExpressWorkflow) -> Role:
        role = Role(self, "PipeRole", assumed_by=on_behalf_of_this_account("pipes"))
        for statement in (
            PolicyStatement(
                actions=[
                    "dynamodb:DescribeStream",
                    "dynamodb:GetRecords",
                    "dynamodb:GetShardIterator",
                    "dynamodb:ListStreams",
                ],
                resources=[stream],
            ),
            PolicyStatement(actions=["sqs:SendMessage"], resources=[dlq.queue_arn]),
            PolicyStatement(
                actions=["states:StartSyncExecution"],
                resources=[enrichment.resources.state_machine.state_machine_arn],
            ),
            PolicyStatement(
                actions=["events:PutEvents"],
                resources=[ServiceStack.of(self).event_bus.event_bus_arn],
                conditions={"StringEquals": {"events:source": source}},
            ),
        ):
            role.add_to_policy(statement)
        return role

    def _source(
        self, events: Sequence[DomainEvent], *, dlq: Queue, retry: StreamRetry
    ) -> CfnPipe.PipeSourceParametersProperty:
        return CfnPipe.PipeSourceParametersProperty(
            dynamo_db_stream_parameters=CfnPipe.PipeSourceDynamoDBStreamParametersProperty(
                # Not LATEST: what is written between the table's creation and the pipe's must be told as well.
                starting_position="TRIM_HORIZON",
                batch_size=MAX_ENTRIES // most_at_once(events),
                # Otherwise the records of a shard wait for each other, and all of them for one that is retried.
                parallelization_factor=MAX_PARALLEL,
                maximum_retry_attempts=retry.attempts,
                maximum_record_age_in_seconds=retry.max_age.to_seconds(),
                on_partial_batch_item_failure="AUTOMATIC_BISECT",
                dead_letter_config=CfnPipe.DeadLetterConfigProperty(arn=dlq.queue_arn),
            ),
            filter_criteria=pipe_filter(ServiceStack.of(self), filter_patterns(events)),
        )

    def _stream(self, events: Sequence[DomainEvent]) -> str:
        types = [event.detail_type for event in events]
        if not 1 <= len(types) <= MAX_ENTRIES:
            raise ValueError(
                f"a change feed makes 1 to {MAX_ENTRIES} kinds of events (one request's entries), got {len(types)}"
            )
        if repeated := sorted({t for t in types if types.count(t) > 1}):
            raise ValueError(f"two events of one type would share their id: {', '.join(repeated)}")
        stream = self._table.table_stream_arn
        if stream is None:
            raise ValueError(
                f"{self._table.node.path} has no stream; a change feed needs one with new and old images"
            )
        for other in self.node.root.node.find_all():
            if isinstance(other, ChangeFeed) and other is not self and other.resources.table is self._table:
                raise ValueError(
                    f"{other.node.path} already reads the stream of {self._table.node.path}: add the events there"
                )
        return stream


def events_expression(events: Sequence[DomainEvent], *, service: str, stage: str) -> str:
    """The JSONata function that turns stream records into events, `{detailType, detail}` each.

    Args:
        events: What changes mean.
        service: The producing service.
        stage: The stage's name.
    """
    return expression(
        _HERE / "events.jsonata",
        Plain=library("plain"),
        New=_picked({*_METADATA, *(name for event in events for name in event.attributes("new"))}),
        Old=_picked({"version", *(name for event in events for name in event.attributes("old"))}),
        Service=service,
        Stage=stage,
        Events=",\n        ".join(event.expression() for event in events),
    )


def most_at_once(events: Sequence[DomainEvent]) -> int:
    """How many of the events one change can mean at most, as far as their conditions show that they exclude each other.

    Args:
        events: What changes mean.

    Returns:
        The size of the largest set of events of which no two exclude each other, at least 1.
    """
    apart = [
        (n, m) for n, m in combinations(range(len(events)), 2) if excludes(events[n].when, events[m].when)
    ]
    for size in range(len(events), 1, -1):
        for chosen in combinations(range(len(events)), size):
            if not any(n in chosen and m in chosen for n, m in apart):
                return size
    return 1


def filter_patterns(events: Sequence[DomainEvent]) -> list[dict[str, Any]]:
    """What a pipe's filter must let pass: every record that can mean one of the events.

    Args:
        events: What changes mean.

    Returns:
        Event patterns over stream records, at most five.
    """
    alternatives = weakest(*(seen(each) for event in events for each in event.when.holds))
    patterns = [_pattern(each) for each in alternatives]
    return patterns if len(patterns) <= MAX_PATTERNS else [{"$or": patterns}]


def _picked(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}': {quoted(name)}" for name in sorted(names))


def _pattern(alternative: Alternative) -> dict[str, Any]:
    pattern: dict[str, Any] = {"eventName": ["INSERT", "MODIFY"]}
    for path, matchers in alternative.items():
        inner = pattern
        for name in path[:-1]:
            inner = inner.setdefault(name, {})
        inner[path[-1]] = matchers
    return pattern
