from __future__ import annotations

import dataclasses
import json

import pytest
from commerce_platform.cli import workspace as module
from commerce_platform.cli.errors import CliError
from commerce_platform.cli.workspace import LOCAL, STAGES, Workspace


def again(workspace: Workspace) -> Workspace:
    """The same folder as a later run sees it: nothing remembered."""
    return dataclasses.replace(workspace)


def inputs(workspace: Workspace, name: str = "cart-service", stage: str = LOCAL) -> str:
    seen = again(workspace)
    return seen.inputs(seen.app(name), stage)


def test_the_platform_is_deployed_before_the_services_that_need_it(workspace):
    assert [app.name for app in workspace.apps] == ["platform", "cart-service", "product-service"]


def test_a_folder_without_an_app_is_not_deployed(workspace):
    (workspace.root / "order-service").mkdir()
    (workspace.root / "order-service" / "cdk.json").write_text("{}")
    assert "order-service" not in [app.name for app in workspace.apps]


@pytest.mark.parametrize("name", ["cart-service", "cart", "cart-service/"])
def test_a_service_is_found_by_its_folder_or_its_name(workspace, name):
    assert workspace.app(name).stack_prefix("prod") == "commerce-prod-cart"


def test_an_app_below_another_folder_is_found_by_its_path(workspace):
    chain = workspace.root / "bench" / "chain"
    chain.mkdir(parents=True)
    (chain / "cdk.json").write_text("{}")
    assert workspace.app("bench/chain").folder == chain
    assert "chain" not in [app.name for app in workspace.apps]


def test_an_unknown_service_is_refused_with_the_known_ones(workspace):
    with pytest.raises(CliError) as refused:
        workspace.app("basket-service")
    assert "basket-service" in refused.value.problem
    assert "platform, cart-service, product-service" in refused.value.advice


def test_the_stages_are_those_of_the_shared_constructs():
    from service_topology import StageName

    assert set(STAGES) == {stage.value for stage in StageName}


@pytest.mark.parametrize(
    "changed",
    [
        "cart-service/app.py",
        "cart-service/cart_service/runtime/handler.py",
        "shared-constructs/shared_constructs/table.py",
        "requirements/dev.lock",
        "package-lock.json",
    ],
)
def test_whatever_a_template_is_made_of_makes_its_service_stale(workspace, changed):
    before = inputs(workspace)
    path = workspace.root / changed
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("changed")
    assert inputs(workspace) != before


@pytest.mark.parametrize(
    "changed",
    [
        "cart-service/README.md",
        "cart-service/tests/unit/test_cart.py",
        "cart-service/cart_service/__pycache__/stack.cpython-311.pyc",
        "cart-service/cdk.out/tree.json",
        "product-service/app.py",
        "shared-constructs/service_testing/render.py",
    ],
)
def test_nothing_else_does(workspace, changed):
    before = inputs(workspace)
    path = workspace.root / changed
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("changed")
    assert inputs(workspace) == before


def test_a_moved_file_makes_its_service_stale(workspace):
    (workspace.root / "cart-service" / "one.py").write_text("same")
    before = inputs(workspace)
    (workspace.root / "cart-service" / "one.py").rename(workspace.root / "cart-service" / "other.py")
    assert inputs(workspace) != before


def test_each_stage_has_an_assembly_of_its_own(workspace):
    assert len({inputs(workspace, stage=stage) for stage in STAGES}) == len(STAGES)


def test_an_app_may_name_files_that_it_is_not_made_of(workspace):
    folder = workspace.root / "platform"
    (folder / "cdk.json").write_text(json.dumps({"watch": {"exclude": ["commerce_platform/cli/**"]}}))
    before = inputs(workspace, "platform")
    (folder / "commerce_platform" / "cli").mkdir(parents=True)
    (folder / "commerce_platform" / "cli" / "main.py").write_text("changed")
    assert inputs(workspace, "platform") == before
    (folder / "commerce_platform" / "stack.py").write_text("changed")
    assert inputs(workspace, "platform") != before


def test_the_same_content_in_other_files_is_another_digest(tmp_path):
    (tmp_path / "a").write_text("12")
    (tmp_path / "b").write_text("3")
    first = module.digest(tmp_path, [tmp_path / "a", tmp_path / "b"])
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("23")
    assert module.digest(tmp_path, [tmp_path / "a", tmp_path / "b"]) != first
