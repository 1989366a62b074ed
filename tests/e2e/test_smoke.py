"""The smoke test that a pipeline runs after a deployment, on this one."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console
from storefront.smoke import run, selected
from storefront.smoke.visit import Visit, published

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("check", selected([], "local"))
def test_what_is_deployed_answers_as_published(commerce, check):
    output = Console(record=True, width=200)
    visit = Visit(commerce, published(commerce, ROOT))
    assert run(visit, selected([check], "local"), output), output.export_text()
