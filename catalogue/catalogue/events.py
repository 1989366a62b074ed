"""A page per event: who says it, who hears it, how it gets there, and what is in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from catalogue import map as maps
from catalogue import schemas
from catalogue.markdown import Page, address, code, facts, figure, link, table, text

if TYPE_CHECKING:
    from catalogue.drawing import Drawing
    from catalogue.model import Catalogue, Event


def page(catalogue: Catalogue, event: Event) -> Page:
    """Where an event stands."""
    return Page(address(catalogue, catalogue.parts[event.part]), catalogue)


def schema_file(event: Event) -> str:
    """Where the site has its JSON Schema."""
    return f"catalogue/schemas/{event.source}.{event.detail_type}.json"


def drawing(page: Page, event: Event) -> Drawing:
    """The event's way."""
    return maps.chart(page, page.catalogue.way(event.part), f"The way of {event.detail_type}")


def write(page: Page, event: Event, svg: str) -> str:
    """An event's page."""
    catalogue = page.catalogue
    schema = event.schema or {}
    versions = [
        other for other in catalogue.events if (other.source, other.fact) == (event.source, event.fact)
    ]
    return text(
        f"# {event.detail_type}",
        " ".join(str(schema.get("description", "")).replace("``", "`").split()),
        '!!! warning "Deprecated"\n    A newer major version is published beside it.'
        if schema.get("deprecated")
        else "",
        facts(
            [
                ("Producer", page.service(event.part.partition("/")[0])),
                ("Consumers", ", ".join(map(page.service, catalogue.consumers(event.part))) or "nobody yet"),
                ("Source", code(event.source)),
                ("Detail type", code(event.detail_type)),
                ("Major versions", ", ".join(page.event(other) for other in versions)),
                ("Schema", link("JSON Schema", page.to(schema_file(event)))),
            ]
        ),
        "## Its way",
        figure(svg, f"From the table whose change it tells to where it is handled: {event.detail_type}"),
        page.flows(catalogue.way(event.part)),
        "## Data",
        "What `detail.data` holds. `detail.metadata` is the same for every event: see "
        + link("the envelope", page.to("catalogue/index.md#the-envelope"))
        + ".",
        schemas.fields(schema) or "Nothing.",
        *_examples(event),
        *_read(page, event),
    )


def _examples(event: Event) -> list[str]:
    examples = (event.schema or {}).get("examples", ())
    if not examples:
        return []
    blocks = [f"```json\n{json.dumps(example, indent=2, ensure_ascii=False)}\n```" for example in examples]
    return ["## Examples" if len(blocks) > 1 else "## Example", *blocks]


def _read(page: Page, event: Event) -> list[str]:
    """What consumers have locked, field by field."""
    if not event.reads:
        return []
    rows = []
    for consumer, schema in event.reads.items():
        names = ", ".join(code(name) for name in schema.get("properties", {}))
        same = "as published now" if schema == event.schema else "an earlier release"
        rows.append((page.service(consumer), same, names))
    return ["## What consumers have locked", "\n".join(table(("consumer", "copy", "fields"), rows))]
