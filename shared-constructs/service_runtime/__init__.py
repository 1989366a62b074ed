"""What the handlers of every service share; deployed with the runtime layer, so it never loads CDK.

Public names (each is loaded on first use, so that a handler pays only for what it imports)::

    # money: integer minor units, one currency per value
    Money(amount_minor=1299, currency="EUR")         # + - * int, < <= > >=; another currency raises
    Money.zero("EUR"); Money.total(amounts, currency="EUR")
    money.to_item() -> {"amountMinor": 1299, "currency": "EUR"}      # boto3 resource (table.put_item)
    money.to_attribute() -> {"M": {...}}                             # boto3 client
    Money.from_item(mapping) / Money.from_attribute(mapping)
    money.model_dump(by_alias=True) -> {"amountMinor": 1299, "currency": "EUR"}

    # the envelope of every event on the bus
    event_id(source, aggregate_id, aggregate_version, detail_type) -> str      # 32 hex digits
    correlation_id_or_new(candidate: str | None) -> str
    utc_now() -> datetime;  rfc3339(moment: datetime) -> "2026-11-21T06:40:00.000Z"
    WireModel                                        # pydantic base: frozen, camelCase on the wire, unknown fields ignored
    Event.create(service=, stage=, detail_type=, aggregate_id=, aggregate_version=, data=,
                 correlation_id=None, causation_id=None, occurred_at=None) -> Event[DataT]
    Event.parse(eventbridge_event, data=DataModel) -> Event[DataModel]         # raises EnvelopeError
    event.source .detail_type .metadata (Metadata) .data;  event.detail() -> dict;  event.envelope() -> dict

    # putting events on the bus
    Publisher(bus_name=, client=None, attempts=5).publish(events)             # raises PublishError(.failures)

    # consuming a queue (AWS Lambda event source mapping; see QueueConsumer)
    consumer = EventConsumer()
    @consumer.on("OrderPlaced.v1", data=OrderPlaced)
    def start_order(event: Event[OrderPlaced], message: Message) -> None: ...
    handler = consumer                               # consumer(event, context) -> {"batchItemFailures": [...]}
    MessageConsumer(handle)                          # the same for raw message bodies: handle(message: Message)
    raise RetryLater(30, "provider is down")         # seen again in 30 s; counts as a receive
    raise PoisonMessage("currency is not EUR")       # to the DLQ at once, with the reason as attribute

    # logs and metrics
    logger, metrics                                  # Powertools, configured by POWERTOOLS_* variables
    with business_context(correlation_id=..., orderId="o-1"): ...             # keys on every log line and metric inside
    count("OrdersPlaced", 1)                         # one EMF metric

    # REST handlers (Powertools resolver)
    raise Problem(409, detail="The product is retired.", errors=[...], headers={"Retry-After": "1"})
    problem_responses(app)                           # every error of an APIGatewayRestResolver as RFC 9457
    problem_response(problem) -> Response            # for exception handlers of a service's own
    rest_resolver() -> RestResolver                  # JSON only, validation, problems, CORS, correlation id
    request_correlation_id(api_gateway_event) -> str
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from service_runtime.consumer import EventConsumer, Message, MessageConsumer, PoisonMessage, RetryLater
    from service_runtime.envelope import (
        EnvelopeError,
        Event,
        Metadata,
        WireModel,
        correlation_id_or_new,
        event_id,
        rfc3339,
        utc_now,
    )
    from service_runtime.money import CurrencyMismatchError, Money
    from service_runtime.observability import business_context, count, logger, metrics
    from service_runtime.problems import Problem
    from service_runtime.publisher import EntryFailure, Publisher, PublishError
    from service_runtime.rest import (
        RestResolver,
        problem_response,
        problem_responses,
        request_correlation_id,
        rest_resolver,
    )

_MODULES = {
    "consumer": ("EventConsumer", "Message", "MessageConsumer", "PoisonMessage", "RetryLater"),
    "envelope": (
        "EnvelopeError",
        "Event",
        "Metadata",
        "WireModel",
        "correlation_id_or_new",
        "event_id",
        "rfc3339",
        "utc_now",
    ),
    "money": ("CurrencyMismatchError", "Money"),
    "observability": ("business_context", "count", "logger", "metrics"),
    "problems": ("Problem",),
    "publisher": ("EntryFailure", "PublishError", "Publisher"),
    "rest": (
        "RestResolver",
        "problem_response",
        "problem_responses",
        "request_correlation_id",
        "rest_resolver",
    ),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "CurrencyMismatchError",
    "EntryFailure",
    "EnvelopeError",
    "Event",
    "EventConsumer",
    "Message",
    "MessageConsumer",
    "Metadata",
    "Money",
    "PoisonMessage",
    "Problem",
    "PublishError",
    "Publisher",
    "RestResolver",
    "RetryLater",
    "WireModel",
    "business_context",
    "correlation_id_or_new",
    "count",
    "event_id",
    "logger",
    "metrics",
    "problem_response",
    "problem_responses",
    "request_correlation_id",
    "rest_resolver",
    "rfc3339",
    "utc_now",
]


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}; it offers: {', '.join(__all__)}"
        )
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
