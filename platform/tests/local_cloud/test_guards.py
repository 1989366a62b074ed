"""A changed emulator is noticed before it is patched."""

from __future__ import annotations

import re
from pathlib import Path

import ministack
import pytest
from commerce_platform.local_cloud import __main__ as entry
from commerce_platform.local_cloud import extension
from commerce_platform.local_cloud.extension.guard import EmulatorChangedError, Guard, edit
from ministack.services import pipes

GUARDS = [(name, guard) for name, patch in extension.patches().items() for guard in patch.GUARDS]

PLACE = re.compile(r"`([a-z_/0-9]+\.py):(\d+)`\s+`(\w+)`")
"""In UPSTREAM.md: a file of the emulator, a line, and the function that begins there."""


@pytest.mark.parametrize(("patch", "guard"), GUARDS, ids=lambda value: getattr(value, "function", value))
def test_the_pinned_emulator_is_the_one_that_each_patch_replaces(patch, guard):
    guard.check(patch)


def test_every_patch_guards_what_it_replaces_and_says_what_that_is():
    for name, patch in extension.patches().items():
        assert patch.GUARDS, name
        assert ".py" in (patch.__doc__ or ""), f"{name}'s docstring names no file of the emulator"


def test_the_defects_to_be_proposed_upstream_are_where_they_are_said_to_be():
    text = (Path(entry.__file__).parent / "UPSTREAM.md").read_text()
    places = PLACE.findall(text)
    assert len(places) == text.count(".py:") > 0
    for file, line, function in places:
        source = (Path(ministack.__file__).parent / file).read_text().splitlines()[int(line) - 1]
        assert re.match(rf"\s*(async )?def {function}\(", source), f"{file}:{line} is {source!r}"


def test_a_changed_function_stops_the_patch_by_name():
    with pytest.raises(EmulatorChangedError, match=r"Patch 'pipes' was written for ministack's pipes\.reset"):
        Guard("pipes.reset", "000000000000").check("pipes")


def test_a_function_that_has_gone_stops_the_patch_by_name():
    with pytest.raises(EmulatorChangedError, match=r"relies on ministack's pipes\.gone"):
        Guard("pipes.gone", "000000000000").check("pipes")


def test_an_edit_needs_its_passage_exactly_once():
    before = pipes.reset
    with pytest.raises(EmulatorChangedError, match="found it 0 times"):
        edit("pipes.reset", ("no such passage", ""))
    assert pipes.reset is before


def test_another_version_of_the_emulator_is_refused(monkeypatch):
    monkeypatch.setattr(entry, "version", lambda _name: "1.5.34")
    with pytest.raises(SystemExit, match=r"needs ministack==1\.5\.33 .* found 1\.5\.34"):
        entry.require_pinned_version()
