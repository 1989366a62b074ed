"""A service in its own repository takes what it consumes from a producer's published folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

NAME = "commerce.order/OrderConfirmed.v1"
SCHEMA = {
    "$id": NAME,
    "type": "object",
    "properties": {"orderId": {"type": "string"}},
    "required": ["orderId"],
}


@pytest.fixture
def loyalty(tmp_path):
    """A service that has nothing but its package and, elsewhere, what the order service publishes."""
    consumed = tmp_path / "loyalty_service" / "contracts" / "consumed"
    consumed.mkdir(parents=True)
    for folder in (consumed, consumed.parent, consumed.parent.parent):
        (folder / "__init__.py").write_text("")
    published = tmp_path / "elsewhere"
    published.mkdir()
    (published / "OrderConfirmed.v1.json").write_text(json.dumps(SCHEMA))

    def add(event, origin=published):
        command = [sys.executable, "-m", "service_contracts", "add", "loyalty_service", event, str(origin)]
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    return add


def test_a_copy_is_made_and_locked(loyalty):
    done = loyalty(NAME)

    assert (done.returncode, done.stderr) == (0, "")
    copy = Path(done.stdout.strip())
    assert json.loads(copy.read_text()) == SCHEMA
    (entry,) = json.loads((copy.parent / "contracts.lock.json").read_text())["contracts"]
    assert entry["name"] == NAME


def test_what_is_not_published_is_answered_with_what_is(loyalty):
    done = loyalty("commerce.order/OrderLost.v1")

    assert done.returncode == 1
    assert "publishes no OrderLost.v1; there is OrderConfirmed.v1" in done.stderr
    assert "Traceback" not in done.stderr
