"""Consuming events: rule on the bus, queue with DLQ, and a function or an Express workflow that reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aws_cdk import Aws, Duration, Fn, Names, RemovalPolicy
from aws_cdk.aws_events import EventPattern, Rule
from aws_cdk.aws_events_targets import SqsQueue
from aws_cdk.aws_iam import PolicyStatement, Role
from aws_cdk.aws_lambda import FilterCriteria
from aws_cdk.aws_lambda_event_sources import SqsEventSource
from aws_cdk.aws_logs import LogGroup
from aws_cdk.aws_pipes import CfnPipe
from aws_cdk.aws_sqs import (
    DeadLetterQueue,
    Queue,
    QueueEncryption,
    RedriveAllowPolicy,
)
from constructs import Construct

from shared_constructs.alarms import PERIOD, alarm_above, dlq_alarm, pipe_failure_alarm
from shared_constructs.customize import Customization, Customize
from shared_constructs.express_workflow import ExpressWorkflow
from shared_constructs.permissions import on_behalf_of_this_account
from shared_constructs.queries import FAILED_EXECUTIONS, FAILED_INVOCATIONS, FAILED_PIPES, saved
from shared_constructs.service import ServiceStack
from shared_constructs.validation import check_at_synth

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_cdk.aws_cloudwatch import Alarm
    from aws_cdk.aws_iam import IRole

    from shared_constructs.function import ServiceFunction

VISIBILITY_FACTOR = 6
"""AWS Lambda developer guide, "Using Lambda with Amazon SQS": the visibility timeout should be six times the
function's timeout plus the batch window, so that a throttled batch can be retried before it is seen again."""

MAX_RECEIVE_COUNT = 10
"""The same page: at least five receives, so that throttling alone does not fill the DLQ. Ten, since a message comes
back within half a minute: what a consumer needs may be away for some minutes."""

DLQ_RETENTION = Duration.days(14)
"""SQS's longest retention: a fortnight to repair and redrive."""

QUEUE_NAME_LENGTH = 80
"""SQS's limit of a queue's name, in characters (SQS Developer Guide, "Amazon SQS standard queue quotas")."""

STACK_ID_LENGTH = 8
"""The first part of the UUID that a stack's id ends with, in characters."""

MAX_BATCH_SIZE = 10
"""SQS: 1 to 10 messages per batch without a batch window."""

MAX_WINDOW_SECONDS = 300
"""SQS and pipes: a batch window has at most 5 minutes. With a function's 15, visibility stays below SQS's 12 hours."""

MIN_CONCURRENCY = 2
"""AWS Lambda: an event source mapping's maximum concurrency is at least 2 (and at most 1000)."""

RULE_MAX_EVENT_AGE = Duration.hours(24)
"""EventBridge keeps retrying a target for up to 24 hours and 185 times; then the event goes to the target's DLQ."""

RULE_RETRY_ATTEMPTS = 185


@dataclass(frozen=True, kw_only=True)
class Subscription:
    """Which events a consumer wants.

    Attributes:
        source: The producer's event source, `commerce.<service>`.
        detail_type: `<Fact>.v<major>`.
        pattern: Further conditions on `detail`, an EventBridge content filter; default none.

    Raises:
        ValueError: A source or detail type of another form.
    """

    source: str
    detail_type: str
    pattern: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        """Refuse names that no event of this platform can have: such a rule would be silent for ever."""
        if not self.source.startswith("commerce."):
            raise ValueError(f"a source is commerce.<service>, got {self.source!r}")
        fact, separator, major = self.detail_type.partition(".v")
        if not (fact and separator and major.isdigit()):
            raise ValueError(f"a detail type is <Fact>.v<major>, got {self.detail_type!r}")


@dataclass(frozen=True, kw_only=True)
class Batching:
    """How messages are read from the queue.

    Attributes:
        size: Messages per batch, 1 to 10.
        window: How long to wait for a fuller batch, 0 to 300 seconds; default none, for latency.
        max_concurrency: Batches handled at once by a function, at least 2; default the stage's value. A pipe to a
            workflow has no such setting.
    """

    size: int = MAX_BATCH_SIZE
    window: Duration = field(default_factory=lambda: Duration.seconds(0))
    max_concurrency: int | None = None

    def __post_init__(self) -> None:
        """Refuse what SQS or AWS Lambda would refuse."""
        if not 1 <= self.size <= MAX_BATCH_SIZE:
            raise ValueError(f"size must be between 1 and {MAX_BATCH_SIZE}, got {self.size}")
        if not 0 <= self.window.to_seconds() <= MAX_WINDOW_SECONDS:
            raise ValueError(
                f"window must be between 0 and {MAX_WINDOW_SECONDS} seconds, got {self.window.to_seconds():g}"
            )
        if self.max_concurrency is not None and self.max_concurrency < MIN_CONCURRENCY:
            raise ValueError(
                f"max_concurrency must be at least {MIN_CONCURRENCY}, got {self.max_concurrency}"
            )


@dataclass(frozen=True, kw_only=True)
class QueueConsumerResources:
    """What a `QueueConsumer` consists of.

    Attributes:
        queue: The queue.
        dlq: Its dead-letter queue.
        rules: What fills the queue: one per subscription, then those of `add_rule`.
        alarms: DLQ depth, age of the oldest message, and the pipe's failures.
        pipe: The pipe to a workflow, else None.
    """

    queue: Queue
    dlq: Queue
    rules: list[Rule]
    alarms: list[Alarm]
    pipe: CfnPipe | None


class QueueConsumer(Construct):
    """Events (or direct messages) to a queue, and from there to a function or an Express workflow.

    Builds, per subscription, a rule on the service's bus; the queue with its DLQ, both encrypted (SSE-SQS) and
    refusing plain HTTP; an event source mapping to the function, or a pipe to the workflow (REQUEST_RESPONSE), with
    partial batch responses; and alarms on the first message in the DLQ, on the age of the oldest message, and on a
    failing pipe. What a rule cannot deliver within 24 hours goes to the same DLQ, so that one redrive serves all; no other
    queue can name it as its DLQ.

    Precedence: the library's defaults, then the stage's, then the arguments, then `customize`. Checked at synth: the
    visibility timeout against six times the target's timeout plus the window, and the maximum concurrency against the
    function's reserved concurrency.

    Args:
        scope: Construct inside a `ServiceStack`.
        construct_id: Its id; tests feed the consumer by it.
        target: An `ExpressWorkflow` made with `per_record=True`, or a `ServiceFunction` whose handler is a
            `service_runtime` consumer (it gets `CONSUMER_QUEUE_URL` and `CONSUMER_DLQ_URL`). A function reads
            one queue.
        subscriptions: The events; none for a queue that an API or another service fills.
        batching: Size, window, concurrency.
        filters: Conditions on messages (a pattern over the SQS record, `{"body": {"detail": …}}`); what does not
            match is deleted unseen. Prefer a subscription's pattern.
        max_receive_count: How often a message is received before it goes to the DLQ, at least 1.
        max_age: Age of the oldest message at which someone should look; default 15 minutes.
        customize: Properties of `queue`, `dlq`, `event_source` (a function's), `pipe` (a workflow's) and of
            all `alarms`.

    Attributes:
        resources: Queue, DLQ, rules, pipe and alarms, as the CDK knows them.
        target: As given.
        visibility_timeout: How long a message stays away whose consumer was killed.

    Raises:
        ValueError: The workflow was not made for single messages, the function already reads another queue, or a
            customized property that the construct enforces.

    Examples:
        >>> consumer = QueueConsumer(stack, "Reservations", target=function, subscriptions=[
        ...     Subscription(source="commerce.order", detail_type="StockReservationRequested.v1")])
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        target: ExpressWorkflow | ServiceFunction,
        subscriptions: Sequence[Subscription] = (),
        batching: Batching | None = None,
        filters: Sequence[Mapping[str, Any]] = (),
        max_receive_count: int = MAX_RECEIVE_COUNT,
        max_age: Duration | None = None,
        customize: Customize | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._customization = Customization(customize, "queue", "dlq", "event_source", "pipe", "alarms")
        self._stack = ServiceStack.of(self)
        self._batching = batching or Batching()
        self._filters = filters
        self.target = target
        self._queue, self._dlq = self._queues(target.timeout, max_receive_count)
        if isinstance(target, ExpressWorkflow):
            pipe = self._connect_workflow(target)
        else:
            pipe = None
            self._connect_function(target)
        self.resources = QueueConsumerResources(
            queue=self._queue,
            dlq=self._dlq,
            rules=[],
            alarms=self._alarms(max_age or Duration.minutes(15), pipe),
            pipe=pipe,
        )
        for position, subscription in enumerate(subscriptions):
            self.add_rule(self._rule(position, subscription))

    def add_rule(self, rule: Rule) -> None:
        """Let a further rule fill the queue, with the retries and the DLQ that every rule of a consumer has.

        Args:
            rule: Any rule, of any bus of this account: AWS services tell of themselves on the default one.
        """
        rule.add_target(
            SqsQueue(
                self._queue,
                dead_letter_queue=self._dlq,
                max_event_age=RULE_MAX_EVENT_AGE,
                retry_attempts=RULE_RETRY_ATTEMPTS,
            )
        )
        self.resources.rules.append(rule)

    def _queues(self, timeout: Duration, max_receive_count: int) -> tuple[Queue, Queue]:
        safe = {"encryption": QueueEncryption.SQS_MANAGED, "enforce_ssl": True}
        name = self._new_queue_name()
        source = Queue.from_queue_arn(self, "Source", self._stack.format_arn(service="sqs", resource=name))
        dlq_properties = self._customization.of(
            "dlq",
            enforced={**safe, "redrive_allow_policy": RedriveAllowPolicy(source_queues=[source])},
            retention_period=DLQ_RETENTION,
            removal_policy=self._stack.stage.removal_policy,
        )
        dlq = Queue(self, "Dlq", **dlq_properties)
        required = VISIBILITY_FACTOR * timeout.to_seconds() + self._batching.window.to_seconds()
        properties = self._customization.of(
            "queue",
            enforced={
                **safe,
                "queue_name": name,
                "dead_letter_queue": DeadLetterQueue(queue=dlq, max_receive_count=max_receive_count),
            },
            visibility_timeout=Duration.seconds(required),
            retention_period=DLQ_RETENTION,
            removal_policy=self._stack.stage.removal_policy,
        )
        self.visibility_timeout: Duration = properties["visibility_timeout"]
        visibility = self.visibility_timeout.to_seconds()
        if visibility < required:
            fault = (
                f"the visibility timeout ({visibility:g} s) must be at least {required:g} s, six times the target's"
                " timeout plus the batch window: a batch would be handled twice at once"
            )
            check_at_synth(self, lambda: [fault])
        return Queue(self, "Queue", **properties), dlq

    def _new_queue_name(self) -> str:
        """A name of ours, as queue and DLQ name each other and CloudFormation can make up only one of them first.

        It ends with the beginning of the stack's id, another for each stack, so that a queue which outlives its stack is
        in nobody's way when the stack is deployed again.
        """
        stack_id = Fn.select(2, Fn.split("/", Aws.STACK_ID))
        creation = Fn.select(0, Fn.split("-", stack_id))
        length = QUEUE_NAME_LENGTH - STACK_ID_LENGTH - 1
        path = Names.unique_resource_name(
            self, separator="-", allowed_special_characters="-", max_length=length
        )
        return f"{path}-{creation}"

    def _alarms(self, max_age: Duration, pipe: CfnPipe | None) -> list[Alarm]:
        customized = self._customization.of("alarms", enforced={})
        failures = FAILED_EXECUTIONS if isinstance(self.target, ExpressWorkflow) else FAILED_INVOCATIONS
        query = saved(self, failures, self.target.resources.log_group)
        alarms = [
            dlq_alarm(
                self,
                "DlqAlarm",
                dlq=self._dlq,
                what=f"{self.node.id}: a message that could not be handled",
                query=query,
                customized=customized,
            ),
            alarm_above(
                self,
                "AgeAlarm",
                metric=self._queue.metric_approximate_age_of_oldest_message(
                    period=PERIOD, statistic="Maximum"
                ),
                threshold=max_age.to_seconds(),
                means=f"{self.node.id}: the consumer falls behind or does not run.",
                first="look at its errors and throttles, its concurrency, and whether its pipe or mapping is enabled.",
                runbook="old-messages",
                query=query,
                customized=customized,
            ),
        ]
        if pipe:
            query = saved(self, FAILED_PIPES, self._pipe_log)
            alarms.append(
                pipe_failure_alarm(self, "PipeAlarm", pipe_name=pipe.ref, query=query, customized=customized)
            )
        return alarms

    def _rule(self, position: int, subscription: Subscription) -> Rule:
        fact = subscription.detail_type.replace(".", "")
        same_fact = f"{fact}{position}" if self.node.try_find_child(f"{fact}Rule") else fact
        return Rule(
            self,
            f"{same_fact}Rule",
            event_bus=self._stack.event_bus,
            event_pattern=EventPattern(
                source=[subscription.source],
                detail_type=[subscription.detail_type],
                detail=dict(subscription.pattern) if subscription.pattern else None,
            ),
        )

    def _connect_function(self, target: ServiceFunction) -> None:
        for other in self.node.root.node.find_all():
            if isinstance(other, QueueConsumer) and other is not self and other.target is target:
                raise ValueError(
                    f"{target.node.path} already reads the queue of {other.node.path}: one queue each"
                )
        function = target.resources.function
        function.add_environment("CONSUMER_QUEUE_URL", self._queue.queue_url)
        function.add_environment("CONSUMER_DLQ_URL", self._dlq.queue_url)
        self._dlq.grant_send_messages(function)
        properties = self._customization.of(
            "event_source",
            enforced={"report_batch_item_failures": True},
            batch_size=self._batching.size,
            max_batching_window=self._batching.window,
            max_concurrency=self._batching.max_concurrency or self._stack.stage.consumer_max_concurrency,
            filters=[FilterCriteria.filter(dict(pattern)) for pattern in self._filters] or None,
        )
        target.resources.alias.add_event_source(SqsEventSource(self._queue, **properties))
        concurrency, reserved = properties["max_concurrency"], target.reserved_concurrency
        if reserved is not None and concurrency > reserved:
            fault = (
                f"max_concurrency ({concurrency}) must not exceed the function's reserved concurrency ({reserved}):"
                " what is throttled in between is received in vain until it lands in the DLQ"
            )
            check_at_synth(self, lambda: [fault])

    def _connect_workflow(self, target: ExpressWorkflow) -> CfnPipe:
        if not target.per_record:
            raise ValueError(
                f"{target.node.path} handles whole inputs; make it with per_record=True, so that one message's"
                " failure is reported as its own"
            )
        state_machine = target.resources.state_machine
        role = Role(self, "PipeRole", assumed_by=on_behalf_of_this_account("pipes"))
        role.add_to_policy(
            PolicyStatement(
                actions=["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
                resources=[self._queue.queue_arn],
            )
        )
        role.add_to_policy(
            PolicyStatement(
                actions=["states:StartSyncExecution"], resources=[state_machine.state_machine_arn]
            )
        )
        parts = {
            "role_arn": role.role_arn,
            "source": self._queue.queue_arn,
            "source_parameters": CfnPipe.PipeSourceParametersProperty(
                sqs_queue_parameters=CfnPipe.PipeSourceSqsQueueParametersProperty(
                    batch_size=self._batching.size,
                    maximum_batching_window_in_seconds=self._batching.window.to_seconds(),
                ),
                filter_criteria=pipe_filter(self._stack, self._filters),
            ),
            "target": state_machine.state_machine_arn,
            "target_parameters": CfnPipe.PipeTargetParametersProperty(
                step_function_state_machine_parameters=CfnPipe.PipeTargetStateMachineParametersProperty(
                    invocation_type="REQUEST_RESPONSE"
                )
            ),
        }
        self._pipe_log, log = pipe_logs(self, role)
        properties = self._customization.of("pipe", enforced=parts, log_configuration=log)
        pipe = CfnPipe(self, "Pipe", **properties)
        # The pipe polls as soon as it exists: its permissions must be there first.
        pipe.node.add_dependency(role)
        return pipe


def pipe_filter(
    stack: ServiceStack, patterns: Sequence[Mapping[str, Any]]
) -> CfnPipe.FilterCriteriaProperty | None:
    """A pipe's filter: records that match one of the patterns pass.

    Args:
        stack: The stack, for its JSON with tokens.
        patterns: Event patterns over the source's records; none lets everything pass.
    """
    if not patterns:
        return None
    filters = [CfnPipe.FilterProperty(pattern=stack.to_json_string(dict(pattern))) for pattern in patterns]
    return CfnPipe.FilterCriteriaProperty(filters=filters)


def pipe_logs(scope: Construct, role: IRole) -> tuple[LogGroup, CfnPipe.PipeLogConfigurationProperty]:
    """A pipe's error log, and the setting that has it written: which step failed and why, without the data.

    Args:
        scope: The construct that owns the pipe.
        role: The pipe's, which writes the log.
    """
    stack = ServiceStack.of(scope)
    name = f"commerce-{stack.stage.name}-{Names.unique_resource_name(scope, max_length=64, separator='-')}"
    logs = LogGroup(
        scope,
        "PipeLogs",
        log_group_name=f"/aws/vendedlogs/pipes/{name}",
        retention=stack.stage.log_retention,
        # A fixed name: a retained group would make the next deployment of the same stack fail.
        removal_policy=RemovalPolicy.DESTROY,
    )
    logs.grant_write(role)
    return logs, CfnPipe.PipeLogConfigurationProperty(
        level="ERROR",
        cloudwatch_logs_log_destination=CfnPipe.CloudwatchLogsLogDestinationProperty(
            log_group_arn=logs.log_group_arn
        ),
    )
