"""Sums of other services' facts, each event added once; no function involved."""

from __future__ import annotations

from collections import Counter as Multiset
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aws_cdk import Duration
from constructs import Construct
from states_language.definition import expression

from shared_constructs.consumed import believed
from shared_constructs.customize import Customization, Customize
from shared_constructs.express_workflow import ExpressWorkflow
from shared_constructs.queue_consumer import DLQ_RETENTION, QueueConsumer
from shared_constructs.table import TTL_ATTRIBUTE, ServiceTable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aws_cdk.aws_dynamodb import ITable
    from pydantic import BaseModel

    from shared_constructs.queue_consumer import Subscription

HERE = Path(__file__).parent

GRACE = Duration.hours(1)
"""How much longer an entry is kept than its event is accepted: clocks differ, and a message may be on its way."""

# What the workflow writes of its own accord: what a change feed reads of either item, and what makes an entry.
_STAMPS: Final = {
    "updatedAt": "$now()",
    "correlationId": "$metadata.correlationId",
    "causationId": "$metadata.eventId",
}
_OWN: Final = ("version", *_STAMPS, "once", TTL_ATTRIBUTE)


@dataclass(frozen=True, kw_only=True)
class CounterResources:
    """What a `Counter` consists of.

    Attributes:
        workflow: Adds the events.
        consumer: Brings it the events.
    """

    workflow: ExpressWorkflow
    consumer: QueueConsumer


class Counter(Construct):
    """Events into sums: each event is added once, however often and in whatever order it comes.

    Builds a `QueueConsumer` with an Express workflow that writes each event with one transaction: its entry, only if
    there is none yet, and the counter, to which the amounts are added. The entry is what remembers; an event whose entry is there
    counts as handled. Points, quotas, statistics: whatever is a sum, and a reservation or a balance that must not go below zero is not, since
    nothing is ever refused.

    Both items have what a `ChangeFeed` reads: `version` (of the counter, how many events it has; of an entry, 1), `updatedAt`,
    `correlationId`, and the event's id as `causationId`. The entry has the amounts under the counter's names, and
    `once`: `exists("once")` tells an entry from a counter. Its sort key is the counter's, followed by
    `#<service>.<Fact>#<once>`, so that a `Query` with `begins_with` lists a counter's entries.

    An event that does not fit the consumed contract is believed in no part, as in a `Projection`; one whose amount is no number, or
    that is too old to be known, ends in the DLQ likewise (`NotCountable`).

    A transaction that meets another one on the same counter is cancelled with `TransactionConflict` and tried again, with jitter, then by
    the queue. All events that a moment brings for one counter take turns: spread those of a counter that everybody's
    events go to over several keys, and add them up when reading
    (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-sharding.html).

    Keys, amounts and attributes are JSONata expressions (without `{% %}`) over `$data` (the event's data) and
    `$metadata`.

    Args:
        scope: Construct inside a `ServiceStack`.
        construct_id: Its id; tests feed the counter by it.
        table: A `ServiceTable` or table.
        subscriptions: The events.
        model: What this service reads of their data, from `contracts.consumed`.
        key: Key attributes of the counter, the sort key last: `{"pk": "'MEMBER#' & $data.customerId", "sk": "'POINTS'"}`.
        add: The numbers that the event adds, `{"points": "$floor($data.total.amountMinor / 100)", "orders": "1"}`;
            negative ones subtract.
        once: What makes the event one: an event with the same fact (whatever its major) and the same value here is added to this
            counter once. Default the event's id, under which the same version of the same aggregate is told of again. Better is a business key
            where there is one, such as `$data.orderId`: it outlives a producer that tells anew, or in another major.
        attributes: Texts and numbers that both items get, such as `{"customerId": "$data.customerId"}`. The last
            event wins, so they should follow from the key; what gives nothing is not written.
        entry: Further ones that the entry alone gets.
        expires_after: How long events are accepted after they occurred, and entries kept; default for ever. At least 14 days, for as long
            may a message lie in the DLQ; the table needs `ttl=True`. An older event is refused, since nobody knows any more whether it was counted.
        customize: Further arguments of the `workflow` and the `consumer`, such as
            `{"consumer": {"batching": Batching(size=5), "customize": {"queue": {…}}}}`.

    Attributes:
        resources: Workflow and consumer, which have resources of their own.

    Raises:
        ValueError: No key or nothing to add, a name that is written twice or is the construct's own, an expression that reads a field that
            the model does not have, a key or `once` that reads an optional one, entries that expire too soon or in a table without TTL, or a
            customized argument that the construct decides.

    Examples:
        >>> counter = Counter(stack, "Sales", table=table,
        ...     subscriptions=[Subscription(source="commerce.order", detail_type="OrderConfirmed.v1")],
        ...     model=OrderConfirmed, once="$data.orderId",
        ...     key={"pk": "'DAY#' & $substring($metadata.occurredAt, 0, 10)", "sk": "'SALES'"}, add={"orders": "1"})
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        table: ServiceTable | ITable,
        subscriptions: Sequence[Subscription],
        model: type[BaseModel],
        key: Mapping[str, str],
        add: Mapping[str, str],
        once: str = "$metadata.eventId",
        attributes: Mapping[str, str] | None = None,
        entry: Mapping[str, str] | None = None,
        expires_after: Duration | None = None,
        customize: Customize | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        attributes, entry = attributes or {}, entry or {}
        if not key or not add:
            raise ValueError("a counter needs its item's key and at least one amount to add")
        _check_names(key, add, attributes, entry)
        _check_expiry(table, expires_after)
        customization = Customization(customize, "workflow", "consumer")
        addition = _Addition(
            key=key,
            add=add,
            once=once,
            attributes=attributes,
            entry=entry,
            kept_seconds=int(expires_after.to_seconds()) if expires_after else 0,
        )
        counting = {
            "definition": believed(
                HERE / "counter.asl.yaml", model, required=addition.required, optional=addition.optional
            ),
            "substitutions": {
                "Table": table,
                "Objections": addition.objections(),
                "Transaction": addition.transaction(),
            },
            "per_record": True,
        }
        workflow = ExpressWorkflow(self, "Workflow", **customization.of("workflow", enforced=counting))
        source = {"target": workflow, "subscriptions": subscriptions}
        consumer = QueueConsumer(self, "Consumer", **customization.of("consumer", enforced=source))
        self.resources = CounterResources(workflow=workflow, consumer=consumer)


def _check_names(*written: Mapping[str, str]) -> None:
    times = Multiset(name for names in written for name in names)
    if twice := sorted(name for name, count in times.items() if count > 1):
        raise ValueError(f"{', '.join(twice)} is written twice; key, amounts and attributes must differ")
    if own := sorted(times.keys() & _OWN):
        raise ValueError(f"{', '.join(own)} is written by the counter itself, as {', '.join(_OWN)} are")


def _check_expiry(table: ServiceTable | ITable, expires_after: Duration | None) -> None:
    if expires_after is None:
        return
    if expires_after.to_seconds() < DLQ_RETENTION.to_seconds():
        raise ValueError(
            f"expires_after must be at least {DLQ_RETENTION.to_days():g} days, as long as a message may lie in the DLQ,"
            f" got {expires_after.to_days(integral=False):g}"
        )
    if isinstance(table, ServiceTable) and not table.ttl:
        raise ValueError(f"entries expire by the table's TTL: ServiceTable({table.node.id!r}, ttl=True)")


def _fields(expressions: Mapping[str, str], prefix: str = "") -> str:
    """As JSONata has them: placeholders of the name and the value, the name, and the value if there is one."""
    return ", ".join(
        f"{{'n': '#{prefix}{position}', 'p': ':{prefix}{position}', 'name': '{name}', 'value': {value}}}"
        for position, (name, value) in enumerate(expressions.items())
    )


@dataclass(frozen=True, kw_only=True)
class _Addition:
    """What one event comes to, in JSONata over the event."""

    key: Mapping[str, str]
    add: Mapping[str, str]
    once: str
    attributes: Mapping[str, str]
    entry: Mapping[str, str]
    kept_seconds: int

    @property
    def required(self) -> list[str]:
        """Expressions that have a value whatever the event."""
        occurred = ["$metadata.occurredAt"] if self.kept_seconds else []
        return [*_STAMPS.values(), *occurred, self.once, *self.key.values()]

    @property
    def optional(self) -> list[str]:
        return [*self.add.values(), *self.attributes.values(), *self.entry.values()]

    def objections(self) -> str:
        return expression(
            HERE / "objections.jsonata",
            Amounts=_fields(self.add),
            Key=_fields(self.key),
            Once=_fields({"once": self.once}),
            Attributes=_fields({**self.attributes, **self.entry}),
            KeptSeconds=self.kept_seconds,
        )

    def transaction(self) -> str:
        kept = self.kept_seconds + int(GRACE.to_seconds())
        expires = {TTL_ATTRIBUTE: f"$ceil($toMillis($metadata.occurredAt) / 1000) + {kept}"}
        return expression(
            HERE / "transaction.jsonata",
            Key=_fields(self.key),
            Once=_fields({"once": self.once}),
            Amounts=_fields(self.add, "a"),
            Set=_fields({**_STAMPS, **self.attributes}, "s"),
            Entry=_fields({**self.entry, **(expires if self.kept_seconds else {})}),
            Last=[*self.key][-1],
        )
