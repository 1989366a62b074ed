"""The smoke test that a pipeline runs after a deployment, on this one."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console
from service_topology import Topology
from storefront.client import Commerce
from storefront.smoke import run, selected
from storefront.smoke.visit import Visit, published

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("check", selected([], "local"))
def test_what_is_deployed_answers_as_published(commerce, check):
    output = Console(record=True, width=200)
    visit = Visit(commerce, published(commerce, ROOT))
    assert run(visit, selected([check], "local"), output), output.export_text()


def test_every_service_is_found_in_its_own_account_as_the_topology_says(commerce, monkeypatch, tmp_path):
    endpoints, topology = commerce.endpoints, commerce.folder / "topology.toml"
    config, account = tmp_path / "config", endpoints["auth"]["account"]
    names = Topology.load(topology).accounts if topology.exists() else {}
    config.write_text(
        "".join(
            f"[profile {name}]\naws_access_key_id={each}\naws_secret_access_key=local\n"
            for name, each in names.items()
        )
    )
    given = {
        "AWS_CONFIG_FILE": str(config),
        "AWS_ENDPOINT_URL": endpoints["endpointUrl"],
        "AWS_DEFAULT_REGION": endpoints["region"],
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": "local",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    found = Commerce.deployed("local", topology=str(topology) if names else None).endpoints
    assert found["services"].keys() == endpoints["services"].keys()
    assert {**found["auth"], "account": account} == endpoints["auth"]
