"""Of every project's tests at once: which of them share the local cloud."""

from __future__ import annotations

import gc
import platform
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import catalogue  # noqa: F401 - see below
import pytest
import storefront  # noqa: F401 - see below

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parent

# Pytest imports a test's folders as its parent packages. For our folder `platform` it would put an empty package in the
# place of the standard library's module, which has no `__path__` by which pytest would leave it alone. The packages
# `catalogue` and `storefront` have one, once they are imported.
platform.__path__ = [str(ROOT / "platform")]


# The folders, and the file, of tests that go through the public URLs of the local cloud.
ON_THE_CLOUD = {"e2e", "faults", "test_local_cloud.py"}


@cache
def is_end_to_end(path: Path) -> bool:
    """Whether a test goes through the public URLs of the local cloud."""
    return not ON_THE_CLOUD.isdisjoint(path.relative_to(ROOT).parts)


# Before pytest-xdist looks at the marks.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker for what needs the local cloud, first, as it takes longest; one for each folder, whose fixtures are made once.

    What takes several services at once follows, so that no worker is left with such a folder at the end.
    """
    for item in items:
        on_the_cloud = is_end_to_end(item.path)
        if on_the_cloud:
            item.add_marker(pytest.mark.e2e)
        item.add_marker(
            pytest.mark.xdist_group(
                "local cloud" if on_the_cloud else str(item.path.parent.relative_to(ROOT))
            )
        )
    ordered: Sequence[pytest.Item] = sorted(
        items, key=lambda item: (not is_end_to_end(item.path), ROOT / "tests" not in item.path.parents)
    )
    items[:] = ordered


def pytest_sessionfinish() -> None:
    """Nothing is garbage any more: pytest would look through the CDK and moto five times before it ends, for seconds."""
    gc.freeze()
