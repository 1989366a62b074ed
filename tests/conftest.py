"""The local cloud that the end-to-end tests share, brought up as a person does, and reached by public URLs only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class LocalCloud:
    """A running instance: its folder, and what its endpoints file says."""

    folder: Path
    endpoints: dict[str, Any]

    def run(
        self, *arguments: str, check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a verb of the command line against this instance."""
        return subprocess.run(
            [sys.executable, "-m", "commerce_platform.cli", *arguments],
            cwd=ROOT,
            env={**os.environ, "COMMERCE_LOCAL_DIR": str(self.folder), **environment},
            capture_output=True,
            text=True,
            check=check,
        )

    def url(self, service: str, path: str) -> str:
        return f"{self.endpoints['services'][service]['apiUrl']}{path}"

    def request(self, method: str, service: str, path: str, *, token: str | None = None, **options: Any):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.request(method, self.url(service, path), headers=headers, timeout=30, **options)

    def token(self, user: str, group: str | None = None) -> str:
        return self.run("token", "--user", user, *(["--group", group] if group else [])).stdout.strip()


@pytest.fixture(scope="session")
def local_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    """The instance that `make test` brought up; when pytest is run by hand, one for this session."""
    if given := os.environ.get("COMMERCE_ENDPOINTS"):
        yield LocalCloud(Path(given).parent, json.loads(Path(given).read_text()))
        return
    from commerce_platform.cli.emulator import free_port

    folder = tmp_path_factory.mktemp("local-cloud")
    cloud = LocalCloud(folder, {})
    try:
        cloud.run("up", "--port", str(free_port()))
        yield LocalCloud(folder, json.loads((folder / "endpoints.json").read_text()))
    finally:
        cloud.run("down")


@pytest.fixture(scope="session")
def operator(local_cloud: LocalCloud) -> str:
    """An operator's access token."""
    return local_cloud.token("test-operator", "operators")
