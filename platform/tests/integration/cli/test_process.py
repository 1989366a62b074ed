from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import pytest
from commerce_platform.cli import process


def written(path):
    """Wait until another process has written a file."""
    while not path.exists() or not path.read_text():
        time.sleep(0.01)


def run(script, log, **environment):
    return asyncio.run(
        process.run(
            [sys.executable, "-c", script],
            folder=log.parent,
            log=log,
            environment={**os.environ, **environment},
        )
    )


def test_output_and_errors_of_a_command_go_to_its_log(tmp_path):
    log = tmp_path / "logs" / "x.log"
    log.parent.mkdir()
    assert run("import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(3)", log) == 3
    assert log.read_text() == "out\nerr\n"


def gone(pid, seconds=10):
    """Whether a process ends; it takes the system a moment after the signal."""
    deadline = time.monotonic() + seconds
    while process.command_line(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not process.command_line(pid)


def test_cancelling_ends_the_command_and_its_children(tmp_path):
    script = (
        "import subprocess, sys, pathlib, time; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "pathlib.Path('child').write_text(str(child.pid)); time.sleep(60)"
    )

    async def cancelled():
        command = [sys.executable, "-c", script]
        running = asyncio.create_task(
            process.run(command, folder=tmp_path, log=tmp_path / "log", environment=dict(os.environ))
        )
        await asyncio.to_thread(written, tmp_path / "child")
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancelled())
    assert gone(int((tmp_path / "child").read_text()))


def test_tools_run_with_our_interpreter_first_with_bytecode_and_without_a_proxy(monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("NO_PROXY", "intranet")
    environment = process.tool_environment(CDK_VALIDATION="false")
    assert environment["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    assert "PYTHONDONTWRITEBYTECODE" not in environment
    assert environment["NO_PROXY"] == "intranet,127.0.0.1,localhost"
    assert environment["CDK_VALIDATION"] == "false"
