"""What a repository promises beside its code."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
from pathlib import Path

import yaml
from commerce_platform.cli.checks import Lint
from commerce_platform.cli.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
WORKSPACE = Workspace.here()


def owners():
    """Who owns what, as GitHub reads it; `*` is everything else."""
    lines = (ROOT / ".github" / "CODEOWNERS").read_text().splitlines()
    return dict(line.split() for line in lines if line.startswith(("/", "*")))


def test_every_folder_has_an_owner_and_every_owner_a_folder():
    projects = {f"/{project.name}/" for project in WORKSPACE.projects}
    owned = owners().keys() - {"*", "/bench/", "/*/*/contracts/published/"}
    assert owned <= projects
    assert "*" in owners(), "who owns a new folder until it has a team"
    assert projects - owned <= {f"/{app.name}/" for app in WORKSPACE.apps}


def test_a_service_that_has_a_line_is_owned_by_the_team_that_it_names():
    for app in WORKSPACE.apps:
        if f"/{app.name}/" not in owners():
            continue
        (team,) = re.findall(
            r'maintainers = \[\{ name = "([^"]+)"', (app.folder / "pyproject.toml").read_text()
        )
        assert owners()[f"/{app.name}/"] == f"@commerce/{team.lower().replace(' ', '-')}"


def test_a_credential_is_found_before_it_is_committed(tmp_path):
    (tmp_path / "settings.py").write_text('KEY = "AKIA' + 'IOSFODNN7EXAMPLX"\n')
    found = asyncio.run(Lint(dataclasses.replace(WORKSPACE, root=tmp_path), None).secrets())
    assert "settings.py:1" in found
    (tmp_path / "settings.py").write_text(f'DIGEST = "{"0123456789abcdef" * 4}"\n')
    assert asyncio.run(Lint(dataclasses.replace(WORKSPACE, root=tmp_path), None).secrets()) == ""


def test_hooks_run_what_lint_runs():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [hook["entry"].split()[:2] for hook in repository["hooks"]] == [
        [".venv/bin/ruff", "check"],
        [".venv/bin/ruff", "format"],
        ["make", "lint"],
    ]


def test_every_lock_is_kept_up_to_date():
    settings = json.loads((ROOT / "renovate.json").read_text())
    patterns = [re.compile(pattern.strip("/")) for pattern in settings["pip-compile"]["managerFilePatterns"]]
    locks = [
        *ROOT.glob("requirements/*.lock"),
        *ROOT.glob("*/*/*/requirements.lock"),
        *ROOT.glob("*/*/*/*/requirements.lock"),
    ]
    assert len(locks) > 5
    for lock in locks:
        assert any(pattern.search(lock.relative_to(ROOT).as_posix()) for pattern in patterns), lock


def test_the_readme_lists_every_verb_and_no_other():
    verbs = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    table = (ROOT / "README.md").read_text().partition("| verb | does |")[2].partition("\n\n")[0]
    listed = {verb for row in table.splitlines() for verb in re.findall(r"`([a-z-]+)`", row.split(" | ")[0])}
    assert listed == verbs
