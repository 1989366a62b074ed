"""A page per queue: which events wait in it, who handles them, and what becomes of those that cannot be handled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalogue import map as maps
from catalogue.markdown import Page, address, code, facts, figure, table, text, title
from catalogue.model import Kind

if TYPE_CHECKING:
    from catalogue.drawing import Drawing
    from catalogue.model import Catalogue, Flow, Part


DEAD = """\
Messages that were received too often, and those that can never succeed, wait here to be looked into and redriven; an alarm
tells of the first one."""


def page(catalogue: Catalogue, queue: Part) -> Page:
    """Where a queue stands."""
    return Page(address(catalogue, queue), catalogue)


def flows(catalogue: Catalogue, queue: Part) -> list[Flow]:
    """What reaches a queue, what leaves it, and what its consumer does."""
    found = set(catalogue.around([queue.id]))
    waiting = [flow.target for flow in catalogue.out_of(queue.id)]
    while waiting:
        part = catalogue.parts[waiting.pop()]
        if part.kind in {Kind.PIPE, Kind.FUNCTION, Kind.WORKFLOW}:
            further = set(catalogue.out_of(part.id)) - found
            found |= further
            waiting += [flow.target for flow in further if part.kind is Kind.PIPE]
    return sorted(found)


def drawing(page: Page, queue: Part) -> Drawing:
    """The queue and its neighbours."""
    return maps.chart(page, flows(page.catalogue, queue), f"What goes through the queue {queue.name}")


def write(page: Page, queue: Part, svg: str) -> str:
    """A queue's page."""
    catalogue = page.catalogue
    consumers = [catalogue.parts[flow.target] for flow in catalogue.out_of(queue.id) if flow.what == "feeds"]
    dead = [catalogue.parts[flow.target] for flow in catalogue.out_of(queue.id) if flow.what == "gives up to"]
    return text(
        title(queue),
        f"# {queue.name}",
        f"A queue of the {page.service(queue.service)} service.",
        facts(
            [
                ("Consumer", ", ".join(f"{page.part(part)} ({part.kind})" for part in consumers)),
                *((name.capitalize(), value) for name, value in queue.settings.items()),
                ("Made by", code(queue.path)),
            ]
        ),
        figure(svg, f"What goes through the queue {queue.name}"),
        "## What comes in",
        table(
            ("from", "whose", "rule"),
            [
                (page.part(part), f"{page.service(part.service)} {part.kind}", code(flow.rule))
                for flow in catalogue.into(queue.id)
                for part in [catalogue.parts[flow.source]]
            ],
        ),
        "## Dead-letter queue",
        DEAD if dead else "None.",
        facts((name.capitalize(), value) for part in dead for name, value in part.settings.items()),
        "## The same as a table",
        page.flows(flows(catalogue, queue)),
    )
