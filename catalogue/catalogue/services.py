"""A page per service: what it is for, its API, its events, and what it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from catalogue import map as maps
from catalogue import openapi
from catalogue.markdown import Page, anchor, code, facts, figure, link, service_page, table, text
from catalogue.model import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from catalogue.drawing import Drawing
    from catalogue.model import Catalogue, Event, Service

SECTIONS = {
    Kind.FUNCTION: "Functions",
    Kind.PIPE: "Pipes",
    Kind.SCHEDULE: "Schedules",
    Kind.TABLE: "Tables",
    Kind.DLQ: "Dead-letter queues",
}
"""What has no page of its own."""


def page(catalogue: Catalogue, service: Service) -> Page:
    """Where a service stands."""
    return Page(service_page(service.name), catalogue)


def documents(service: Service) -> dict[str, Mapping[str, Any]]:
    """The descriptions that it publishes, by where the site has them."""
    published = {"openapi": service.openapi, "asyncapi": service.asyncapi}
    return {_file(service, name): document for name, document in published.items() if document}


def _file(service: Service, name: str) -> str:
    return f"catalogue/schemas/{service.name}.{name}.json"


def drawing(page: Page, service: Service) -> Drawing:
    """The service's own parts, and the events that enter and leave."""
    catalogue = page.catalogue
    own = [part for part in catalogue.parts.values() if part.service == service.name]
    elsewhere = {
        flow
        for flow in catalogue.flows
        if catalogue.parts[flow.source] in own
        and catalogue.parts[flow.source].kind is Kind.EVENT
        and catalogue.parts[flow.target] not in own
    }
    inside = [flow for flow in catalogue.around(part.id for part in own) if flow not in elsewhere]
    return maps.chart(page, inside, f"What the {service.name} service is made of", everything=own)


def write(page: Page, service: Service, svg: str) -> str:
    """A service's page."""
    catalogue = page.catalogue
    out = [event for event in catalogue.events if event.part.startswith(f"{service.name}/")]
    into = [event for event in catalogue.events if service.name in catalogue.consumers(event.part)]
    return text(
        f"# {service.name.capitalize()}",
        service.purpose,
        facts([("Owner", service.owner), ("Code", code(service.folder))]),
        figure(svg, f"What the {service.name} service is made of, and the events that enter and leave"),
        "## Events out" if out else "",
        _events(page, out),
        f"All of them: {link('AsyncAPI', page.to(_file(service, 'asyncapi')))}." if service.asyncapi else "",
        "## Events in" if into else "",
        _events(page, into),
        *_api(page, service),
        "## Made of",
        *_parts(page, service),
    )


def _events(page: Page, events: list[Event]) -> list[str]:
    return table(
        ("event", "from", "to"),
        [
            (
                page.event(event),
                page.service(event.part.partition("/")[0]),
                ", ".join(map(page.service, page.catalogue.consumers(event.part))) or "nobody yet",
            )
            for event in events
        ],
    )


def _api(page: Page, service: Service) -> Iterator[str]:
    if not service.routes:
        return
    yield "## API"
    yield "\n".join(
        table(
            ("request", "who may", "answered by", "how"),
            [
                (
                    code(f"{route.method} {route.path}"),
                    ", ".join(map(code, route.scopes)) or "anybody",
                    f"{page.part(part)} ({part.kind})",
                    code(route.action),
                )
                for route in service.routes
                for part in [page.catalogue.parts[route.target]]
            ],
        )
    )
    if service.openapi:
        yield f"The whole description: {link('OpenAPI', page.to(_file(service, 'openapi')))}."
        yield from openapi.write(service.openapi)


def _parts(page: Page, service: Service) -> Iterator[str]:
    for kind, title in {Kind.WORKFLOW: "Workflows", Kind.QUEUE: "Queues"}.items():
        if parts := page.catalogue.of(service.name, kind):
            yield f"### {title}"
            yield ", ".join(map(page.part, parts))
    for kind, title in SECTIONS.items():
        for number, part in enumerate(page.catalogue.of(service.name, kind)):
            if not number:
                yield f"### {title}"
            yield f"#### {part.name} {{ #{anchor(part)} }}"
            yield "\n".join(
                facts(
                    [
                        *((name.capitalize(), value) for name, value in part.settings.items()),
                        ("Made by", code(part.path)),
                    ]
                )
            )
            yield "\n".join(page.flows(page.catalogue.around([part.id])))
