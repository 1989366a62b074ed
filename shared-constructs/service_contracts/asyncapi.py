"""AsyncAPI 3.0 of a service: the events it sends and receives on the bus, envelope included.

https://www.asyncapi.com/docs/reference/specification/v3.0.0
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from service_runtime.envelope import Event

from service_contracts.schemas import Components, of_envelope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from service_contracts.schemas import Schema

VERSION: Final = "3.0.0"
BUS: Final = {
    "host": "events.{region}.amazonaws.com",
    "pathname": "/event-bus/commerce-{stage}",
    "protocol": "eventbridge",
    "description": "The bus of the account and stage that the service is deployed to.",
    "variables": {
        "region": {"description": "The account's region."},
        "stage": {"enum": ["local", "dev", "staging", "prod"], "default": "dev"},
    },
}
# An example is the same whenever it is made.
_MOMENT: Final = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
_CORRELATION: Final = "4c0f5f9e-6a3b-4f0e-9d2b-0a7f7d1c2e33"


def asyncapi(
    service: str, *, published: Mapping[str, Schema], consumed: Mapping[tuple[str, str], Schema]
) -> dict[str, Any]:
    """The AsyncAPI document.

    Args:
        service: The service's name, `order`.
        published: Schema of the data by detail type.
        consumed: Schema of the data, as the producer published it, by source and detail type.
    """
    components = Components()
    document: dict[str, Any] = {
        "asyncapi": VERSION,
        "info": {
            "title": f"Events of the {service} service",
            "version": "1.0.0",
            "description": "Every detail type carries its own major version: `<Fact>.v<major>`.",
        },
        "defaultContentType": "application/json",
        "servers": {"bus": BUS},
        "channels": {},
        "operations": {},
        "components": {"messages": {}, "schemas": components.schemas},
    }
    own = {(f"commerce.{service}", detail_type): schema for detail_type, schema in published.items()}
    for action, events in (("send", own), ("receive", consumed)):
        for (source, detail_type), schema in events.items():
            name = f"{source}.{detail_type}"
            message = _message(components, source, detail_type, schema)
            document["components"]["messages"][name] = message
            document["channels"][name] = {
                "address": f"{source}/{detail_type}",
                "servers": [{"$ref": "#/servers/bus"}],
                "messages": {detail_type: {"$ref": f"#/components/messages/{name}"}},
            }
            document["operations"][f"{action}.{name}"] = {
                "action": action,
                "channel": {"$ref": f"#/channels/{name}"},
                "messages": [{"$ref": f"#/channels/{name}/messages/{detail_type}"}],
            }
    return document


def _message(components: Components, source: str, detail_type: str, schema: Schema) -> dict[str, Any]:
    data = components.add(detail_type, schema)
    payload = components.add(f"{detail_type}.envelope", of_envelope(source, detail_type, data))
    return {
        "name": detail_type,
        "title": schema.get("title", detail_type),
        "summary": _first_sentence(schema.get("description", "")),
        "contentType": "application/json",
        "correlationId": {"location": "$message.payload#/detail/metadata/correlationId"},
        "payload": payload,
        "examples": [
            {"payload": _event(source, detail_type, schema, example)}
            for example in schema.get("examples", ())
        ],
    }


def _first_sentence(description: str) -> str:
    return " ".join(description.split("\n\n", maxsplit=1)[0].split())


def _event(source: str, detail_type: str, schema: Schema, data: dict[str, Any]) -> dict[str, Any]:
    """An example's envelope. The first field of every event says what it is about."""
    envelope = (
        Event[dict[str, Any]]
        .create(
            service=source.removeprefix("commerce."),
            stage="dev",
            detail_type=detail_type,
            aggregate_id=str(data[next(iter(schema["properties"]))]),
            aggregate_version=data.get("version", 1),
            data=data,
            correlation_id=_CORRELATION,
            occurred_at=_MOMENT,
        )
        .envelope()
    )
    return {name: envelope[name] for name in ("source", "detail-type", "time", "detail")}
