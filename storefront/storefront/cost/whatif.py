"""What a change in a setting would do to the bill: the setting is changed, and the same bill made again."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from storefront.cost.bill import FUNCTION, PIPE, QUEUE, WORKFLOW, function_ms
from storefront.cost.templates import reference, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from storefront.cost.bill import Setting
    from storefront.cost.templates import Resource

Quantities = dict[str, float]

MEMORIES_MB = (256, 512, 1024, 1769)
"""Our functions need about 170 MB, so 128 is none of them."""
BATCH = 10
WAITS = ".waitForTaskToken"


@dataclass(frozen=True)
class WhatIf:
    """A change and what it does.

    Attributes:
        kind: `memory`, `batch`, `filter`, `type`, `log` or `trace`.
        what: Of what, and to what.
        usd: How much the month gets dearer; negative is saved.
        but: What else changes, or why it cannot be.
    """

    kind: str
    what: str
    usd: float
    but: str = ""


def all_of(setting: Setting, orders: float) -> list[WhatIf]:
    """Everything that is worth asking about a stage."""
    now = setting.bill(orders).total

    def changed(kind: str, what: str, other: Setting, but: str = "") -> WhatIf:
        return WhatIf(kind, what, other.bill(orders).total - now, but)

    found = [
        *(
            each
            for function in setting.stage.of_type(FUNCTION)
            for each in _memory(setting, function, changed)
        ),
        *(each for queue in setting.stage.of_type(QUEUE) for each in _batch(setting, queue, changed)),
        *(each for pipe in setting.stage.of_type(PIPE) for each in _filter(setting, pipe, changed)),
        *(each for flow in setting.stage.of_type(WORKFLOW) for each in _type(setting, flow, changed)),
    ]
    found += [
        changed("log", f"every workflow logs {level}", _logging(setting, level)) for level in ("ALL", "ERROR")
    ]
    found.append(changed("trace", "nothing is traced", _untraced(setting)))
    return [each for each in found if abs(each.usd) >= 0.005]  # noqa: PLR2004 - half a cent a month


def with_property(setting: Setting, key: str, **properties: Any) -> Setting:
    """The same, but for a resource's properties."""
    return _each(
        setting,
        lambda resource: (
            replace(resource, properties={**resource.properties, **properties})
            if resource.key == key
            else resource
        ),
    )


def with_use(setting: Setting, uses: Mapping[str, Quantities]) -> Setting:
    """The same, but for what an order uses of some resources."""
    merged = {key: {**setting.used.get(key, {}), **quantities} for key, quantities in uses.items()}
    return replace(setting, used={**setting.used, **merged})


def _each(setting: Setting, change: Callable[[Resource], Resource]) -> Setting:
    stage = replace(setting.stage, resources=tuple(map(change, setting.stage.resources)))
    return replace(setting, stage=stage)


def _memory(setting: Setting, function: Resource, changed: Callable[..., WhatIf]) -> Iterator[WhatIf]:
    """The size that is cheapest by the model; how much longer an invocation takes with it."""
    used = setting.used.get(function.key, {})
    if not used.get("lambdaInvocations"):
        return
    now = int(function.properties.get("MemorySize", 128))
    options = [
        (changed("memory", "", with_property(setting, function.key, MemorySize=memory)).usd, memory)
        for memory in MEMORIES_MB
    ]
    usd, memory = min(options)
    longer = (function_ms(used, memory) - function_ms(used, now)) / used["lambdaInvocations"]
    what = f"{function.service} {function.name}: {now:,} → {memory:,} MB"
    yield WhatIf("memory", what, usd, f"each invocation {longer:+,.1f} ms; measure first: make tune")


def _batch(setting: Setting, queue: Resource, changed: Callable[..., WhatIf]) -> Iterator[WhatIf]:
    """Messages that are taken off a queue in tens; they have to wait for each other."""
    used = setting.used.get(queue.key, {})
    messages, consumer = used.get("sqsMessages", 0.0), consumer_of(setting, queue)
    if not messages or consumer is None:
        return
    saved = messages * (1 - 1 / BATCH)
    uses: dict[str, Quantities] = {queue.key: {"sqsRequests": used["sqsRequests"] - 2 * saved}}
    taken = setting.used.get(consumer.key, {})
    for name in ("lambdaInvocations", "workflowRuns"):
        if name in taken:
            uses[consumer.key] = {name: max(taken[name] - saved, taken[name] / BATCH)}
    what = f"{queue.service} {queue.name}: batches of {BATCH} instead of one"
    yield changed(
        "batch", what, with_use(setting, uses), "messages wait for each other, or there are as many"
    )


def consumer_of(setting: Setting, queue: Resource) -> Resource | None:
    """The function or workflow that a queue's messages go to."""
    for mapping in setting.stage.of_type("AWS::Lambda::EventSourceMapping", service=queue.service):
        if reference(mapping.properties["EventSourceArn"]) == queue.id:
            name = reference(mapping.properties["FunctionName"])
            alias = setting.stage.named(f"{queue.service}/{name}")
            if alias and alias.type == "AWS::Lambda::Alias":
                name = reference(alias.properties["FunctionName"])
            return setting.stage.named(f"{queue.service}/{name}")
    for pipe in setting.stage.of_type(PIPE, service=queue.service):
        if reference(pipe.properties["Source"]) == queue.id:
            return setting.stage.named(f"{queue.service}/{reference(pipe.properties['Target'])}")
    return None


def _filter(setting: Setting, pipe: Resource, changed: Callable[..., WhatIf]) -> Iterator[WhatIf]:
    """Without it every record is a request, and a run of what enriches them."""
    used = setting.used.get(pipe.key, {})
    passed, seen = used.get("pipeRequests", 0.0), used.get("pipeRecords", 0.0)
    if not passed or seen <= passed:
        return
    more = seen / passed
    uses: dict[str, Quantities] = {pipe.key: {"pipeRequests": seen}}
    flow = setting.stage.named(f"{pipe.service}/{reference(pipe.properties.get('Enrichment'))}")
    if flow and flow.key in setting.used:
        of_flow = setting.used[flow.key]
        uses[flow.key] = {
            name: of_flow[name] * more for name in ("workflowRuns", "statesEntered", "workflowMs")
        }
    what = f"{pipe.service} {pipe.name}: no filter"
    yield changed("filter", what, with_use(setting, uses), f"{1 - 1 / more:.0%} of records are filtered out")


def _type(setting: Setting, flow: Resource, changed: Callable[..., WhatIf]) -> Iterator[WhatIf]:
    """The other type of workflow, where that is possible."""
    if not setting.used.get(flow.key, {}).get("workflowRuns"):
        return
    now = flow.properties.get("StateMachineType", "STANDARD")
    other = "EXPRESS" if now == "STANDARD" else "STANDARD"
    but = _obstacle(setting, flow, other)
    what = f"{flow.service} {flow.name}: {now.title()} → {other.title()}"
    yield changed("type", what, with_property(setting, flow.key, StateMachineType=other), but)


def _obstacle(setting: Setting, flow: Resource, other: str) -> str:
    """Why a workflow cannot be of the other type.

    Sources: https://docs.aws.amazon.com/step-functions/latest/dg/choosing-workflow-type.html and
    https://docs.aws.amazon.com/eventbridge/latest/userguide/pipes-enrichment.html
    """
    if other == "EXPRESS":
        waits = WAITS in text(flow.properties.get("DefinitionString", ""))
        return "cannot be: it waits for answers, which Express does not" if waits else ""
    for pipe in setting.stage.of_type(PIPE, service=flow.service):
        if reference(pipe.properties.get("Enrichment")) == flow.id:
            return "cannot be: what enriches a pipe's records is Express"
        if reference(pipe.properties.get("Target")) == flow.id:
            return "a pipe would not wait for its end, and not know that it failed"
    names = {flow.id} | {
        alias.id
        for alias in setting.stage.of_type("AWS::StepFunctions::StateMachineAlias", service=flow.service)
        if alias.id.startswith(flow.id.partition("StateMachine")[0])
    }
    for method in setting.stage.of_type("AWS::ApiGateway::Method", service=flow.service):
        integration = json.dumps(method.properties.get("Integration", {}))
        if "StartSyncExecution" in integration and any(f'"{name}"' in integration for name in names):
            return "cannot be: a caller waits for its answer"
    return ""


def _logging(setting: Setting, level: str) -> Setting:
    def logs(resource: Resource) -> Resource:
        logging = resource.properties.get("LoggingConfiguration")
        if resource.type != WORKFLOW or not logging:
            return resource
        return replace(
            resource, properties={**resource.properties, "LoggingConfiguration": {**logging, "Level": level}}
        )

    return _each(setting, logs)


def _untraced(setting: Setting) -> Setting:
    return replace(
        setting,
        assumptions=replace(setting.assumptions, figures={**setting.assumptions.figures, "traced": 0.0}),
    )
