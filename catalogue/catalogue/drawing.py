"""Drawings: graphs that ELK lays out, as SVG with links, in the colours of the site.

A node is a link that the keyboard reaches; its title says to a screen reader what the picture says to the eye. Colours
and fonts are the style sheet's (`assets/catalogue.css`), so that a drawing is as readable in the dark.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LAYOUT = Path(__file__).with_name("layout.mjs")

CHARACTER = 7.4
"""Width of an average character of a node's text at 13 px, in px; wide enough for every font that the site may have."""

NODE_HEIGHT = 44
LABEL_HEIGHT = 14
MARGIN = 8


class DrawingError(Exception):
    """The layout failed; has what it printed."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """A box, with a link if it has an address.

    Attributes:
        id: Unique in its drawing.
        label: Its text.
        kind: Said above the text, and the name of its style.
        href: Where it leads; empty for nowhere.
        title: What a screen reader and a tooltip say.
        group: The id of the node that it lies in; empty for none.
    """

    id: str
    label: str
    kind: str
    href: str = ""
    title: str = ""
    group: str = ""


@dataclass(frozen=True, kw_only=True)
class Edge:
    """An arrow.

    Attributes:
        source: The node it leaves.
        target: The node it reaches.
        label: Its text; empty for none.
        kind: The name of its style.
        title: What a screen reader and a tooltip say.
    """

    source: str
    target: str
    label: str = ""
    kind: str = ""
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A picture before it is laid out.

    Attributes:
        title: What it shows, for those who do not see it.
        nodes: Its boxes; groups are nodes that others name.
        edges: Its arrows.
        direction: `RIGHT` or `DOWN`.
        options: Further options of ELK.
    """

    title: str
    nodes: Sequence[Node]
    edges: Sequence[Edge]
    direction: str = "RIGHT"
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def groups(self) -> set[str]:
        """The ids of nodes that have others in them."""
        return {node.group for node in self.nodes if node.group}

    def graph(self) -> dict[str, Any]:
        """What ELK is given."""
        options = {
            "elk.algorithm": "layered",
            "elk.direction": self.direction,
            "elk.hierarchyHandling": "INCLUDE_CHILDREN",
            "elk.edgeRouting": "ORTHOGONAL",
            "elk.json.shapeCoords": "ROOT",
            "elk.json.edgeCoords": "ROOT",
            "elk.layered.spacing.nodeNodeBetweenLayers": "56",
            "elk.layered.spacing.edgeNodeBetweenLayers": "20",
            "elk.layered.spacing.edgeEdgeBetweenLayers": "10",
            "elk.spacing.nodeNode": "18",
            "elk.spacing.edgeNode": "14",
            "elk.spacing.edgeEdge": "10",
            **self.options,
        }
        edges = [
            {
                "id": f"edge {number}",
                "sources": [edge.source],
                "targets": [edge.target],
                "labels": [{"text": edge.label, "width": len(edge.label) * 6.2 + 6, "height": LABEL_HEIGHT}]
                if edge.label
                else [],
            }
            for number, edge in enumerate(self.edges)
        ]
        return {"id": "root", "layoutOptions": options, "children": self._children(""), "edges": edges}

    def _children(self, group: str) -> list[dict[str, Any]]:
        return [self._child(node) for node in self.nodes if node.group == group]

    def _child(self, node: Node) -> dict[str, Any]:
        if node.id in self.groups:
            options = {
                "elk.padding": "[top=40,left=16,bottom=16,right=16]",
                "elk.direction": self.direction,
                **self.options,
            }
            return {"id": node.id, "layoutOptions": options, "children": self._children(node.id)}
        width = max(len(node.label) * CHARACTER, len(node.kind) * 6) + 28
        return {"id": node.id, "width": round(width), "height": NODE_HEIGHT}

    def svg(self, graph: Mapping[str, Any], name: str) -> str:
        """The picture.

        Args:
            graph: What ELK has made of this drawing's `graph()`.
            name: What ids in it begin with, so that a page can have several pictures.
        """
        width, height = (round(graph[side]) + 2 * MARGIN for side in ("width", "height"))
        shapes = {shape["id"]: shape for shape in _shapes(graph)}
        routes = sorted(graph["edges"], key=lambda edge: int(edge["id"].split()[1]))
        frame = f'viewBox="{-MARGIN} {-MARGIN} {width} {height}" style="--width: {width}px"'
        arrow = (
            'viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"'
        )
        lines = [
            f'<svg class="drawing" {frame} role="group" aria-label="{escape(self.title)}">',
            f'<defs><marker id="{name}-arrow" {arrow}><path d="M0 0 8 4 0 8z"/></marker></defs>',
            *(self._group(node, shapes[node.id]) for node in self.nodes if node.id in self.groups),
            *(_edge(edge, route, name) for edge, route in zip(self.edges, routes, strict=True)),
            *(self._box(node, shapes[node.id]) for node in self.nodes if node.id not in self.groups),
            "</svg>",
        ]
        return "\n".join(lines)

    def _group(self, node: Node, shape: Mapping[str, Any]) -> str:
        x, y, width, height = (round(shape[key], 1) for key in ("x", "y", "width", "height"))
        text = f'<text x="{x + 14}" y="{y + 24}">{escape(node.label)}</text>'
        return (
            f'<g class="group kind-{_style(node.kind)}" data-id="{escape(node.id)}">'
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="10"/>{_linked(node, text)}</g>'
        )

    def _box(self, node: Node, shape: Mapping[str, Any]) -> str:
        x, y, width, height = (round(shape[key], 1) for key in ("x", "y", "width", "height"))
        middle = round(x + width / 2, 1)
        inner = (
            f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>'
            f'<text class="kind" x="{middle}" y="{y + 16}">{escape(node.kind)}</text>'
            f'<text x="{middle}" y="{y + 33}">{escape(node.label)}</text>'
        )
        return (
            f'<g class="node kind-{_style(node.kind)}" data-id="{escape(node.id)}">{_linked(node, inner)}</g>'
        )


def _linked(node: Node, inner: str) -> str:
    title = f"<title>{escape(node.title or f'{node.kind} {node.label}')}</title>"
    if not node.href:
        return title + inner
    label = escape(node.title or f"{node.kind} {node.label}")
    return f'<a href="{escape(node.href)}" aria-label="{label}">{title}{inner}</a>'


def _edge(edge: Edge, route: Mapping[str, Any], name: str) -> str:
    paths = []
    for section in route.get("sections", ()):
        points = [section["startPoint"], *section.get("bendPoints", ()), section["endPoint"]]
        paths.append("M" + " ".join(f"{round(point['x'], 1)} {round(point['y'], 1)}" for point in points))
    labels = "".join(
        f'<text x="{round(label["x"] + label["width"] / 2, 1)}" y="{round(label["y"] + 11, 1)}">{escape(label["text"])}</text>'
        for label in route.get("labels", ())
    )
    title = f"<title>{escape(edge.title)}</title>" if edge.title else ""
    return (
        f'<g class="edge {_style(edge.kind)}" data-from="{escape(edge.source)}" data-to="{escape(edge.target)}">{title}'
        f'<path d="{" ".join(paths)}" marker-end="url(#{name}-arrow)"/>{labels}</g>'
    )


def _style(kind: str) -> str:
    return escape(kind.replace(" ", "-"))


def _shapes(graph: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for child in graph.get("children", ()):
        yield child
        yield from _shapes(child)


def draw(drawings: Mapping[str, Drawing], cache: Path) -> dict[str, str]:
    """Lay out drawings, all that are new in one process of Node, which takes a second to start.

    Args:
        drawings: By name.
        cache: A folder where laid out graphs are kept, by what they were made of.

    Returns:
        SVG by the same names.

    Raises:
        DrawingError: Node or ELK failed.
    """
    graphs = {name: drawing.graph() for name, drawing in drawings.items()}
    salt = LAYOUT.read_bytes()
    places = {
        name: cache / f"{hashlib.sha256(salt + json.dumps(graph).encode()).hexdigest()}.json"
        for name, graph in graphs.items()
    }
    laid_out = _lay_out({name: graphs[name] for name, place in places.items() if not place.exists()})
    cache.mkdir(parents=True, exist_ok=True)
    for name, graph in laid_out.items():
        places[name].write_text(json.dumps(graph))
    return {
        name: drawing.svg(json.loads(places[name].read_text()), name) for name, drawing in drawings.items()
    }


def _lay_out(graphs: Mapping[str, Any]) -> dict[str, Any]:
    if not graphs:
        return {}
    try:
        done = subprocess.run(  # noqa: S603 - our own script
            ["node", LAYOUT],  # noqa: S607 - the workspace's Node, which its commands find first
            input=json.dumps(graphs),
            capture_output=True,
            text=True,
            check=True,
        )
    except FileNotFoundError:
        raise DrawingError("node is not on the PATH; the workspace's is in .venv/bin") from None
    except subprocess.CalledProcessError as failure:
        raise DrawingError(failure.stderr) from None
    laid_out: dict[str, Any] = json.loads(done.stdout)
    return laid_out
