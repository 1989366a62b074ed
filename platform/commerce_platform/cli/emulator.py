"""The local cloud's server process: started in the background, found again, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import time
import urllib.request
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from commerce_platform.cli import process, servers
from commerce_platform.cli.errors import CliError
from commerce_platform.cli.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

MODULE = "commerce_platform.local_cloud"
KIND = "cloud"
DEFAULT_PORT = 4566
START_SECONDS = 60.0
"""The server answers after about 1.5 s; a cold disk and a busy machine are given this long."""


@dataclass(frozen=True)
class Instance:
    """A server that was started from this folder.

    Attributes:
        pid: Its process, also its process group.
        port: The loopback port it serves.
        code: Digest of the code it runs.
        started_at: Seconds since the epoch.
    """

    pid: int
    port: int
    code: str
    started_at: float

    @property
    def endpoint(self) -> str:
        """The one URL that every AWS API answers on."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def alive(self) -> bool:
        """Whether the process still is that server; a process id may have been given to another since."""
        return MODULE in process.command_line(self.pid)


def log_file(workspace: Workspace) -> Path:
    """Where the server's output goes."""
    return workspace.local / "logs" / "local-cloud.log"


def running(workspace: Workspace) -> Instance | None:
    """The server of this instance, if it runs. A stale record (crash, reboot) is removed."""
    record = servers.record(workspace, KIND)
    said = servers.read(record) or {}
    try:
        instance = Instance(**{field.name: said[field.name] for field in fields(Instance)})
    except KeyError:
        record.unlink(missing_ok=True)
        return None
    if instance.alive:
        return instance
    record.unlink()
    return None


def health(port: int) -> dict[str, Any] | None:
    """What a MiniStack on this port says of itself; None if something else or nothing answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/_ministack/health", timeout=2) as answer:
            report: dict[str, Any] = json.load(answer)
    except (OSError, ValueError):
        return None
    return report


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def on_port(port: int) -> Path | None:
    """The folder of the instance that serves on a port, whichever repository it was started from."""
    for root, local in servers.instances():
        instance = running(Workspace(root, local))
        if instance and instance.port == port:
            return local
    return None


def require_free(port: int) -> None:
    """Check the port before anything is started.

    Raises:
        CliError: Something listens there; says what, as far as can be told, and what to do.
    """
    if is_free(port):
        return
    report, local = health(port), on_port(port)
    if local:
        what, stop_it = f"the local cloud of {local}", f"stop that one: make down PORT={port}"
    elif report:
        what = f"another local cloud (MiniStack {report.get('version', 'of unknown version')}) that was not started by make"
        stop_it = f"stop what listens there (lsof -i :{port} names it)"
    else:
        what, stop_it = "another program", f"stop what listens there (lsof -i :{port} names it)"
    raise CliError(
        f"Port {port} is in use by {what}.", f"Choose another port: make up PORT={port + 1}, or {stop_it}."
    )


async def start(workspace: Workspace, port: int | None) -> Instance:
    """Start the server in the background and wait until it answers.

    Args:
        workspace: Whose instance it is.
        port: Where it serves; 0 for any port that is free.

    Raises:
        CliError: The port is taken, the environment is missing, or the server ended or stayed silent.
    """
    port = DEFAULT_PORT if port is None else port or free_port()
    require_free(port)
    python = workspace.root / ".venv-emulator" / "bin" / "python"
    if not python.exists():
        raise CliError("The emulator's environment (.venv-emulator) is missing.", "Install it: make setup")
    log = log_file(workspace)
    temporary = workspace.local / "tmp"
    for folder in (log.parent, temporary):
        folder.mkdir(parents=True, exist_ok=True)
    environment = {
        name: value
        for name, value in process.tool_environment().items()
        # Its functions inherit its environment: no credential, profile or endpoint of the user's may reach them.
        if not name.startswith("AWS_") or name == "AWS_CA_BUNDLE"
    }
    environment |= {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "TMPDIR": str(temporary)}
    with log.open("wb") as output:
        child = subprocess.Popen(  # noqa: ASYNC220, S603 - our own module, which outlives this event loop
            [python, "-m", MODULE],
            cwd=workspace.local,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    instance = Instance(child.pid, port, workspace.emulator_code, time.time())
    try:
        await _answering(child, port, log)
    except BaseException:
        process.end_group(child.pid)
        child.wait()
        raise
    servers.write(workspace, KIND, asdict(instance))
    return instance


async def _answering(child: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not await asyncio.to_thread(health, port):
        if child.poll() is not None:
            raise CliError(
                f"The local cloud ended while it started (exit status {child.returncode}). Its last words:\n"
                f"{tail(log)}",
                f"The whole log is {log}. If the environment is broken: rm -rf .venv-emulator && make setup",
            )
        if time.monotonic() > deadline:
            raise CliError(
                f"The local cloud did not answer on port {port} within {START_SECONDS:.0f} s. Its last words:\n"
                f"{tail(log)}",
                f"The whole log is {log}. Try again: make up",
            )
        await asyncio.sleep(0.1)


def stop(workspace: Workspace) -> Instance | None:
    """Stop this instance's server with all its function workers, and forget it.

    Returns:
        What was stopped; None if nothing ran.
    """
    import shutil  # noqa: PLC0415 - used here alone

    instance = running(workspace)
    if instance:
        process.end_group(instance.pid)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(instance.pid, os.WNOHANG)
        # A process has no command line any more before it lets go of its port.
        deadline = time.monotonic() + process.GRACE_SECONDS
        while not is_free(instance.port) and time.monotonic() < deadline:
            time.sleep(0.01)
    for leftover in (
        servers.record(workspace, KIND),
        workspace.endpoints_file,
        workspace.local / "state.json",
    ):
        leftover.unlink(missing_ok=True)
    shutil.rmtree(workspace.local / "tmp", ignore_errors=True)
    return instance


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log, indented for a message."""
    if not log.exists():
        return "    (nothing)"
    last = log.read_text(errors="replace").splitlines()[-lines:]
    return "\n".join(f"    {line}" for line in last) or "    (nothing)"
