"""A release of the library: which version it must have, that its bytes are the same everywhere, and that it arrives."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from commerce_platform.cli import release
from commerce_platform.cli.errors import CliError
from commerce_platform.cli.release import Level, changes, demanded

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "shared-constructs"
API = '''
MOST = 10


class Thing:
    def __init__(self, name: str, *, size: int = 1) -> None:
        """Make it."""
        self.name = name

    def _private(self) -> None:
        """Not for others."""


def make(name: str) -> Thing:
    """Make one."""
    return Thing(name)
'''
TEMPLATE = {
    "Table": {"Type": "AWS::DynamoDB::Table", "Properties": {"KeySchema": "pk"}},
    "Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": {"Threshold": 1}},
    "Deployment0a1b": {"Type": "AWS::ApiGateway::Deployment", "Properties": {}},
}


def library(folder, api=API, template=None):
    for package in release.PACKAGES:
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").write_text(api if package == "shared_constructs" else "")
    kept = folder / release.REFERENCE
    kept.mkdir(parents=True)
    (kept / "stack.json").write_text(json.dumps({"Resources": TEMPLATE if template is None else template}))
    return folder


def without(name):
    return {key: each for key, each in TEMPLATE.items() if key != name}


RENAMED = {**without("Alarm"), "OtherAlarm": TEMPLATE["Alarm"]}
TUNED = {**TEMPLATE, "Alarm": {**TEMPLATE["Alarm"], "Properties": {"Threshold": 2}}}
REDEPLOYED = {**without("Deployment0a1b"), "Deployment2c3d": TEMPLATE["Deployment0a1b"]}


@pytest.mark.parametrize(
    ("api", "template", "level"),
    [
        (API, TEMPLATE, None),
        (API.replace("def _private", "def _other"), TEMPLATE, None),
        (API, REDEPLOYED, None),
        (API + "\n\ndef more() -> None:\n    pass\n", TEMPLATE, Level.MINOR),
        (API.replace("size: int = 1", "size: int = 1, colour: str = ''"), TEMPLATE, Level.MINOR),
        (API.replace("size: int = 1", "size: int = 2"), TEMPLATE, Level.MINOR),
        (API.replace("MOST = 10", "MOST = 20"), TEMPLATE, None),
        (API, TUNED, Level.MINOR),
        (API, {**TEMPLATE, "Queue": {"Type": "AWS::SQS::Queue"}}, Level.MINOR),
        (API.replace("def make", "def build"), TEMPLATE, Level.MAJOR),
        (API.replace(", *, size: int = 1", ""), TEMPLATE, Level.MAJOR),
        (API.replace("size: int = 1", "size: int = 1, colour: str"), TEMPLATE, Level.MAJOR),
        (API, RENAMED, Level.MAJOR),
        (API, without("Table"), Level.MAJOR),
        (API, {**TEMPLATE, "Table": {"Type": "AWS::DynamoDB::GlobalTable"}}, Level.MAJOR),
    ],
    ids=[
        *(
            "nothing",
            "private",
            "deployment",
            "function",
            "argument",
            "default",
            "constant",
            "property",
            "resource",
        ),
        *("gone", "argument gone", "argument required", "logical id", "table gone", "type"),
    ],
)
def test_what_has_changed_says_what_it_demands(tmp_path, api, template, level):
    found = changes(library(tmp_path / "before"), library(tmp_path / "after", api, template))
    assert max((each.level for each in found), default=None) == level


@pytest.mark.parametrize(
    ("last", "level", "next_one"),
    [
        ((1, 4, 2), Level.PATCH, (1, 4, 3)),
        ((1, 4, 2), Level.MINOR, (1, 5, 0)),
        ((1, 4, 2), Level.MAJOR, (2, 0, 0)),
        ((0, 4, 2), Level.PATCH, (0, 4, 3)),
        ((0, 4, 2), Level.MINOR, (0, 4, 3)),
        ((0, 4, 2), Level.MAJOR, (0, 5, 0)),
    ],
)
def test_the_next_version_follows_from_the_gravest_change(last, level, next_one):
    found = [release.Change(Level.PATCH, "a comment"), release.Change(level, "something")]
    assert demanded(last, found) == next_one


def test_the_last_release_is_the_newest_tag_below_the_version_of_now(tmp_path):
    def git(*arguments):
        subprocess.run(["git", "-C", tmp_path, *arguments], check=True, capture_output=True)

    git("init")
    git("-c", "user.name=x", "-c", "user.email=x@example.com", "commit", "--allow-empty", "-m", "x")
    assert release.last_release(tmp_path, (1, 0, 0)) is None
    for version in ("0.9.0", "0.10.0", "1.0.0"):
        git("tag", f"shared-constructs-v{version}")
    assert release.last_release(tmp_path, (1, 0, 0)) == (0, 10, 0)
    assert release.last_release(tmp_path, (1, 0, 1)) == (1, 0, 0)


def test_the_changelog_tells_of_the_version_and_one_that_it_does_not_know_is_refused():
    version = release.version_of(LIBRARY)
    release.check_changelog(LIBRARY, version)
    with pytest.raises(CliError, match=r"no section 99\.0\.0"):
        release.check_changelog(LIBRARY, (99, 0, 0))


def test_the_reference_stacks_use_every_construct():
    import shared_constructs

    text = (LIBRARY / "tests/infrastructure/reference/test_reference.py").read_text()
    constructs = {
        name
        for name in shared_constructs.__all__
        if isinstance(getattr(shared_constructs, name), type)
        and issubclass(getattr(shared_constructs, name), shared_constructs.ServiceTable.__mro__[1])
    }
    left_out = {"DependencyLayer", "ServiceStack", "ServiceApp"}
    assert {name for name in constructs - left_out if f"{name}(" not in text} == set()


# --- Building and publishing ------------------------------------------------------------------------------------------


class Index(BaseHTTPRequestHandler):
    """What a private index does with an upload: it keeps the file by its name."""

    uploads: dict[str, tuple[dict[str, str], bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        parts = BytesParser(policy=HTTP).parsebytes(head + body).iter_parts()
        fields: dict[str, str] = {"authorization": self.headers["Authorization"]}
        content = b""
        for part in parts:
            payload: Any = part.get_payload(decode=True)
            if part.get_filename():
                fields["filename"], content = str(part.get_filename()), payload
            else:
                fields[str(part.get_param("name", header="content-disposition"))] = payload.decode()
        self.uploads[fields["filename"]] = (fields, content)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def index():
    Index.uploads = {}
    server = HTTPServer(("127.0.0.1", 0), Index)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_what_is_built_twice_has_the_same_bytes_and_arrives_as_it_was_built(tmp_path, index):
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-z", *release.RELEASED], check=True, capture_output=True, text=True
    ).stdout.split("\0")
    for name in filter(None, listed):
        if "/tests/" not in name:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    built = release.build(tmp_path)
    version = release.written(release.version_of(LIBRARY))
    assert {path.name for path in built} == {
        f"{name}-{version}{kind}"
        for name in ("shared_constructs", "storefront")
        for kind in ("-py3-none-any.whl", ".tar.gz")
    }
    assert {path.parent for path in built} == {tmp_path / "shared-constructs" / "dist"}
    recipe = re.search(r"^publish:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    script = (
        recipe[1]
        .replace("\t@", "")
        .replace("$$", "$")
        .replace("$(DOMAIN)", "ours")
        .replace("$(UV)", str(ROOT / ".venv/bin/uv"))
    )
    (tmp_path / "bin").mkdir()
    aws = tmp_path / "bin" / "aws"
    aws.write_text('#!/bin/sh\necho "$*" > "$HOME/asked"\necho a-token\n')
    aws.chmod(0o755)
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={
            "PATH": f"{tmp_path}/bin:/usr/bin:/bin",
            "HOME": str(tmp_path),
            "UV_PUBLISH_URL": f"http://127.0.0.1:{index.server_port}/",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "codeartifact get-authorization-token --domain ours" in (tmp_path / "asked").read_text()
    for path, digest in built.items():
        fields, content = Index.uploads[path.name]
        assert (fields["sha256_digest"], content) == (digest, path.read_bytes())
        released = "storefront" if path.name.startswith("storefront") else "shared-constructs"
        assert (fields["name"], fields["version"]) == (released, version)
        assert fields["authorization"].startswith("Basic ")


def test_what_is_released_together_has_one_version(tmp_path):
    for name, version in (("shared-constructs", "0.2.0"), ("storefront", "0.1.0")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").write_text(f'[project]\nversion = "{version}"\n')
    with pytest.raises(CliError, match=r"one version: shared-constructs is 0\.2\.0, storefront is 0\.1\.0"):
        release.build(tmp_path)


def test_nothing_is_published_where_nobody_has_said():
    nowhere = {name: value for name, value in os.environ.items() if not name.startswith("UV_PUBLISH")}
    # Should the recipe ever ask, it asks `false` and not uv, which has a place of its own to go to.
    done = subprocess.run(
        ["make", "publish", "UV=false"], cwd=ROOT, env=nowhere, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "Publish where?" in done.stderr


def test_the_pipeline_checks_and_builds_before_it_has_anybodys_rights_and_publishes_only_tags():
    workflow = yaml.safe_load((ROOT / ".github/workflows/library.yml").read_text())
    assert workflow[True] == {"push": {"tags": ["shared-constructs-v*"]}}
    steps = workflow["jobs"]["publish"]["steps"]
    names = [step.get("run") or step["uses"].partition("@")[0] for step in steps]
    rights = names.index("aws-actions/configure-aws-credentials")
    assert (
        names.index("make setup release-check release sbom")
        < rights
        < names.index('make publish DOMAIN="$DOMAIN"')
    )
    assert workflow["jobs"]["publish"]["permissions"] == {"contents": "read", "id-token": "write"}
