"""Which topology is meant, and that AWS is touched with credentials of the right account only."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from commerce_platform.cli import cdk, main, topologies
from commerce_platform.cli.cloud import Cloud
from commerce_platform.cli.errors import CliError
from moto import mock_aws
from service_topology import Place, UserPool, Users

if TYPE_CHECKING:
    from commerce_platform.cli.workspace import Workspace

MINE = "123456789012"  # moto's
TOPOLOGY = """
services = ["cart", "product"]
regions = ["eu-west-1"]
[accounts]
mine = "123456789012"
theirs = "210987654321"
[stages.local]
account = "theirs"
region = "eu-west-1"
[stages.dev]
[stages.prod]
account = "theirs"
region = "eu-west-1"
services.cart = { account = "mine" }
[stages.staging]
account = "mine"
region = "eu-west-1"
services.cart = { account = "theirs" }
"""
SEVERAL = TOPOLOGY.replace("[stages.dev]", 'services.cart = { account = "mine" }\n[stages.dev]', 1)
POOL = UserPool(
    arn="arn:aws:cognito-idp:eu-west-1:210987654321:userpool/eu-west-1_x", id="eu-west-1_x", client_id="c"
)
USERS = Users(POOL, POOL.model_copy(update={"id": "eu-west-1_staff"}))


@pytest.fixture
def aws(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield Cloud.of_the_caller()


@pytest.fixture
def placed(workspace) -> Workspace:
    folder = workspace.root / "topologies"
    folder.mkdir()
    (folder / "single.toml").write_text("stages = { local = {}, prod = {} }")
    (folder / "ours.toml").write_text(TOPOLOGY)
    (folder / "several.toml").write_text(SEVERAL)
    return workspace


def test_credentials_of_the_account_that_the_topology_names_may_go_on(placed, aws):
    ours = topologies.chosen(placed, "ours", "prod")
    assert topologies.require_account(ours, [ours.app("cart")], "prod", aws) == Place(MINE, "eu-west-1")


@pytest.mark.parametrize("apps", [("product",), ("cart", "product")])
def test_credentials_of_another_account_are_refused_with_both(placed, aws, apps):
    ours = topologies.chosen(placed, "ours", "prod")
    with pytest.raises(CliError, match=f"product-service lives in 210987654321 .* credentials are of {MINE}"):
        topologies.require_account(ours, [ours.app(name) for name in apps], "prod", aws)


def test_a_stage_without_an_account_is_deployed_nowhere(placed, aws):
    ours = topologies.chosen(placed, "ours", "dev")
    with pytest.raises(CliError, match=f"names no account for cart-service in dev.*are of {MINE}") as refused:
        topologies.require_account(ours, [ours.app("cart")], "dev", aws)
    assert "stages.dev" in refused.value.advice


def test_without_credentials_nothing_is_done(placed, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    ours = topologies.chosen(placed, "ours", "prod")
    with pytest.raises(CliError, match="cannot be told"):
        topologies.require_account(ours, [ours.app("cart")], "prod", Cloud.of_the_caller())


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("verb", [main.deploy, main.diff, main.destroy])
def test_every_verb_that_touches_aws_is_refused_before_anything_is_done(placed, verb, monkeypatch):
    done = []
    monkeypatch.setattr(main.Workspace, "here", lambda: placed)
    monkeypatch.setattr(subprocess, "run", lambda *command, **_: done.append(command))
    monkeypatch.setattr(cdk, "synthesize", lambda *given: done.append(given))
    with pytest.raises(CliError, match="product-service lives in 210987654321"):
        verb(service="product", stage="prod", topology="ours")
    assert not done


@pytest.mark.parametrize(
    ("stage", "stacks"),
    [
        # The platform's own account has the names; another account's stacks have it behind them.
        ("staging", ["commerce-staging-platform-data", "commerce-staging-platform"]),
        (
            "prod",
            [f"commerce-prod-platform-data-{MINE}-eu-west-1", f"commerce-prod-platform-{MINE}-eu-west-1"],
        ),
    ],
)
def test_of_the_platform_the_stacks_of_the_callers_account_are_meant(placed, aws, stage, stacks):
    ours = topologies.chosen(placed, "ours", stage)
    platform = ours.app("platform")
    here = topologies.require_account(ours, [platform], stage, aws)
    assert cdk.stacks(ours, platform, stage, here) == stacks
    assert cdk.stacks(ours, ours.app("cart"), stage, here) == ["--all"]


def test_a_topology_that_there_is_not_is_refused_with_those_there_are(placed):
    with pytest.raises(CliError, match="No topology is called 'per-planet'") as refused:
        topologies.chosen(placed, "per-planet")
    assert "ours, several, single" in refused.value.advice


def test_what_nobody_has_placed_is_refused_with_what_is(placed):
    ours = topologies.chosen(placed, "ours")
    (placed.root / "wish-service").mkdir()
    for name in ("cdk.json", "app.py"):
        (placed.root / "wish-service" / name).write_text("{}")
    with pytest.raises(CliError, match="unknown service 'wish'; the services are cart, platform, product"):
        topologies.place(ours, ours.app("wish-service"), "local")


def test_the_local_cloud_remembers_what_it_runs_with_and_the_users_it_has_made(placed):
    kept = topologies.keep(topologies.chosen(placed, "several"))
    assert topologies.chosen(placed, None).places("local") == kept.places("local")
    assert len(kept.places("local")) == 2
    kept = topologies.keep(kept, USERS.as_toml("local"))
    assert kept.known_topology.stage("local").users == USERS
    again = topologies.keep(topologies.chosen(placed, "several"))
    assert again.known_topology.stage("local").users is None
    topologies.forget(placed)
    assert len(topologies.chosen(placed, None).places("local")) == 1


def test_the_local_cloud_remembers_a_topology_with_one_account_as_well(placed):
    kept = topologies.keep(topologies.chosen(placed, "ours"))
    assert topologies.chosen(placed, None).places("local") == kept.places("local") != placed.places("local")
    app = placed.app("cart")
    assert topologies.chosen(placed, None).inputs(app, "local") == kept.inputs(app, "local")


@pytest.mark.parametrize(
    ("runs_with", "asked_for"), [("several", "single"), ("single", "several"), ("ours", "single")]
)
def test_a_local_cloud_that_holds_something_is_not_moved_to_another_topology(placed, runs_with, asked_for):
    topologies.keep(topologies.chosen(placed, runs_with))
    (placed.local / "state.json").parent.mkdir(parents=True, exist_ok=True)
    (placed.local / "state.json").write_text("{}")
    topologies.keep(topologies.chosen(placed, runs_with))
    with pytest.raises(CliError, match="runs with another topology"):
        topologies.keep(topologies.chosen(placed, asked_for))


def test_a_service_that_moves_is_synthesized_again_and_nobody_else(placed):
    ours, single = topologies.chosen(placed, "ours", "prod"), topologies.chosen(placed, "several", "prod")
    moved = placed.root / "moved.toml"
    moved.write_text(TOPOLOGY.replace('services.cart = { account = "mine" }', ""))
    elsewhere = topologies.chosen(placed, "moved.toml", "prod")
    cart, product = ours.app("cart"), ours.app("product")
    assert ours.inputs(cart, "prod") == single.inputs(cart, "prod") != elsewhere.inputs(cart, "prod")
    assert ours.inputs(product, "prod") == elsewhere.inputs(product, "prod")
    assert ours.assembly(cart, "prod") != elsewhere.assembly(cart, "prod")
