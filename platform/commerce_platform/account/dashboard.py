"""One page per account: what all services share, and whether it holds them up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk.aws_cloudwatch import (
    Dashboard,
    GraphWidget,
    MathExpression,
    Metric,
    PeriodOverride,
    TextWidget,
)
from aws_cdk.aws_sqs import Queue
from constructs import Construct
from shared_constructs import ServiceStack
from shared_constructs.dashboard import HEIGHT, PERIOD, WIDTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk.aws_cloudwatch import IMetric


class PlatformDashboard(Construct):
    """The dashboard `commerce-<stage>-platform` of one account and region.

    Links to the dashboards of those who live here; the bus (what was put on it, what could not be delivered, how late it
    was) and what waits to be forwarded; who signs in; what the account has of each limit that services share; and what
    logs cost. Resources are found by CloudWatch's search, since most of them are in other stacks.

    Args:
        scope: The platform's stateless stack, behind forwarding.
        construct_id: Its id there.
        residents: The services that live here; by default all, without links.
    """

    def __init__(self, scope: Construct, construct_id: str, *, residents: Sequence[str] = ()) -> None:
        super().__init__(scope, construct_id)
        self._stack = ServiceStack.of(self)
        self._stage = self._stack.stage.name.value
        # A dashboard knows no regions: those of a stage in several have a name each.
        region = self._stack.place.region
        name = "-".join(filter(None, (f"commerce-{self._stage}-platform", region)))
        self.dashboard = Dashboard(
            self,
            "Dashboard",
            dashboard_name=name,
            default_interval=Duration.hours(3),
            period_override=PeriodOverride.INHERIT,
        )
        self.dashboard.add_widgets(self._head(residents))
        for row in (self._bus(), self._identity(), self._limits(), self._money()):
            self.dashboard.add_widgets(*row)

    def _head(self, residents: Sequence[str]) -> TextWidget:
        stage = self._stack.stage
        links = " · ".join(
            f"[{each}](#dashboards/dashboard/commerce-{self._stage}-{each})" for each in residents
        )
        text = (
            f"# platform · {self._stage}\n{self._stack.owner} · [runbooks]({stage.docs_url}runbooks.html) · "
            f"saved queries: `commerce/{self._stage}`"
        )
        return TextWidget(markdown=f"{text}\n\n{links}" if links else text, width=WIDTH, height=3)

    def _bus(self) -> list[GraphWidget]:
        waiting: list[IMetric] = [
            each.metric_approximate_number_of_messages_visible(
                period=PERIOD, statistic="Maximum", label=each.node.path
            )
            for each in self._stack.node.find_all()
            if isinstance(each, Queue)
        ]
        return [
            _graph("Bus: invocations by rule", self._of_rules("Invocations", "Sum")),
            _graph(
                "Bus: failed and dead-lettered, by rule",
                self._of_rules("FailedInvocations", "Sum"),
                self._of_rules("InvocationsSentToDlq", "Sum"),
            ),
            _graph(
                "Bus: from arrival to delivery in ms (p99), and what could not be forwarded",
                self._of_rules("IngestionToInvocationSuccessLatency", "p99"),
                *waiting,
            ),
        ]

    def _identity(self) -> list[GraphWidget]:
        pool = "{AWS/Cognito,UserPool,UserPoolClient}"
        return [
            _graph(
                "Sign-ins and refreshed tokens, by pool",
                _search(f'{pool} MetricName="SignInSuccesses"', "Sum"),
                _search(f'{pool} MetricName="TokenRefreshSuccesses"', "Sum"),
            ),
            _graph(
                "Throttled sign-ins and refreshes",
                _search(f'{pool} MetricName="SignInThrottles"', "Sum"),
                _search(f'{pool} MetricName="TokenRefreshThrottles"', "Sum"),
            ),
            _graph(
                "Web ACLs: blocked requests",
                _search('{AWS/WAFV2,Region,Rule,WebACL} MetricName="BlockedRequests"', "Sum"),
            ),
        ]

    def _limits(self) -> list[GraphWidget]:
        return [
            _graph(
                "Account: functions at once",
                _of_account("AWS/Lambda", "ConcurrentExecutions", "Maximum"),
                _of_account("AWS/Lambda", "UnreservedConcurrentExecutions", "Maximum"),
            ),
            _graph("Account: throttled invocations", _of_account("AWS/Lambda", "Throttles", "Sum")),
            _graph(
                "Account: throttled state transitions and calls of Step Functions",
                _search('{AWS/States,ServiceMetric} MetricName="ThrottledEvents"', "Sum"),
                _search('{AWS/States,APIName} MetricName="ThrottledEvents"', "Sum"),
            ),
        ]

    def _money(self) -> list[GraphWidget]:
        groups = "{AWS/Logs,LogGroupName}"
        return [
            _graph(
                "Logs: bytes written, by group",
                _search(f'{groups} MetricName="IncomingBytes" commerce {self._stage}', "Sum"),
            ),
            _graph(
                "Logs: bytes of all events",
                Metric(
                    namespace="AWS/Logs",
                    metric_name="IncomingBytes",
                    dimensions_map={"LogGroupName": f"/aws/events/commerce-{self._stage}"},
                    period=PERIOD,
                    statistic="Sum",
                ),
            ),
            _graph(
                "Orders placed and confirmed",
                *(self._business(name) for name in ("OrdersPlaced", "OrdersConfirmed")),
            ),
        ]

    def _of_rules(self, metric: str, statistic: str) -> IMetric:
        bus = f"commerce-{self._stage}"
        return _search(
            f'{{AWS/Events,EventBusName,RuleName}} MetricName="{metric}" EventBusName="{bus}"', statistic
        )

    def _business(self, name: str) -> IMetric:
        namespace = self._stack.stage.metric_namespace
        return _search(f'{{"{namespace}",service}} MetricName="{name}"', "Sum")


def _graph(title: str, *metrics: IMetric) -> GraphWidget:
    return GraphWidget(title=title, left=list(metrics), width=WIDTH // 3, height=HEIGHT)


def _search(query: str, statistic: str) -> IMetric:
    """Every metric that CloudWatch finds.

    500 at most: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/search-expression-syntax.html
    """
    expression = f"SEARCH('{query}', '{statistic}', {int(PERIOD.to_seconds())})"
    return MathExpression(expression=expression, using_metrics={}, period=PERIOD, label="")


def _of_account(namespace: str, name: str, statistic: str) -> Metric:
    return Metric(namespace=namespace, metric_name=name, period=PERIOD, statistic=statistic, label=name)
