"""The site in a browser: Debian's Chromium, headless, installed if it is missing and may be."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from commerce_platform.cli import process, site
from commerce_platform.cli.emulator import tail
from commerce_platform.cli.errors import CliError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from commerce_platform.cli.board import Board
    from commerce_platform.cli.workspace import Workspace

NAMES = ("chromium", "chromium-browser", "google-chrome")
UNATTENDED = {"DEBIAN_FRONTEND": "noninteractive"}


def found() -> str | None:
    """Where a Chromium is; CHROMIUM names another one."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


def screenshots(workspace: Workspace) -> Path:
    """Where the pictures of the last check are."""
    return workspace.root / ".cache" / "site" / "screenshots"


async def ensure(workspace: Workspace, board: Board) -> None:
    """Install Debian's Chromium, unless there is one.

    Raises:
        CliError: There is none, and this user or this system cannot install it.
    """
    if found():
        return
    if os.geteuid() or not shutil.which("apt-get"):
        raise CliError(
            "The site is checked in Chromium, and there is none here.",
            "On Debian and Ubuntu: sudo apt-get install chromium. One elsewhere: make docs-check CHROMIUM=/path/to/it",
        )
    log = workspace.root / ".cache" / "site" / "chromium.log"
    environment = process.tool_environment(**UNATTENDED)
    with board.step("chromium", "installing", "installed"):
        for command in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
            status = await process.run(
                ["apt-get", "--quiet", *command],
                folder=workspace.root,
                log=log,
                environment=environment,
                append=True,
            )
            if status:
                raise CliError(f"Chromium could not be installed:\n{tail(log)}", f"Log: {log}")


def check(workspace: Workspace, output: Console) -> int:
    """Run the browser's tests on the built site.

    Returns:
        Pytest's exit status.
    """
    pictures = screenshots(workspace)
    shutil.rmtree(pictures, ignore_errors=True)
    pictures.mkdir(parents=True)
    tests = workspace.root / "catalogue" / "tests" / "browser"
    settings = {"CHROMIUM": found() or "", "SITE": str(site.folder(workspace)), "SCREENSHOTS": str(pictures)}
    status = subprocess.run(  # noqa: S603 - our own environment's interpreter
        [site.tools(workspace), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, tests],
        cwd=workspace.root,
        env=process.tool_environment(**settings),
        check=False,
    ).returncode
    output.print(f"Screenshots: {pictures}", soft_wrap=True)
    return status
