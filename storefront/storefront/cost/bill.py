"""A stage's bill: what orders use of each resource as the stage has it, and what stands.

An order's quantities were counted on the local stage. What differs per stage is derived here: a function's time from its
memory, a workflow's price from its type, what is logged from its level, what is inspected from its web ACL.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from storefront.cost import standing
from storefront.cost.templates import reference
from storefront.prices import TO_LOOK_AT, UNPRICED, price_list

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from storefront.cost.assumptions import Assumptions
    from storefront.cost.counts import Counts
    from storefront.cost.templates import Resource, Stage

Quantities = dict[str, float]

WHOLE_PROCESSOR_MB = 1769
"""The memory that comes with one whole processor.

Source: https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
"""
EXPRESS_STEP_MS = 100
EXPRESS_STEP_GB = 64 / 1024
"""An Express run is billed in steps of 100 ms and 64 MB, of which ours need one: 50 MB and their data.

Source: https://aws.amazon.com/step-functions/pricing/
"""
DAYS_OF_MONTH = 30.4
API, BUS, FUNCTION, GROUP = (
    "AWS::ApiGateway::RestApi",
    "AWS::Events::EventBus",
    "AWS::Lambda::Function",
    "AWS::Logs::LogGroup",
)
PIPE, QUEUE, TABLE, WORKFLOW = (
    "AWS::Pipes::Pipe",
    "AWS::SQS::Queue",
    "AWS::DynamoDB::Table",
    "AWS::StepFunctions::StateMachine",
)


@dataclass(frozen=True)
class Line:
    """What one quantity of one resource costs.

    Attributes:
        service: Of ours.
        resource: Its name there.
        quantity: Of the price list.
        per_order: How many an order uses.
        per_month: How many a month uses without any order.
    """

    service: str
    resource: str
    quantity: str
    per_order: float = 0.0
    per_month: float = 0.0

    @property
    def usd_per_order(self) -> float:
        """What an order costs of it."""
        return self.per_order * price_list().prices[self.quantity].usd

    @property
    def usd_per_month(self) -> float:
        """What a month without orders costs of it."""
        return self.per_month * price_list().prices[self.quantity].usd

    @property
    def aws(self) -> str:
        """AWS's service."""
        return price_list().prices[self.quantity].service


@dataclass(frozen=True)
class Bill:
    """A month.

    Attributes:
        lines: Everything that costs something.
        orders: How many a month.
        not_priced: Types of resources that nothing is known of.
        is_free_tier: Whether what is free each month is taken off.
    """

    lines: tuple[Line, ...]
    orders: float
    not_priced: tuple[str, ...] = ()
    is_free_tier: bool = False

    @property
    def per_order(self) -> float:
        """What grows with orders, for one of them, US dollars."""
        return math.fsum(line.usd_per_order for line in self.lines)

    @property
    def per_month(self) -> float:
        """What stands whether or not one comes."""
        return math.fsum(line.usd_per_month for line in self.lines)

    @property
    def free(self) -> float:
        """What AWS gives each month."""
        if not self.is_free_tier:
            return 0.0
        used: Counter[str] = Counter()
        for line in self.lines:
            used[line.quantity] += self.orders * line.per_order + line.per_month  # type: ignore[assignment]  # counts of any kind
        prices = price_list().prices
        return math.fsum(min(count, prices[name].free) * prices[name].usd for name, count in used.items())

    @property
    def total(self) -> float:
        """The month's."""
        return self.per_order * self.orders + self.per_month - self.free

    def cost(self, line: Line) -> float:
        """A line's share of the month, before anything is free."""
        return line.usd_per_order * self.orders + line.usd_per_month

    def by(self, *names: str) -> list[tuple[tuple[str, ...], float, float]]:
        """Costs by attributes of the lines: the attributes, for an order, for a month without any; the dearest first."""
        found: dict[tuple[str, ...], list[float]] = {}
        for line in self.lines:
            into = found.setdefault(tuple(getattr(line, name) for name in names), [0.0, 0.0])
            into[0] += line.usd_per_order
            into[1] += line.usd_per_month
        groups = [(name, order, month) for name, (order, month) in found.items()]
        return sorted(groups, key=lambda group: -(group[1] * self.orders + group[2]))


@dataclass(frozen=True)
class Setting:
    """Everything that a bill is made of.

    Attributes:
        stage: Its templates.
        used: What an order uses of each resource, as it was counted.
        counts: For what is known of a function's start and metrics.
        assumptions: The rest.
    """

    stage: Stage
    used: Mapping[str, Quantities]
    counts: Counts
    assumptions: Assumptions
    _derived: dict[str, Quantities] = field(default_factory=dict, repr=False, compare=False)

    def bill(self, orders: float, *, is_free_tier: bool = False) -> Bill:
        """The bill for so many orders a month."""
        lines: list[Line] = []
        not_priced: set[str] = set()
        for resource in self.stage.resources:
            month = standing.month(resource, self.stage, self.assumptions)
            if month is None:
                not_priced.add(resource.type)
            month = dict(month or {})
            if resource.type == FUNCTION and (metrics := self.counts.metrics.get(resource.key)):
                month["customMetrics"] = metrics
            lines += _lines(resource.service, _called(resource), self.order(resource), month)
        for key, quantities in self.used.items():
            service, _, what = key.partition("/")
            if what == BUS and service in self.stage.services:
                lines += _lines(service, "events", {"events": quantities.get("events", 0.0)}, {})
        return Bill(tuple(lines), orders, tuple(sorted(not_priced)), is_free_tier)

    def order(self, resource: Resource) -> Quantities:
        """What an order is billed for at a resource of this stage."""
        used = self.used.get(resource.key, {})
        found = {name: count for name, count in used.items() if name not in TO_LOOK_AT | UNPRICED}
        match resource.type:
            case "AWS::Lambda::Function":
                found = self._function(resource, used)
            case "AWS::StepFunctions::StateMachine":
                found = workflow(resource.properties.get("StateMachineType", "STANDARD"), used)
                found |= self._traced(resource, used.get("workflowRuns", 0.0))
            case "AWS::Logs::LogGroup":
                found = self._logged(resource, used)
            case "AWS::DynamoDB::Table":
                found |= self._stored(resource, used)
            case "AWS::ApiGateway::RestApi":
                found |= self._requested(resource, found)
            case "AWS::WAFv2::WebACL":
                found = {"inspectedRequests": self._requests(resource)}
            case "AWS::Events::Archive":
                found = self._archived(resource)
            case "AWS::Cognito::UserPool" if _is_customers(resource):
                found = {"activeUsers": 1 / self.assumptions["orders_per_customer"]} if self.used else {}
        return found

    def _function(self, resource: Resource, used: Quantities) -> Quantities:
        invocations = used.get("lambdaInvocations", 0.0)
        if not invocations:
            return {}
        memory = int(resource.properties.get("MemorySize", 128))
        starts = invocations * self.assumptions["cold_starts"] * self.counts.starts.get(resource.key, 0.0)
        milliseconds = function_ms(used, memory) + starts
        found = {"lambdaInvocations": invocations, "lambdaGbMs": milliseconds * memory / 1024}
        return found | self._traced(resource, invocations)

    def _traced(self, resource: Resource, runs: float) -> Quantities:
        """Each sampled run a trace of its own: at most so many, because what a request begins shares its trace."""
        properties = resource.properties
        is_traced = (properties.get("TracingConfiguration") or {}).get("Enabled") is True or (
            properties.get("TracingConfig") or {}
        ).get("Mode") == "Active"
        return {"traces": runs * self.assumptions["traced"]} if is_traced and runs else {}

    def _logged(self, resource: Resource, used: Quantities) -> Quantities:
        """A workflow logs by its level; the bus's audit logs every event."""
        written = used.get("logBytes", 0.0)
        for each in self.stage.of_type(WORKFLOW, service=resource.service):
            logging = each.properties.get("LoggingConfiguration") or {}
            if reference(logging.get("Destinations")) == resource.id:
                written = {"ALL": written, "OFF": 0.0}.get(logging["Level"], used.get("errorLogBytes", 0.0))
        for rule in self.stage.of_type("AWS::Events::Rule", service=resource.service):
            if any(
                reference(target.get("Arn")) == resource.id for target in rule.properties.get("Targets", ())
            ):
                written += self._event_bytes
        months = float(resource.properties.get("RetentionInDays", 0)) / DAYS_OF_MONTH
        if not written:
            return {}
        return {"logBytes": written, "logByteMonths": written * self.assumptions["compressed"] * months}

    def _stored(self, resource: Resource, used: Quantities) -> Quantities:
        """What an order leaves is there for some months, each of which is paid."""
        months = max(0.0, used.get("storedBytes", 0.0)) * self.assumptions["months_kept"]
        found = {"tableByteMonths": months}
        recovery = resource.properties.get("PointInTimeRecoverySpecification") or {}
        if recovery.get("PointInTimeRecoveryEnabled"):
            found["recoverableByteMonths"] = months
        return found if months else {}

    def _requested(self, resource: Resource, found: Quantities) -> Quantities:
        requests = found.get("apiRequests", 0.0)
        out = {"bytesOut": requests * self.assumptions["bytes_out_per_request"]} if requests else {}
        stages = self.stage.of_type("AWS::ApiGateway::Stage", service=resource.service)
        if requests and any(each.properties.get("TracingEnabled") for each in stages):
            out["traces"] = requests * self.assumptions["traced"]
        return out

    def _requests(self, resource: Resource) -> float:
        """A web ACL's requests: those of the APIs of its service."""
        apis = self.stage.of_type(API, service=resource.service)
        return math.fsum(self.used.get(api.key, {}).get("apiRequests", 0.0) for api in apis)

    def _archived(self, resource: Resource) -> Quantities:
        months = float(resource.properties.get("RetentionDays", 0)) / DAYS_OF_MONTH
        return {"archivedBytes": self._event_bytes, "archivedByteMonths": self._event_bytes * months}

    @property
    def _event_bytes(self) -> float:
        return math.fsum(
            used.get("eventBytes", 0.0) for key, used in self.used.items() if key.endswith(f"/{BUS}")
        )


def function_ms(used: Mapping[str, float], memory_mb: int) -> float:
    """How long a function's invocations take with so much memory: waiting as it was, processor time over its share."""
    waited, cpu = used.get("functionWaitedMs", 0.0), used.get("functionCpuMs", 0.0)
    # Each invocation is billed to the next whole millisecond: half of one on average.
    return waited + cpu / min(1.0, memory_mb / WHOLE_PROCESSOR_MB) + used.get("lambdaInvocations", 0.0) / 2


def workflow(kind: str, used: Mapping[str, float]) -> Quantities:
    """What a workflow's runs are billed as a Standard or as an Express one, by what they do in either."""
    runs = used.get("workflowRuns", 0.0)
    if not runs:
        return {}
    if kind == "STANDARD":
        return {"standardTransitions": used["statesEntered"]}
    steps = math.ceil(used["workflowMs"] / runs / EXPRESS_STEP_MS)
    return {"expressRuns": runs, "expressGbMs": runs * steps * EXPRESS_STEP_MS * EXPRESS_STEP_GB}


def _lines(service: str, name: str, order: Mapping[str, float], month: Mapping[str, float]) -> Iterator[Line]:
    for quantity in {**order, **month}:
        line = Line(service, name, quantity, order.get(quantity, 0.0), month.get(quantity, 0.0))
        if line.per_order or line.per_month:
            yield line


def _called(resource: Resource) -> str:
    """Alarms and their like are not told one by one."""
    return _TOGETHER.get(resource.type, resource.name)


_TOGETHER = {
    "AWS::CloudWatch::Alarm": "alarms",
    "AWS::CloudWatch::CompositeAlarm": "alarms",
    "AWS::Lambda::EventSourceMapping": "polling of queues",
    "AWS::Logs::LogGroup": "logs",
    "AWS::Logs::MetricFilter": "metrics",
    "AWS::WAFv2::WebACL": "web ACL",
}


def _is_customers(resource: Resource) -> bool:
    """Operators have a pool of their own, too small to count."""
    return "operator" not in resource.path.lower()


def together(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Lines of the same resource and quantity as one."""
    found: dict[tuple[str, str, str], tuple[float, float]] = {}
    for line in lines:
        order, month = found.get(key := (line.service, line.resource, line.quantity), (0.0, 0.0))
        found[key] = order + line.per_order, month + line.per_month
    return tuple(Line(*key, *sums) for key, sums in found.items())
