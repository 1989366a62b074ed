from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from commerce_platform.cli.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_servers_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests neither see nor stop what whoever runs them has running."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A repository with a platform and two services, none of which does anything."""
    for name in ("platform", "cart-service", "product-service"):
        folder = tmp_path / name
        (folder / "tests").mkdir(parents=True)
        (folder / "cdk.json").write_text('{"app": "python app.py"}')
        (folder / "app.py").write_text("")
        (folder / "pyproject.toml").write_text("")
    (tmp_path / "shared-constructs" / "shared_constructs" / "testing").mkdir(parents=True)
    (tmp_path / "requirements").mkdir()
    return Workspace(tmp_path, tmp_path / ".local")
