"""Drawings: what they say, whatever the layout."""

import xml.etree.ElementTree as ET

import pytest
from catalogue import drawing
from catalogue.drawing import Drawing, DrawingError, Edge, Node, draw

PICTURE = Drawing(
    title="A & B",
    nodes=[
        Node(id="shop", label="shop", kind="service", href="shop.html"),
        Node(id="a", label="<a>", kind="queue", href="a.html", group="shop"),
        Node(id="b", label="b", kind="dead-letter queue", group="shop"),
    ],
    edges=[Edge(source="a", target="b", kind="failure", title="a gives up to b")],
)
PLACE = {"x": 0, "y": 0, "width": 80, "height": 44}
LAID_OUT = {
    "width": 200,
    "height": 100,
    "children": [{"id": "shop", **PLACE, "children": [{"id": "a", **PLACE}, {"id": "b", **PLACE}]}],
    "edges": [{"id": "edge 0", "sections": [{"startPoint": {"x": 1, "y": 2}, "endPoint": {"x": 3, "y": 4}}]}],
}


def test_a_picture_is_well_formed_and_says_what_it_shows():
    svg = ET.fromstring(PICTURE.svg(LAID_OUT, "map"))  # noqa: S314 - our own
    assert svg.get("aria-label") == "A & B"
    links = {link.get("href"): link.get("aria-label") for link in svg.iter("a")}
    assert links == {"shop.html": "service shop", "a.html": "queue <a>"}
    assert [title.text for title in svg.iter("title")] == [
        "service shop",
        "a gives up to b",
        "queue <a>",
        "dead-letter queue b",
    ]


def test_parts_of_a_service_lie_in_its_frame():
    (frame,) = PICTURE.graph()["children"]
    assert [child["id"] for child in frame["children"]] == ["a", "b"]


def test_what_was_laid_out_once_is_not_laid_out_again(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        drawing, "_lay_out", lambda graphs: asked.append([*graphs]) or dict.fromkeys(graphs, LAID_OUT)
    )
    assert draw({"map": PICTURE}, tmp_path) == draw({"map": PICTURE}, tmp_path)
    assert asked == [["map"], []]


def test_without_node_it_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DrawingError, match="node is not on the PATH"):
        draw({"map": PICTURE}, tmp_path)
