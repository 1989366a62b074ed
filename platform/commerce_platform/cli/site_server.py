"""Serve the documentation site on loopback, and build it when somebody opens a page that is not current."""

from __future__ import annotations

import functools
import html
import subprocess
import sys
import threading
import time
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from commerce_platform.cli import process, site
from commerce_platform.cli.emulator import free_port

if TYPE_CHECKING:
    from rich.console import Console

    from commerce_platform.cli.workspace import Workspace

REFRESH_SECONDS = 2
SETTLED_SECONDS = 5.0
"""A page asks for dozens of files; whether the site is current is looked up once for all of them."""

NICE = "10"
"""The build gives way to whatever else the machine is doing."""

WAITING = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>{title}</title>
<body style="font-family: system-ui; margin: 3rem auto; max-width: 50rem; padding: 0 1rem">
<h1>{title}</h1><p role="status">{text}</p><pre style="white-space: pre-wrap">{log}</pre></body></html>
"""


class Builder:
    """Builds in a process of its own, one at a time.

    Args:
        workspace: What to build.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.has_failed = False
        self._lock = threading.Lock()
        self._looked_at = -SETTLED_SECONDS
        self._running: threading.Thread | None = None
        self._tried = ""

    def look(self) -> None:
        """Begin to build if the site is not current; what could not be built is not tried again until it changes."""
        with self._lock:
            if self._running and self._running.is_alive():
                return
            if time.monotonic() - self._looked_at < SETTLED_SECONDS:
                return
            self._looked_at = time.monotonic()
            if site.is_current(self.workspace):
                self.has_failed = False
                return
            content = site.inputs(self.workspace)
            if content != self._tried:
                self._tried, self.has_failed = content, False
                self._running = threading.Thread(target=self._build, daemon=True)
                self._running.start()

    def _build(self) -> None:
        # `nice`, because a process with threads may not run code of its own between fork and exec.
        done = subprocess.run(  # noqa: S603 - our own command
            ["nice", "-n", NICE, sys.executable, "-m", "commerce_platform.cli", "docs"],  # noqa: S607 - POSIX has it
            cwd=self.workspace.root,
            env=process.tool_environment(),
            stdin=subprocess.DEVNULL,
            check=False,
        )
        self.has_failed = done.returncode != 0


class Handler(SimpleHTTPRequestHandler):
    """Files of the site; for a page, a look whether they are current.

    Args:
        builder: Who builds them.
    """

    def __init__(self, *args: Any, builder: Builder, **options: Any) -> None:
        self.builder = builder
        super().__init__(*args, **options)

    def do_GET(self) -> None:
        """Answer with a file, or with a page that waits for the first build."""
        self.builder.look()
        folder = site.folder(self.builder.workspace)
        if (folder / "index.html").exists() or not self.path.endswith((".html", "/")):
            super().do_GET()
        else:
            self._wait()

    def _wait(self) -> None:
        log = site.log_file(self.builder.workspace)
        failed = self.builder.has_failed
        title = "The site could not be built" if failed else "The site is being built"
        text = "Mend it and reload this page." if failed else "This page opens itself when that is done."
        said = log.read_text(errors="replace") if failed and log.exists() else ""
        body = WAITING.format(title=title, text=text, log=html.escape(said)).encode()
        self.send_response(HTTPStatus.SERVICE_UNAVAILABLE)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        if not failed:
            self.send_header("Refresh", str(REFRESH_SECONDS))
        self.end_headers()
        self.wfile.write(body)

    def end_headers(self) -> None:
        """Have the browser ask again: the next build may change anything."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the overridden method's name
        """Say nothing of each file."""


def server(workspace: Workspace, port: int) -> ThreadingHTTPServer:
    """A server that listens, and has yet to be told to serve.

    Raises:
        CliError: The port is in use.
    """
    port = port or free_port()
    site.require_free(port)
    handler = functools.partial(Handler, builder=Builder(workspace), directory=str(site.folder(workspace)))
    return ThreadingHTTPServer(("127.0.0.1", port), handler)


def serve(workspace: Workspace, port: int, output: Console) -> None:
    """Serve until interrupted.

    Raises:
        CliError: The port is in use.
    """
    with server(workspace, port) as listening:
        output.print(f"The site: http://127.0.0.1:{listening.server_port}/ (Ctrl-C ends it)", soft_wrap=True)
        if not site.is_current(workspace):
            output.print("It is built when first opened.")
        listening.serve_forever()
