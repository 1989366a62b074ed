"""The map: everything, and what flows where; and the small maps of one event, one queue, one service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalogue.drawing import Drawing, Edge, Node
from catalogue.markdown import MAP, Page, address, figure, label, service_page, text
from catalogue.model import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from catalogue.model import Catalogue, Flow, Part

NAME = "map"
TITLE = "Services, events, queues, workflows and tables, and what flows between them"

KINDS = {Kind.DLQ: "dlq"}
"""Shorter words on the map, where those of the pages are long."""


def drawing(page: Page) -> Drawing:
    """The whole."""
    return chart(page, page.catalogue.flows, TITLE, everything=page.catalogue.parts.values())


def chart(page: Page, flows: Iterable[Flow], title: str, *, everything: Iterable[Part] = ()) -> Drawing:
    """A map of some flows, the parts of a service in a frame of its own.

    Args:
        page: Where it will stand.
        flows: What it shows.
        title: What it shows, in words.
        everything: Parts to show even if nothing flows to or from them.
    """
    catalogue = page.catalogue
    shown = tuple(flows)
    ids = {end for flow in shown for end in (flow.source, flow.target)} | {part.id for part in everything}
    parts = [part for part in catalogue.parts.values() if part.id in ids]
    services = sorted({part.service for part in parts})
    groups = [
        Node(
            id=service,
            label=service,
            kind="service",
            href=page.href(service_page(service)) if service != "aws" else "",
            title=f"service {service}",
        )
        for service in services
    ]
    return Drawing(
        title=title,
        nodes=[*groups, *(_node(page, part) for part in parts)],
        edges=[_edge(catalogue, flow) for flow in shown],
    )


def _node(page: Page, part: Part) -> Node:
    return Node(
        id=part.id,
        label=part.name,
        kind=KINDS.get(part.kind, part.kind.value),
        href=page.href(address(page.catalogue, part)),
        title=f"{label(part)} {part.name}",
        group=part.service,
    )


def _edge(catalogue: Catalogue, flow: Flow) -> Edge:
    source, target = catalogue.parts[flow.source], catalogue.parts[flow.target]
    rule = f", by the rule {flow.rule}" if flow.rule else ""
    kind = (
        "failure" if target.kind is Kind.DLQ else "event" if Kind.EVENT in {source.kind, target.kind} else ""
    )
    return Edge(
        source=flow.source,
        target=flow.target,
        kind=kind,
        title=f"{label(source)} {source.name} {flow.what} {label(target)} {target.name}{rule}",
    )


def write(page: Page, svg: str) -> str:
    """The map's page."""
    return text(
        "---\nhide: [navigation, toc]\n---",
        "# Map",
        "From a request to the last table: click, or press Tab and Enter, to follow a service to its events, an event to "
        "the queues that wait for it, a queue to its workflow, a workflow to its states. Drawn from the synthesized "
        "templates and the published contracts.",
        figure(svg, TITLE, large=True),
        "## The same as a table",
        page.flows(page.catalogue.flows),
    )


def page(catalogue: Catalogue) -> Page:
    """Where the map stands."""
    return Page(MAP, catalogue)
