"""The command line as a shell sees it: exit status, standard output, standard error."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def run(tmp_path, *arguments):
    environment = {k: v for k, v in os.environ.items() if k != "COMMERCE_ENDPOINTS"}
    command = [sys.executable, "-m", "storefront", *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=environment | {"COMMERCE_LOCAL_DIR": str(tmp_path)},
    )


@pytest.mark.parametrize("verb", ["demo", "order", "bench"])
def test_what_needs_a_running_platform_says_how_to_start_one(tmp_path, verb):
    done = run(tmp_path, verb)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "The local cloud does not run.\nStart it: make up\n"


def test_numbers_of_orders_are_checked_before_a_cloud_is_made_for_them(tmp_path):
    assert run(tmp_path, "bench", "--check").returncode == 0
    assert "from 1 to 500" in run(tmp_path, "bench", "--check", "--orders", "none").stderr
