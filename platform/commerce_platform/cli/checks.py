"""What `make lint` checks. Each check is a function that returns what it found; nothing found is good.

Checks that are slow remember on what content they passed last, so an unchanged one takes no time.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from commerce_platform.cli import cdk, process
from commerce_platform.cli.errors import CliError
from commerce_platform.cli.workspace import NEVER_DEPLOYED, STAGES, digest, files

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

    from commerce_platform.cli.board import Board
    from commerce_platform.cli.workspace import App, Workspace

LIBRARY = "shared-constructs"
LINTERS = ("service_lint", "states_language")
"""The library's packages that `python -m service_lint` runs."""
BIN = Path(sys.executable).parent

NOT_TO_BE_COMMITTED = {
    "a package registry or mirror": re.compile(
        r"pypi\.org|pythonhosted\.org|registry\.(?:npmjs|yarnpkg)\.|\"resolved\":"
        r"|(?:index-url|find-links|registry)[ =]+[\"']?(?:https?|file):"
    ),
    "a path of one machine": re.compile(
        r"(?<![\w.])/(?:home|Users)/[a-z]\w*/|(?<![\w.])/root[/]|[A-Z]:\\Users\b"
    ),
}
BINARY = 1_000_000
"""Larger files are not text that somebody wrote."""


@dataclass(frozen=True)
class Lint:
    """One run over the workspace, or over one project of it.

    Args:
        workspace: What is checked.
        project: The one project, or None for all.
        slots: As many as there are processors.
    """

    workspace: Workspace
    project: Path | None
    slots: asyncio.Semaphore

    @property
    def projects(self) -> tuple[Path, ...]:
        """The projects to check."""
        return (self.project,) if self.project else self.workspace.projects

    async def tool(
        self, name: str, *command: str | Path, folder: Path | None = None, **environment: str
    ) -> str:
        """Run a tool.

        Returns:
            What it printed if it failed, else nothing.
        """
        log = self.workspace.root / ".cache" / "lint" / f"{name.replace(' ', '-')}.log"
        status = await process.run(
            command,
            folder=folder or self.workspace.root,
            log=log,
            environment=process.tool_environment(**environment),
        )
        return log.read_text(errors="replace").rstrip() or f"exit status {status}" if status else ""

    async def once(self, name: str, content: str, check: Awaitable[str]) -> str:
        """Await a check, unless it has passed on this content before."""
        passed = self.workspace.root / ".cache" / "lint" / f"{name.replace(' ', '-')}.passed"
        if passed.exists() and passed.read_text() == content:
            if asyncio.iscoroutine(check):
                check.close()
            return ""
        found = await check
        if not found:
            passed.parent.mkdir(parents=True, exist_ok=True)
            passed.write_text(content)
        return found

    async def style(self) -> str:
        """Ruff's rules, and its formatter's opinion."""
        found = await self.tool("rules", BIN / "ruff", "check", "--quiet", *self.projects)
        return found + await self.tool("format", BIN / "ruff", "format", "--check", "--quiet", *self.projects)

    async def types(self) -> str:
        """`mypy --strict` over every package; every project is a root of its own."""
        packages = [package.parent for project in self.projects for package in project.glob("*/__init__.py")]
        cache = self.workspace.root / ".cache" / "mypy"
        roots = os.pathsep.join(map(str, self.workspace.projects))
        return await self.tool(
            "types",
            BIN / "mypy",
            "--no-error-summary",
            *sorted(packages),
            MYPYPATH=roots,
            MYPY_CACHE_DIR=str(cache),
        )

    async def boundaries(self) -> str:
        """Nothing imports across services, and no Lambda code imports the CDK."""
        return await self.tool("boundaries", BIN / "lint-imports", "--no-cache")

    async def committed(self) -> str:
        """No file names a registry or a path of one machine."""
        return "\n".join(await asyncio.to_thread(lambda: list(unfit(self.workspace.root, self.projects))))

    async def templates(self, app: App) -> str:
        """Every stage's: synthesized with cdk-nag and the CDK's own validation, then cfn-lint and our checks."""
        try:
            assemblies = await cdk.synthesize_stages(self.workspace, app, STAGES, validate=True)
        except CliError as error:
            return error.problem
        rules = digest(
            self.workspace.root,
            *(files(self.workspace.root / LIBRARY / each, NEVER_DEPLOYED) for each in LINTERS),
            [self.workspace.root / "requirements" / "dev.lock"],
            [assembly / "validation-report.json" for assembly in assemblies],
            salt=" ".join(map(cdk.content, assemblies)),
        )
        name = f"templates {app.name}"
        command: list[str | Path] = [sys.executable, "-m", "service_lint", *assemblies]
        return await self.once(name, rules, self.tool(name, *command))

    async def alone(self, project: Path) -> str:
        """A project installs into an empty environment; there its tests are found and the unit tests pass."""
        name = f"alone {project.name}"
        locks = [self.workspace.root / "requirements" / "dev.lock"]
        library = files(self.workspace.root / LIBRARY, (".*", "__pycache__", "*.egg-info"))
        content = digest(
            self.workspace.root,
            locks,
            library,
            files(project, (".*", "__pycache__", "cdk.out", "*.egg-info")),
        )
        return await self.once(name, content, self._alone(name, project))

    async def _alone(self, name: str, project: Path) -> str:
        uv = str(BIN / "uv")
        with tempfile.TemporaryDirectory(prefix="alone-") as temporary:
            here = Path(temporary)
            copy, environment, wheels = here / project.name, here / "env", here / "wheels"
            shutil.copytree(
                project, copy, ignore=shutil.ignore_patterns("cdk.out", "__pycache__", "*.egg-info")
            )
            wheels.mkdir()
            python = str(environment / "bin" / "python")
            steps = [[uv, "venv", "--quiet", "--python", sys.executable, str(environment)]]
            if project.name != LIBRARY:
                library = str(self.workspace.root / LIBRARY)
                steps.append([uv, "build", "--quiet", "--wheel", "--out-dir", str(wheels), library])
            # Versions as they are locked: quick, because they are in the cache, and the same tomorrow.
            versions = f"--constraint={self.workspace.root / 'requirements' / 'dev.lock'}"
            install = [
                uv,
                "pip",
                "install",
                "--quiet",
                "--python",
                python,
                versions,
                f"--find-links={wheels}",
            ]
            steps.append([*install, f"{copy}[test]"])
            kinds = [copy / "tests" / kind for kind in ("unit", "integration", "infrastructure")]
            pytest = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:syrupy"]
            # Collected, every test imports what it needs; the pure ones are quick enough to run, too.
            steps.append([*pytest, "--collect-only", *(str(kind) for kind in kinds if kind.is_dir())])
            if kinds[0].is_dir():
                steps.append([*pytest, str(kinds[0])])
            for step in steps:
                # Compiling what is used once takes longer than it saves.
                if found := await self.tool(name, *step, folder=here, UV_COMPILE_BYTECODE="0"):
                    return found
        return ""


def unfit(root: Path, projects: Iterable[Path]) -> Iterable[str]:
    """Lines that must not be committed, as `path:line: what`."""
    excluded = (
        ".git",
        ".venv*",
        "node_modules",
        ".*cache",
        ".cache",
        ".local",
        "cdk.out",
        "__pycache__",
        "*.egg-info",
    )
    wanted = set(projects)
    for path in files(root, excluded):
        project = root / path.relative_to(root).parts[0]
        if (project in wanted or not (project / "pyproject.toml").exists()) and path.stat().st_size < BINARY:
            yield from unfit_lines(path.relative_to(root).as_posix(), path.read_text(errors="replace"))


def unfit_lines(name: str, text: str) -> Iterable[str]:
    """The same for one file's text."""
    for number, line in enumerate(text.splitlines(), 1):
        for what, pattern in NOT_TO_BE_COMMITTED.items():
            if pattern.search(line):
                yield f"{name}:{number}: names {what}: {line.strip()[:120]}"


async def everything(workspace: Workspace, service: str | None, board: Board) -> None:
    """Run every check, as many at a time as there are processors.

    Raises:
        CliError: Something was found; has all of it.
    """
    project = workspace.folder(service) if service else None
    lint = Lint(workspace, project, asyncio.Semaphore(max(2, os.cpu_count() or 2)))
    apps = [app for app in workspace.apps if project in (None, app.folder)]
    found: dict[str, str] = {}

    async def check(name: str, work: Awaitable[str]) -> None:
        async with lint.slots:
            began = time.monotonic()
            with board.step(name, "checking"):
                found[name] = await work
        style, verdict = ("red", "failed") if found[name] else ("green", "ok")
        board.say(name, verdict, style=style, seconds=time.monotonic() - began)

    # The slowest first.
    checks: dict[str, Awaitable[str]] = {"types": lint.types()}
    checks |= {f"{app.name} templates": lint.templates(app) for app in apps}
    checks |= {f"{project.name} alone": lint.alone(project) for project in lint.projects}
    checks |= {"style": lint.style(), "boundaries": lint.boundaries(), "committed files": lint.committed()}
    async with asyncio.TaskGroup() as tasks:
        for name, work in checks.items():
            tasks.create_task(check(name, work))
    failures = [f"{name}:\n{text}" for name, text in found.items() if text]
    if failures:
        raise CliError("\n\n".join(failures), "make format repairs style where it can.")
