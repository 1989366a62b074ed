"""The change feed: what a table's stream says, as typed events on the bus; the only publisher of a service."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any

from aws_cdk import Acknowledgment, Duration, Validations
from aws_cdk.aws_iam import PolicyStatement, Role
from aws_cdk.aws_pipes import CfnPipe
from aws_cdk.aws_sqs import Queue, QueueEncryption
from constructs import Construct
from states_language.definition import library

from shared_constructs.alarms import dlq_alarm, pipe_failure_alarm
from shared_constructs.express_workflow import ExpressWorkflow, StandardWorkflow
from shared_constructs.queue_consumer import DLQ_RETENTION, pipe_filter, pipe_logs, pipe_principal
from shared_constructs.service import ServiceStack
from shared_constructs.table import cdk_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_cdk.aws_cloudwatch import Alarm
    from aws_cdk.aws_dynamodb import ITable
    from states_language.definition import Definition

    from shared_constructs.table import ServiceTable

# EventBridge Pipes: a bus takes at most ten entries at once; if the enrichment returns more, the target is not called.
MAX_ENTRIES = 10
# Pipes: at most ten batches of a shard at once, those of one partition key still in order.
MAX_PARALLEL = 10
# How many items republish reads at a time: at 10 KB each still below Step Functions' 256 KiB per state.
REPUBLISH_PAGE = 20
# A Standard execution's history ends at 25,000 events; republish stops well before and leaves the rest to the next.
_HISTORY_EVENTS = 20_000
_HISTORY_EVENTS_PER_PAGE = 15
_HISTORY_EVENTS_PER_REQUEST = 7

_DETAIL_TYPE = re.compile(r"[A-Z][A-Za-z0-9]*\.v[1-9][0-9]*")


@dataclass(frozen=True, kw_only=True)
class DomainEvent:
    """An event that a change of the table means, in JSONata expressions (without ``{% %}``).

    The expressions see ``$new`` and ``$old``, the item's images as plain JSON (``$old`` is absent for a new item and
    when an event is republished), and two functions: ``$changed('field')``, whether a field differs between them, and
    ``$became('field', value)``, whether it has the value now and had not before. (In JSONata a comparison with
    something absent is false either way: write ``$not($old.status = 'PAID')``, not ``$old.status != 'PAID'``. An
    array built from one element collapses to it: write ``[...]`` around it.)

    Args:
        detail_type: ``<Fact>.v<major>``.
        aggregate_id: what the event is about (``$new.sku``).
        data: the event's ``data``, an object.
        when: whether the change means this event; default always.
        version: the aggregate's version that made the event; default ``$new.version``. An event that is republished
            keeps its id only if this expression still gives the same number.

    Raises:
        ValueError: a detail type of another form.
    """

    detail_type: str
    aggregate_id: str
    data: str
    when: str = "true"
    version: str = "$new.version"

    def __post_init__(self) -> None:
        """Refuse a detail type that consumers could not subscribe to."""
        if not _DETAIL_TYPE.fullmatch(self.detail_type):
            raise ValueError(f"a detail type is <Fact>.v<major>, got {self.detail_type!r}")

    def expression(self) -> str:
        """The event in JSONata; absent when the change does not mean it."""
        return (
            f"($boolean({self.when}) ?"
            f" $event('{self.detail_type}', $string({self.aggregate_id}), {self.version}, {self.data}))"
        )


@dataclass(frozen=True, kw_only=True)
class StreamRetry:
    """When the feed gives a record up. Both are finite: a record that can never pass must not block its shard.

    Args:
        attempts: deliveries of a batch after the first, 0 to 10,000.
        max_age: age at which a record is given up, 60 seconds to 24 hours (the stream's own retention).
    """

    attempts: int = 20
    max_age: Duration = field(default_factory=lambda: Duration.hours(6))


class ChangeFeed(Construct):
    """Every change of a table as events on the service's bus; nothing else publishes.

    Builds a pipe from the table's stream through an Express workflow, which turns each record into envelopes (see
    ``DomainEvent``), to the bus; a DLQ; a log; alarms on the DLQ and the pipe; and ``republish``. Only inserts and
    modifications are read, and of them only those that change the item's ``version``: a service ends an item's life
    by a state, and two events never share an id. Correlation and causation come from the new image's
    ``correlationId`` and ``causationId`` (default: the event's own id), ``occurredAt`` from its ``updatedAt``
    (default: the stream's time).

    Batches hold as many records as can never exceed a bus's ten entries, and ten batches of a shard are handled at
    once; changes with the same partition key stay in order. A batch that fails is bisected, retried
    within ``retry`` and then described in the DLQ: positions in the stream, not records; after the repair, start
    ``republish`` (input ``{}`` for the whole table, ``{"pk": "…"}`` for one partition key), which emits the present
    state's events again, with the same ids. Its output's ``startKey`` continues in a further execution.

    Args:
        scope: construct inside a ``ServiceStack``.
        construct_id: its id.
        table: a ``ServiceTable`` or table with a stream of new and old images. A feed must be the stream's only
            reader (DynamoDB allows two per shard; the second is the operator's).
        events: what changes mean.
        filters: further conditions on stream records (``{"dynamodb": {"NewImage": …}}``), one of which must match.
        retry: when a record is given up.

    Attributes:
        pipe: the pipe.
        enrichment: the workflow that makes the events.
        republish: the operator's workflow.
        dlq: positions of records that were given up.
        alarms: DLQ depth and the pipe's failures.

    Raises:
        ValueError: no events, more than ten, two of one type, no stream, or a second feed of the same table.

    Example:
        >>> feed = ChangeFeed(stack, "Feed", table=table, events=[DomainEvent(
        ...     detail_type="ProductChanged.v1", aggregate_id="$new.sku",
        ...     data="{'sku': $new.sku, 'name': $new.name, 'version': $new.version}")])
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        table: ServiceTable | ITable,
        events: Sequence[DomainEvent],
        filters: Sequence[Mapping[str, Any]] = (),
        retry: StreamRetry | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        stack = ServiceStack.of(self)
        self.table = cdk_table(table)
        stream = self._stream(events)
        source = f"commerce.{stack.service}"
        expression = events_expression(events, service=stack.service, stage=stack.stage.name)
        retry = retry or StreamRetry()

        self.dlq = Queue(
            self,
            "Dlq",
            encryption=QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=DLQ_RETENTION,
        )
        Validations.of(self.dlq).acknowledge(
            Acknowledgment(
                id="AwsSolutions-SQS3", reason="It is itself the dead-letter queue, of the stream's pipe."
            )
        )
        self.enrichment = ExpressWorkflow(self, "Enrichment", definition=_enrichment(expression))
        role = Role(self, "PipeRole", assumed_by=pipe_principal())
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
            PolicyStatement(actions=["sqs:SendMessage"], resources=[self.dlq.queue_arn]),
            PolicyStatement(
                actions=["states:StartSyncExecution"],
                resources=[self.enrichment.resources.state_machine.state_machine_arn],
            ),
            PolicyStatement(
                actions=["events:PutEvents"],
                resources=[stack.event_bus.event_bus_arn],
                conditions={"StringEquals": {"events:source": source}},
            ),
        ):
            role.add_to_policy(statement)
        self.pipe = CfnPipe(
            self,
            "Pipe",
            role_arn=role.role_arn,
            source=stream,
            source_parameters=CfnPipe.PipeSourceParametersProperty(
                dynamo_db_stream_parameters=CfnPipe.PipeSourceDynamoDBStreamParametersProperty(
                    # Not LATEST: what is written between the table's creation and the pipe's must be told as well.
                    starting_position="TRIM_HORIZON",
                    batch_size=MAX_ENTRIES // len(events),
                    # Otherwise the records of a shard wait for each other, and all of them for one that is retried.
                    parallelization_factor=MAX_PARALLEL,
                    maximum_retry_attempts=retry.attempts,
                    maximum_record_age_in_seconds=retry.max_age.to_seconds(),
                    on_partial_batch_item_failure="AUTOMATIC_BISECT",
                    dead_letter_config=CfnPipe.DeadLetterConfigProperty(arn=self.dlq.queue_arn),
                ),
                filter_criteria=pipe_filter(
                    stack, [{"eventName": ["INSERT", "MODIFY"], **pattern} for pattern in filters or ({},)]
                ),
            ),
            enrichment=self.enrichment.resources.state_machine.state_machine_arn,
            target=stack.event_bus.event_bus_arn,
            target_parameters=CfnPipe.PipeTargetParametersProperty(
                event_bridge_event_bus_parameters=CfnPipe.PipeTargetEventBridgeEventBusParametersProperty(
                    source=source, detail_type="$.detailType"
                ),
                input_template="<$.detail>",
            ),
            log_configuration=pipe_logs(self, role),
        )
        # The pipe polls as soon as it exists: its permissions must be there first.
        self.pipe.node.add_dependency(role)
        self.republish = StandardWorkflow(
            self,
            "Republish",
            definition=_republish(expression, source, kinds=len(events)),
            substitutions={"Table": self.table, "Bus": stack.event_bus},
        )
        self.alarms: list[Alarm] = [
            dlq_alarm(
                self,
                "DlqAlarm",
                dlq=self.dlq,
                what=f"{construct_id}: positions of changes that were not told",
            ),
            pipe_failure_alarm(self, "PipeAlarm", pipe_name=self.pipe.ref),
        ]

    def _stream(self, events: Sequence[DomainEvent]) -> str:
        types = [event.detail_type for event in events]
        if not 1 <= len(types) <= MAX_ENTRIES:
            raise ValueError(
                f"a change feed makes 1 to {MAX_ENTRIES} kinds of events (one request's entries), got {len(types)}"
            )
        if repeated := sorted({t for t in types if types.count(t) > 1}):
            raise ValueError(f"two events of one type would share their id: {', '.join(repeated)}")
        stream = self.table.table_stream_arn
        if stream is None:
            raise ValueError(
                f"{self.table.node.path} has no stream; a change feed needs one with new and old images"
            )
        for other in self.node.root.node.find_all():
            if isinstance(other, ChangeFeed) and other is not self and other.table is self.table:
                raise ValueError(
                    f"{other.node.path} already reads the stream of {self.table.node.path}: add the events there"
                )
        return stream


def events_expression(events: Sequence[DomainEvent], *, service: str, stage: str) -> str:
    """The JSONata that turns ``$records`` (stream records) into ``{detailType, detail}`` objects.

    Args:
        events: what a change means.
        service: the producing service.
        stage: the stage's name.
    """
    listed = ",\n    ".join(event.expression() for event in events)
    return f"""$plain := {library("plain")};
$told := $map($records, function($record) {{(
  $new := $plain($record.dynamodb.NewImage);
  $old := $plain($record.dynamodb.OldImage);
  $changed := function($field) {{(
    $now := $lookup($new, $field);
    $before := $lookup($old, $field);
    ($exists($now) or $exists($before)) and $not($now = $before)
  )}};
  $became := function($field, $value) {{ $lookup($new, $field) = $value and $not($lookup($old, $field) = $value) }};
  $event := function($detailType, $aggregateId, $version, $data) {{(
    $eventId := $substring($hash('commerce.{service}|' & $aggregateId & '|' & $string($version) & '|' & $detailType, 'SHA-256'), 0, 32);
    $correlationId := $exists($new.correlationId) ? $new.correlationId : $eventId;
    {{
      'detailType': $detailType,
      'detail': {{
        'metadata': {{
          'eventId': $eventId,
          'correlationId': $correlationId,
          'causationId': $exists($new.causationId) ? $new.causationId : $correlationId,
          'occurredAt': $exists($new.updatedAt) ? $new.updatedAt : $fromMillis($record.dynamodb.ApproximateCreationDateTime * 1000),
          'domain': 'commerce',
          'service': '{service}',
          'stage': '{stage}',
          'schemaVersion': '1.0',
          'aggregateId': $aggregateId,
          'aggregateVersion': $version
        }},
        'data': $data
      }}
    }}
  )}};
  {{'events': $changed('version') ? [
    {listed}
  ] : []}}
)}});
[$told.events]
"""


def _enrichment(expression: str) -> Definition:
    return {
        "Comment": "Stream records to events. An expression that fails fails its batch, which the pipe then bisects.",
        "QueryLanguage": "JSONata",
        "StartAt": "Events",
        "States": {
            "Events": {
                "Type": "Pass",
                "Output": f"{{% ($records := $states.input;{expression}) %}}",
                "End": True,
            }
        },
    }


def _republish(expression: str, source: str, *, kinds: int) -> Definition:
    requests = ceil(REPUBLISH_PAGE * kinds / MAX_ENTRIES)
    max_pages = _HISTORY_EVENTS // (_HISTORY_EVENTS_PER_PAGE + _HISTORY_EVENTS_PER_REQUEST * requests)
    retry = [
        {
            "ErrorEquals": ["States.TaskFailed"],
            "IntervalSeconds": 1,
            "BackoffRate": 2,
            "MaxAttempts": 6,
            "MaxDelaySeconds": 20,
            "JitterStrategy": "FULL",
        }
    ]
    made = (
        "{% ($entered := $toMillis($states.context.State.EnteredTime) / 1000;"
        " $records := $states.result.Items.{'dynamodb': {'NewImage': $, 'ApproximateCreationDateTime': $entered}};"
        f"{expression}) %}}"
    )
    read = {
        "Type": "Task",
        "TimeoutSeconds": 30,
        "Retry": retry,
        "Assign": {
            "events": made,
            "pages": "{% $pages + 1 %}",
            "startKey": "{% $exists($states.result.LastEvaluatedKey) ? $states.result.LastEvaluatedKey : null %}",
        },
        "Next": "Put events",
    }
    page = "'TableName': '${Table}', 'ConsistentRead': true, 'Limit': " + str(REPUBLISH_PAGE)
    start = "$startKey ? {'ExclusiveStartKey': $startKey} : {}"
    return {
        "Comment": "Emits the events of the table's present state again, with their ids.",
        "QueryLanguage": "JSONata",
        "StartAt": "Begin",
        "States": {
            "Begin": {
                "Type": "Pass",
                "Assign": {
                    "pk": "{% $exists($states.input.pk) ? $states.input.pk : null %}",
                    "startKey": "{% $exists($states.input.startKey) ? $states.input.startKey : null %}",
                    "pages": 0,
                    "emitted": 0,
                },
                "Next": "Which items",
            },
            "Which items": {
                "Type": "Choice",
                "Choices": [{"Condition": "{% $type($pk) = 'string' %}", "Next": "Query items"}],
                "Default": "Scan items",
            },
            "Query items": {
                **read,
                "Resource": "arn:aws:states:::aws-sdk:dynamodb:query",
                "Arguments": "{% $merge([{"
                + page
                + ", 'KeyConditionExpression': 'pk = :pk', 'ExpressionAttributeValues': {':pk': {'S': $pk}}}, "
                + start
                + "]) %}",
            },
            "Scan items": {
                **read,
                "Resource": "arn:aws:states:::aws-sdk:dynamodb:scan",
                "Arguments": "{% $merge([{" + page + "}, " + start + "]) %}",
            },
            "Put events": {
                "Type": "Map",
                "Items": f"{{% $count($events) = 0 ? [] : $partition($events, {MAX_ENTRIES}) %}}",
                "MaxConcurrency": 1,
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "INLINE"},
                    "StartAt": "Put ten events",
                    "States": {
                        "Put ten events": {
                            "Type": "Task",
                            "Resource": "arn:aws:states:::events:putEvents",
                            "TimeoutSeconds": 30,
                            "Arguments": {
                                "Entries": "{% [$states.input.{"
                                f"'EventBusName': '${{Bus}}', 'Source': '{source}',"
                                " 'DetailType': detailType, 'Detail': detail}] %}"
                            },
                            "Retry": retry,
                            "Output": {},
                            "End": True,
                        }
                    },
                },
                "Assign": {"emitted": "{% $emitted + $count($events) %}"},
                "Next": "More",
            },
            "More": {
                "Type": "Choice",
                "Choices": [
                    {
                        "Condition": f"{{% $type($startKey) = 'object' and $pages < {max_pages} %}}",
                        "Next": "Which items",
                    }
                ],
                "Default": "Done",
            },
            "Done": {
                "Type": "Pass",
                "Output": {"emitted": "{% $emitted %}", "startKey": "{% $startKey %}"},
                "End": True,
            },
        },
    }
