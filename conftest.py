"""Of every project's tests at once: which of them share the local cloud."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import catalogue  # noqa: F401 - see below
import storefront  # noqa: F401 - see below

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parent

# Pytest imports a test's folders as its parent packages. For our folder `platform` it would put an empty package in the
# place of the standard library's module, which has no `__path__` by which pytest would leave it alone. The packages
# `catalogue` and `storefront` have one, once they are imported.
platform.__path__ = [str(ROOT / "platform")]


def is_end_to_end(path: Path) -> bool:
    """Whether a test goes through the public URLs of the local cloud."""
    parts = path.relative_to(ROOT).parts
    return "e2e" in parts or (parts[0] == "tests" and parts[1] != "contracts")


# Before pytest-xdist looks at the marks.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the local cloud, and keep it on one worker: first, because it takes longest."""
    for item in items:
        if is_end_to_end(item.path):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.xdist_group("local cloud"))
    ordered: Sequence[pytest.Item] = sorted(items, key=lambda item: not is_end_to_end(item.path))
    items[:] = ordered
