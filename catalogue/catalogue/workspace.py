"""Read the workspace: every service's templates and contracts, put together."""

from __future__ import annotations

import json
import re
import tomllib
from typing import TYPE_CHECKING, Any

from catalogue.model import Catalogue, Event, Flow, Kind, Part, Service, slug
from catalogue.templates import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

SOURCE = "commerce."
"""What the source of an event begins with, if a service of ours publishes it."""

AWS = "aws"
"""Who publishes the events of AWS itself."""


def read(root: Path, assemblies: Iterable[Path]) -> Catalogue:
    """Read everything.

    Args:
        root: The workspace, with a folder per service.
        assemblies: A synthesized assembly per service, named as the service's folder is.
    """
    readings = {folder: _reading(folder) for folder in assemblies}
    services = tuple(_service(root / folder.name, reading) for folder, reading in readings.items())
    events = {
        event.part: event for service in services for event in _published(root / service.folder, service.name)
    }
    parts = {part.id: part for reading in readings.values() for part in reading.parts.values()}
    parts |= {event.part: _part(event) for event in events.values()}
    flows = {flow for reading in readings.values() for flow in reading.flows}
    for reading in readings.values():
        flows |= set(_publishing(reading, events.values()))
        for event, flow in _consuming(reading):
            flows.add(flow)
            events.setdefault(event.part, event)
            parts.setdefault(event.part, _part(event))
        flows |= set(_of_aws(reading))
    reads = _consumed(root, services)
    return Catalogue(
        services=services,
        parts=dict(sorted(parts.items())),
        events=tuple(
            Event(**{**event.__dict__, "reads": reads.get((event.source, event.detail_type), {})})
            for event in sorted(events.values(), key=lambda event: (event.source, event.detail_type))
        ),
        flows=tuple(sorted(flows)),
    )


def _reading(assembly: Path) -> Reading:
    return Reading.of(assembly.name.removesuffix("-service"), sorted(assembly.glob("*.template.json")))


def _service(folder: Path, reading: Reading) -> Service:
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return Service(
        name=reading.service,
        folder=folder.name,
        purpose=_purpose(folder / "README.md") or project.get("description", ""),
        owner=", ".join(each["name"] for each in project.get("maintainers", ())),
        routes=tuple(reading.routes),
        openapi=_document(folder, "openapi"),
        asyncapi=_document(folder, "asyncapi"),
    )


def _document(folder: Path, name: str) -> dict[str, Any] | None:
    for path in folder.glob(f"*/contracts/published/{name}.json"):
        document: dict[str, Any] = json.loads(path.read_text())
        return document
    return None


def _purpose(readme: Path) -> str:
    """The first paragraph below the title, its links as words; nothing where nobody has written one yet."""
    _, _, below = (readme.read_text() if readme.exists() else "").partition("\n\n")
    paragraph = below.partition("\n\n")[0].replace("\n", " ").strip()
    return re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", paragraph)


def _published(folder: Path, service: str) -> Iterator[Event]:
    for path in sorted(folder.glob("*/contracts/published/*.v*.json")):
        yield _event(f"{SOURCE}{service}", path.name.removesuffix(".json"), json.loads(path.read_text()))


def _event(source: str, detail_type: str, schema: dict[str, Any] | None = None) -> Event:
    service = source.removeprefix(SOURCE) if source.startswith(SOURCE) else AWS
    return Event(
        part=f"{service}/event/{slug(detail_type)}", source=source, detail_type=detail_type, schema=schema
    )


def _part(event: Event) -> Part:
    service = event.part.partition("/")[0]
    return Part(
        id=event.part, kind=Kind.EVENT, service=service, name=event.detail_type, path=event.detail_type
    )


def _publishing(reading: Reading, events: Iterable[Event]) -> Iterator[Flow]:
    """Which part emits which event: the one in whose text the event's type stands."""
    for maker, text in reading.publishers():
        for event in events:
            if event.source == f"{SOURCE}{reading.service}" and re.search(
                rf"\b{re.escape(event.detail_type)}\b", text
            ):
                yield Flow(source=maker.id, target=event.part, what="emits")


def _consuming(reading: Reading) -> Iterator[tuple[Event, Flow]]:
    """Where rules take events: every source, type and target of each."""
    for path, rule in reading.rules():
        pattern = rule.get("EventPattern", {})
        for source in pattern.get("source", ()):
            for detail_type in pattern.get("detail-type", ()):
                event = _event(source, detail_type)
                for target in rule.get("Targets", ()):
                    for part in reading.mentioned(target["Arn"]):
                        yield event, Flow(source=event.part, target=part.id, what="is sent to", rule=path)


def _of_aws(reading: Reading) -> Iterator[Flow]:
    """Which workflows the events of AWS are about: those that a rule's pattern names."""
    for _, rule in reading.rules():
        pattern = rule.get("EventPattern", {})
        for source in pattern.get("source", ()):
            # A condition ({"prefix": …}) names nobody's events: it is who keeps everything.
            if isinstance(source, str) and not source.startswith(SOURCE):
                for part in reading.mentioned(pattern.get("detail", {})):
                    for detail_type in pattern.get("detail-type", ()):
                        yield Flow(source=part.id, target=_event(source, detail_type).part, what="causes")


def _consumed(root: Path, services: Iterable[Service]) -> dict[tuple[str, str], dict[str, Any]]:
    """The schemas that consumers have copied: by source and detail type, then by consumer."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for service in services:
        for path in sorted((root / service.folder).glob("*/contracts/consumed/*.v*.json")):
            if copied := re.fullmatch(r"(.+)\.(\w+\.v\d+)\.json", path.name):
                source, detail_type = copied.groups()
                found.setdefault((source, detail_type), {})[service.name] = json.loads(path.read_text())
    return found
