"""The CDK CLI is stood in for by a script that writes what it was asked, so that only our own logic runs."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from commerce_platform.cli import cdk
from commerce_platform.cli.errors import CliError
from commerce_platform.cli.workspace import LOCAL

SYNTH = """
echo "$*" >> {calls}
while [ $# -gt 0 ]; do case $1 in --output) out=$2;; esac; shift; done
mkdir -p "$out" && echo '{{}}' > "$out/manifest.json" && cp app.py "$out/x.template.json"
"""


@pytest.fixture
def calls(workspace):
    calls = workspace.root / "calls"
    calls.touch()
    program(workspace, SYNTH.format(calls=calls))
    return calls


def program(workspace, script):
    path = cdk.cli(workspace)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(0o755)


def synthesize(workspace, stage=LOCAL, **options):
    seen = dataclasses.replace(workspace)
    return asyncio.run(cdk.synthesize(seen, seen.app("cart-service"), stage, **options))


def test_what_has_not_changed_is_synthesized_once(workspace, calls):
    synthesize(workspace)
    synthesize(workspace)
    assert len(calls.read_text().splitlines()) == 1


def test_what_has_changed_is_synthesized_again(workspace, calls):
    synthesize(workspace)
    (workspace.root / "cart-service" / "app.py").write_text("changed")
    synthesize(workspace)
    assert len(calls.read_text().splitlines()) == 2


def test_the_stage_is_handed_to_the_app(workspace, calls):
    synthesize(workspace, "prod")
    assert "--context stage=prod" in calls.read_text()


def test_several_stages_are_one_process_for_those_that_have_changed(workspace, calls):
    synthesize(workspace, "dev")
    app = workspace.app("cart-service")
    asyncio.run(cdk.synthesize_stages(workspace, app, ["local", "dev", "prod"]))
    _, together = calls.read_text().splitlines()
    assert "--context stage=local" in together
    assert f"shared_constructs.stages app.py prod={workspace.assembly(app, 'prod')}" in together


def test_a_validated_assembly_serves_where_validation_is_not_asked_for_but_not_the_other_way(
    workspace, calls
):
    synthesize(workspace)
    synthesize(workspace, validate=True)
    synthesize(workspace, validate=True)
    synthesize(workspace)
    assert len(calls.read_text().splitlines()) == 2


@pytest.mark.usefixtures("calls")
def test_a_failing_app_shows_the_end_of_its_output_and_is_tried_again(workspace):
    synthesize(workspace)
    (workspace.root / "cart-service" / "app.py").write_text("changed")
    program(workspace, "echo 'ValueError: stage must be one of'; exit 1")
    for _ in range(2):
        with pytest.raises(CliError, match="ValueError: stage must be one of"):
            synthesize(workspace)


@pytest.mark.usefixtures("calls")
def test_the_digest_of_an_assembly_is_of_its_templates_not_of_when_it_was_made(workspace):
    folder = synthesize(workspace)
    before = cdk.content(folder)
    (folder / "tree.json").write_text("other")
    assert cdk.content(folder) == before
    (folder / "x.template.json").write_text("other")
    assert cdk.content(folder) != before
