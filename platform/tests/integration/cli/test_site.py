"""The documentation site beside the local cloud: found again, stopped, and never in the way of the cloud."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest
from commerce_platform.cli import process, site, site_server
from commerce_platform.cli.errors import CliError
from commerce_platform.cli.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path, tmp_path / ".local")


@pytest.fixture
def built(workspace):
    """A site that is current."""
    site.folder(workspace).mkdir()
    (site.folder(workspace) / "index.html").write_text("<h1>Home</h1>")
    record = workspace.root / ".cache" / "site" / "built"
    record.parent.mkdir(parents=True)
    record.write_text(site.inputs(workspace))


@contextmanager
def served(workspace):
    with site_server.server(workspace, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def get(port, path="/"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.getheader("Refresh"), answer.read().decode()


class Builds:
    """What was asked to be built, instead of building it, and how that ends."""

    DEVNULL = subprocess.DEVNULL

    def __init__(self):
        self.asked, self.status = [], 0

    def run(self, command, **_):
        self.asked.append(command)
        return subprocess.CompletedProcess(command, self.status)


@pytest.fixture
def builds(monkeypatch):
    asked = Builds()
    monkeypatch.setattr(site_server, "subprocess", asked)
    return asked


@pytest.mark.usefixtures("built")
def test_a_current_site_is_served_and_not_built(workspace, builds):
    with served(workspace) as port:
        assert get(port) == (200, None, "<h1>Home</h1>")
    assert builds.asked == []


@pytest.mark.usefixtures("built")
def test_a_page_opened_after_a_change_builds_the_site_and_shows_what_there_is(workspace, builds):
    (workspace.root / "docs").mkdir()
    (workspace.root / "docs" / "new.md").write_text("# New")
    with served(workspace) as port:
        assert get(port)[0] == 200
        deadline = time.monotonic() + 10
        while not builds.asked and time.monotonic() < deadline:
            time.sleep(0.01)
    assert builds.asked[0][-1] == "docs"


@pytest.mark.usefixtures("builds")
def test_before_the_first_build_a_page_waits_and_opens_itself(workspace):
    with served(workspace) as port:
        status, refresh, text = get(port)
    assert (status, refresh) == (503, "2")
    assert "is being built" in text


def test_a_build_that_failed_is_shown_and_not_tried_again_before_a_change(workspace, builds):
    builds.status = 1
    site.log_file(workspace).parent.mkdir(parents=True)
    site.log_file(workspace).write_text("WARNING: a link to <gone.md>")
    with served(workspace) as port:
        get(port)
        deadline = time.monotonic() + 10
        while "could not be built" not in (answer := get(port))[2] and time.monotonic() < deadline:
            time.sleep(0.05)
    assert answer[1] is None
    assert "a link to &lt;gone.md&gt;" in answer[2]
    assert len(builds.asked) == 1


def test_a_port_that_is_taken_is_named_with_another_one(workspace):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(CliError) as refused:
            site_server.server(workspace, port)
    assert refused.value.problem == f"Port {port} is in use by another program."
    assert f"make docs-serve PORT={port + 1}" in refused.value.advice


def test_it_is_served_beside_the_cloud_found_again_and_stopped(workspace, monkeypatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        monkeypatch.setattr(site, "DEFAULT_PORT", other.getsockname()[1])
        instance = site.start(workspace)
    try:
        assert instance.port != site.DEFAULT_PORT
        assert site.start(workspace) == instance, "once is enough"
        assert site.address(workspace) == f"http://127.0.0.1:{instance.port}/"
    finally:
        site.stop(workspace)
    assert site.address(workspace) == ""
    assert "docs-serve" not in process.command_line(instance.pid)


def test_a_process_that_was_given_the_number_since_is_left_alone(workspace):
    workspace.local.mkdir()
    (workspace.local / "site.json").write_text(f'{{"pid": {os.getpid()}, "port": 8000}}')
    site.stop(workspace)
    assert site.address(workspace) == ""


def test_without_its_environment_the_site_says_how_to_install_it(workspace):
    with pytest.raises(CliError) as missing:
        site.tools(workspace)
    assert missing.value.advice == "Install it: make setup"
