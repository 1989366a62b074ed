"""The page of benchmarks shows the figures that are kept beside it, and nothing else."""

import json
import re
from pathlib import Path

from storefront.bench import plots, report

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
KEPT = PAGE.with_suffix("")


def test_the_page_and_its_drawings_are_those_of_the_kept_figures():
    document = json.loads((KEPT / report.DATA).read_text())
    text = PAGE.read_text()
    assert text == report.filled(text, document)
    drawings = {f"{name}.svg": drawing for name, drawing in plots.drawings(document).items()}
    assert {file.name: file.read_text() for file in KEPT.glob("*.svg")} == drawings
    assert {*re.findall(r"\]\(benchmarks/([^)]+)\)", text)} == {*drawings}
    assert {file.name for file in KEPT.iterdir()} == {report.DATA, *drawings}
