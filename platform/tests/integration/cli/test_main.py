"""The command line as a shell sees it: exit status, standard output, standard error."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, NoRegionError
from commerce_platform.cli import cdk, main, standing, suite
from commerce_platform.cli.cloud import ACCOUNT, Cloud
from commerce_platform.cli.errors import CliError


def run(tmp_path, *arguments, **variables):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    environment = kept | {"COMMERCE_LOCAL_DIR": str(tmp_path)} | variables
    command = [sys.executable, "-m", "commerce_platform.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize("verb", [("trace", "--id", "0" * 32), ("logs",)])
def test_what_needs_a_running_cloud_says_how_to_start_one(tmp_path, verb):
    done = run(tmp_path, *verb)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "The local cloud does not run.\nStart it: make up\n"


def test_stopping_what_does_not_run_is_no_error(tmp_path):
    done = run(tmp_path, "down")
    assert (done.returncode, done.stdout) == (0, "The local cloud was not running.\n")


def test_an_unknown_stage_is_refused_with_the_known_ones(tmp_path):
    done = run(tmp_path, "synth", "--stage", "production")
    assert done.returncode == 2
    assert "local, dev, staging, prod" in done.stderr


def test_an_unknown_service_is_refused_with_the_known_ones(tmp_path):
    done = run(tmp_path, "synth", "--service", "basket-service")
    assert done.returncode == 1
    assert "SERVICE is one of: " in done.stderr


def test_whose_contract_is_added_must_be_said(tmp_path):
    done = run(tmp_path, "contract-add", "--service", "cart-service")
    assert done.returncode == 1
    assert "make contract-add SERVICE=loyalty-service EVENT=commerce.order/OrderConfirmed.v1" in done.stderr


def test_one_thing_is_traced_at_a_time(tmp_path):
    done = run(tmp_path, "trace", "--id", "order-0001", "--id", "request-0001")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "ORDER or ID, not both.\nmake trace ORDER=order-0001\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("up", "--port", "99999"), "PORT must be 0 to 65535.\n"),
        (("down", "--port", "some"), "PORT must be a number.\n"),
        (("contracts", "--examples", "0"), "EXAMPLES must be 1 or more.\n"),
        (
            ("synth", "--stage", "production"),
            "STAGE is one of local, dev, staging, prod; got 'production'.\n",
        ),
        (("nothing",), "No such command 'nothing'.\n"),
    ],
)
def test_what_is_wrong_is_said_in_makes_words(tmp_path, arguments, said):
    done = run(tmp_path, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


@pytest.mark.parametrize(
    ("arguments", "environment", "problem", "advice"),
    [
        (("status",), {"AWS_ENDPOINT_URL": "nonsense"}, "AWS_ENDPOINT_URL is no URL: 'nonsense'.", "unset"),
        (
            ("status",),
            {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"},
            'Could not connect to the endpoint URL: "http://127.0.0.1:9/".',
            "unset AWS_ENDPOINT_URL",
        ),
    ],
)
def test_an_endpoint_that_is_none_is_no_traceback(tmp_path, arguments, environment, problem, advice):
    done = run(tmp_path, *arguments, **environment)
    assert done.returncode == 1
    said = done.stderr.splitlines()
    assert said[0] == problem
    assert advice in said[1]


@pytest.mark.parametrize(
    ("error", "problem", "advice"),
    [
        (NoRegionError(), "No region is given.", "AWS_REGION=eu-west-1"),
        (NoCredentialsError(), "Unable to locate credentials.", "AWS_PROFILE"),
        (
            EndpointConnectionError(endpoint_url="http://127.0.0.1:9/"),
            'Could not connect to the endpoint URL: "http://127.0.0.1:9/".',
            "make status",
        ),
        (
            ClientError({"Error": {"Code": "ExpiredToken", "Message": "Sign in."}}, "GetParameter"),
            "AWS refused GetParameter (ExpiredToken): Sign in.",
            "",
        ),
    ],
)
def test_what_aws_has_against_a_call_is_no_traceback(monkeypatch, capsys, error, problem, advice):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)

    def fail(**_):
        raise error

    monkeypatch.setattr(main, "cli", fail)
    with pytest.raises(SystemExit) as ended:
        main.main()
    said = capsys.readouterr().err.splitlines()
    assert (ended.value.code, said[0]) == (1, problem)
    assert advice in " ".join(said[1:])


def test_what_is_our_own_mistake_keeps_its_traceback(monkeypatch):
    def fail(**_):
        raise ZeroDivisionError

    monkeypatch.setattr(main, "cli", fail)
    with pytest.raises(ZeroDivisionError):
        main.main()


def test_no_test_run_can_reach_the_callers_account(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.setenv(name, "the caller's")
    environment = suite.environment(COMMERCE_LOCAL_DIR="here")
    assert "the caller's" not in environment.values()
    assert (environment["AWS_ACCESS_KEY_ID"], environment["COMMERCE_LOCAL_DIR"]) == (ACCOUNT, "here")


def test_what_was_deployed_can_be_used_while_the_rest_is_put_right(workspace, monkeypatch):
    async def fail(*_):
        raise CliError("cart-service is deployed, and its functions cannot all start.")

    written = []
    cloud = Cloud("http://127.0.0.1:1", ours=True)
    monkeypatch.setattr(main.Workspace, "here", lambda: workspace)
    monkeypatch.setattr(standing, "stand_up", fail)
    monkeypatch.setattr(standing, "current", lambda _: cloud)
    monkeypatch.setattr(main, "write_endpoints", lambda *told: written.append(told[1]))
    with pytest.raises(CliError, match="cannot all start"):
        main.up()
    assert written == [cloud]


@pytest.mark.parametrize(("stage", "asks"), [("local", False), ("dev", True), ("prod", True)])
def test_only_the_local_cloud_is_emptied_without_asking(workspace, monkeypatch, stage, asks):
    ran = []

    def run(command, **_):
        ran.append(command)
        return SimpleNamespace(returncode=0)

    cloud = Cloud("http://127.0.0.1:1", ours=True)
    monkeypatch.setattr(main.Workspace, "here", lambda: workspace)
    monkeypatch.setattr(Cloud, "stacks", lambda *_: [])
    monkeypatch.setattr(Cloud, "identity", lambda _: "this cloud")
    monkeypatch.setattr(Cloud, "of_the_caller", lambda: cloud)
    monkeypatch.setattr(standing, "require_current", lambda _: cloud)
    monkeypatch.setattr(
        main, "_homes", lambda here, apps, _: {app: [here.place("local", app.service)] for app in apps}
    )
    monkeypatch.setattr(main, "_synthesize", lambda *_: None)
    monkeypatch.setattr(main, "write_endpoints", lambda *_: None)
    monkeypatch.setattr(cdk, "cli", lambda _: "cdk")
    monkeypatch.setattr(main.subprocess, "run", run)
    main.destroy("cart-service", stage, None)
    (command,) = ran
    assert command[1] == "destroy"
    assert ("--force" not in command) is asks
