"""All of the catalogue's files: Markdown, drawings in it, and the documents that it links to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from catalogue import events, index, queues, services, workflows
from catalogue import map as maps
from catalogue.drawing import draw
from catalogue.model import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from catalogue.drawing import Drawing
    from catalogue.model import Catalogue, Part


def files(catalogue: Catalogue, cache: Path) -> dict[str, str]:
    """Every file, by its path below the documentation's folder.

    Args:
        catalogue: What they tell of.
        cache: Where drawings are kept that are laid out.

    Raises:
        DrawingError: The layout failed.
    """
    svg = draw(drawings(catalogue), cache)
    home, whole = index.page(catalogue), maps.page(catalogue)
    written = {
        home.path: index.write(home),
        whole.path: maps.write(whole, svg[maps.NAME]),
        "catalogue/catalogue.json": catalogue.as_json(),
    }
    for service in catalogue.services:
        page = services.page(catalogue, service)
        written[page.path] = services.write(page, service, svg[f"service-{service.name}"])
        for path, document in services.documents(service).items():
            written[path] = json.dumps(document, indent=2)
    for event in catalogue.events:
        if event.schema:
            page = events.page(catalogue, event)
            written[page.path] = events.write(page, event, svg[_name(catalogue.parts[event.part])])
            written[events.schema_file(event)] = json.dumps(event.schema, indent=2)
    for queue in _all(catalogue, Kind.QUEUE):
        page = queues.page(catalogue, queue)
        written[page.path] = queues.write(page, queue, svg[_name(queue)])
    for workflow in _all(catalogue, Kind.WORKFLOW):
        page = workflows.page(catalogue, workflow)
        written[page.path] = workflows.write(page, workflow, svg[_name(workflow)])
    return written


def drawings(catalogue: Catalogue) -> dict[str, Drawing]:
    """Every drawing, by a name that can begin an id."""
    whole = maps.page(catalogue)
    found = {maps.NAME: maps.drawing(whole)}
    for service in catalogue.services:
        found[f"service-{service.name}"] = services.drawing(services.page(catalogue, service), service)
    for event in catalogue.events:
        if event.schema:
            found[_name(catalogue.parts[event.part])] = events.drawing(events.page(catalogue, event), event)
    for queue in _all(catalogue, Kind.QUEUE):
        found[_name(queue)] = queues.drawing(queues.page(catalogue, queue), queue)
    for workflow in _all(catalogue, Kind.WORKFLOW):
        found[_name(workflow)] = workflows.drawing(workflow)
    return found


def _all(catalogue: Catalogue, kind: Kind) -> list[Part]:
    return [part for part in catalogue.parts.values() if part.kind is kind]


def _name(part: Part) -> str:
    return part.id.replace("/", "-").replace(".", "-")
