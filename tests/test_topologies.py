"""The committed topologies know where each of their services lives in every stage."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from commerce_platform.account.forwarding import consumption, flows
from commerce_platform.account.stack import build
from commerce_platform.cli.workspace import STAGES, Workspace
from commerce_platform.settings import PlatformSettings
from service_topology import StageName, Topology, UserPool, Users
from shared_constructs import ServiceApp

TOPOLOGIES = Path(__file__).parents[1] / "topologies"


def test_the_command_line_knows_the_same_stages():
    assert set(STAGES) == set(StageName)


def listed():
    """The services that topologies list: those whose accounts somebody has chosen."""
    return Topology.load(TOPOLOGIES / "per-service.toml").known_services


@pytest.mark.parametrize(
    ("name", "accounts"), [("single", 1), ("per-stage", 1), ("per-service", len(listed()))]
)
def test_each_place_and_flow_of_a_topology_is_known(name, accounts):
    topology = Topology.load(TOPOLOGIES / f"{name}.toml")
    for stage in STAGES:
        homes = {topology.place(stage, service) for service in listed()}
        assert len(homes) == len(topology.places(stage)) == accounts
        assert bool(flows(topology, stage, consumption())) == (accounts > 1)


def test_topologies_list_the_same_services_all_of_which_exist():
    assert Topology.load(TOPOLOGIES / "per-stage.toml").known_services == listed()
    assert {*listed()} <= {app.service for app in Workspace.here().apps}


def test_a_service_that_no_topology_lists_yet_is_in_nobodys_way():
    topology = Topology.load(TOPOLOGIES / "per-service.toml")
    newcomer = {"loyalty": ["commerce.order/OrderConfirmed.v1"], "cart": ["commerce.loyalty/PointsEarned.v1"]}
    assert flows(topology, "prod", consumption() | newcomer) != []
    assert "loyalty" not in str(flows(topology, "prod", consumption() | newcomer))
    everywhere = Topology.load(TOPOLOGIES / "single.toml")
    assert everywhere.place("prod", "loyalty") == everywhere.place("prod", "order")


def test_no_account_of_two_stages_is_the_same_where_each_stage_has_its_own():
    topology = Topology.load(TOPOLOGIES / "per-service.toml")
    homes = [place.account for stage in STAGES for place in topology.places(stage)]
    assert len(homes) == len(set(homes))


def test_an_unknown_topology_is_a_readable_error():
    command = [sys.executable, "-m", "commerce_platform.cli", "synth", "--topology", "per-planet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "TOPOLOGY is one of: per-service, per-stage, single" in done.stderr


def test_the_account_stacks_of_several_accounts_keep_the_rules_of_the_templates(tmp_path, monkeypatch):
    monkeypatch.setenv("CDK_VALIDATION", "true")
    pool = UserPool(
        arn="arn:aws:cognito-idp:eu-west-1:444444444441:userpool/eu-west-1_x", id="eu-west-1_x", client_id="c"
    )
    users = Users(pool, pool)
    file = tmp_path / "topology.toml"
    file.write_text(f"{(TOPOLOGIES / 'per-service.toml').read_text()}\n{users.as_toml('prod')}")
    sender = {"stages": {"prod": {"mail_sender": "no-reply@crumb.bakery"}}}
    context = {"topology": str(file), "aws:cdk:bundling-stacks": [], **sender}
    app = ServiceApp(
        service="platform",
        settings=PlatformSettings,
        stage="prod",
        outdir=str(tmp_path / "out"),
        context=context,
    )
    build(app)
    stacks = {stack.id for stack in app.synth().stacks}  # fails with what cdk-nag or the CDK finds
    assert len(stacks) == 2 * len(listed())
