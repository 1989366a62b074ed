"""README's "Adding a service", followed to the letter in a copy of this workspace, with the files of the tutorial."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commerce_platform.cli import contracts, suite
from commerce_platform.cli.workspace import Workspace

ROOT = Path(__file__).parents[1]
NAME = "loyalty"
FOLDER = f"{NAME}-service"
ELSEWHERE = {"contracts", "up", "split"}
"""Verbs that take minutes; they find their services as those do that are run here, see the last test."""

TITLED = re.compile(r'^```[a-z]+ title="(?P<title>[^"]+)"\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL)
SECTION = re.compile(r"^## Adding a service\n(.*?)^## ", re.MULTILINE | re.DOTALL)


def steps():
    """The section, with the service's name for its placeholder."""
    (section,) = SECTION.findall((ROOT / "README.md").read_text())
    return section.replace("<name>", NAME)


def commands():
    """What the section says to run, in its order, without the remarks."""
    (block,) = re.findall(r"```\n(.*?)```", steps(), re.DOTALL)
    return [line.partition("#")[0].split() for line in block.strip().splitlines()]


def tutorial():
    """The files that the tutorial shows."""
    page = (ROOT / "docs" / "tutorial.md").read_text()
    return {block["title"]: block["text"] for block in TITLED.finditer(page)}


def committed():
    """The files that are committed here, or about to be."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [name for name in names if (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """This workspace elsewhere, with the same tools, and the new service's folder."""
    copy = tmp_path_factory.mktemp("workspace")
    for name in committed():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    # The types of the CDK take a minute to read: once is enough, here or by `make lint`.
    for shared in (".venv", ".venv-emulator", "node_modules", ".cache/mypy"):
        (ROOT / shared).mkdir(parents=True, exist_ok=True)
        (copy / shared).parent.mkdir(parents=True, exist_ok=True)
        (copy / shared).symlink_to(ROOT / shared)
    (copied,) = re.findall(r"Copy `pyproject\.toml` from \[([a-z]+)-service\]\(", steps())
    settings = (ROOT / f"{copied}-service" / "pyproject.toml").read_text()
    renamed = re.sub(rf"{copied}([-_ ]service)", rf"{NAME}\1", settings)
    for name, text in {**tutorial(), "pyproject.toml": renamed}.items():
        (copy / FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / FOLDER / name).write_text(text)
    return Workspace(copy, copy / ".local")


def make(workspace, *arguments):
    """Run make with the tools that are here already, and the copy's code before this workspace's."""
    return subprocess.run(
        ["make", *arguments, *(f"{tools}=" for tools in ("TOOLS", "NODE", "EMULATOR", "DOCS"))],
        cwd=workspace.root,
        env=suite.environment(PYTHONPATH=os.pathsep.join(map(str, workspace.projects))),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_folder_has_what_the_first_step_names(workspace):
    first, _, _ = steps().partition("2. **")
    named = set(re.findall(r"`([\w-]+(?:/[\w.]+)?/?|[\w.]+\.\w+)`", first)) - {FOLDER}
    assert {
        "pyproject.toml",
        "README.md",
        "cdk.json",
        "app.py",
        f"{NAME}_service/stack.py",
        "tests/",
    } <= named
    assert [name for name in named if not (workspace.root / FOLDER / name).exists()] == []


def test_the_folder_is_a_project_that_setup_can_install(workspace, tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    done = subprocess.run(build, cwd=workspace.root / FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [wheel.name.partition("-")[0] for wheel in tmp_path.glob("*.whl")] == [f"{NAME}_service"]


def test_every_command_succeeds_in_its_order(workspace):
    run = [command for command in commands() if command[1] not in ELSEWHERE]
    assert [command[1] for command in run] == ["contract-add", "synth", "test", "lint"]
    printed = {}
    for command in run:
        done = make(workspace, *command[1:])
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        printed[command[1]] = done.stdout
    promises = re.findall(r"^def test_", "".join(tutorial().values()), re.MULTILINE)
    assert f"{len(promises)} passed" in printed["test"]
    synthesized = {path.name for path in (workspace.root / ".cache/cdk.out/prod" / FOLDER).iterdir()}
    assert f"commerce-prod-{NAME}.template.json" in synthesized


def test_every_verb_finds_it_and_nothing_is_registered(workspace):
    assert FOLDER in make(workspace, "synth", "SERVICE=nope").stderr
    assert FOLDER in [app.name for app in workspace.apps]
    assert FOLDER in [project.name for project in workspace.projects]
    assert NAME in [each.service for each in contracts.services(workspace.apps).values()]
    changed = [
        name for name in committed() if (workspace.root / name).read_bytes() != (ROOT / name).read_bytes()
    ]
    assert changed == []
