"""What the catalogue knows: services, the parts they are made of, the events between them, and what flows where."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Kind(StrEnum):
    """What a part is; the values are the words of the pages and the names of the styles."""

    API = "api"
    EVENT = "event"
    QUEUE = "queue"
    DLQ = "dead-letter queue"
    PIPE = "pipe"
    SCHEDULE = "schedule"
    FUNCTION = "function"
    WORKFLOW = "workflow"
    TABLE = "table"


@dataclass(frozen=True, kw_only=True)
class Part:
    """Something that a service has deployed, or an event that goes between services.

    Attributes:
        id: Unique, and the same tomorrow: `order/queue/lifecycle-placed`.
        kind: What it is.
        service: Whose it is; of an event, who publishes it.
        name: What a person calls it: `Lifecycle Placed`.
        path: Where the CDK app has made it, below the stack; of an event, its detail type.
        settings: What a reader asks about first, in words.
        definition: Of a workflow, its Amazon States Language with references resolved to ids in braces.
    """

    id: str
    kind: Kind
    service: str
    name: str
    path: str
    settings: Mapping[str, str] = field(default_factory=dict, compare=False)
    definition: Mapping[str, Any] | None = field(default=None, compare=False)

    @property
    def slug(self) -> str:
        """The last piece of the id."""
        return self.id.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True, order=True)
class Flow:
    """That something goes from one part to another.

    Attributes:
        source: The id of the part that it leaves.
        target: The id of the part that it reaches.
        what: In one or two words, seen from the source: `writes`, `starts`.
        rule: The EventBridge rule by which it goes, if one does it: its path in the CDK app.
    """

    source: str
    target: str
    what: str
    rule: str = ""


@dataclass(frozen=True, kw_only=True)
class Route:
    """A method of an API as it is deployed.

    Attributes:
        method: `GET`.
        path: `/orders/{orderId}`.
        scopes: What a caller's token must have; empty if anybody may call.
        target: The id of the part that answers.
        action: What is done there: `GetItem`.
    """

    method: str
    path: str
    scopes: tuple[str, ...]
    target: str
    action: str


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event of one major version.

    Attributes:
        part: The same event's id among the parts.
        source: `commerce.order`.
        detail_type: `OrderPlaced.v1`.
        schema: JSON Schema of its data; None for an event of AWS itself.
        reads: What each consumer has locked of it: the schema that it copied, by service.
    """

    part: str
    source: str
    detail_type: str
    schema: Mapping[str, Any] | None
    reads: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def fact(self) -> str:
        """Its name without the version."""
        return self.detail_type.rpartition(".v")[0] or self.detail_type


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service, or the platform.

    Attributes:
        name: `order`.
        folder: `order-service`.
        purpose: The first paragraph of its README, else the description in its `pyproject.toml`.
        owner: Who answers for it, from its `pyproject.toml`.
        routes: Its API as it is deployed.
        openapi: Its API's description, if it publishes one.
        asyncapi: The description of its events, if it publishes one.
    """

    name: str
    folder: str
    purpose: str
    owner: str
    routes: tuple[Route, ...] = ()
    openapi: Mapping[str, Any] | None = None
    asyncapi: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """Everything, and the questions that pages ask of it."""

    services: tuple[Service, ...]
    parts: Mapping[str, Part]
    events: tuple[Event, ...]
    flows: tuple[Flow, ...]

    def of(self, service: str, *kinds: Kind) -> list[Part]:
        """A service's parts of some kinds, by name."""
        found = [part for part in self.parts.values() if part.service == service and part.kind in kinds]
        return sorted(found, key=lambda part: part.name)

    def into(self, part: str) -> list[Flow]:
        """What reaches a part."""
        return [flow for flow in self.flows if flow.target == part]

    def out_of(self, part: str) -> list[Flow]:
        """What leaves a part."""
        return [flow for flow in self.flows if flow.source == part]

    def event(self, part: Part) -> Event:
        """The event that a part stands for."""
        return next(event for event in self.events if event.part == part.id)

    def consumers(self, event: str) -> list[str]:
        """The services that a rule takes an event to."""
        return sorted({self.parts[flow.target].service for flow in self.out_of(event)})

    def way(self, event: str) -> list[Flow]:
        """The flows an event takes part in: from where it is made, and on until it rests in a table or begins a workflow.

        What a consumer's workflow or function writes to is the end: what happens then is another event's story.
        """
        found = set(self.into(event))
        feeders = [flow.source for flow in found]
        while feeders:
            before = {
                flow
                for flow in self.into(feeders.pop())
                if self.parts[flow.source].kind in {Kind.TABLE, Kind.PIPE}
            }
            feeders += [flow.source for flow in before if self.parts[flow.source].kind is Kind.PIPE]
            found |= before
        ends = {Kind.TABLE, Kind.DLQ, Kind.EVENT}
        reached, waiting = {event}, [event]
        while waiting:
            for flow in self.out_of(waiting.pop()):
                found.add(flow)
                if flow.target not in reached and self.parts[flow.target].kind not in ends:
                    reached.add(flow.target)
                    waiting.append(flow.target)
        return sorted(found)

    def around(self, parts: Iterable[str]) -> list[Flow]:
        """Every flow that begins or ends at one of some parts."""
        wanted = set(parts)
        return [flow for flow in self.flows if flow.source in wanted or flow.target in wanted]

    def as_json(self) -> str:
        """The whole model, for tools."""
        return json.dumps({**asdict(self), "parts": [asdict(part) for part in self.parts.values()]}, indent=1)


def slug(text: str) -> str:
    """A name as an address has it."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")
