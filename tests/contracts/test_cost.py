"""The page of costs shows the figures that are kept beside it, and nothing else."""

import json
import re
from pathlib import Path

from storefront.cost import plots, report
from storefront.cost.counts import Counts
from storefront.tuning import shown

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE, KEPT = DOCS / "explanations" / "cost.md", DOCS / "cost"


def test_the_page_and_its_drawings_are_those_of_the_kept_figures():
    document = json.loads((KEPT / report.DATA).read_text())
    text = PAGE.read_text()
    assert text == report.filled(text, document)
    drawings = {f"{name}.svg": drawing for name, drawing in plots.drawings(document).items()}
    assert {name: (KEPT / name).read_text() for name in drawings} == drawings
    assert {*drawings} <= {*re.findall(r"\]\(\.\./cost/([^)]+\.svg)\)", text)}


def test_what_was_tuned_is_drawn_as_it_is_kept():
    for kept in KEPT.glob("tuning-*.json"):
        assert kept.with_suffix(".svg").read_text() == shown.drawing(json.loads(kept.read_text()))
    drawn = {*re.findall(r"\]\(\.\./cost/(tuning-[^)]+\.svg)\)", PAGE.read_text())}
    assert drawn == {file.name for file in KEPT.glob("tuning-*.svg")}


def test_the_page_is_of_what_was_counted_last():
    document = json.loads((KEPT / report.DATA).read_text())
    assert document["counted"] == Counts.read(KEPT / "counts.json").about
