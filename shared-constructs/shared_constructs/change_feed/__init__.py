"""The change feed: what a table's stream says, as typed events on the bus; the only publisher of a service."""

from shared_constructs.change_feed.conditions import (
    Condition,
    became,
    changed,
    created,
    equals,
    exists,
    raw,
    was,
)
from shared_constructs.change_feed.events import DomainEvent
from shared_constructs.change_feed.feed import (
    ChangeFeed,
    StreamRetry,
    events_expression,
    filter_patterns,
    most_at_once,
)
from shared_constructs.direct_api.shapes import Stored

__all__ = [
    "ChangeFeed",
    "Condition",
    "DomainEvent",
    "Stored",
    "StreamRetry",
    "became",
    "changed",
    "created",
    "equals",
    "events_expression",
    "exists",
    "filter_patterns",
    "most_at_once",
    "raw",
    "was",
]
