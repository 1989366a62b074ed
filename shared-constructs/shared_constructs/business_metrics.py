"""What the business does, counted from the events that say it: no function, and no second place that could disagree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from aws_cdk.aws_cloudwatch import MathExpression, Metric, Unit
from aws_cdk.aws_logs import FilterPattern, MetricFilter
from constructs import Construct

from shared_constructs.direct_api.shapes import Scalar, Structure, structure_of
from shared_constructs.queries import EVENTS, saved
from shared_constructs.service import ServiceStack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aws_cdk import Duration
    from aws_cdk.aws_cloudwatch import IMetric
    from pydantic import BaseModel
    from service_runtime.envelope import PublishedEvent

COMMON = "service"
"""The dimension that all of our metrics have, those that functions write included."""


@dataclass(frozen=True)
class BusinessMetric:
    """A metric of one kind of event.

    Attributes:
        name: In PascalCase, a fact (`OrdersPlaced`).
        event: The published model.
        value: What is added up, a path of JSON names in the event's data (`total.amountMinor`); default 1 for each event.
        unit: Of the value; default a count.
        by: A field whose values are counted apart, one of a `Literal`, so that there are few; default none.
        above: Only events whose `value` exceeds this are counted, each as 1; default all.

    Raises:
        ValueError: The event has no such field, or one of another kind.
    """

    name: str
    event: type[PublishedEvent]
    value: str | None = None
    unit: Unit = Unit.COUNT
    by: str | None = None
    above: float | None = None

    def __post_init__(self) -> None:
        if self.value:
            shape: Any = structure_of(self.event, "response")
            for name in self.value.split("."):
                member = shape.member(name) if isinstance(shape, Structure) else None
                shape = member and member.shape
            if not isinstance(shape, Scalar) or shape.tag != "N":
                raise ValueError(f"{self.name}: {self.event.detail_type()} has no number {self.value!r}")
        elif self.above is not None:
            raise ValueError(f"{self.name}: above={self.above:g} needs a value to compare")
        if self.by and not self.groups:
            raise ValueError(
                f"{self.name}: {self.event.detail_type()} has no Literal {self.by!r}; each value that is counted apart is a "
                "metric that is paid for"
            )

    @property
    def is_added_up(self) -> bool:
        """Whether its sum means something, as money's does; of durations it is their distribution that does."""
        return self.unit in {Unit.COUNT, Unit.NONE}

    @property
    def groups(self) -> tuple[str, ...]:
        """The values of `by`; none without it."""
        return _literals(self.event, self.by) if self.by else ()


class BusinessMetrics(Construct):
    """Metrics of what this service tells, from the log of all events, which the platform keeps.

    A metric filter per metric reads the log that every event of the account's bus is written to anyway: nothing is
    written twice, and no function runs. All of them are in the namespace of the stage (`Commerce/<stage>`, as those that
    functions write) and have the dimension `service`; those that are counted `by` a field have that, too. An event that
    is told twice is counted twice: deliveries that are repeated, and what an operator republishes.

    Args:
        scope: Construct inside the service's stateless stack.
        construct_id: Its id there.
        metrics: What is counted and measured; at most 100 filters read one log, of all services of the account.
        counted: Names of what the service's functions count themselves (`service_runtime.observability.count`), to be
            shown beside it.

    Attributes:
        metrics: As given.
        counted: As given.

    Examples:
        >>> metrics = BusinessMetrics(stack, "Metrics", metrics=[
        ...     BusinessMetric("OrdersPlaced", OrderPlaced),
        ...     BusinessMetric("OrderValue", OrderPlaced, value="total.amountMinor"),
        ...     BusinessMetric("OrdersCancelled", OrderCancelled, by="reason")])
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        metrics: Sequence[BusinessMetric] = (),
        counted: Sequence[str] = (),
    ) -> None:
        super().__init__(scope, construct_id)
        self.metrics, self.counted = tuple(metrics), tuple(counted)
        self._stack = ServiceStack.of(self)
        for metric in self.metrics:
            self._filter(metric)
        if self.metrics:
            saved(self, EVENTS, self._stack.event_log)

    def metric(
        self, name: str, *, period: Duration, group: str | None = None, statistic: str = "Sum"
    ) -> IMetric:
        """One of the metrics, for an alarm, an objective or a graph.

        Args:
            name: Its name.
            period: Of its points.
            group: A value of the field that it is counted by; default all of them together.
            statistic: Default the sum.

        Raises:
            KeyError: No metric of that name.
        """
        known: dict[str, BusinessMetric | None] = {each.name: each for each in self.metrics}
        found = {**known, **dict.fromkeys(self.counted)}[name]
        if found and found.groups and group is None:
            parts = {
                f"m{position}": self.metric(name, period=period, group=each, statistic=statistic)
                for position, each in enumerate(found.groups)
            }
            total = " + ".join(f"FILL({part}, 0)" for part in parts)
            return MathExpression(expression=total, using_metrics=parts, period=period, label=name)
        dimensions = {COMMON: self._stack.service}
        if found and found.by and group:
            dimensions[found.by] = group
        return Metric(
            namespace=self._stack.stage.metric_namespace,
            metric_name=name,
            dimensions_map=dimensions,
            statistic=statistic,
            period=period,
            label=group or name,
        )

    def _filter(self, metric: BusinessMetric) -> None:
        value = f"$.detail.data.{metric.value}"
        conditions = [
            FilterPattern.string_value("$.source", "=", f"commerce.{self._stack.service}"),
            FilterPattern.string_value("$.detail-type", "=", metric.event.detail_type()),
        ]
        if metric.above is not None:
            conditions.append(FilterPattern.number_value(value, ">", metric.above))
        # Each has a value of its own: a filter with dimensions takes no default, and counts only lines that have them all.
        dimensions = {COMMON: "$.detail.metadata.service"}
        if metric.by:
            dimensions[metric.by] = f"$.detail.data.{metric.by}"
        MetricFilter(
            self,
            metric.name,
            log_group=self._stack.event_log,
            filter_pattern=FilterPattern.all(*conditions),
            metric_namespace=self._stack.stage.metric_namespace,
            metric_name=metric.name,
            metric_value=value if metric.value and metric.above is None else "1",
            dimensions=dimensions,
            unit=metric.unit if metric.value and metric.above is None else Unit.COUNT,
        )


def _literals(model: type[BaseModel], name: str) -> tuple[str, ...]:
    for field, info in model.model_fields.items():
        if name in (info.serialization_alias, info.alias, field):
            return tuple(each for each in get_args(info.annotation) if isinstance(each, str))
    return ()
