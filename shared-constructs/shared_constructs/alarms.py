"""The alarms that every queue, workflow and pipe has, each saying what happened and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws_cdk import Duration
from aws_cdk.aws_cloudwatch import Alarm, ComparisonOperator, Metric, TreatMissingData
from aws_cdk.aws_cloudwatch_actions import SnsAction

from shared_constructs.service import ServiceStack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_cdk.aws_cloudwatch import IMetric
    from aws_cdk.aws_sqs import IQueue
    from constructs import Construct

PERIOD = Duration.minutes(1)


def alarm_above(
    scope: Construct,
    construct_id: str,
    *,
    metric: IMetric,
    threshold: float,
    description: str,
    periods: int = 1,
    customized: Mapping[str, Any] | None = None,
) -> Alarm:
    """An alarm that fires when a metric exceeds a threshold; no data means no fault.

    Where the stage says so, it notifies the platform's alarm topic: when it fires and when all is well again.

    Args:
        scope: Where the alarm lives, inside a `ServiceStack`.
        construct_id: Its id there.
        metric: What is watched, at one-minute periods.
        threshold: The last value that is still fine.
        description: What it means and what to do, for whoever is woken by it.
        periods: How many minutes in a row it must last.
        customized: Properties of the alarm that win over these; default none.
    """
    properties = {
        "threshold": threshold,
        "evaluation_periods": periods,
        "comparison_operator": ComparisonOperator.GREATER_THAN_THRESHOLD,
        "treat_missing_data": TreatMissingData.NOT_BREACHING,
        "alarm_description": description,
        **(customized or {}),
    }
    alarm = Alarm(scope, construct_id, metric=metric, **properties)
    stack = ServiceStack.of(scope)
    if stack.stage.alarms:
        action = SnsAction(stack.alarm_topic)
        alarm.add_alarm_action(action)
        alarm.add_ok_action(action)
    return alarm


def dlq_alarm(
    scope: Construct,
    construct_id: str,
    *,
    dlq: IQueue,
    what: str,
    customized: Mapping[str, Any] | None = None,
) -> Alarm:
    """An alarm on the first visible message of a DLQ.

    Args:
        scope: Where the alarm lives.
        construct_id: Its id there.
        dlq: The dead-letter queue; its visible messages count, since those in flight are being looked at.
        what: What the messages are, for the description.
        customized: See `alarm_above`.
    """
    return alarm_above(
        scope,
        construct_id,
        metric=dlq.metric_approximate_number_of_messages_visible(period=PERIOD, statistic="Maximum"),
        threshold=0,
        description=f"{what} reached the dead-letter queue: find the cause in the logs, repair it, then redrive.",
        customized=customized,
    )


def pipe_failure_alarm(
    scope: Construct, construct_id: str, *, pipe_name: str, customized: Mapping[str, Any] | None = None
) -> Alarm:
    """An alarm on a pipe that keeps failing: single failures are retried, three minutes of them are not passing.

    Args:
        scope: Where the alarm lives.
        construct_id: Its id there.
        pipe_name: The pipe.
        customized: See `alarm_above`.
    """
    return alarm_above(
        scope,
        construct_id,
        metric=Metric(
            namespace="AWS/EventBridge/Pipes",
            metric_name="ExecutionFailed",
            dimensions_map={"PipeName": pipe_name},
            period=PERIOD,
            statistic="Sum",
        ),
        threshold=0,
        periods=3,
        description="The pipe has been failing for three minutes: its log group names the step and the error.",
        customized=customized,
    )
