"""The pipelines: they run what a developer runs, and what writes to the repository runs nothing that the repository brings."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from commerce_platform.cli.checks import Lint
from commerce_platform.cli.workspace import Workspace

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in ROOT.glob(".github/workflows/*.yml")}
JOBS = [
    (name, job) for workflow in WORKFLOWS.values() for name, job in workflow["jobs"].items() if "steps" in job
]
RUNS = [step["run"] for _, job in JOBS for step in job["steps"] if "run" in step]
CHECK = WORKFLOWS["pull-request"]["jobs"]["check"]
VERBS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


def step(workflow, job, name):
    (found,) = [
        each
        for each in WORKFLOWS[workflow]["jobs"][job]["steps"]
        if name in (each.get("name"), each.get("run"))
    ]
    return found["run"]


def run(script, folder, **environment):
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", script],
        cwd=folder,
        env={"PATH": f"{folder}/bin:{os.environ['PATH']}", "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def tool(folder, name, script):
    """A program that writes down what it was asked."""
    (folder / "bin").mkdir(exist_ok=True)
    path = folder / "bin" / name
    path.write_text(f'#!/bin/sh\necho "{name} $*" >> "{folder}/asked"\n{script}\n')
    path.chmod(0o755)


def test_a_pull_request_is_checked_by_what_everybody_runs():
    by_hand = re.findall(r"^make ([a-z-]+)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert CHECK["strategy"]["matrix"]["verb"] == by_hand
    assert VERBS.issuperset(by_hand)


def test_services_share_one_pipeline_whose_steps_are_verbs_of_their_own_makefile():
    folders = [app.folder for app in Workspace.here().apps if (app.folder / "Makefile").exists()]
    assert len(folders) > 1
    for name in (
        "Makefile",
        *(f".github/workflows/{each}.yml" for each in ("pull-request", "stage", "deploy")),
    ):
        assert len({(folder / name).read_text() for folder in folders}) == 1, name
    verbs = set(re.findall(r"^([a-z]+):.*## ", (folders[0] / "Makefile").read_text(), re.MULTILINE))
    read = [yaml.safe_load(path.read_text()) for path in folders[0].glob(".github/workflows/*.yml")]
    steps = [
        step.get("run", "") for each in read for job in each["jobs"].values() for step in job.get("steps", ())
    ]
    used = {
        verb for step in steps for verbs in re.findall(r"\bmake ([a-z ]+)", step) for verb in verbs.split()
    }
    (matrix,) = [each["jobs"]["check"]["strategy"]["matrix"] for each in read if "check" in each["jobs"]]
    assert {"setup", "deploy", "smoke"} == used
    assert verbs.issuperset({*used, *matrix["verb"]})
    # `make split` runs it, in a copy of the folder where there is nothing else.
    assert f"check: {' '.join(matrix['verb'])} ##" in (folders[0] / "Makefile").read_text()


def test_every_step_is_a_verb_that_can_be_run_by_hand():
    for script in RUNS:
        for verb in re.findall(r"\bmake ([a-z-]+)", script):
            assert verb in VERBS, script
        assert re.match(r"make |gh |as_us=", script), script


def test_no_pipe_hides_that_a_step_has_failed():
    piped = [
        step for _, job in JOBS for step in job["steps"] if re.search(r"[^|]\|[^|]", step.get("run", ""))
    ]
    for step in piped:
        # The default shell has no pipefail; what stands in $( ) only makes a text.
        bare = re.sub(r"\$\([^)]*\)", "", step["run"])
        assert not re.search(r"[^|]\|[^|]", bare) or step.get("shell") == "bash", step["run"]


def test_what_may_write_runs_nothing_of_the_repository():
    writers = [
        (name, job)
        for name, job in JOBS
        if {access for scope, access in job["permissions"].items() if scope != "id-token"} & {"write"}
    ]
    assert {name for name, _ in writers} == {"comment", "record"}
    for name, job in writers:
        assert not any(
            "checkout" in each.get("uses", "") or "make" in each.get("run", "") for each in job["steps"]
        ), name


def test_stages_follow_each_other_and_prod_comes_last():
    jobs = WORKFLOWS["deploy"]["jobs"]
    assert [(name, job.get("needs"), job["with"]["stage"]) for name, job in jobs.items()] == [
        ("dev", None, "dev"),
        ("staging", "dev", "staging"),
        ("prod", "staging", "prod"),
    ]
    steps = [each.get("run", "") for each in WORKFLOWS["stage"]["jobs"]["deploy"]["steps"]]
    assert steps.index('make deploy STAGE="$STAGE"') < steps.index('make smoke STAGE="$STAGE"')


def test_a_stage_that_fails_goes_back_to_what_was_deployed_before(tmp_path):
    origin, clone = tmp_path / "origin", tmp_path / "clone"

    def git(folder, *arguments):
        subprocess.run(
            ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b", *arguments], check=True
        )

    origin.mkdir()
    git(origin, "init", "--quiet")
    for version in ("good", "bad"):
        (origin / "version").write_text(version)
        git(origin, "add", ".")
        git(origin, "commit", "--quiet", "-m", version)
    git(origin, "update-ref", "refs/deployed/staging", "HEAD~1")
    git(tmp_path, "clone", "--quiet", str(origin), str(clone))
    tool(clone, "make", "cat version")
    done = run(step("stage", "deploy", "roll back to what was deployed before"), clone, STAGE="staging")
    assert (done.returncode, done.stdout) == (0, "good"), done.stderr
    assert (clone / "asked").read_text() == "make deploy STAGE=staging\n"


@pytest.mark.parametrize("is_known", [True, False])
def test_what_is_deployed_is_recorded_the_first_time_too(tmp_path, is_known):
    tool(tmp_path, "gh", "" if is_known else 'case "$*" in *PATCH*) exit 1;; esac')
    (record,) = [each["run"] for each in WORKFLOWS["stage"]["jobs"]["record"]["steps"]]
    done = run(record, tmp_path, STAGE="prod", GITHUB_REPOSITORY="o/r", GITHUB_SHA="abc")
    assert done.returncode == 0, done.stderr
    asked = (tmp_path / "asked").read_text().splitlines()
    assert (
        asked[0] == "gh api --silent --method PATCH repos/o/r/git/refs/deployed/prod -f sha=abc -F force=true"
    )
    assert asked[1:] == (
        []
        if is_known
        else ["gh api --silent --method POST repos/o/r/git/refs -f ref=refs/deployed/prod -f sha=abc"]
    )


def test_the_review_becomes_a_comment(tmp_path):
    tool(tmp_path, "gh", "")
    (comment,) = [
        each["run"] for each in WORKFLOWS["pull-request"]["jobs"]["comment"]["steps"] if "run" in each
    ]
    assert run(comment, tmp_path, NUMBER="7", GITHUB_REPOSITORY="o/r").returncode == 0
    assert "pr comment 7 --repo o/r --body-file review.md" in (tmp_path / "asked").read_text()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0", "@v5"), "unpinned-uses"),
        (('"$VERB"', "${{ github.head_ref }}"), "template-injection"),
        (("persist-credentials: false\n          fetch-depth: 0", "fetch-depth: 0"), "artipacked"),
        (("needs: review", "needs: reviews"), 'needs job "reviews" which does not exist'),
    ],
)
def test_a_workflow_that_is_wrong_or_unsafe_is_found(tmp_path, change, told):
    text = (ROOT / ".github" / "workflows" / "pull-request.yml").read_text()
    assert change[0] in text
    (tmp_path / ".github" / "workflows").mkdir(parents=True)
    (tmp_path / ".github" / "workflows" / "pull-request.yml").write_text(text.replace(*change))
    (tmp_path / ".github" / "zizmor.yml").write_text((ROOT / ".github" / "zizmor.yml").read_text())
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    (tmp_path / "package.json").write_text("{}")
    workspace = dataclasses.replace(Workspace.here(), root=tmp_path)
    assert told in asyncio.run(Lint(workspace, None).pipelines())


def test_the_workflows_are_right_and_safe():
    assert asyncio.run(Lint(Workspace.here(), None).pipelines()) == ""
