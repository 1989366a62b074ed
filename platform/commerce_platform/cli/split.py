"""What `make split` proves: each folder could be a repository of its own tomorrow; and what writes that repository.

Each one is written as the repository that it can be (`repository`), to where there is nothing else of ours, and gets an
environment with the library as a wheel and nothing that it does not declare: a service exactly what it locks. There it is
linted, tested and, where it has an app, synthesized for every stage without credentials. End-to-end tests, which need the
other services, say that they are skipped. The library's README is followed from the wheel alone.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from commerce_platform.cli import cdk, release, repository, suite
from commerce_platform.cli.checks import BIN, LIBRARY, Checker, run_all
from commerce_platform.cli.errors import CliError
from commerce_platform.cli.workspace import STAGES, digest, files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commerce_platform.cli.board import Board
    from commerce_platform.cli.workspace import Workspace

KINDS = ("unit", "infrastructure", "integration", "contracts")
# What no verdict depends on.
_GENERATED = ("__pycache__", ".pytest_cache", ".hypothesis", "cdk.out", "dist", "*.egg-info")
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

    @property
    def distributions(self) -> Path:
        """Where what is released is built."""
        return self.workspace.root / LIBRARY / "dist"

    @staticmethod
    def name(project: Path) -> str:
        """What logs and verdicts are kept under."""
        return f"split {project.name}"

    def content(self, project: Path) -> str:
        """Digest of everything that a folder's verdict depends on."""
        root = self.workspace.root
        shared = (*repository.COPIED, *repository.LOCKED_HERE, "pyproject.toml", "package-lock.json")
        return digest(
            root,
            [
                *(root / name for name in shared),
                *(root / name / "pyproject.toml" for name in release.RELEASED),
            ],
            filter(None, [self.workspace.topology_file]),
            files(root / LIBRARY, _GENERATED),
            files(project, _GENERATED),
        )

    async def steps(self, name: str, folder: Path, steps: Iterator[list[str]]) -> str:
        """Run commands until one fails; what Python compiles is kept, because it takes as long as the tests.

        Returns:
            The command that failed, and what it has printed.
        """
        # The wheel is what is tested, not the folder that the command runs in, and on no cloud of the caller's.
        environment = suite.environment(PYTHONSAFEPATH="1")
        environment.pop("COMMERCE_ENDPOINTS", None)
        for step in steps:
            if found := await self.tool(name, *step, folder=folder, environment=environment):
                return f"{shlex.join(step)}\n{found}"
        return ""

    async def prepare(self) -> str:
        """Build the library's wheel and install it. Its types are checked here, so that nobody does it again."""
        await asyncio.to_thread(release.build, self.workspace.root)
        return await self.steps("split", self.workspace.root / LIBRARY, self._library())

    @property
    def _wheel(self) -> Path:
        (wheel,) = self.distributions.glob("shared_constructs-*.whl")
        return wheel

    def _library(self) -> Iterator[list[str]]:
        yield [UV, "venv", "--quiet", "--python", sys.executable, str(self.library / "env")]
        # See the Makefile: a module that two packages hold has to be that of the one installed last.
        yield [*self._install(self.library / "env"), "--no-deps", "aws-cdk-cloud-assembly-schema"]
        # Versions as they are locked: quick, because they are in the cache, and the same tomorrow.
        yield [*self._install(self.library / "env"), f"{self._wheel}[dev]"]
        folder = self.workspace.root / LIBRARY
        packages = sorted(f"--package={path.parent.name}" for path in folder.glob("*/__init__.py"))
        yield [*_mypy(self.library), *packages]
        yield [*_mypy(self.library), *sorted(str(path) for path in folder.glob("examples/*.py"))]

    async def documented(self) -> str:
        """Do what the library's README says, in a folder and an environment of which it says everything.

        Returns:
            What was done, and what it has printed, if a command of it fails.
        """
        folder = self.here / "documented"
        shutil.copytree(self.library / "mypy", folder / ".mypy_cache")
        library = self.workspace.root / LIBRARY
        shutil.copy(library / "examples" / "notes.py", folder / "app.py")
        (script,) = re.findall(
            r"^```sh\n(.*?)^```$", (library / "README.md").read_text(), re.MULTILINE | re.DOTALL
        )
        for said, done in self._as_locked(folder).items():
            if said not in script:
                return f"The README of the library no longer says {said!r}:\n{script}"
            script = script.replace(said, done)
        environment = suite.environment(PYTHONSAFEPATH="1", CDK_VALIDATION="true")
        found = await self.tool("split README", "sh", "-ec", script, folder=folder, environment=environment)
        return f"{script}\n{found}" if found else ""

    def _as_locked(self, folder: Path) -> dict[str, str]:
        """What a newcomer says → the same with the tools and versions that are here."""
        version = json.loads((self.workspace.root / "package.json").read_text())["devDependencies"]["aws-cdk"]
        return {
            "python3 -m venv .venv": shlex.join([UV, "venv", "--quiet", "--python", sys.executable, ".venv"]),
            "pip install": shlex.join(self._install(folder / ".venv")),
            "'shared-constructs[lint]<1'": shlex.quote(f"{self._wheel}[lint]"),
            f"npx aws-cdk@{version}": str(cdk.cli(self.workspace)),
        }

    def _install(self, environment: Path) -> list[str]:
        constraint = f"--constraint={self.workspace.root / 'requirements' / 'dev.lock'}"
        return [UV, "pip", "install", "--quiet", "--python", _python(environment), constraint]

    async def alone(self, project: Path) -> str:
        """Write a folder's repository, and take it through every step.

        Returns:
            What the first step that fails has printed.
        """
        place = self.here / project.name
        copy = place / project.name
        place.mkdir()
        repository.write(self.workspace, project, copy)
        shutil.copytree(self.library / "env", place / "env", symlinks=True, copy_function=os.link)
        shutil.copytree(self.library / "mypy", place / "mypy")
        return await self.steps(self.name(project), copy, self._steps(copy))

    def _steps(self, copy: Path) -> Iterator[list[str]]:
        place, python = copy.parent, _python(copy.parent / "env")
        if (copy / "Makefile").exists():
            yield repository.lock(self.workspace, self.distributions)
            sync = [UV, "pip", "sync", "--quiet", "--python", python, "--require-hashes"]
            yield [*sync, f"--find-links={self.distributions}", "requirements.lock"]
            yield [
                UV,
                "pip",
                "install",
                "--quiet",
                "--python",
                python,
                "--no-deps",
                "--no-build-isolation",
                "-e",
                ".",
            ]
            # What the service's own pipeline runs, with the tools that are here.
            tools = [f"BIN={place / 'env' / 'bin'}", f"TOOLKIT={cdk.cli(self.workspace)}"]
            yield ["make", "check", *tools, f"MYPY=--cache-dir {place / 'mypy'}"]
            return
        if copy.name != LIBRARY:
            yield [*self._install(place / "env"), ".[dev]"]
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


def _python(environment: Path) -> str:
    return str(environment / "bin" / "python")


def _mypy(place: Path) -> list[str]:
    return [
        _python(place / "env"),
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
        if workspace.root / LIBRARY in pending:
            checks["README of the library"] = split.documented()
        await run_all(checks, board)


def written(workspace: Workspace, service: str | None, to: Path) -> None:
    """Write a folder as a repository of its own.

    Args:
        workspace: Where the folder is.
        service: Its name.
        to: Where the repository goes; does not exist yet, or is empty.

    Raises:
        CliError: No folder is named or known, there is something already, or its dependencies cannot be resolved.
    """
    if not service:
        raise CliError("Which folder?", "make split SERVICE=cart-service TO=../cart-service")
    project = workspace.folder(service)
    if to.resolve().parent == workspace.root:
        raise CliError(
            f"{to} would be a project of this workspace.", f"Name one outside: TO=../{project.name}"
        )
    repository.write(workspace, project, to)
    if (to / "Makefile").exists():
        release.build(workspace.root)
        locking = repository.lock(workspace, workspace.root / LIBRARY / "dist")
        if subprocess.run(locking, cwd=to, check=False).returncode:  # noqa: S603 - make, in a folder of ours
            raise CliError(f"{to} cannot be locked.", "The lines above say why; the rest of it is written.")
