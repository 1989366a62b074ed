"""The tests: which there are, where each runs, and the local cloud that the end-to-end ones get to themselves."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from commerce_platform.cli import emulator, process, site
from commerce_platform.cli.cloud import ACCOUNT, REGION
from commerce_platform.cli.errors import CliError
from commerce_platform.cli.workspace import PLATFORM

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from rich.console import Console

    from commerce_platform.cli.workspace import Workspace

WORKERS = 3
"""Runs of tests at once: one of them waits for the local cloud most of the time, so that two cores are busy."""
END_TO_END = "e2e"


def environment(**changes: str) -> dict[str, str]:
    """The environment of a test run: no test can reach an AWS account, whatever the caller is signed in to."""
    kept = {name: value for name, value in process.tool_environment().items() if not name.startswith("AWS_")}
    credentials = {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "test", "AWS_SESSION_TOKEN": "test"}
    region = {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}
    return {**kept, **credentials, **region, "CDK_VALIDATION": "false", **changes}


def folders(workspace: Workspace, service: str | None) -> list[Path]:
    """The test folders of all projects, and those that take several services at once; or of one project."""
    chosen = [workspace.folder(service)] if service else [*workspace.projects, workspace.root]
    return [folder / "tests" for folder in chosen if (folder / "tests").is_dir()]


def on_the_cloud(workspace: Workspace, paths: Iterable[Path]) -> Iterator[Path]:
    """Those of the tests that ask a running local cloud."""
    for path in paths:
        if path == workspace.root / "tests":
            yield from (path / END_TO_END, path / "faults")
        else:
            yield path / END_TO_END


def guards(workspace: Workspace) -> Path:
    """Tests of the emulator's extension. They run in the emulator's own environment."""
    return workspace.root / PLATFORM / "tests" / "local_cloud"


def pytest_command(workspace: Workspace, paths: Sequence[Path], *options: str) -> list[str]:
    """Pytest in the development environment, under the same settings for one project as for all."""
    settings = ["-c", str(workspace.root / "pyproject.toml"), "--rootdir", str(workspace.root)]
    # A folder's tests stay together, so there is nothing for more workers to do than to load the CDK.
    together = {file.parent for path in paths for file in path.rglob("test_*.py")}
    workers = str(max(1, min(WORKERS, len(together))))
    parallel = ["-n", workers, "--dist", "loadgroup", "--no-loadscope-reorder"]
    return [sys.executable, "-m", "pytest", "-q", *settings, *parallel, *options, *map(str, paths)]


def unit(workspace: Workspace, service: str | None) -> int:
    """Run the unit tests.

    Returns:
        Pytest's exit status.
    """
    paths = [path / "unit" for path in folders(workspace, service) if (path / "unit").is_dir()]
    if not paths:
        raise CliError(f"There are no unit tests in {service}.")
    return subprocess.run(  # noqa: S603 - our own interpreter
        pytest_command(workspace, paths), cwd=workspace.root, env=environment(), check=False
    ).returncode


def coverage(workspace: Workspace, service: str | None) -> int:
    """Run the tests that need no cloud, and show what they ran of each package.

    What runs in processes of its own is not counted: commands, functions on the local cloud, the emulator's extension.

    Returns:
        Pytest's exit status.
    """
    kinds = ("unit", "infrastructure", "integration")
    paths = [path / kind for path in folders(workspace, service) for kind in kinds if (path / kind).is_dir()]
    if not paths:
        raise CliError(f"There are no tests in {service} that need no cloud.")
    projects = [workspace.folder(service)] if service else workspace.projects
    packages = sorted(path.parent for project in projects for path in project.glob("*/__init__.py"))
    shown = ["--cov-report=term:skip-covered", f"--cov-report=html:{workspace.root / 'build' / 'coverage'}"]
    return subprocess.run(  # noqa: S603 - our own interpreter
        pytest_command(workspace, paths, *(f"--cov={package}" for package in packages), *shown),
        cwd=workspace.root,
        env=environment(COVERAGE_FILE=str(workspace.root / ".cache" / "coverage")),
        check=False,
    ).returncode


async def everything(
    workspace: Workspace, service: str | None, output: Console, topology: str | None = None
) -> int:
    """Run every test.

    The extension's tests run beside the local cloud that comes up for the end-to-end tests, and beside the first of the
    others, which run in one session, so that its last line counts them all.

    Args:
        workspace: Where the tests are.
        service: One project's tests only.
        output: Where progress goes.
        topology: What the local cloud is brought up with; then only those tests run that need it.

    Returns:
        The exit status: 0 if every test passed.
    """
    paths = folders(workspace, service)
    if topology:
        paths = [path for path in on_the_cloud(workspace, paths) if path.exists()]
    if not paths:
        raise CliError(f"There are no tests in {service}.")
    with_guards = guards(workspace) in [path / "local_cloud" for path in paths]
    needs_cloud = bool(topology) or any(
        path == workspace.root / "tests" or (path / END_TO_END).is_dir() for path in paths
    )
    local = workspace.root / ".cache" / "tests" / str(os.getpid())
    private = dataclasses.replace(workspace, local=local)
    settings = environment(COMMERCE_LOCAL_DIR=str(local), COMMERCE_ENDPOINTS=str(private.endpoints_file))
    async with asyncio.TaskGroup() as tasks:
        guarded = tasks.create_task(_guards(workspace, local, output)) if with_guards else None
        try:
            status = await _cloud(workspace, local, settings, output, topology) if needs_cloud else 0
            if not status:
                command = pytest_command(workspace, paths, f"--ignore={guards(workspace)}")
                status = await _pytest(command, workspace.root, settings)
        finally:
            site.stop(private)
            emulator.stop(private)
    passed, guards_passed = status == 0, not guarded or guarded.result()
    if passed and guards_passed:
        shutil.rmtree(local, ignore_errors=True)
        return 0
    if not guards_passed:
        output.print("The tests of the emulator's extension failed; see above.", style="red")
    return 1


async def _pytest(command: list[str], folder: Path, settings: dict[str, str]) -> int:
    """Run pytest in the foreground, and end it with us."""
    tests = await asyncio.create_subprocess_exec(*command, cwd=folder, env=settings)
    try:
        return await tests.wait()
    finally:
        if tests.returncode is None:
            tests.terminate()
            await tests.wait()


async def _guards(workspace: Workspace, local: Path, output: Console) -> bool:
    """Run the tests of the emulator's extension; a failure is shown whole, success in one line."""
    log = local / "logs" / "extension.log"
    python = workspace.root / ".venv-emulator" / "bin" / "python"
    status = await process.run(
        [python, "-m", "pytest", "-q", guards(workspace)],
        folder=workspace.root,
        log=log,
        environment=environment(),
    )
    text = log.read_text(errors="replace")
    output.print("\nEmulator's extension:", text if status else text.splitlines()[-1], markup=False)
    return status == 0


async def _cloud(
    workspace: Workspace, local: Path, settings: dict[str, str], output: Console, topology: str | None
) -> int:
    """Bring up a local cloud for the tests the way a person does."""
    began = time.monotonic()
    log = local / "logs" / "up.log"
    status = await process.run(
        [
            *(sys.executable, "-m", "commerce_platform.cli", "up", "--port", "0"),
            *(["--topology", topology] if topology else []),
        ],
        folder=workspace.root,
        log=log,
        # The CLI would take AWS_ENDPOINT_URL for the cloud to use; the tests have a new one of their own.
        environment={name: value for name, value in settings.items() if name != "AWS_ENDPOINT_URL"},
    )
    if status:
        output.print(
            f"The local cloud for the tests did not come up:\n{log.read_text(errors='replace')}", markup=False
        )
    else:
        output.print(f"Local cloud for the end-to-end tests: up after {time.monotonic() - began:.0f} s")
    return status
