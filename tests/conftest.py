"""The platform that runs, reached by its public URLs as any client would, and the command lines that a person uses."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from storefront.client import Commerce, Operator

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class CommandLine:
    """What a person runs against an instance of the local cloud, given by its folder."""

    folder: Path

    def run(
        self, *arguments: str, module: str = "commerce_platform.cli", check: bool = True, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={**os.environ, "COMMERCE_LOCAL_DIR": str(self.folder), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0 or not check, f"{module} {arguments}\n{done.stdout}\n{done.stderr}"
        return done


@pytest.fixture(scope="session")
def commerce() -> Commerce:
    """The platform that `make test` or `make up` brought up. A refusal to serve is a result: nothing is sent twice."""
    return Commerce.running(patience=0)


@pytest.fixture(scope="session")
def command_line(commerce: Commerce) -> CommandLine:
    return CommandLine(commerce.folder)


@pytest.fixture(scope="session")
def operator(commerce: Commerce) -> Operator:
    return Operator(commerce, "test-operator")
