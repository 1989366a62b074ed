"""What a change feed makes of one change, from the declared events alone: no template and no deployment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shared_constructs.change_feed import events_expression, filter_patterns
from states_language.jsonata_engine import evaluate

from service_testing.patterns import matches

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared_constructs.change_feed import DomainEvent

Item = Mapping[str, Any]


def passes(events: Sequence[DomainEvent], *, new: Item, old: Item | None = None) -> bool:
    """Whether the pipe's filter lets a change pass to the enrichment.

    Args:
        events: What the service declares, its `EVENTS`.
        new: The item after the change, DynamoDB-typed (`{"sku": {"S": "A"}}`).
        old: The item before; None for a new item.
    """
    return any(matches(pattern, _record(new, old)) for pattern in filter_patterns(events))


def meant(events: Sequence[DomainEvent], *, new: Item, old: Item | None = None) -> list[str]:
    """The detail types of the events that the enrichment would make of a change, whatever the filter says.

    Args:
        events: See `passes`.
        new: See `passes`.
        old: See `passes`.
    """
    function = events_expression(events, service="service", stage="local")
    found = evaluate(f"($events := {function}; $events($records))", {"records": [_record(new, old)]})
    return [event["detailType"] for event in found]


def _record(new: Item, old: Item | None) -> dict[str, Any]:
    images = {"NewImage": new} if old is None else {"NewImage": new, "OldImage": old}
    return {
        "eventName": "INSERT" if old is None else "MODIFY",
        "dynamodb": {"ApproximateCreationDateTime": 1_700_000_000, **images},
    }
