"""Nothing depends on being told that a lifecycle died: what is open for too long is found, and decided by what it is."""

from pathlib import Path

from aws_cdk import Duration
from aws_cdk.aws_cloudwatch import ComparisonOperator, TreatMissingData
from aws_cdk.aws_events import EventPattern, Rule
from aws_cdk.aws_logs import FilterPattern, MetricFilter
from aws_cdk.aws_scheduler import Schedule, ScheduleExpression
from aws_cdk.aws_scheduler_targets import StepFunctionsStartExecution
from constructs import Construct
from shared_constructs import ExpressWorkflow, QueueConsumer, ServiceStack, ServiceTable, StandardWorkflow
from shared_constructs.alarms import PERIOD, Lasting, alarm_above
from shared_constructs.queries import FAILED_EXECUTIONS, saved

from order_service.lifecycle.infrastructure import Lifecycle
from order_service.settings import OrderSettings
from order_service.transition import transition, write

HERE = Path(__file__).parent

MISSED_SWEEPS = 3
"""So many sweeps in a row that did not begin are no hiccup."""


class Recovery(Construct):
    """Ends the orders whose lifecycle is dead, and begins those whose first event got lost.

    A queue of orders that may be stranded has two sources: Step Functions' notice that an execution died, which comes at
    once if it comes, and a sweep every few minutes over the orders that are open for longer than all their waits. See
    `recover.asl.yaml` for what becomes of them.

    Args:
        scope: The stateless stack.
        construct_id: Its id there.
        orders: The table.
        lifecycle: Whose executions are looked at.
        republish: Emits an order's events again.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        orders: ServiceTable,
        lifecycle: Lifecycle,
        republish: StandardWorkflow,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = OrderSettings.of(self)
        recover = self._recover(orders, lifecycle.workflow, republish)
        # Inside the lifecycle, where this queue was born: the logical id of a queue does not change.
        stranded = QueueConsumer(lifecycle, "Interruptions", target=recover)
        stranded.add_rule(self._died(lifecycle.workflow))
        self._sweep(orders, stranded)

    def _recover(
        self, orders: ServiceTable, lifecycle: StandardWorkflow, republish: StandardWorkflow
    ) -> ExpressWorkflow:
        cancelled = transition("CANCELLED", by="order", reason="$reason", detail="$reason & $explanation")
        recover = ExpressWorkflow(
            self,
            "Recover",
            definition=HERE / "recover.asl.yaml",
            substitutions={
                "OrdersTable": orders,
                "Lifecycle": lifecycle,
                "Republish": republish,
                "BeginWithinSeconds": self._settings.begin_within_seconds,
                "CancelledOrder": write(cancelled),
            },
            per_record=True,
        )
        stranded = MetricFilter(
            self,
            "Stranded",
            log_group=recover.log_every_event(),
            filter_pattern=FilterPattern.all(
                FilterPattern.string_value("$.type", "=", "TaskStateExited"),
                FilterPattern.any(
                    *(
                        FilterPattern.string_value("$.details.name", "=", name)
                        for name in ("Cancel", "TellAgain")
                    )
                ),
            ),
            metric_namespace=ServiceStack.of(self).stage.metric_namespace,
            metric_name="StrandedOrders",
        )
        alarm_above(
            self,
            "StrandedAlarm",
            metric=stranded.metric(period=PERIOD, statistic="Sum"),
            threshold=0,
            means="Orders were stranded and have been recovered: customers waited for longer than any step may take.",
            first="see in the lifecycle's failed executions, and in the log of Recover, why they died or did not begin.",
            runbook="stranded-orders",
            query=saved(self, FAILED_EXECUTIONS, recover.resources.log_group),
        )
        return recover

    def _died(self, lifecycle: StandardWorkflow) -> Rule:
        # Step Functions tells of its executions on the account's default bus only, and with best effort.
        return Rule(
            self,
            "LifecycleDied",
            event_pattern=EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={
                    "status": ["FAILED", "TIMED_OUT", "ABORTED"],
                    "stateMachineArn": [lifecycle.resources.state_machine.state_machine_arn],
                },
            ),
        )

    def _sweep(self, orders: ServiceTable, stranded: QueueConsumer) -> None:
        sweep = ExpressWorkflow(
            self,
            "Sweep",
            definition=HERE / "sweep.asl.yaml",
            substitutions={
                "OrdersTable": orders,
                "Orders": stranded.resources.queue,
                "OpenSeconds": self._settings.longest_open_seconds,
            },
            timeout=Duration.minutes(4),
        )
        machine = sweep.resources.state_machine
        interval = Duration.minutes(self._settings.sweep_minutes)
        Schedule(
            self,
            "Schedule",
            description="Finds orders that are open for longer than all their waits.",
            schedule=ScheduleExpression.rate(interval),
            # What cannot be started is made up for by the next one.
            target=StepFunctionsStartExecution(machine, max_event_age=interval),
        )
        alarm_above(
            self,
            "NoSweepAlarm",
            metric=machine.metric_started(period=interval, statistic="Sum"),
            threshold=1,
            lasting=Lasting(periods=MISSED_SWEEPS, of=MISSED_SWEEPS),
            means="Nobody looks for stranded orders.",
            first="see the schedule, its role and the sweep's executions.",
            runbook="no-sweep",
            query=saved(self, FAILED_EXECUTIONS, sweep.resources.log_group),
            customized={
                "comparison_operator": ComparisonOperator.LESS_THAN_THRESHOLD,
                "treat_missing_data": TreatMissingData.BREACHING,
            },
        )
