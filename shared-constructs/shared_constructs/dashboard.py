"""One page per service: what customers feel first, what could be the cause below."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from aws_cdk import Duration
from aws_cdk.aws_cloudwatch import (
    AlarmStatusWidget,
    Dashboard,
    GraphWidget,
    HorizontalAnnotation,
    Metric,
    PeriodOverride,
    SingleValueWidget,
    TextWidget,
    YAxisProps,
)
from aws_cdk.aws_logs import LogGroup
from constructs import Construct

from shared_constructs.business_metrics import BusinessMetrics
from shared_constructs.change_feed import ChangeFeed
from shared_constructs.direct_api import DirectApi
from shared_constructs.express_workflow import Workflow
from shared_constructs.function import ServiceFunction
from shared_constructs.queries import CONVERSATION, saved
from shared_constructs.queue_consumer import QueueConsumer
from shared_constructs.service import ServiceStack
from shared_constructs.service_levels import ServiceLevels
from shared_constructs.table import ServiceTable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aws_cdk.aws_cloudwatch import IMetric, IWidget
    from constructs import IConstruct

PERIOD = Duration.minutes(5)
"""Of every graph: fine enough to see when something began, coarse enough for a week."""

WIDTH = 24
"""Columns of a dashboard."""

HEIGHT = 6

Kind = TypeVar("Kind")


class ServiceDashboard(Construct):
    """The dashboard `commerce-<stage>-<service>`, of all that the stack holds and the service's tables.

    From top to bottom: links and alarms; the objectives of `ServiceLevels`; what the business does
    (`BusinessMetrics`); then the causes: APIs, functions, workflows, queues, pipes and feeds, tables. It finds them by itself, so it is the last
    statement of the stack; a rule of `service_testing` fails for what is not on it. With it goes the saved query
    `conversation`, over all logs of the service and that of all events, in which an id is to be pasted.

    CloudWatch takes 500 widgets per dashboard and 500 metrics per widget; an order service of twelve workflows needs 20 and 30.
    Beyond three per account and month a dashboard costs 3 USD.

    Args:
        scope: The service's stateless stack, with everything in it.
        construct_id: Its id there.

    Attributes:
        dashboard: The dashboard, to which widgets can be added.

    Examples:
        >>> dashboard = ServiceDashboard(stack, "Dashboard")
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self._stack = ServiceStack.of(self)
        self._here = self._stack.node.find_all()
        saved(self, CONVERSATION, self._stack.event_log, *self._all(LogGroup))
        self.dashboard = Dashboard(
            self,
            "Dashboard",
            dashboard_name=f"commerce-{self._stack.stage.name.value}-{self._stack.service}",
            default_interval=Duration.hours(3),
            period_override=PeriodOverride.INHERIT,
        )
        for row in (
            self._head(),
            self._objectives(),
            self._business(),
            self._apis(),
            self._functions(),
            self._workflows(),
            self._queues(),
            self._pipes(),
            self._tables(),
        ):
            if row:
                self.dashboard.add_widgets(*row)

    def _all(self, kind: type[Kind]) -> list[Kind]:
        return [each for each in self._here if isinstance(each, kind)]

    def _head(self) -> list[IWidget]:
        stack, stage = self._stack, self._stack.stage
        text = (
            f"# {stack.service} · {stage.name.value}\n"
            f"{stack.owner} · [runbooks]({stage.docs_url}runbooks.html) · saved queries: "
            f"`commerce/{stage.name.value}/{stack.service}`"
        )
        levels = [alarm for each in self._all(ServiceLevels) for alarm in each.alarms]
        others = [alarm for each in self._holders() for alarm in each.resources.alarms]
        return [
            TextWidget(markdown=text, width=WIDTH, height=2),
            *(
                AlarmStatusWidget(title=title, alarms=alarms, width=WIDTH, height=3)
                for title, alarms in (("Promises", levels), ("Causes", others))
                if alarms
            ),
        ]

    def _holders(self) -> Sequence[DirectApi | ServiceFunction | Workflow | QueueConsumer | ChangeFeed]:
        return [
            *self._all(DirectApi),
            *self._all(ServiceFunction),
            *self._all(Workflow),
            *self._all(QueueConsumer),
            *self._all(ChangeFeed),
        ]

    def _objectives(self) -> list[IWidget]:
        objectives = [objective for each in self._all(ServiceLevels) for objective in each.objectives]
        if not objectives:
            return []
        now = SingleValueWidget(
            title="Objectives, over the time shown",
            metrics=[each.met(PERIOD) for each in objectives],
            set_period_to_time_range=True,
            width=WIDTH,
            height=4,
        )
        lines = [HorizontalAnnotation(value=100 * each.target, label=each.name) for each in objectives]
        return [
            now,
            GraphWidget(
                title="Objectives: percentage that goes well",
                left=[each.met(PERIOD) for each in objectives],
                left_annotations=lines,
                left_y_axis=YAxisProps(max=100, show_units=False),
                width=WIDTH,
                height=HEIGHT,
            ),
        ]

    def _business(self) -> list[IWidget]:
        graphs: list[tuple[str, list[IMetric]]] = []
        for each in self._all(BusinessMetrics):
            plain = [metric for metric in each.metrics if not metric.by and not metric.value]
            known = [metric.name for metric in plain] + list(each.counted)
            if known:
                graphs.append(("Business", [each.metric(name, period=PERIOD) for name in known]))
            for metric in each.metrics:
                if metric.by:
                    by = [each.metric(metric.name, period=PERIOD, group=group) for group in metric.groups]
                    graphs.append((f"{metric.name} by {metric.by}", by))
                elif metric.value and metric.above is None:
                    statistics = ("Sum",) if metric.is_added_up else ("p50", "p99")
                    measured = [
                        each.metric(metric.name, period=PERIOD, statistic=statistic)
                        for statistic in statistics
                    ]
                    graphs.append((f"{metric.name} ({', '.join(statistics)})", measured))
                elif metric.above is not None:
                    graphs.append((metric.name, [each.metric(metric.name, period=PERIOD)]))
        return _row(graphs)

    def _apis(self) -> list[IWidget]:
        rows: list[IWidget] = []
        for each in self._all(DirectApi):
            stage = each.resources.rest_api.deployment_stage
            rows += _row(
                [
                    ("Requests", [stage.metric_count(period=PERIOD, label="requests")]),
                    (
                        "Refused (4xx) and failed (5xx)",
                        [
                            stage.metric_client_error(period=PERIOD, statistic="Sum", label="4xx"),
                            stage.metric_server_error(period=PERIOD, statistic="Sum", label="5xx"),
                        ],
                    ),
                    (
                        "Latency in ms",
                        [
                            stage.metric_latency(period=PERIOD, statistic="p50", label="p50"),
                            stage.metric_latency(period=PERIOD, statistic="p99", label="p99"),
                            stage.metric_integration_latency(
                                period=PERIOD, statistic="p99", label="integration p99"
                            ),
                        ],
                    ),
                ]
            )
        return rows

    def _functions(self) -> list[IWidget]:
        found = [(self._name(each), each.resources.function) for each in self._all(ServiceFunction)]
        return _row(
            [
                ("Functions: invocations", [f.metric_invocations(period=PERIOD, label=n) for n, f in found]),
                (
                    "Functions: errors and throttles",
                    [
                        metric
                        for n, f in found
                        for metric in (
                            f.metric_errors(period=PERIOD, label=f"{n} errors"),
                            f.metric_throttles(period=PERIOD, label=f"{n} throttles"),
                        )
                    ],
                ),
                (
                    "Functions: p99 in ms, and how many at once",
                    [
                        metric
                        for n, f in found
                        for metric in (
                            f.metric_duration(period=PERIOD, statistic="p99", label=n),
                            f.metric(
                                "ConcurrentExecutions",
                                period=PERIOD,
                                statistic="Maximum",
                                label=f"{n} at once",
                            ),
                        )
                    ],
                ),
            ]
        )

    def _workflows(self) -> list[IWidget]:
        found = [(self._name(each), each.resources.state_machine) for each in self._all(Workflow)]
        return _row(
            [
                ("Workflows: begun", [m.metric_started(period=PERIOD, label=n) for n, m in found]),
                (
                    "Workflows: failed, timed out, throttled",
                    [
                        metric
                        for n, m in found
                        for metric in (
                            m.metric_failed(period=PERIOD, label=f"{n} failed"),
                            m.metric_timed_out(period=PERIOD, label=f"{n} timed out"),
                            m.metric_throttled(period=PERIOD, label=f"{n} throttled"),
                        )
                    ],
                ),
                (
                    "Workflows: p99 in ms",
                    [m.metric_time(period=PERIOD, statistic="p99", label=n) for n, m in found],
                ),
            ]
        )

    def _queues(self) -> list[IWidget]:
        consumers = [(self._name(each), each.resources) for each in self._all(QueueConsumer)]
        dead = [(name, each.dlq) for name, each in consumers]
        dead += [(self._name(each), each.resources.dlq) for each in self._all(ChangeFeed)]
        return _row(
            [
                (
                    "Queues: age of the oldest message in s",
                    [
                        r.queue.metric_approximate_age_of_oldest_message(
                            period=PERIOD, statistic="Maximum", label=n
                        )
                        for n, r in consumers
                    ],
                ),
                (
                    "Queues: waiting messages",
                    [
                        r.queue.metric_approximate_number_of_messages_visible(
                            period=PERIOD, statistic="Maximum", label=n
                        )
                        for n, r in consumers
                    ],
                ),
                (
                    "Dead letters",
                    [
                        q.metric_approximate_number_of_messages_visible(
                            period=PERIOD, statistic="Maximum", label=n
                        )
                        for n, q in dead
                    ],
                ),
            ]
        )

    def _pipes(self) -> list[IWidget]:
        consumers = [(self._name(each), each.resources.pipe) for each in self._all(QueueConsumer)]
        found = [(name, pipe.ref) for name, pipe in consumers if pipe]
        found += [(self._name(each), each.resources.pipe.ref) for each in self._all(ChangeFeed)]
        graphs = (
            ("Pipes: executions", "Invocations", "Sum"),
            ("Pipes: failed executions", "ExecutionFailed", "Sum"),
            ("Pipes: p99 in ms", "Duration", "p99"),
        )
        return _row(
            [
                (
                    title,
                    [
                        Metric(
                            namespace="AWS/EventBridge/Pipes",
                            metric_name=metric,
                            dimensions_map={"PipeName": pipe},
                            period=PERIOD,
                            statistic=statistic,
                            label=name,
                        )
                        for name, pipe in found
                    ],
                )
                for title, metric, statistic in graphs
            ]
        )

    def _tables(self) -> list[IWidget]:
        found = [(each.node.id, each.resources.table) for each in _tables(self.node.root)]
        return _row(
            [
                (
                    "Tables: units written",
                    [t.metric_consumed_write_capacity_units(period=PERIOD, label=n) for n, t in found],
                ),
                (
                    "Tables: units read",
                    [t.metric_consumed_read_capacity_units(period=PERIOD, label=n) for n, t in found],
                ),
                (
                    "Tables: throttled",
                    [
                        t.metric(metric, period=PERIOD, statistic="Sum", label=f"{n} {metric[:5].lower()}s")
                        for n, t in found
                        for metric in ("ReadThrottleEvents", "WriteThrottleEvents")
                    ],
                ),
            ]
        )

    def _name(self, construct: IConstruct) -> str:
        return construct.node.path.removeprefix(f"{self._stack.node.path}/")


def _tables(app: IConstruct) -> Iterator[ServiceTable]:
    return (each for each in app.node.find_all() if isinstance(each, ServiceTable))


def _row(graphs: Sequence[tuple[str, Sequence[IMetric]]]) -> list[IWidget]:
    """Graphs side by side, three in a row; those of nothing are left out."""
    return [
        GraphWidget(title=title, left=list(metrics), width=WIDTH // 3, height=HEIGHT)
        for title, metrics in graphs
        if metrics
    ]
