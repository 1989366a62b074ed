"""Whoever is woken finds the way: owner, runbook and query of every alarm exist, and what runbooks say can be done."""

from __future__ import annotations

import json
import re
import shlex
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name
from service_lint.alarms import ALARMS, DESCRIPTION

ROOT = Path(__file__).resolve().parents[1]
RUNBOOKS = (ROOT / "docs" / "runbooks.md").read_text()
SECTIONS = re.split(r"^## ", RUNBOOKS, flags=re.MULTILINE)[1:]
# What is here besides the options of an operation.
GLOBAL_OPTIONS = {"--query", "--output", "--region", "--max-items"}
OTHERS = {"monthly-budget"}
"""Sections for what is no alarm of CloudWatch."""


@cache
def alarms() -> dict[str, list[re.Match[str]]]:
    """What the alarms of every service tell, by folder; the snapshots are what `make test` holds templates to."""
    found: dict[str, list[re.Match[str]]] = {}
    for path in ROOT.glob("*/tests/infrastructure/**/__snapshots__/**/*.json"):
        for resource in json.loads(path.read_text()).get("Resources", {}).values():
            if resource["Type"] in ALARMS:
                told = DESCRIPTION.fullmatch(resource["Properties"]["AlarmDescription"])
                assert told, resource
                found.setdefault(path.relative_to(ROOT).parts[0], []).append(told)
    return found


def commands() -> list[str]:
    blocks = [
        block
        for page in (ROOT / "docs").rglob("*.md")
        for block in re.findall(r"^ *```sh\n(.*?)^ *```", page.read_text(), re.MULTILINE | re.DOTALL)
    ]
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return sorted({line.strip() for line in lines if line.strip().startswith(("aws ", "make "))})


def test_every_alarm_has_a_runbook_and_every_runbook_an_alarm():
    named = {told["runbook"].partition("#")[2] for folder in alarms().values() for told in folder}
    assert named == {section.splitlines()[0] for section in SECTIONS} - OTHERS


def test_every_alarm_is_for_the_team_that_owns_its_folder():
    lines = (ROOT / ".github" / "CODEOWNERS").read_text().splitlines()
    owners = dict(line.split() for line in lines if line.startswith("/"))
    assert len(alarms()) > 5
    for folder, told in alarms().items():
        if folder != "shared-constructs":
            assert {f"@commerce/{each['owner']}" for each in told} == {owners[f"/{folder}/"]}


def test_a_runbook_names_queries_that_its_alarms_have_saved():
    saved = {told["query"].rpartition("/")[2] for folder in alarms().values() for told in folder}
    asked = set(re.findall(r"[Qq]uery:? `([a-z-]+)`", RUNBOOKS))
    assert asked
    assert asked <= saved


def test_what_is_counted_is_counted_in_one_place():
    modules = [import_module(f"{path.parent.name}.metrics") for path in ROOT.glob("*-service/*/metrics.py")]
    said = {name for each in modules for name in getattr(each, "COUNTED", ())}
    from_events = {metric.name for each in modules for metric in getattr(each, "METRICS", ())}
    code = "".join(path.read_text() for path in ROOT.glob("*-service/**/runtime/*.py"))
    # A name, or how it begins: count(f"Payments{status}").
    by_functions = re.compile("|".join(re.findall(r'\bcount\((?:f?)"(\w+)', code)))
    assert said
    assert from_events
    assert [name for name in said if not by_functions.match(name)] == []
    assert [name for name in from_events if by_functions.match(name)] == []


@pytest.mark.parametrize("command", commands())
def test_a_command_of_the_documentation_exists(command):
    words = shlex.split(command.partition(" > ")[0].replace("$", ""))
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return
    _, service, operation, *rest = words
    known = options(service, operation)
    assert {word for word in rest if word.startswith("--")} <= known | GLOBAL_OPTIONS


def options(service: str, operation: str) -> set[str]:
    """The options that the AWS command line has for an operation, from the model that it is made of."""
    model: Any = botocore.session.get_session().get_service_model(service)
    names = {xform_name(name, "-"): name for name in model.operation_names}
    assert operation in names, f"{service} has no {operation}"
    shape = model.operation_model(names[operation]).input_shape
    members = shape.members if shape else {}
    flags = {f"--{xform_name(name, '-')}" for name in members}
    return flags | {f"--no-{flag[2:]}" for flag in flags}
