"""The command line as a shell sees it: exit status, standard output, standard error."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def run(tmp_path, *arguments):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")} | {
        "COMMERCE_LOCAL_DIR": str(tmp_path)
    }
    command = [sys.executable, "-m", "commerce_platform.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize("verb", [("trace", "--id", "0" * 32), ("logs",)])
def test_what_needs_a_running_cloud_says_how_to_start_one(tmp_path, verb):
    done = run(tmp_path, *verb)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "The local cloud does not run.\nStart it: make up\n"


def test_stopping_what_does_not_run_is_no_error(tmp_path):
    done = run(tmp_path, "down")
    assert (done.returncode, done.stdout) == (0, "The local cloud was not running.\n")


def test_an_unknown_stage_is_refused_with_the_known_ones(tmp_path):
    done = run(tmp_path, "synth", "--stage", "production")
    assert done.returncode == 2
    assert "local, dev, staging, prod" in done.stderr


def test_an_unknown_service_is_refused_with_the_known_ones(tmp_path):
    done = run(tmp_path, "synth", "--service", "basket-service")
    assert done.returncode == 1
    assert "SERVICE is one of: " in done.stderr


def test_whose_contract_is_added_must_be_said(tmp_path):
    done = run(tmp_path, "contract-add", "--service", "cart-service")
    assert done.returncode == 1
    assert "make contract-add SERVICE=loyalty-service EVENT=commerce.order/OrderConfirmed.v1" in done.stderr
