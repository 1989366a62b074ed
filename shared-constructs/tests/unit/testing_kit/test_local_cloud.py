"""End-to-end tests of a service that stands alone: what `pytest` alone makes of them."""

import json
import os
import subprocess
import sys

import pytest

TESTS = """
import pytest
from service_testing.local_cloud import local_cloud  # noqa: F401

@pytest.mark.e2e
def test_through_public_urls(local_cloud):
    assert local_cloud.endpoints["stage"] == "local"
"""


@pytest.fixture
def alone(tmp_path):
    (tmp_path / "test_e2e.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = e2e\naddopts = -rs -p no:cacheprovider\n")

    def run(**variables):
        known = {name: value for name, value in os.environ.items() if name != "COMMERCE_ENDPOINTS"}
        command = [sys.executable, "-m", "pytest", "-q"]
        return subprocess.run(
            command,
            cwd=tmp_path,
            env={**known, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_without_a_local_cloud_they_are_skipped_and_say_why(alone):
    done = alone()
    assert done.returncode == 0, done.stdout
    assert "1 skipped" in done.stdout
    assert "start one with `make up`" in done.stdout
    assert "COMMERCE_ENDPOINTS" in done.stdout


def test_they_run_on_the_cloud_that_is_named(alone, tmp_path):
    (tmp_path / "elsewhere.json").write_text(json.dumps({"stage": "local"}))
    done = alone(COMMERCE_ENDPOINTS=str(tmp_path / "elsewhere.json"))
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_a_cloud_that_is_named_and_not_there_is_no_reason_to_skip(alone, tmp_path):
    done = alone(COMMERCE_ENDPOINTS=str(tmp_path / "elsewhere.json"))
    assert done.returncode == 1
    assert f"COMMERCE_ENDPOINTS names {tmp_path / 'elsewhere.json'}, which does not exist" in done.stdout
