"""The documentation site: built again when something that it is made of has changed, and served on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from commerce_platform.cli import cdk, process, servers
from commerce_platform.cli.emulator import free_port, is_free, tail
from commerce_platform.cli.errors import CliError
from commerce_platform.cli.workspace import LOCAL, NEVER_DEPLOYED, digest, files

if TYPE_CHECKING:
    from pathlib import Path

    from commerce_platform.cli.board import Board
    from commerce_platform.cli.workspace import App, Workspace

DEFAULT_PORT = 8000
KIND = "site"
START_SECONDS = 5.0
"""Its server answers after 0.5 s. On a busy machine nobody waits longer: it will answer when it is opened."""

STAGE = LOCAL
"""Whose templates the catalogue is drawn from: those that `make up` has synthesized already. Stages differ in values."""

GENERATED = ("cdk.out", "build", "dist", "__pycache__", "*.pyc", "*.egg-info", ".[!nt]*")
"""Files that are not part of a source. `.nav.yml` and `.theme` are."""

STEP = "site"


def folder(workspace: Workspace) -> Path:
    """The built site."""
    return workspace.root / "site"


def log_file(workspace: Workspace) -> Path:
    """What the last build has printed."""
    return _work(workspace) / "build.log"


def _work(workspace: Workspace) -> Path:
    return workspace.root / ".cache" / "site"


def inputs(workspace: Workspace) -> str:
    """Digest of everything that the site is made of."""
    root = workspace.root
    single = [root / name for name in ("mkdocs.yml", "requirements/docs.lock", "package-lock.json")]
    told = [app.folder / name for app in workspace.apps for name in ("README.md", "pyproject.toml")]
    return digest(
        root,
        [*single, *told],
        files(root / "docs", GENERATED),
        files(root / "catalogue" / "catalogue", NEVER_DEPLOYED),
        files(root / "shared-constructs", (*NEVER_DEPLOYED, "tests")),
        salt=" ".join(workspace.inputs(app, STAGE) for app in workspace.apps),
    )


def is_current(workspace: Workspace) -> bool:
    """Whether the site is there and says what there is now."""
    built = _work(workspace) / "built"
    page = folder(workspace) / "index.html"
    return page.exists() and built.exists() and built.read_text() == inputs(workspace)


async def build(workspace: Workspace, board: Board) -> Path:
    """Build the site, unless it is current. One process builds at a time; others wait for it.

    Returns:
        Its folder.

    Raises:
        CliError: A link leads nowhere, a page is in no menu, or something else is wrong; has what was printed.
    """
    work = _work(workspace)
    async with cdk.locked(work / "lock", fcntl.LOCK_EX):
        if is_current(workspace):
            board.say(STEP, "unchanged")
            return folder(workspace)
        made_of = inputs(workspace)
        assemblies = await _synthesized(workspace, board)
        source = [work / "source", work / "layouts", *assemblies]
        with board.step(STEP, "drawing the catalogue", "catalogue drawn"):
            await _run(workspace, sys.executable, "-m", "catalogue", workspace.root, *source)
        with board.step(STEP, "writing pages", "pages written"):
            await _run(workspace, tools(workspace), "-m", "mkdocs", "build", "--strict")
        shutil.rmtree(folder(workspace), ignore_errors=True)
        (work / "new").rename(folder(workspace))
        (work / "built").write_text(made_of)
    return folder(workspace)


async def _synthesized(workspace: Workspace, board: Board) -> list[Path]:
    """Every app's assembly, as many made at a time as there are processors."""
    slots = asyncio.Semaphore(max(2, os.cpu_count() or 2))

    async def one(app: App) -> Path:
        if cdk.is_synthesized(workspace, app, STAGE):
            return workspace.assembly(app, STAGE)
        async with slots:
            with board.step(app.name, "synthesizing", "synthesized"):
                return await cdk.synthesize(workspace, app, STAGE)

    try:
        async with asyncio.TaskGroup() as tasks:
            made = [tasks.create_task(one(app)) for app in workspace.apps]
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    return [task.result() for task in made]


def tools(workspace: Workspace) -> Path:
    """The Python of the site's own environment: its generator and the driver of the browser.

    Raises:
        CliError: The environment is missing.
    """
    python = workspace.root / ".venv-docs" / "bin" / "python"
    if not python.exists():
        raise CliError("The site's environment (.venv-docs) is missing.", "Install it: make setup")
    return python


async def _run(workspace: Workspace, *command: str | Path) -> None:
    log = log_file(workspace)
    # The generator's warning is about its next major version, which our lock does not take.
    environment = process.tool_environment(NO_MKDOCS_2_WARNING="1")
    if await process.run(command, folder=workspace.root, log=log, environment=environment):
        raise CliError(f"The site could not be built:\n{tail(log, 30)}", f"Log: {log}")


@dataclass(frozen=True)
class Instance:
    """The site's server beside a local cloud.

    Attributes:
        pid: Its process, also its process group.
        port: The loopback port it serves.
    """

    pid: int
    port: int

    @property
    def address(self) -> str:
        """Where to look."""
        return f"http://127.0.0.1:{self.port}/"

    @property
    def alive(self) -> bool:
        """Whether the process still is that server."""
        return f"docs-serve --port {self.port}" in process.command_line(self.pid)


def running(workspace: Workspace) -> Instance | None:
    """The server beside this instance of the local cloud, if it runs. A stale record is removed."""
    record = servers.record(workspace, KIND)
    said = servers.read(record) or {}
    if {"pid", "port"} <= said.keys():
        instance = Instance(said["pid"], said["port"])
        if instance.alive:
            return instance
    record.unlink(missing_ok=True)
    return None


def address(workspace: Workspace) -> str:
    """Where the site is served beside this instance of the local cloud; empty if it is not."""
    instance = running(workspace)
    return instance.address if instance else ""


def start(workspace: Workspace, *, anywhere: bool = False) -> Instance:
    """Serve the site beside the local cloud, unless that is done. It is built when somebody opens it.

    Documents are no reason for a cloud not to come up: where the usual port is taken, another one serves.

    Args:
        workspace: Whose instance it is.
        anywhere: Take any port that is free; the usual one is left to others.
    """
    if instance := running(workspace):
        return instance
    port = DEFAULT_PORT if not anywhere and is_free(DEFAULT_PORT) else free_port()
    workspace.local.mkdir(parents=True, exist_ok=True)
    log = workspace.local / "logs" / "site.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        child = subprocess.Popen(  # noqa: S603 - our own module, which outlives this command
            [sys.executable, "-m", "commerce_platform.cli", "docs-serve", "--port", str(port)],
            cwd=workspace.root,
            env=process.tool_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    instance = Instance(child.pid, port)
    servers.write(workspace, KIND, asdict(instance))
    deadline = time.monotonic() + START_SECONDS
    while is_free(port) and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return instance


def stop(workspace: Workspace) -> None:
    """Stop the server beside this instance of the local cloud, if one runs."""
    if instance := running(workspace):
        process.end_group(instance.pid)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(instance.pid, os.WNOHANG)
        servers.record(workspace, KIND).unlink(missing_ok=True)


def require_free(port: int) -> None:
    """Check the port before the site is served there.

    Raises:
        CliError: Something listens there; says what to do.
    """
    if not is_free(port):
        raise CliError(
            f"Port {port} is in use by another program.",
            f"Choose another port: make docs-serve PORT={port + 1}, or stop what listens there "
            f"(lsof -i :{port} names it).",
        )
