"""Child processes that end with us: each in a group of its own, which is ended when its task is cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GRACE_SECONDS = 5.0


def tool_environment(**changes: str) -> dict[str, str]:
    """This environment with our tools first on the PATH, bytecode on, and no proxy towards loopback."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    hosts = ",".join(filter(None, [environment.get("NO_PROXY"), "127.0.0.1,localhost"]))
    return {**environment, "NO_PROXY": hosts, "no_proxy": hosts, **changes}


async def run(
    command: Sequence[str | Path],
    *,
    folder: Path,
    log: Path,
    environment: Mapping[str, str],
    append: bool = False,
) -> int:
    """Run a command to its end, its output in a file.

    Returns:
        The exit status.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab" if append else "wb") as output:
        child = await asyncio.create_subprocess_exec(
            *map(str, command),
            cwd=folder,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        return await child.wait()
    finally:
        if child.returncode is None:
            await asyncio.shield(asyncio.to_thread(end_group, child.pid))
            await child.wait()


def end_group(pid: int, grace_seconds: float = GRACE_SECONDS) -> None:
    """Ask a process group to end; after `grace_seconds`, or once its leader has gone, insist."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGTERM)
        deadline = time.monotonic() + grace_seconds
        # A leader that has ended but was not waited for (a zombie) has no command line any more.
        while command_line(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(pid, signal.SIGKILL)


def command_line(pid: int) -> str:
    """What a process was started as; empty if it does not run."""
    proc = Path(f"/proc/{pid}/cmdline")
    if Path("/proc/self/cmdline").exists():
        with contextlib.suppress(OSError):
            return proc.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        return ""
    command = ["ps", "-o", "command=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()  # noqa: S603 - fixed
