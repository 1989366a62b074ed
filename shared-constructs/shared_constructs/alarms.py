"""The alarms that every function, API, workflow, queue and pipe has: few, on symptoms, each saying who does what first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_cdk import Duration, Fn
from aws_cdk.aws_cloudwatch import Alarm, ComparisonOperator, MathExpression, Metric, TreatMissingData
from aws_cdk.aws_cloudwatch_actions import SnsAction

from shared_constructs.service import ServiceStack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk.aws_cloudwatch import AlarmBase, IMetric
    from aws_cdk.aws_dynamodb import ITable
    from aws_cdk.aws_sqs import IQueue
    from constructs import Construct

PERIOD = Duration.minutes(1)


@dataclass(frozen=True, kw_only=True)
class Lasting:
    """How long something must go on before somebody is told.

    Attributes:
        periods: In so many periods the threshold must be exceeded, at least 1.
        of: Among so many in a row, at least as many.
    """

    periods: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.periods <= self.of:
            raise ValueError(f"Lasting needs 1 <= periods <= of, got periods={self.periods} and of={self.of}")


AT_ONCE = Lasting(periods=1, of=1)
"""What is never right, and what does not come again by itself."""

REPEATED = Lasting(periods=3, of=15)
"""What is tried again and passes when it was a hiccup: three bad minutes within a quarter of an hour, in a row or not."""

MAX_ERROR_RATE = 0.01
"""The share of requests that may fail. API Gateway itself promises that 99.95 % do not, so that a busy API always has a
few; one failure among less than a hundred requests of a minute is above it."""

MAX_DESCRIPTION = 1024
"""https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html"""

UNREAD_PERIOD = Duration.minutes(30)
"""How long a stream may be written to and not be read: several times what CloudWatch's metrics come late, and a small
part of the day that a stream keeps."""


def alarm_above(
    scope: Construct,
    construct_id: str,
    *,
    metric: IMetric,
    threshold: float,
    means: str,
    first: str,
    runbook: str,
    query: str,
    lasting: Lasting = AT_ONCE,
    customized: Mapping[str, Any] | None = None,
) -> Alarm:
    """An alarm that fires when a metric exceeds a threshold; no data means no fault.

    Where the stage says so, it notifies the platform's alarm topic: when it fires and when all is well again.

    Args:
        scope: Where the alarm lives, inside a `ServiceStack`.
        construct_id: Its id there.
        metric: What is watched, at one-minute periods.
        threshold: The last value that is still fine.
        means: What happened and who is hurt by it, for whoever is woken.
        first: What to do first.
        runbook: The section of the runbooks that goes on from there, `failing-api`.
        query: Name of the saved query to start from (`queries.saved`). All of these and the owner are the alarm's
            description.
        lasting: How much of it is not passing any more; default the first period.
        customized: Properties of the alarm that win over these; default none.
    """
    properties = {
        "threshold": threshold,
        "evaluation_periods": lasting.of,
        "datapoints_to_alarm": lasting.periods if lasting.periods < lasting.of else None,
        "comparison_operator": ComparisonOperator.GREATER_THAN_THRESHOLD,
        "treat_missing_data": TreatMissingData.NOT_BREACHING,
        "alarm_description": described(scope, means=means, first=first, runbook=runbook, query=query),
        **(customized or {}),
    }
    alarm = Alarm(scope, construct_id, metric=metric, **properties)
    notify(alarm)
    return alarm


def notify(alarm: AlarmBase) -> None:
    """Let an alarm tell the platform's topic when it fires and when all is well again, where the stage says so."""
    stack = ServiceStack.of(alarm)
    if stack.stage.alarms:
        action = SnsAction(stack.alarm_topic)
        alarm.add_alarm_action(action)
        alarm.add_ok_action(action)


def described(scope: Construct, *, means: str, first: str, runbook: str, query: str) -> str:
    """An alarm's description: all that whoever is woken needs, in the form that `service_lint` looks for.

    Args:
        scope: Where the alarm lives, inside a `ServiceStack`.
        means: See `alarm_above`, as for the others.
        first: What to do first.
        runbook: A section of the runbooks.
        query: A saved query.

    Raises:
        ValueError: It is longer than CloudWatch takes.
    """
    stack = ServiceStack.of(scope)
    text = (
        f"{means} First: {first}\n\nOwner: {stack.owner}\n\nRunbook: {stack.stage.docs_url}runbooks.html#{runbook}"
        f"\n\nQuery: {query}"
    )
    if len(text) > MAX_DESCRIPTION:
        raise ValueError(
            f"{scope.node.path}: an alarm's description has at most {MAX_DESCRIPTION} characters, got {len(text)}"
        )
    return text


def dlq_alarm(
    scope: Construct,
    construct_id: str,
    *,
    dlq: IQueue,
    what: str,
    query: str,
    runbook: str = "dead-letters",
    customized: Mapping[str, Any] | None = None,
) -> Alarm:
    """An alarm on the first visible message of a DLQ.

    Args:
        scope: Where the alarm lives.
        construct_id: Its id there.
        dlq: The dead-letter queue; its visible messages count, since those in flight are being looked at.
        what: What the messages are, for the description.
        query: See `alarm_above`.
        runbook: See `alarm_above`; default the one of all dead letters.
        customized: See `alarm_above`.
    """
    return alarm_above(
        scope,
        construct_id,
        metric=dlq.metric_approximate_number_of_messages_visible(period=PERIOD, statistic="Maximum"),
        threshold=0,
        means=f"{what} reached the dead-letter queue and waits there, for a fortnight at most.",
        first="find the cause in the logs, repair it, then redrive.",
        runbook=runbook,
        query=query,
        customized=customized,
    )


def pipe_failure_alarm(
    scope: Construct,
    construct_id: str,
    *,
    pipe_name: str,
    query: str,
    customized: Mapping[str, Any] | None = None,
) -> Alarm:
    """An alarm on a pipe that keeps failing: single failures are retried, three minutes of them are not passing.

    Args:
        scope: Where the alarm lives.
        construct_id: Its id there.
        pipe_name: The pipe.
        query: See `alarm_above`.
        customized: See `alarm_above`.
    """
    return alarm_above(
        scope,
        construct_id,
        metric=_of_pipe("ExecutionFailed", pipe_name, period=PERIOD),
        threshold=0,
        lasting=Lasting(periods=3, of=3),
        means="The pipe has been failing for three minutes: what it carries is late.",
        first="its log group names the step and the error.",
        runbook="failing-pipe",
        query=query,
        customized=customized,
    )


def unread_stream_alarm(
    scope: Construct,
    construct_id: str,
    *,
    table: ITable,
    pipe_name: str,
    query: str,
    customized: Mapping[str, Any] | None = None,
) -> Alarm:
    """An alarm on a table that is written to while its pipe neither reads the stream nor handles anything.

    A pipe that was stopped, or that EventBridge disabled or never started, has no failed execution, and a stream keeps
    its records for a day only. A running pipe asks the stream for records several times a second, whether its filter
    lets any through or not, which DynamoDB counts as `GetRecords` (by the SampleCount of SuccessfulRequestLatency:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html); should those calls not
    be counted, the pipe's own Invocations are
    (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-monitoring.html). A second reader of the stream,
    an operator's, hides a stopped pipe while it reads.

    Args:
        scope: Where the alarm lives.
        construct_id: Its id there.
        table: The table, with a stream.
        pipe_name: The stream's reader.
        query: See `alarm_above`.
        customized: See `alarm_above`.
    """
    reads = Metric(
        namespace="AWS/DynamoDB",
        metric_name="SuccessfulRequestLatency",
        dimensions_map={
            "TableName": table.table_name,
            "Operation": "GetRecords",
            # arn:aws:dynamodb:region:account:table/name/stream/label
            "StreamLabel": Fn.select(3, Fn.split("/", str(table.table_stream_arn))),
        },
        statistic="SampleCount",
        period=UNREAD_PERIOD,
    )
    return alarm_above(
        scope,
        construct_id,
        metric=MathExpression(
            expression="IF((FILL(writes, 0) > 0) AND (FILL(reads, 0) + FILL(handled, 0) == 0), 1, 0)",
            using_metrics={
                "writes": table.metric_consumed_write_capacity_units(period=UNREAD_PERIOD, statistic="Sum"),
                "reads": reads,
                "handled": _of_pipe("Invocations", pipe_name, period=UNREAD_PERIOD),
            },
            period=UNREAD_PERIOD,
            label="Written to and not read",
        ),
        threshold=0,
        means="The table changes and nobody reads its stream, which forgets after a day: other services hear nothing.",
        first="see the pipe's state and the reason for it (aws pipes describe-pipe), repair that and start the pipe.",
        runbook="unread-stream",
        query=query,
        customized=customized,
    )


def _of_pipe(name: str, pipe_name: str, *, period: Duration) -> Metric:
    return Metric(
        namespace="AWS/EventBridge/Pipes",
        metric_name=name,
        dimensions_map={"PipeName": pipe_name},
        period=period,
        statistic="Sum",
    )
