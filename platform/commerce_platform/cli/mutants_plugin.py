"""A pytest plugin for mutation tests: which tests see which function, what their fixtures call included.

mutmut notes the functions that were called while a test ran. What a fixture of a wider scope called, it would ascribe to
the first test that asked for the fixture; here it counts for every test that does.

And a failure is enough: Hypothesis looks for no simpler one, which would take longer than all other tests together.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _pytest.fixtures import FixtureDef, SubRequest


def _called() -> set[str]:
    """The functions that mutmut has seen called since the last test began."""
    from mutmut.state import state  # noqa: PLC0415 - where no mutants are made it is not needed

    called: set[str] = state()._stats  # noqa: SLF001 - what the trampolines write to
    return called


def pytest_configure() -> None:
    """Before the tests' modules are loaded."""
    settings.register_profile("mutants", phases=(Phase.explicit, Phase.reuse, Phase.generate))
    settings.load_profile("mutants")


_by_fixture: dict[str, set[str]] = {}


def _collecting() -> bool:
    return os.environ.get("MUTANT_UNDER_TEST") == "stats"


@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef: FixtureDef[object], request: SubRequest) -> Iterator[None]:
    """Note what a fixture calls that lives longer than one test."""
    if not _collecting() or request.scope == "function":
        return (yield)
    before = set(_called())
    try:
        return (yield)
    finally:
        _by_fixture.setdefault(fixturedef.argname, set()).update(_called() - before)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Function) -> None:
    """Before mutmut ascribes what was called to the test."""
    if _collecting():
        for name in getattr(item, "fixturenames", ()):
            _called().update(_by_fixture.get(name, ()))
