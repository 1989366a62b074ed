"""The site as `make docs` builds it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def site():
    """Its folder; built once per content, whoever asks first."""
    done = subprocess.run(
        [sys.executable, "-m", "commerce_platform.cli", "docs"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return ROOT / "site"


@pytest.fixture(scope="session")
def templates():
    """Every service's templates as they were synthesized: the folder's name, the resource's path and the resource."""
    found = []
    for path in sorted((ROOT / ".cache" / "cdk.out" / "local").glob("*/*.template.json")):
        if (ROOT / path.parent.name / "cdk.json").exists():
            for resource in json.loads(path.read_text())["Resources"].values():
                name = (
                    resource.get("Metadata", {})
                    .get("aws:cdk:path", "")
                    .partition("/")[2]
                    .removesuffix("/Resource")
                )
                found.append((path.parent.name.removesuffix("-service"), name, resource))
    return found
