"""What the pages of the documentation show is run: examples, values in tables, names of verbs.

A page's Python blocks, and others with a title, are files: those with a title of that name, those without one file in
reading order. Every function called `test_…` in them is called.
"""

from __future__ import annotations

import importlib
import re
import runpy
import sys
import tomllib
from pathlib import Path

import pytest
from aws_cdk import Duration
from shared_constructs import Stage, StageName

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    path
    for path in (
        *DOCS.glob("constructs/*.md"),
        *DOCS.glob("explanations/*.md"),
        *DOCS.glob("how-to/*.md"),
        DOCS / "testing.md",
        DOCS / "tutorial.md",
    )
)
BLOCK = re.compile(
    r'^```(?P<language>[a-z]+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL
)
CONSTANT = re.compile(r"`(?P<module>[a-z_]+(?:\.[a-z_]+)*)\.(?P<name>[A-Z][A-Z0-9_]+)`")
UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def files_of(page):
    """The files that a page shows, by name."""
    files: dict[str, str] = {}
    for block in BLOCK.finditer(page.read_text()):
        if block["language"] == "python" or block["title"]:
            name = block["title"] or "example.py"
            files[name] = files.get(name, "") + block["text"]
    return files


def spoken(value):
    """How a table may write a value."""
    if isinstance(value, Duration):
        seconds = value.to_seconds()
        return [
            f"{seconds / size:g} {unit}{'s' * (seconds != size)}" for size, unit in UNITS if seconds >= size
        ]
    return [f"{value:,}", str(value)]


def by_name(page):
    return page.relative_to(DOCS).with_suffix("").as_posix()


@pytest.mark.parametrize("page", [page for page in PAGES if files_of(page)], ids=by_name)
def test_what_a_page_shows_runs(page, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("COMMERCE_CACHE_DIR", str(tmp_path / ".cache"))
    known = set(sys.modules)
    files = files_of(page)
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    importlib.invalidate_caches()
    promises = []
    try:
        for name in files:
            if Path(name).name.startswith(("test_", "example")):
                shown = runpy.run_path(str(tmp_path / name))
                promises += [value for key, value in shown.items() if key.startswith("test_")]
        assert promises, "an example shows what it promises: def test_…"
        for promise in promises:
            promise()
    finally:
        for name in set(sys.modules) - known:
            if str(tmp_path) in (getattr(sys.modules[name], "__file__", "") or ""):
                del sys.modules[name]


@pytest.mark.parametrize("page", sorted(DOCS.glob("constructs/*.md")), ids=by_name)
def test_every_construct_has_an_example_that_runs(page):
    assert page.stem == "index" or files_of(page)


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_the_values_that_a_page_says_are_those_of_the_code(page):
    for line in page.read_text().splitlines():
        for found in CONSTANT.finditer(line):
            value = getattr(importlib.import_module(f"shared_constructs.{found['module']}"), found["name"])
            words = re.sub(r"`[^`]*`", "", line)
            assert any(re.search(rf"\b{each}\b", words) for each in spoken(value)), (
                f"{line!r} should say that {found[0]} is {spoken(value)[0]}"
            )
        for setting in re.findall(r"`Stage\.([a-z_]+)`", line):
            assert setting in Stage.model_fields


def test_the_stages_are_as_their_table_says():
    rows = re.findall(
        r"^\| `([a-z_]+)` \| (.+) \|$", (DOCS / "constructs/service-app.md").read_text(), re.MULTILINE
    )
    stages = (Stage(name=StageName.PROD), *map(Stage.named, StageName))
    for setting, values in rows:
        said = [getattr(stage, setting) for stage in stages]
        words = [{True: "yes", False: "no"}[each] if isinstance(each, bool) else str(each) for each in said]
        assert values.split(" | ") == words, setting
    assert rows


def test_prices_are_those_that_the_benchmark_uses():
    prices = tomllib.loads((ROOT / "storefront/storefront/prices.toml").read_text()).values()
    per_million = [price["usd"] * 1e6 for price in prices if isinstance(price, dict)]
    said = [
        (page.name, price)
        for page in PAGES
        for price in re.findall(r"([\d.]+) USD\s+per\s+million", page.read_text())
    ]
    assert [
        each for each in said if not any(abs(float(each[1]) - price) < 1e-9 for price in per_million)
    ] == []
    assert said


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_every_verb_that_a_page_names_is_one_of_make(page):
    # The workspace's, and those that a service has when it is a repository of its own.
    makefiles = [ROOT / "Makefile", *ROOT.glob("*-service/Makefile")]
    verbs = {
        verb
        for makefile in makefiles
        for verb in re.findall(r"^([a-z-]+):.*## ", makefile.read_text(), re.MULTILINE)
    }
    assert set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text(), re.MULTILINE)) <= verbs
