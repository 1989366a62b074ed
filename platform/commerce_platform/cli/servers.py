"""Which servers of ours run, remembered where neither `make clean` nor `rm -rf` of a folder loses them."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from commerce_platform.cli.workspace import Workspace


def folder() -> Path:
    """Where the records are: `$XDG_STATE_HOME/commerce-platform`, by default in `~/.local/state`."""
    home = os.environ.get("XDG_STATE_HOME")
    return Path(home or Path.home() / ".local" / "state") / "commerce-platform"


def _name(local: Path) -> str:
    return hashlib.sha256(str(local.resolve()).encode()).hexdigest()[:16]


def record(workspace: Workspace, kind: str) -> Path:
    """The record of a server of an instance of the local cloud.

    Args:
        workspace: Whose instance it is.
        kind: `cloud` or `site`.
    """
    return folder() / f"{_name(workspace.local)}.{kind}.json"


def write(workspace: Workspace, kind: str, said: dict[str, Any]) -> None:
    """Remember a server, with the folders that it belongs to."""
    file = record(workspace, kind)
    file.parent.mkdir(parents=True, exist_ok=True)
    whole = file.with_suffix(".tmp")
    whole.write_text(
        json.dumps({**said, "root": str(workspace.root), "local": str(workspace.local.resolve())})
    )
    whole.replace(file)


def read(file: Path) -> dict[str, Any] | None:
    """What is remembered; None where there is nothing that can be read."""
    try:
        said = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return said if isinstance(said, dict) else None


def instances() -> Iterator[tuple[Path, Path]]:
    """The repository and the folder of every local cloud that is remembered, whether it still runs or not."""
    for file in sorted(folder().glob("*.cloud.json")):
        said = read(file) or {}
        if {"root", "local"} <= said.keys():
            yield Path(said["root"]), Path(said["local"])


@contextlib.contextmanager
def alone(workspace: Workspace, output: Console) -> Iterator[None]:
    """Change an instance while nobody else does: whoever comes second says so and waits.

    Args:
        workspace: Whose instance it is.
        output: Where it is said.
    """
    file = folder() / f"{_name(workspace.local)}.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            output.print(
                f"{lock.read() or 'Somebody'} is changing this instance; waiting for it.", markup=False
            )
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(f"{' '.join(['commerce', *sys.argv[1:2]])} (process {os.getpid()})")
        lock.flush()
        yield
        lock.truncate(0)
