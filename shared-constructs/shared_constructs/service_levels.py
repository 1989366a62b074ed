"""What customers are promised, and alarms that fire when the promise is being used up too fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk.aws_cloudwatch import (
    Alarm,
    AlarmRule,
    AlarmState,
    ComparisonOperator,
    CompositeAlarm,
    MathExpression,
    TreatMissingData,
)
from constructs import Construct

from shared_constructs.alarms import described, notify
from shared_constructs.direct_api import DirectApi
from shared_constructs.queries import FAILED_REQUESTS, SLOW_REQUESTS, saved
from shared_constructs.service import ServiceStack

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aws_cdk.aws_cloudwatch import IMetric

AVAILABILITY = 0.999
"""The share of requests that are not answered 5xx; API Gateway itself promises 99.95 %."""

FAST = 0.99
"""The share of requests that are answered within `LATENCY`: what p99 is."""

LATENCY = Duration.seconds(1)
"""How long a request may take. A workflow or a warm function takes tenths of it, a cold start nearly all."""

LEAST_BAD = 5
"""Fewer bad ones in a window are no pattern: with little traffic, one of them is beyond any budget."""


@dataclass(frozen=True, kw_only=True)
class Burn:
    """How fast a budget may be used up before somebody is told.

    Two windows must agree: the long one says that it matters, the short one that it still goes on
    (https://sre.google/workbook/alerting-on-slos/, multiwindow, multi-burn-rate alerts).

    Attributes:
        name: What it is called.
        rate: So many times faster than would use up the budget of 30 days in 30 days.
        window: The long window.
        short: The short one, a twelfth of it.
    """

    name: str
    rate: float
    window: Duration
    short: Duration


BURNS = (
    Burn(name="Fast", rate=14.4, window=Duration.hours(1), short=Duration.minutes(5)),
    Burn(name="Slow", rate=6, window=Duration.hours(6), short=Duration.minutes(30)),
)
"""2 % of the budget of 30 days within an hour, and 5 % within six. Both windows slide with each evaluation
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation-window.html)."""


@dataclass(frozen=True, kw_only=True)
class Objective:
    """A share of something that is to go well.

    Attributes:
        name: In PascalCase, part of alarms' names.
        promise: In words, for whoever is woken.
        target: The share, above 0.5 and below 1.
        bad: What did not go well, for a period.
        total: All of it, for a period.
        query: Name of the saved query to start from.

    Raises:
        ValueError: A target that leaves no budget, or nearly everything.
    """

    name: str
    promise: str
    target: float
    bad: Callable[[Duration], IMetric]
    total: Callable[[Duration], IMetric]
    query: str

    def __post_init__(self) -> None:
        if not 0.5 < self.target < 1:  # noqa: PLR2004 - below, half of everything may fail
            raise ValueError(f"{self.name}: the target must be above 0.5 and below 1, got {self.target:g}")

    def missed(self, period: Duration, *, least: float = 0) -> MathExpression:
        """The share that did not go well; 0 where not more than `least` did, no traffic at all included."""
        bad, total = self._ids
        return self._share(
            f"IF(FILL({bad}, 0) > {least:g}, {bad} / {total}, 0)", period, f"{self.name}: missed"
        )

    def met(self, period: Duration) -> MathExpression:
        """The percentage that went well, for a graph; nothing without traffic."""
        bad, total = self._ids
        label = f"{self.name} (objective {100 * self.target:g} %)"
        return self._share(f"100 * (1 - FILL({bad}, 0) / {total})", period, label)

    @property
    def _ids(self) -> tuple[str, str]:
        """Of the two metrics in expressions, which a graph of several objectives must tell apart."""
        name = self.name[:1].lower() + self.name[1:]
        return f"{name}Bad", f"{name}Total"

    def _share(self, expression: str, period: Duration, label: str) -> MathExpression:
        metrics = dict(zip(self._ids, (self.bad(period), self.total(period)), strict=True))
        return MathExpression(expression=expression, using_metrics=metrics, period=period, label=label)


class ServiceLevels(Construct):
    """The objectives of a service, each with an alarm on how fast its budget burns.

    Every `DirectApi` of the stack has two: 99.9 % of its requests are not answered 5xx, and 99 % are answered within a
    second; `objectives` are the service's own. What a caller did wrong (4xx), a declined card and no traffic burn
    nothing. Each objective has four alarms on its burn rate in a window, which tell nobody, and one of them all, which
    notifies as `alarm_above` does: it fires for 14.4 times the rate in an hour and in five minutes, or six times in six
    hours and in half an hour.

    Args:
        scope: The service's stateless stack, behind the API and whatever objectives are about.
        construct_id: Its id there.
        objectives: Further objectives; default none.
        availability: Of each API; default 0.999.
        latency: Within which 99 % of an API's requests are answered; default 1 s, at least 1 ms.

    Attributes:
        objectives: All of them.
        alarms: One for each, in the same order.

    Raises:
        ValueError: Two objectives of one name.

    Examples:
        >>> levels = ServiceLevels(stack, "Levels", latency=Duration.millis(500))
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        objectives: Sequence[Objective] = (),
        availability: float = AVAILABILITY,
        latency: Duration = LATENCY,
    ) -> None:
        super().__init__(scope, construct_id)
        apis = [each for each in ServiceStack.of(self).node.find_all() if isinstance(each, DirectApi)]
        self.objectives = [
            *(each for api in apis for each in _of_api(api, availability=availability, latency=latency)),
            *objectives,
        ]
        names = [each.name for each in self.objectives]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two objectives are called {', '.join(repeated)}")
        self.alarms = [self._alarm(each) for each in self.objectives]

    def _alarm(self, objective: Objective) -> CompositeAlarm:
        told = described(
            self,
            means=f"{objective.promise}, and so many are not that the month's budget is gone in days.",
            first="see which objective it is, whether it still goes on, and what was deployed.",
            runbook="error-budget",
            query=objective.query,
        )
        burning = [
            AlarmRule.all_of(
                *(
                    AlarmRule.from_alarm(
                        self._window(objective, burn, length, f"{burn.name}{name}", told), AlarmState.ALARM
                    )
                    for name, length in (("Long", burn.window), ("Short", burn.short))
                )
            )
            for burn in BURNS
        ]
        stack = ServiceStack.of(self)
        alarm = CompositeAlarm(
            self,
            f"{objective.name}Alarm",
            # Generated, it would not begin with the stack's name, by which a deploy role is limited.
            composite_alarm_name=f"{stack.stack_name}-{objective.name}",
            alarm_rule=AlarmRule.any_of(*burning),
            alarm_description=told,
        )
        notify(alarm)
        return alarm

    def _window(self, objective: Objective, burn: Burn, length: Duration, name: str, told: str) -> Alarm:
        return Alarm(
            self,
            f"{objective.name}{name}",
            metric=objective.missed(length, least=LEAST_BAD - 1),
            threshold=round(burn.rate * (1 - objective.target), 6),
            evaluation_periods=1,
            comparison_operator=ComparisonOperator.GREATER_THAN_THRESHOLD,
            treat_missing_data=TreatMissingData.NOT_BREACHING,
            alarm_description=told,
        )


def _of_api(api: DirectApi, *, availability: float, latency: Duration) -> list[Objective]:
    stage, service = api.resources.rest_api.deployment_stage, ServiceStack.of(api).service
    log = api.resources.access_log
    milliseconds = latency.to_milliseconds()
    return [
        Objective(
            name="Availability",
            promise=f"{service}: {100 * availability:g} % of the requests are not answered 5xx",
            target=availability,
            bad=lambda period: stage.metric_server_error(period=period, statistic="Sum"),
            total=lambda period: stage.metric_count(period=period, statistic="SampleCount"),
            query=saved(api, FAILED_REQUESTS, log),
        ),
        Objective(
            name="Latency",
            promise=f"{service}: {100 * FAST:g} % of the requests are answered within {milliseconds:g} ms",
            target=FAST,
            # Trimmed count, of those that took longer:
            # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html
            bad=lambda period: stage.metric_latency(period=period, statistic=f"TC({milliseconds:g}:)"),
            total=lambda period: stage.metric_latency(period=period, statistic="SampleCount"),
            query=saved(api, SLOW_REQUESTS, log),
        ),
    ]
