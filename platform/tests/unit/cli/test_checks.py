from __future__ import annotations

import asyncio
import io
import tomllib

import pytest
from commerce_platform.cli import process
from commerce_platform.cli.board import Board
from commerce_platform.cli.checks import Lint, run_all, unfit_lines
from commerce_platform.cli.errors import CliError
from rich.console import Console

# Put together here, so that this file itself is fit.
INDEX = "https://" + "pypi" + ".org/simple"
HOME = "/" + "home/alice/code"
# And so that it names no module of the CDK that nobody uses: mypy would read it.
LARGE, UNUSED = "aws_" + "quicksight", "aws_" + "medialive"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (f"see {INDEX}", "a package registry or mirror"),
        ("--index" + "-url https://mirror.example/simple", "a package registry or mirror"),
        ('"resolved"' + ': "https://mirror.example/x.tgz"', "a package registry or mirror"),
        ("registry" + " = https://mirror.example", "a package registry or mirror"),
        (f"root = {HOME}", "a path of one machine"),
    ],
)
def test_what_must_not_be_committed_is_found_with_its_place(line, what):
    (found,) = unfit_lines("docs/x.md", f"fine\n{line}\n")
    assert found.startswith(f"docs/x.md:2: names {what}")


@pytest.mark.parametrize(
    "line", ["registry of services", "GET /home/page", "omit-lockfile-registry-resolved=true"]
)
def test_what_only_looks_like_it_is_fine(line):
    assert not list(unfit_lines("docs/x.md", line))


def test_what_is_found_is_shown_at_once_and_all_checks_are_named_at_the_end():
    said, shown_meanwhile = Console(file=io.StringIO(), width=100), []

    async def quick():
        return "line 3: too long"

    async def slow():
        for _ in range(100):
            await asyncio.sleep(0)
        shown_meanwhile.append("too long" in said.file.getvalue())
        return ""

    with Board(said) as board, pytest.raises(CliError) as failed:
        asyncio.run(run_all({"style": quick(), "types": slow()}, board, "make format"))
    assert (failed.value.problem, failed.value.advice) == ("Found, see above: style.", "make format")
    assert shown_meanwhile == [True]


def test_every_service_that_there_is_has_its_boundaries(workspace, monkeypatch):
    ran = []

    async def run(command, **_):
        ran.append(command[-1].read_text())
        return 0

    monkeypatch.setattr(process, "run", run)
    (workspace.root / ".importlinter").write_text("root_packages =\n    *_service\n    storefront\n")
    for name in ("cart", "loyalty"):
        package = workspace.root / f"{name}-service" / f"{name}_service"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
    assert asyncio.run(Lint(workspace, None).boundaries()) == ""
    assert ran == ["root_packages =\n    cart_service\n    loyalty_service\n    storefront\n"]


def test_of_the_cdk_types_are_read_that_some_file_names_and_none_that_takes_its_time_for_nothing(
    workspace, monkeypatch
):
    """A module that is left alone has no types, so that nothing of it would be checked where somebody did use it."""
    given = []

    async def run(command, **_):
        given.append(tomllib.loads(command[command.index("--config-file") + 1].read_text()))
        return 0

    monkeypatch.setattr(process, "run", run)
    (workspace.root / "pyproject.toml").write_text("[tool.mypy]\nstrict = true\n")
    package = workspace.root / "loyalty-service" / "loyalty_service"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"from aws_cdk import {LARGE}, aws_sqs as sqs\n")
    assert asyncio.run(Lint(workspace, None).types()) == ""
    (settings,) = given
    assert settings["tool"]["mypy"]["strict"] is True
    (override,) = settings["tool"]["mypy"]["overrides"]
    left_alone = set(override["module"])
    assert override["follow_imports"] == "skip"
    assert left_alone.isdisjoint({f"aws_cdk.{LARGE}.*", "aws_cdk.aws_sqs.*", "aws_cdk.aws_ec2.*"})
    assert left_alone.isdisjoint({f"aws_cdk.interfaces.{LARGE}.*", "aws_cdk.interfaces.aws_sqs.*"})
    assert {f"aws_cdk.{UNUSED}.*", f"aws_cdk.interfaces.{UNUSED}.*", "aws_cdk.aws_sns.*"} < left_alone
    assert all(
        name.removeprefix("aws_cdk.").removeprefix("interfaces.").startswith("aws_") for name in left_alone
    )
