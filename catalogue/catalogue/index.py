"""The catalogue's first page: every service, every event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from catalogue.markdown import HOME, MAP, Page, code, link, table, text
from catalogue.model import Kind

if TYPE_CHECKING:
    from catalogue.model import Catalogue

ENVELOPE = (
    (
        "eventId",
        "the same whenever the same event is emitted again: what consumers recognise a repetition by",
    ),
    ("correlationId", "born at the API, survives every hop"),
    ("causationId", "the event or request that this one answers"),
    ("occurredAt", "UTC, RFC 3339"),
    ("domain, service, stage", "who says it, and where"),
    ("schemaVersion", "of the data, `major.minor`"),
    ("aggregateId, aggregateVersion", "what it is about, and which of its states"),
)


def page(catalogue: Catalogue) -> Page:
    """Where it stands."""
    return Page(HOME, catalogue)


def write(page: Page) -> str:
    """The page."""
    catalogue = page.catalogue
    ours = [event for event in catalogue.events if event.schema]
    others = [event for event in catalogue.events if not event.schema]
    return text(
        "# Catalogue",
        "Who offers what, and who relies on it: generated from the synthesized templates and the published contracts, so "
        f"it says what is deployed. {link('The map', page.to(MAP))} shows it all at once.",
        "## Services",
        table(
            ("service", "owner", "purpose", "API", "workflows", "functions"),
            [
                (
                    page.service(service.name),
                    service.owner,
                    service.purpose.partition(". ")[0].rstrip(".") + ".",
                    f"{len(service.routes)} routes" if service.routes else "",
                    *(
                        str(len(catalogue.of(service.name, kind)) or "")
                        for kind in (Kind.WORKFLOW, Kind.FUNCTION)
                    ),
                )
                for service in catalogue.services
            ],
        ),
        "## Events",
        table(
            ("event", "producer", "consumers"),
            [
                (
                    page.event(event),
                    page.service(event.part.partition("/")[0]),
                    ", ".join(map(page.service, catalogue.consumers(event.part))) or "nobody yet",
                )
                for event in ours
            ],
        ),
        "## The envelope",
        'Every event\'s `detail` is `{"metadata": {…}, "data": {…}}`. The data is each event\'s own; the metadata is the '
        "same for all:",
        table(
            ("metadata", "meaning"),
            [(", ".join(code(name) for name in names.split(", ")), meaning) for names, meaning in ENVELOPE],
        ),
        "## Events of AWS" if others else "",
        table(
            ("event", "source", "heard by"),
            [
                (
                    event.detail_type,
                    code(event.source),
                    ", ".join(map(page.service, catalogue.consumers(event.part))),
                )
                for event in others
            ],
        ),
    )
