"""Markdown for the site's generator: addresses of pages, links between them, tables, drawings."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from catalogue.model import Kind, slug

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from catalogue.model import Catalogue, Event, Flow, Part

HOME = "catalogue/index.md"
MAP = "catalogue/map.md"

PAGES = {Kind.EVENT: "events", Kind.QUEUE: "queues", Kind.WORKFLOW: "workflows"}
"""The kinds of parts that have a page of their own; the others have a section on their service's."""


@dataclass(frozen=True)
class Page:
    """A page that is being written: it knows where it lies, and so how to link.

    Attributes:
        path: Below the documentation's folder.
        catalogue: What it tells of.
    """

    path: str
    catalogue: Catalogue

    def to(self, address: str) -> str:
        """The relative address of another page."""
        path, mark, anchor = address.partition("#")
        relative = posixpath.relpath(path, posixpath.dirname(self.path)) if path != self.path else ""
        return f"{relative}{mark}{anchor}" or posixpath.basename(path)

    def href(self, address: str) -> str:
        """The same as the built site has it, for HTML that the generator leaves alone."""
        return self.to(address).replace(".md", ".html")

    def service(self, name: str) -> str:
        """A link to a service; AWS is none of ours."""
        return link(name, self.to(service_page(name))) if name != "aws" else "AWS"

    def part(self, part: Part) -> str:
        """A link to a part."""
        return link(part.name, self.to(address(self.catalogue, part)))

    def event(self, event: Event) -> str:
        """A link to an event."""
        return self.part(self.catalogue.parts[event.part])

    def flows(self, flows: Iterable[Flow]) -> list[str]:
        """A table of flows, each end a link: what a picture of them shows."""
        parts = self.catalogue.parts
        return table(
            ("from", "what happens", "to", "by the rule"),
            [
                (
                    f"{self.part(parts[flow.source])} ({label(parts[flow.source])})",
                    flow.what,
                    f"{self.part(parts[flow.target])} ({label(parts[flow.target])})",
                    code(flow.rule),
                )
                for flow in flows
            ],
        )


def label(part: Part) -> str:
    """What a part is and whose."""
    return f"{part.service} {part.kind}"


def service_page(name: str) -> str:
    """A service's page."""
    return f"catalogue/services/{name}.md"


def anchor(part: Part) -> str:
    """A part's section on its service's page."""
    return f"{slug(part.kind)}-{part.slug.replace('.', '-')}"


def address(catalogue: Catalogue, part: Part) -> str:
    """Where a part is described."""
    if part.service == "aws":
        return f"{HOME}#events-of-aws"
    if part.kind in PAGES:
        name = part.name if part.kind is Kind.EVENT else part.slug
        return f"catalogue/{PAGES[part.kind]}/{part.service}-{name}.md"
    if part.kind is Kind.DLQ:
        feeders = [catalogue.parts[flow.source] for flow in catalogue.into(part.id)]
        if queues := [feeder for feeder in feeders if feeder.kind is Kind.QUEUE]:
            return f"{address(catalogue, queues[0])}#dead-letter-queue"
    if part.kind is Kind.API:
        return f"{service_page(part.service)}#api"
    return f"{service_page(part.service)}#{anchor(part)}"


def link(text: str, target: str) -> str:
    """A link."""
    return f"[{text}]({target})"


def title(part: Part) -> str:
    """What a page is called in menus and tabs, where several services have a part of its name."""
    return f'---\ntitle: "{part.service}: {part.name}"\n---'


def code(text: str) -> str:
    """Text as code; empty stays empty."""
    return f"`{text}`" if text else ""


def plain(text: str) -> str:
    """Text of a document: what is no code in it is no Markdown either, such as a pattern's brackets."""
    pieces = " ".join(text.split()).split("`")
    pieces[::2] = [re.sub(r"([\\\[\]<*])", r"\\\1", piece) for piece in pieces[::2]]
    return "`".join(pieces)


def cell(text: str) -> str:
    """Text that a table's cell can hold."""
    return text.replace("|", "\\|").replace("\n", " ")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table without the columns that are empty in every row; nothing if there are no rows."""
    listed = [[cell(value) for value in row] for row in rows]
    kept = [column for column in range(len(head)) if any(row[column] for row in listed)]
    if not kept:
        return []
    lines = [[head[column] for column in kept], ["---"] * len(kept)]
    lines += [[row[column] for column in kept] for row in listed]
    return [f"| {' | '.join(line)} |" for line in lines]


def facts(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """What there is to know, one line each; what is empty is left out."""
    return [f"- **{name}:** {value}" for name, value in pairs if value]


def figure(svg: str, caption: str, *, large: bool = False) -> list[str]:
    """A drawing in a frame that scrolls, with buttons that the script gives it."""
    size = " drawing-frame--large" if large else ""
    return [
        f'<figure class="drawing-frame{size}" markdown="0">',
        f'<div class="drawing-view" tabindex="0" role="region" aria-label="{escape(caption)}, scrollable">{svg}</div>',
        f"<figcaption>{escape(caption)}</figcaption>",
        "</figure>",
    ]


def text(*blocks: str | Iterable[str]) -> str:
    """A page of blocks, a blank line between them, without those that are empty."""
    joined = (block if isinstance(block, str) else "\n".join(block) for block in blocks)
    return "\n\n".join(block for block in joined if block) + "\n"
