"""The glossary names what exists, in order, and once."""

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = [
    tuple(cell.strip() for cell in line.strip("|").split("|"))
    for line in (ROOT / "docs" / "glossary.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| term")
]
CODE = {name for row in ROWS for name in re.findall(r"`([^`]+)`", " ".join(row))}


@cache
def sources():
    suffixes = ("*.py", "*.toml", "*.yaml", "*.jsonata", "Makefile", ".importlinter")
    tracked = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "--", *suffixes],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    paths = [ROOT / name for name in tracked if Path(name) != Path(__file__).relative_to(ROOT)]
    return "\n".join([*tracked, *(path.read_text() for path in paths if path.exists())])


def test_terms_are_in_alphabetic_order_and_there_is_one_line_for_each():
    terms = [row[0].casefold() for row in ROWS]
    assert terms == sorted(set(terms))
    assert all(len(row) == len(("term", "meaning")) and all(row) for row in ROWS)


@pytest.mark.parametrize("name", sorted(CODE - {"code style", "<Fact>.v<major>", "make up", "make split"}))
def test_a_name_in_the_glossary_is_a_name_in_the_repository(name):
    assert re.search(rf"(?<!\w){re.escape(name)}(?!\w)", sources())
