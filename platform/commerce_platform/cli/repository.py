"""A project's folder as the repository that it can be: with what the workspace has once for all of them.

| from the workspace | to the repository |
|---|---|
| `COPIED` | the same |
| rules for ruff and mypy in `pyproject.toml` | the project's own `pyproject.toml` |
| the CDK CLI in `package.json` and its lock | the same, and nothing else of them |
| the topology file | `topology.toml`, named in `cdk.json` |
| `requirements/*.lock` and the library | `requirements.lock`, by the repository's own `make lock`: same versions, and the library's digest |
"""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from typing import TYPE_CHECKING, Any

from commerce_platform.cli.checks import BIN
from commerce_platform.cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from commerce_platform.cli.workspace import Workspace

COPIED = (".editorconfig", ".gitignore", ".npmrc", ".pre-commit-config.yaml", "LICENSE", "renovate.json")
"""What every repository has, and the workspace for all."""

CDK_CLI = "aws-cdk"
"""What is pinned of the workspace's Node packages: it has no dependencies."""

LOCKED_HERE = ("requirements/dev.lock", "requirements/bootstrap.lock")
"""Whose versions a repository begins with."""

# A pattern that begins with a folder, like "cart-service/**": of that project only, which is then where one is.
_OF_A_FOLDER = re.compile(r'^"(?P<folder>[\w-]+)/(?P<rest>[^"]+)"')


def write(workspace: Workspace, project: Path, to: Path) -> None:
    """Write the repository, but for what `lock` resolves.

    Args:
        workspace: Where the project is.
        project: Its folder.
        to: The folder to write.

    Raises:
        CliError: There is something in it already.
    """
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise CliError(f"{to} is not empty.", "Name a folder that does not exist yet: TO=../cart-service")
    shutil.copytree(project, to, ignore=_generated(workspace.root), dirs_exist_ok=True)
    for name in COPIED:
        shutil.copy(workspace.root / name, to)
    with (to / "pyproject.toml").open("a") as written:
        written.write("\n" + style(workspace, project.name))
    if (to / "cdk.json").exists():
        _write_node(workspace.root, to)
        _write_topology(workspace, to)


def style(workspace: Workspace, name: str) -> str:
    """The workspace's rules for ruff and mypy, as they are for one project alone."""
    text = (workspace.root / "pyproject.toml").read_text()
    folders = {project.name for project in workspace.projects}

    def lines() -> Iterator[str]:
        for line in text[text.index("[tool.ruff]") :].splitlines(keepends=True):
            pattern = _OF_A_FOLDER.match(line)
            if not pattern or pattern["folder"] not in folders:
                yield line
            elif pattern["folder"] == name:
                yield line.replace(f"{name}/", "", 1)

    return "".join(lines())


def lock(workspace: Workspace, distributions: Path) -> list[str]:
    """The command that resolves what a repository needs, at the versions that the workspace has locked.

    Args:
        workspace: Whose versions they are.
        distributions: Where what is released is, whose digests are locked.
    """
    versions = " ".join(str(workspace.root / name) for name in LOCKED_HERE)
    return [
        "env",
        f"UV_CONSTRAINT={versions}",
        f"UV_FIND_LINKS={distributions}",
        "make",
        "lock",
        f"BIN={BIN}",
    ]


def _generated(root: Path) -> Any:
    names = (root / ".gitignore").read_text().splitlines()
    return shutil.ignore_patterns(*(name.rstrip("/") for name in names if name and not name.startswith("#")))


def _write_node(root: Path, to: Path) -> None:
    version = json.loads((root / "package.json").read_text())["devDependencies"][CDK_CLI]
    locked = json.loads((root / "package-lock.json").read_text())
    package = f"node_modules/{CDK_CLI}"
    named = {"name": tomllib.loads((to / "pyproject.toml").read_text())["project"]["name"]}
    wanted = {"devDependencies": {CDK_CLI: version}}
    _write_json(to / "package.json", {**named, "private": True, **wanted})
    packages = {"": {**named, **wanted}, package: locked["packages"][package]}
    _write_json(to / "package-lock.json", {**locked, **named, "packages": packages})


def _write_topology(workspace: Workspace, to: Path) -> None:
    if not workspace.topology_file:
        return
    shutil.copy(workspace.topology_file, to / "topology.toml")
    settings = json.loads((to / "cdk.json").read_text())
    settings["context"] = {**settings.get("context", {}), "topology": "topology.toml"}
    _write_json(to / "cdk.json", settings)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")
