"""What a change would do, by the CDK's own comparison of real templates."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from functools import cache
from typing import Any

import pytest
from commerce_platform.cli.board import Board
from commerce_platform.cli.errors import CliError
from commerce_platform.cli.review import Change, Flag, States, checked_out, compare, cost, markdown, states
from commerce_platform.cli.workspace import Workspace
from rich.console import Console

WORKSPACE = Workspace.here()
ATTRIBUTES = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "id")]


CASES: dict[str, tuple[Any, Any]] = {}
"""Stack → its resources before and after; None where there is no such stack."""


def case(before, after):
    """Have these compared, with all other cases in one run of Node, and return the name of their stack."""
    name = f"stack-{len(CASES)}"
    CASES[name] = (before, after)
    return name


@cache
def changes():
    """Stack → what changed in it."""
    sides = [
        {name: {"Resources": sides[side]} for name, sides in CASES.items() if sides[side] is not None}
        for side in (0, 1)
    ]
    return {change.stack: change for change in compare(WORKSPACE, *sides)}


def flags(name):
    return [(flag.label, flag.what.partition("\n")[0]) for flag in changes()[name].flags]


def table(key="pk", policy="Delete", **indexes):
    return {
        "Type": "AWS::DynamoDB::Table",
        "DeletionPolicy": policy,
        "Properties": {
            "AttributeDefinitions": ATTRIBUTES,
            "KeySchema": [{"AttributeName": key, "KeyType": "HASH"}],
            "GlobalSecondaryIndexes": [
                {
                    "IndexName": name,
                    "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": projection},
                }
                for name, projection in indexes.items()
            ],
        },
    }


def role(*actions):
    statement = {"Effect": "Allow", "Action": [*actions], "Resource": "*"}
    policy = {"PolicyName": "Own", "PolicyDocument": {"Statement": [statement]}}
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": {"Statement": []}, "Policies": [policy]},
    }


def workflow(attempts):
    parts = [f'{{"Retry":{attempts},"Arn":"', {"Fn::GetAtt": ["Orders", "Arn"]}, '"}']
    return {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {"DefinitionString": {"Fn::Join": ["", parts]}},
    }


QUEUE = {"Type": "AWS::SQS::Queue", "Properties": {}}
FIFO = {"Type": "AWS::SQS::Queue", "Properties": {"FifoQueue": True}}
ALARM = {"Type": "AWS::CloudWatch::Alarm", "Properties": {}}


@pytest.mark.parametrize(
    ("name", "what"),
    [
        (case({"Orders": table()}, {"Orders": table(key="id")}), "AWS::DynamoDB::Table Orders is replaced"),
        (case({"Orders": table()}, {}), "AWS::DynamoDB::Table Orders is deleted with what it holds"),
        (
            case({"Orders": table(policy="Retain")}, {}),
            "AWS::DynamoDB::Table Orders leaves the stack and stays behind",
        ),
        (case({"Orders": QUEUE}, {}), "AWS::SQS::Queue Orders is deleted"),
        (case({"Orders": QUEUE}, {"Orders": FIFO}), "AWS::SQS::Queue Orders is replaced"),
        (case({"Orders": table()}, None), "AWS::DynamoDB::Table Orders is deleted"),
    ],
    ids=["key", "table", "retained", "queue", "FIFO", "stack"],
)
def test_what_is_lost_is_flagged(name, what):
    ((label, told),) = flags(name)
    assert label == "stateful"
    assert told.startswith(what)


@pytest.mark.parametrize(
    "name",
    [
        case({}, {"Orders": table(), "Queue": QUEUE}),
        case({"Orders": table()}, {"Orders": {**table(), "Metadata": {"owner": "orders"}}}),
        case({"Alarm": ALARM}, {}),
        case({"Orders": table(one="ALL")}, {"Orders": table(one="ALL", two="ALL")}),
        case({"Role": role("s3:Get*", "s3:Put*")}, {"Role": role("s3:Get*")}),
    ],
    ids=["new", "changed in place", "holds nothing", "one index", "narrower"],
)
def test_what_loses_nothing_is_not_flagged(name):
    assert flags(name) == []


WIDER = case({"Role": role("s3:GetObject")}, {"Role": role("s3:GetObject", "s3:PutObject")})


def test_wider_permissions_are_flagged_with_what_is_allowed_now():
    (flag,) = changes()[WIDER].flags
    assert flag.label == "permissions"
    assert "s3:PutObject" in flag.what


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            case({"Orders": table()}, {"Orders": table(one="ALL", two="ALL")}),
            "one, two added and none removed",
        ),
        (case({"Orders": table(one="ALL")}, {"Orders": table(two="ALL")}), "two added and one removed"),
        (
            case({"Orders": table(one="ALL")}, {"Orders": table(one="KEYS_ONLY")}),
            "one cannot change in place",
        ),
    ],
    ids=["two at once", "exchanged", "projection"],
)
def test_what_no_single_update_can_do_to_a_tables_indexes_is_flagged(name, told):
    ((label, what),) = flags(name)
    assert label == "indexes"
    assert told in what


OTHER_RETRIES = case({"Flow": workflow(5)}, {"Flow": workflow(12)})
THE_SAME = case({"Orders": table()}, {"Orders": table()})


def test_a_workflow_is_compared_as_it_is_written():
    assert ".Retry" in changes()[OTHER_RETRIES].text
    assert "Orders.Arn" not in changes()[OTHER_RETRIES].text


def test_templates_that_are_the_same_differ_in_nothing():
    assert THE_SAME not in changes()


def test_a_comment_says_which_label_is_missing():
    found = [Change("stack", "[-] \x1b[31mTable\x1b[0m", (Flag("stateful", "stack", "Table is gone"),))]
    assert "needs the label `stateful`" in markdown(found, "prod", "main", [])
    assert "allowed by its label" in markdown(found, "prod", "main", ["stateful"])
    assert "\x1b" not in markdown(found, "prod", "main", [])
    assert "every template is the same" in markdown([], "prod", "main", [])


def test_a_comment_says_what_it_costs():
    found = [Change("stack", "[-] Table", ())]
    assert "| order | +$3.00 |" in markdown(found, "prod", "main", [], cost="| order | +$3.00 |")
    assert "| order | +$3.00 |" in markdown([], "prod", "main", [], cost="| order | +$3.00 |")


def standing(**resources):
    return {"commerce-prod-order": {"Resources": resources}}


def test_what_a_change_costs_a_month_is_told_by_service():
    dashboard = {"Type": "AWS::CloudWatch::Dashboard", "Properties": {}}
    before = standing(Role=role())
    told = cost(WORKSPACE, States(before, standing(Role=role(), Dashboard=dashboard)), "prod")
    assert re.search(r"\| order \| \$0\.0000\d+ \| = \| \$3\.00 \| \+\$3\.00 \|", told)
    assert "| order |" not in cost(WORKSPACE, States(before, before), "prod")


def test_what_a_change_costs_an_order_is_told_from_what_was_counted():
    """The saga as an Express workflow instead of a Standard one."""
    counted = json.loads((WORKSPACE.root / "docs/cost/counts.json").read_text())["journeys"]["confirmed"]
    ((name, _),) = [(key, used) for key, used in counted.items() if "standardTransitions" in used]

    def lifecycle(kind):
        flow = {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"StateMachineType": kind}}
        return standing(**{name.rpartition("/")[2]: flow})

    told = cost(WORKSPACE, States(lifecycle("EXPRESS"), lifecycle("STANDARD")), "prod")
    assert "| order | $0.0001" in told
    assert "| +$0.00" in told


def test_a_former_state_without_counts_is_compared_all_the_same(repository):
    told = cost(WORKSPACE, States(standing(), standing(), repository), "prod")
    assert "| together |" in told


@pytest.fixture
def repository(tmp_path):
    def git(*arguments):
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True, capture_output=True)

    git("init", "--quiet")
    git("config", "user.email", "a@example.com")
    git("config", "user.name", "a")
    (tmp_path / "one-service").mkdir()
    for name, text in {"cdk.json": "{}", "app.py": "before"}.items():
        (tmp_path / "one-service" / name).write_text(text)
    git("add", ".")
    git("commit", "--quiet", "-m", "before")
    (tmp_path / "one-service" / "app.py").write_text("after")
    return Workspace(tmp_path, tmp_path / ".local")


def test_a_commit_is_read_without_touching_what_is_worked_on(repository):
    former = checked_out(repository, "HEAD")
    (app,) = former.apps
    assert (app.folder / "app.py").read_text() == "before"
    assert (repository.root / "one-service" / "app.py").read_text() == "after"
    assert checked_out(repository, "HEAD") == former


@pytest.mark.parametrize("name", ["nope", "--help", ""])
def test_what_is_no_commit_is_refused(repository, name):
    with pytest.raises(CliError, match="neither a commit nor a folder"):
        checked_out(repository, name)


def test_what_is_no_commit_is_refused_before_anything_is_synthesized(repository, monkeypatch):
    monkeypatch.setattr("commerce_platform.cli.cdk.synthesize", lambda *_given: pytest.fail("synthesized"))
    with Board(Console()) as board, pytest.raises(CliError, match="AGAINST=nope is neither"):
        asyncio.run(states(repository, None, "dev", "nope", board))


def run(tmp_path, *arguments):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    command = [sys.executable, "-m", "commerce_platform.cli", *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=environment | {"COMMERCE_LOCAL_DIR": str(tmp_path)},
    )


def test_verbs_compare_with_templates_that_were_kept(tmp_path):
    """The order service against a copy of its own templates, then against one whose table has another key."""
    done = run(tmp_path, "synth", "--service", "order", "--stage", "dev")
    assert done.returncode == 0, done.stderr
    for name in done.stdout.split():
        (tmp_path / name.rpartition("/")[2]).write_text((WORKSPACE.root / name).read_text())
    options = ("--service", "order", "--stage", "dev", "--against", str(tmp_path))
    same = run(tmp_path, "review", *options).stdout
    assert "Nothing would change in dev" in same
    assert "#### Cost of a month" in same
    assert "| together |" in (WORKSPACE.root / ".cache/review/review.md").read_text()
    (kept,) = tmp_path.glob("*-data.template.json")
    former = json.loads(kept.read_text())
    for resource in former["Resources"].values():
        if resource["Type"].startswith("AWS::DynamoDB::"):
            resource["Properties"]["KeySchema"][0]["AttributeName"] = "other"
    kept.write_text(json.dumps(former))
    refused = run(tmp_path, "review", *options)
    assert refused.returncode == 1
    assert "Needs somebody's consent: stateful" in refused.stderr
    assert run(tmp_path, "review", *options, "--allow", "stateful").returncode == 0
    unknown = run(tmp_path, "review", *options, "--allow", "everything")
    assert (unknown.returncode, "No label is called everything" in unknown.stderr) == (1, True)
