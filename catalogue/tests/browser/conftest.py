"""A headless Chromium, and the site served to it on loopback."""

import functools
import os
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-quic", "--disable-sync"]


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def address():
    handler = functools.partial(Silent, directory=os.environ["SITE"])
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="session")
def chromium():
    sandboxed = os.geteuid() != 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ["CHROMIUM"], args=QUIET, chromium_sandbox=sandboxed
        )
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, address):
    """Open a page as on some device; what it asked others for and what went wrong in it fails the test."""
    contexts, wrong = [], []

    def opened(path, width=1440, height=1000, scheme="light"):
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            has_touch=width < 600,
            reduced_motion="reduce",
        )
        contexts.append(context)
        context.set_default_timeout(60_000)
        page = context.new_page()
        page.on(
            "request",
            lambda request: request.url.startswith((address, "data:", "blob:")) or wrong.append(request.url),
        )
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on(
            "response",
            lambda response: response.status < 400 or wrong.append(f"{response.status} {response.url}"),
        )
        page.goto(address + path, wait_until="load")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def keep():
    folder = Path(os.environ["SCREENSHOTS"])

    def kept(page, name):
        page.screenshot(path=folder / f"{name}.png")

    return kept
