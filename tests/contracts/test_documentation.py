"""One way to document code: Google's sections, single backticks, and a text below what is public.

Docstrings that JSON Schemas carry are left out: they belong to the contracts.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = sorted(
    path
    for package in ROOT.glob("*/*/__init__.py")
    for path in package.parent.rglob("*.py")
    if "published" not in path.parts
)
ENTRY = re.compile(r"^ +\*{0,2}\w+: [a-z]")


def carried_by_schemas(owner):
    bases = [ast.unparse(base) for base in getattr(owner, "bases", ())]
    return getattr(owner, "name", "") == "Money" or any(base.endswith("Model") for base in bases)


def texts(tree):
    """Docstrings and texts below assignments, each with what comes before it."""
    for owner in ast.walk(tree):
        body = getattr(owner, "body", None)
        if not isinstance(body, list) or carried_by_schemas(owner):
            continue
        for before, node in zip([None, *body], body, strict=False):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                yield before, str(node.value.value)


def entries(text):
    """The lines of a docstring's sections that introduce an argument, an attribute or an exception."""
    for section in re.findall(r"^ *(?:Args|Attributes|Raises):\n((?: +.*\n|\n)+)", text + "\n", re.MULTILINE):
        indent = " " * (len(section) - len(section.lstrip(" ")))
        yield from (line for line in section.splitlines() if re.match(rf"{indent}\S", line))


def name_of(node):
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return targets[0].id if isinstance(targets[0], ast.Name) else ""


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_code_is_documented_in_one_way(path):
    source = path.read_text()
    tree = ast.parse(source)
    for before, text in texts(tree):
        assert not re.search(r"``[^`]+``", text)
        assert not name_of(before).startswith("_"), "what is private has a comment above"
        assert [line for line in entries(text) if ENTRY.match(line) and "://" not in line] == []
    lines = ["", *source.splitlines()]
    for node in tree.body:
        if re.fullmatch("[A-Z][A-Z0-9_]*", name_of(node)):
            above = lines[node.lineno - 1]
            assert not above.startswith("#"), "what is public has a text below"
