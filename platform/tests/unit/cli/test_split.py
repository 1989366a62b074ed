from __future__ import annotations

import asyncio
import sys

from commerce_platform.cli.split import LIBRARY, Split, everybody

FAILS = [sys.executable, "-c", "print('no such module'); raise SystemExit(3)"]
LEAVES_A_TRACE = [sys.executable, "-c", "open('ran', 'w').close()"]
IMPORTS_FROM_HERE = [sys.executable, "-c", "import only_here"]


def test_the_first_step_that_fails_ends_it_and_is_named(workspace, tmp_path):
    split = Split(workspace, tmp_path)
    found = asyncio.run(split.steps("split x", tmp_path, iter([FAILS, LEAVES_A_TRACE])))
    assert sys.executable in found
    assert found.endswith("no such module")
    assert not (tmp_path / "ran").exists()


def test_what_lies_in_the_folder_but_is_not_installed_is_not_found(workspace, tmp_path):
    (tmp_path / "only_here.py").write_text("")
    assert "only_here" in asyncio.run(
        Split(workspace, tmp_path).steps("split x", tmp_path, iter([IMPORTS_FROM_HERE]))
    )


def test_every_folder_that_is_a_project_is_split_off_the_benchmarks_too(workspace):
    for folder in (LIBRARY, "bench/chain"):
        (workspace.root / folder).mkdir(parents=True, exist_ok=True)
        (workspace.root / folder / "pyproject.toml").write_text("")
    names = [project.name for project in everybody(workspace)]
    assert names == [LIBRARY, "cart-service", "platform", "product-service", "chain"]


def test_a_changed_library_or_folder_is_split_off_again_and_another_folder_is_not(workspace, tmp_path):
    split = Split(workspace, tmp_path)
    cart, product = workspace.root / "cart-service", workspace.root / "product-service"
    before = split.content(cart), split.content(product)
    (cart / "stack.py").write_text("")
    assert split.content(cart) != before[0]
    assert split.content(product) == before[1]
    (workspace.root / LIBRARY / "README.md").write_text("")
    assert split.content(product) != before[1]
