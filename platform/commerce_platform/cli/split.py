"""What `make split` proves: each folder could be a repository of its own tomorrow.

Each one is copied to where there is nothing else of ours but the style guide (the root's `pyproject.toml`), and gets an
environment with the library as a wheel and nothing that it does not declare. There it is linted, tested and, where it has
an app, synthesized for every stage without credentials. End-to-end tests, which need the other services, stay behind.
"""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from commerce_platform.cli import cdk, suite
from commerce_platform.cli.checks import BIN, LIBRARY, Checker, run_all
from commerce_platform.cli.workspace import STAGES, digest, files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commerce_platform.cli.board import Board
    from commerce_platform.cli.workspace import Workspace

KINDS = ("unit", "infrastructure", "integration", "contracts")
GENERATED = (".*", "__pycache__", "cdk.out", "*.egg-info")
UV = str(BIN / "uv")


@dataclass(frozen=True)
class Split(Checker):
    """Folders on their own.

    Attributes:
        here: A folder outside the repository, for all that this takes.
    """

    here: Path

    @property
    def library(self) -> Path:
        """Where the library's wheel is installed, with its tools; every folder's environment begins as a copy of it."""
        return self.here / "library"

    @staticmethod
    def name(project: Path) -> str:
        """What logs and verdicts are kept under."""
        return f"split {project.name}"

    def content(self, project: Path) -> str:
        """Digest of everything that a folder's verdict depends on."""
        root = self.workspace.root
        return digest(
            root,
            [root / "pyproject.toml", root / "requirements" / "dev.lock", root / "package-lock.json"],
            files(root / LIBRARY, GENERATED),
            files(project, GENERATED),
        )

    async def steps(self, name: str, folder: Path, steps: Iterator[list[str]]) -> str:
        """Run commands until one fails; what Python compiles is kept, because it takes as long as the tests.

        Returns:
            The command that failed, and what it has printed.
        """
        # The wheel is what is tested, not the folder that the command runs in.
        environment = suite.environment(PYTHONSAFEPATH="1")
        for step in steps:
            if found := await self.tool(name, *step, folder=folder, environment=environment):
                return f"{shlex.join(step)}\n{found}"
        return ""

    async def prepare(self) -> str:
        """Build the library's wheel and install it. Its types are checked here, so that nobody does it again."""
        return await self.steps("split", self.workspace.root / LIBRARY, self._library())

    def _library(self) -> Iterator[list[str]]:
        yield [UV, "build", "--quiet", "--wheel", "--out-dir", str(self.here), "."]
        (wheel,) = self.here.glob("*.whl")
        yield [UV, "venv", "--quiet", "--python", sys.executable, str(self.library / "env")]
        # See the Makefile: a module that two packages hold has to be that of the one installed last.
        yield [*self._install(self.library), "--no-deps", "aws-cdk-cloud-assembly-schema"]
        # Versions as they are locked: quick, because they are in the cache, and the same tomorrow.
        yield [*self._install(self.library), f"{wheel}[dev]"]
        folder = self.workspace.root / LIBRARY
        packages = sorted(f"--package={path.parent.name}" for path in folder.glob("*/__init__.py"))
        yield [*_mypy(self.library), *packages]
        yield [*_mypy(self.library), *sorted(str(path) for path in folder.glob("examples/*.py"))]

    def _install(self, place: Path) -> list[str]:
        constraint = f"--constraint={self.workspace.root / 'requirements' / 'dev.lock'}"
        return [UV, "pip", "install", "--quiet", "--python", _python(place), constraint]

    async def alone(self, project: Path) -> str:
        """Take a folder's copy through every step.

        Returns:
            What the first step that fails has printed.
        """
        place = self.here / project.name
        copy = place / project.name
        shutil.copytree(project, copy, ignore=shutil.ignore_patterns(*GENERATED))
        shutil.copy(self.workspace.root / "pyproject.toml", place)
        shutil.copytree(self.library / "env", place / "env", symlinks=True, copy_function=os.link)
        shutil.copytree(self.library / "mypy", place / "mypy")
        return await self.steps(self.name(project), copy, self._steps(copy))

    def _steps(self, copy: Path) -> Iterator[list[str]]:
        place, python = copy.parent, _python(copy.parent)
        if copy.name != LIBRARY:
            yield [*self._install(place), ".[dev]"]
        if (copy / "Makefile").exists():
            # What the service's own pipeline runs, with the tools that are here.
            tools = [f"BIN={place / 'env' / 'bin'}", f"TOOLKIT={cdk.cli(self.workspace)}"]
            yield ["make", "check", *tools, f"MYPY=--cache-dir {place / 'mypy'}"]
            return
        if copy.name != LIBRARY:
            yield [*_mypy(place), *sorted(path.parent.name for path in copy.glob("*/__init__.py"))]
        yield [python, "-m", "ruff", "check", "--quiet", "."]
        yield [python, "-m", "ruff", "format", "--check", "--quiet", "."]
        if kinds := [f"tests/{kind}" for kind in KINDS if (copy / "tests" / kind).is_dir()]:
            yield [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *kinds]
        if (copy / "cdk.json").exists():
            first, *others = STAGES
            further = [f"{stage}={place / 'cdk.out' / stage}" for stage in others]
            app = shlex.join([python, "-m", "shared_constructs.stages", "app.py", *further])
            synth = [str(cdk.cli(self.workspace)), "synth", *cdk.QUIET, "--quiet", "--app", app]
            yield [*synth, "--context", f"stage={first}"]


def _python(place: Path) -> str:
    return str(place / "env" / "bin" / "python")


def _mypy(place: Path) -> list[str]:
    return [
        _python(place),
        "-m",
        "mypy",
        "--strict",
        "--no-error-summary",
        "--cache-dir",
        str(place / "mypy"),
    ]


def everybody(workspace: Workspace) -> list[Path]:
    """Every project, those of the benchmark included; the library, which takes longest, first."""
    benchmarks = sorted(path.parent for path in workspace.root.glob("bench/*/pyproject.toml"))
    return [*sorted(workspace.projects, key=lambda project: project.name != LIBRARY), *benchmarks]


async def everything(workspace: Workspace, service: str | None, board: Board) -> None:
    """Split off every folder or one, unless it has passed as it is now.

    Raises:
        CliError: Something does not work alone; has what was printed.
    """
    chosen = [workspace.folder(service)] if service else everybody(workspace)
    with tempfile.TemporaryDirectory(prefix="split-") as temporary:
        split = Split(workspace, Path(temporary))
        pending = {
            project: content
            for project in chosen
            if not split.has_passed(split.name(project), content := split.content(project))
        }
        if pending:
            await run_all({"wheel": split.prepare()}, board)
        checks = {
            project.name: split.once(split.name(project), content, functools.partial(split.alone, project))
            for project, content in pending.items()
        }
        await run_all(checks, board)
