from __future__ import annotations

import asyncio
import io
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from commerce_platform.cli import emulator, servers, standing
from commerce_platform.cli.board import Board
from commerce_platform.cli.errors import CliError
from rich.console import Console


@contextmanager
def listening(handler=None):
    """Something on a loopback port: mute, or an HTTP server."""
    if handler is None:
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()
            yield server.getsockname()[1]
        return
    server = HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


class OtherMiniStack(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"version": "1.4.0"}')

    def log_message(self, *arguments):
        """Say nothing."""


def record(workspace, pid):
    instance = emulator.Instance(pid, 4999, "digest", 0.0)
    servers.write(workspace, emulator.KIND, instance.__dict__)


def written(path):
    """Wait until another process has written a file."""
    while not path.exists() or not path.read_text():
        time.sleep(0.01)


def fake_emulator(workspace, script):
    """An interpreter of the emulator's environment that runs something else."""
    python = workspace.root / ".venv-emulator" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!{sys.executable}\n{script}\n")
    python.chmod(0o755)


HEALTHY = """
import os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Healthy(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"version": "1"}')

HTTPServer(("127.0.0.1", int(os.environ["GATEWAY_PORT"])), Healthy).serve_forever()
"""


def test_port_0_is_any_that_is_free(workspace):
    fake_emulator(workspace, HEALTHY)
    instance = asyncio.run(emulator.start(workspace, 0))
    try:
        assert instance.port > 0
        assert emulator.health(instance.port) == {"version": "1"}
    finally:
        assert emulator.stop(workspace) == instance


def test_a_port_that_another_program_listens_on_is_refused_with_a_way_out():
    with listening(OtherMiniStack) as port, pytest.raises(CliError) as refused:
        emulator.require_free(port)
    assert f"Port {port} is in use by another local cloud (MiniStack 1.4.0)" in refused.value.problem
    assert f"make up PORT={port + 1}" in refused.value.advice


def test_a_port_that_something_else_holds_is_refused_too(monkeypatch):
    monkeypatch.setattr(emulator, "health", lambda _port: None)
    with listening() as port, pytest.raises(CliError, match="in use by another program"):
        emulator.require_free(port)


@pytest.fixture
def started(workspace, monkeypatch):
    """A server that belongs to an instance, as far as its command line tells."""
    fake_emulator(workspace, HEALTHY)
    monkeypatch.setattr(emulator, "MODULE", "python -m commerce_platform.local_cloud")
    # Not one that the system gives to whoever connects, so that it is still free when the server is started again.
    first = 20_000 + os.getpid() % 5_000
    port = next(port for port in range(first, 30_000) if emulator.is_free(port))
    instance = asyncio.run(emulator.start(workspace, port))
    yield instance
    emulator.stop(workspace)


def test_a_server_is_found_again_after_its_folder_was_removed(workspace, started):
    shutil.rmtree(workspace.local)
    assert emulator.running(workspace) == started
    assert emulator.on_port(started.port) == workspace.local.resolve()
    with pytest.raises(CliError) as refused:
        emulator.require_free(started.port)
    assert str(workspace.local) in refused.value.problem
    assert f"make down PORT={started.port}" in refused.value.advice
    assert emulator.stop(workspace) == started
    assert emulator.on_port(started.port) is None
    emulator.require_free(started.port)


def test_a_server_whose_folder_was_removed_is_started_again_where_it_was(workspace, started):
    shutil.rmtree(workspace.local)
    said = io.StringIO()
    with Board(Console(file=said)) as board:
        cloud, is_new = asyncio.run(standing.ensure(workspace, board, None))
    assert (cloud.endpoint, is_new) == (started.endpoint, True)
    assert "its folder was removed: starting it again, empty" in said.getvalue()
    assert emulator.running(workspace).pid != started.pid


def test_who_changes_an_instance_second_says_so_and_waits(workspace):
    said, order = io.StringIO(), []

    def second():
        with servers.alone(workspace, Console(file=said, width=200)):
            order.append("second")

    with servers.alone(workspace, Console(file=io.StringIO())):
        waiting = threading.Thread(target=second)
        waiting.start()
        while "waiting for it" not in said.getvalue():
            time.sleep(0.01)
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]
    assert f"process {os.getpid()}" in said.getvalue()


def test_a_free_port_is_accepted():
    emulator.require_free(emulator.free_port())


def test_a_process_id_that_belongs_to_another_program_by_now_is_stale(workspace):
    record(workspace, os.getpid())
    assert emulator.running(workspace) is None
    assert list(servers.instances()) == []


def test_a_process_that_has_ended_is_stale(workspace):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    record(workspace, ended.pid)
    assert emulator.running(workspace) is None


@pytest.mark.parametrize("content", ["", "not json", '{"pid": 1}'])
def test_an_unreadable_record_is_no_instance(workspace, content):
    record(workspace, os.getpid())
    servers.record(workspace, emulator.KIND).write_text(content)
    assert emulator.running(workspace) is None


def test_a_server_that_ends_while_it_starts_shows_its_last_words(workspace):
    fake_emulator(workspace, "raise SystemExit('the disk is full')")
    with pytest.raises(CliError) as crashed:
        asyncio.run(emulator.start(workspace, emulator.free_port()))
    assert "the disk is full" in crashed.value.problem
    assert "exit status 1" in crashed.value.problem
    assert "local-cloud.log" in crashed.value.advice
    assert emulator.running(workspace) is None


def test_a_server_that_never_answers_is_stopped(workspace, monkeypatch):
    fake_emulator(
        workspace,
        "import pathlib, os, time; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(60)",
    )
    monkeypatch.setattr(emulator, "START_SECONDS", 1.0)
    with pytest.raises(CliError, match="did not answer on port"):
        asyncio.run(emulator.start(workspace, emulator.free_port()))
    with pytest.raises(ProcessLookupError):
        os.kill(int((workspace.local / "pid").read_text()), 0)


def test_interrupting_the_start_leaves_no_process(workspace):
    fake_emulator(
        workspace,
        "import pathlib, os, time; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(60)",
    )

    async def interrupted():
        starting = asyncio.create_task(emulator.start(workspace, emulator.free_port()))
        await asyncio.to_thread(written, workspace.local / "pid")
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting

    asyncio.run(interrupted())
    with pytest.raises(ProcessLookupError):
        os.kill(int((workspace.local / "pid").read_text()), 0)
    assert list(servers.instances()) == []


def test_a_missing_environment_says_how_to_make_it(workspace):
    with pytest.raises(CliError) as refused:
        asyncio.run(emulator.start(workspace, emulator.free_port()))
    assert refused.value.advice == "Install it: make setup"


def test_no_credential_of_the_user_reaches_the_functions(workspace, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the user's")
    monkeypatch.setenv("AWS_PROFILE", "production")
    fake_emulator(
        workspace, "import os; raise SystemExit(sorted(n for n in os.environ if n.startswith('AWS_')))"
    )
    with pytest.raises(CliError) as crashed:
        asyncio.run(emulator.start(workspace, emulator.free_port()))
    assert "ACCESS_KEY" not in crashed.value.problem
    assert "PROFILE" not in crashed.value.problem


def test_it_serves_on_loopback_alone(workspace):
    fake_emulator(workspace, "import os; raise SystemExit(os.environ['BIND_HOST'])")
    with pytest.raises(CliError) as crashed:
        asyncio.run(emulator.start(workspace, emulator.free_port()))
    assert "    127.0.0.1" in crashed.value.problem.splitlines()


def test_stopping_what_does_not_run_removes_what_it_left(workspace):
    record(workspace, os.getpid())
    workspace.local.mkdir()
    workspace.endpoints_file.write_text("{}")
    assert emulator.stop(workspace) is None
    assert not workspace.endpoints_file.exists()
