"""What was seen while contracts were executed, and what of it breaks whom."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from service_contracts import schemas

from service_testing.consumers import Subscription
from service_testing.contracts.inputs import FILE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from service_contracts.schemas import Schema

    from service_testing.contracts.participants import Participant


@dataclass(kw_only=True)
class Observations:
    """What was seen; of several runs, together.

    Attributes:
        subscriptions: The rules of each service on the bus.
        events: How often each event was published, by its name (`commerce.order/OrderPlaced.v1`).
        fields: Paths of the data that were sent, by event.
        taken: Events that a rule matched, by `<service>: <rule>`.
        kept: Events that passed the filter of what reads a queue, by `<service>: <queue>`.
        unlike: Why an event does not match a rule that names it, by `<service>: <rule>` and event.
        faults: What broke, with how often.
        requests: How many requests were sent.
    """

    subscriptions: dict[str, list[Subscription]] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    fields: dict[str, list[str]] = field(default_factory=dict)
    taken: dict[str, list[str]] = field(default_factory=dict)
    kept: dict[str, list[str]] = field(default_factory=dict)
    unlike: dict[str, dict[str, str]] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    requests: int = 0

    def fault(self, message: str) -> None:
        """Note what broke; the same thing once."""
        self.faults[message] = self.faults.get(message, 0) + 1

    def published(self, name: str, data: Any) -> None:
        """Note an event and which fields it has."""
        self.events[name] = self.events.get(name, 0) + 1
        _noted(self.fields, name, *sorted(paths(data)))

    def matched(self, rule: str, name: str) -> None:
        """Note that a rule wants an event."""
        _noted(self.taken, rule, name)

    def refused(self, rule: str, name: str, reason: str) -> None:
        """Note that a rule names an event and does not want it as it is."""
        self.unlike.setdefault(rule, {})[name] = reason

    def passed(self, queue: str, name: str) -> None:
        """Note that an event has passed the filter behind a queue."""
        _noted(self.kept, queue, name)

    def add(self, other: Observations) -> None:
        """What another run has seen as well."""
        self.subscriptions |= other.subscriptions
        for name, number in other.events.items():
            self.events[name] = self.events.get(name, 0) + number
        for name, number in other.faults.items():
            self.faults[name] = self.faults.get(name, 0) + number
        for mine, theirs in ((self.fields, other.fields), (self.taken, other.taken), (self.kept, other.kept)):
            for name, values in theirs.items():
                _noted(mine, name, *values)
        for rule, reasons in other.unlike.items():
            self.unlike[rule] = {**self.unlike.get(rule, {}), **reasons}
        self.requests += other.requests

    def dump(self) -> str:
        """As JSON, for another process."""
        return json.dumps(asdict(self))

    @classmethod
    def load(cls, text: str) -> Observations:
        """What `dump` made."""
        parts = json.loads(text)
        rules = {
            name: [Subscription(**each) for each in found]
            for name, found in parts.pop("subscriptions").items()
        }
        return cls(subscriptions=rules, **parts)


def _noted(lists: dict[str, list[str]], name: str, *values: str) -> None:
    known = lists.setdefault(name, [])
    known += [value for value in values if value not in known]


def judged(seen: Observations, services: Sequence[Participant]) -> list[str]:
    """What must not be merged, each with who sends and who reads.

    Args:
        seen: While the services were running together.
        services: All that were.
    """
    found = list(seen.faults)
    for producer in services:
        found += _never_sent(seen, producer)
    producers = {each.contracts.source: each.name for each in services}
    for consumer in services:
        for source, detail_type in consumer.contracts.lock.schemas():
            found += _unheard(seen, consumer, source, detail_type, producers.get(source))
        found += _idle(seen, consumer)
    return found


def _never_sent(seen: Observations, producer: Participant) -> Iterator[str]:
    """Promises that nothing keeps."""
    for detail_type, schema in producer.committed.items():
        name = f"{producer.contracts.source}/{detail_type}"
        if name not in seen.events:
            yield (
                f"{producer.name} publishes {name}, but in {seen.requests} requests nothing made it do so; what its "
                f"callers do is in its {FILE}"
            )
            continue
        for path in _missing(schema, seen.fields[name]):
            yield (
                f"{producer.name} promises {path} in {name} and has sent it in none of {seen.events[name]} events; "
                f"what its callers do is in its {FILE}"
            )


def _unheard(
    seen: Observations, consumer: Participant, source: str, detail_type: str, producer: str | None
) -> Iterator[str]:
    """What a consumer waits for in vain: an event that does not reach it, a field that is not sent."""
    name, model = f"{source}/{detail_type}", consumer.consumed(source).get(detail_type)
    if model is None or name not in seen.events:
        return
    rules = [consumer.named(each.rule) for each in seen.subscriptions.get(consumer.name, ())]
    if not any(name in seen.taken.get(rule, ()) for rule in rules):
        reasons = {rule: seen.unlike.get(rule, {}).get(name) for rule in rules}
        nearest = "; ".join(f"{rule}: {reason}" for rule, reason in reasons.items() if reason)
        yield (
            f"{consumer.name} declares {name} as consumed, but none of its rules matches it as {producer or source} "
            f"sends it: {nearest or 'no rule names it'}"
        )
    elif producer:
        for path in _missing(schemas.of_model(model), seen.fields[name]):
            yield f"{consumer.name} reads {path} of {name}, which {producer} never sends ({seen.events[name]} events)"


def _idle(seen: Observations, consumer: Participant) -> Iterator[str]:
    """Rules and filters that nothing ever passes; AWS's own events are not known here."""
    for each in seen.subscriptions.get(consumer.name, ()):
        rule, named = consumer.named(each.rule), sorted(_names(each.pattern))
        if all(str(source).startswith("aws.") for source in each.pattern.get("source", ("",))):
            continue
        if rule not in seen.taken:
            reasons = [f"{name}: {reason}" for name, reason in seen.unlike.get(rule, {}).items()]
            if not reasons and named:
                reasons = [f"nobody publishes {name}" for name in named]
            yield f"{rule} can never match: {'; '.join(reasons) or json.dumps(each.pattern)}"
        for name in seen.taken.get(rule, ()):
            if name not in seen.kept.get(consumer.named(each.queue), ()):
                yield (
                    f"{consumer.name} takes {name} by {each.rule}, and the filter of what reads {each.queue} drops it "
                    f"every time"
                )


def _names(pattern: Mapping[str, Any]) -> set[str]:
    """The events that a pattern names, where it names them by value."""
    texts = {
        key: [each for each in pattern.get(key, ()) if isinstance(each, str)]
        for key in ("source", "detail-type")
    }
    return {f"{source}/{detail_type}" for source in texts["source"] for detail_type in texts["detail-type"]}


# ------------------------------------------------------------------------------------------------------------- fields
def paths(value: Any, where: str = "data") -> set[str]:
    """The paths of everything in a JSON value: `data.items[].sku`; what is null is not there.

    Args:
        value: Any JSON.
        where: The path of the whole.
    """
    found = set() if value is None else {where}
    if isinstance(value, dict):
        found = found.union(*(paths(item, f"{where}.{name}") for name, item in value.items()))
    if isinstance(value, list):
        found = found.union(*(paths(item, f"{where}[]") for item in value))
    return found


def _missing(schema: Schema, sent: Sequence[str]) -> Iterator[str]:
    """The fields of a schema that are in no event, the outermost of each."""
    yield from _absent(schema, schema, "data", set(sent))


def _absent(schema: Schema, root: Schema, where: str, sent: set[str]) -> Iterator[str]:
    schema = schemas.resolved(schema, root)
    for part in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _absent(part, root, where, sent)
    inner = {f"{where}.{name}": part for name, part in schema.get("properties", {}).items()}
    if "items" in schema:
        inner[f"{where}[]"] = schema["items"]
    for path, part in inner.items():
        if path in sent:
            yield from _absent(part, root, path, sent)
        else:
            yield path
