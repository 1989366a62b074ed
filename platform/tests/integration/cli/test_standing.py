"""How an app stands is what the cloud holds, compared with what was deployed from here."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from commerce_platform.cli import cdk, main, standing
from commerce_platform.cli.cloud import Cloud, Stack
from commerce_platform.cli.errors import CliError
from commerce_platform.cli.state import Deployed
from commerce_platform.cli.workspace import LOCAL
from moto import mock_aws

NAME = "/commerce/local/platform/event-bus-name/v1"
TEMPLATE = {
    "Parameters": {"Bus": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": NAME}},
    "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
}


@pytest.fixture
def cloud(monkeypatch):
    """AWS, as moto plays it, with the platform's bus published."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.setenv(name, "eu-west-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        cloud = Cloud.of_the_caller()
        cloud.ssm.put_parameter(Name=NAME, Value="a bus", Type="String")
        yield cloud


def make(cloud, name):
    cloud.cloudformation.create_stack(StackName=name, TemplateBody=json.dumps(TEMPLATE))


@pytest.fixture
def cart(workspace, cloud):
    """The cart service, deployed from here, and what is known of that."""
    app = workspace.app("cart-service")
    folder = workspace.assembly(app, LOCAL)
    folder.mkdir(parents=True)
    (folder / "commerce-local-cart.template.json").write_text(json.dumps(TEMPLATE))
    make(cloud, app.stack_prefix(LOCAL))
    there = [cloud.at(workspace.place(LOCAL, app.service))]
    known = Deployed(
        workspace.inputs(app, LOCAL), "content", cdk.against(folder, there), standing.versions(app, there), 0
    )
    return app, known


def test_what_was_deployed_from_here_is_current(workspace, cloud, cart):
    app, known = cart
    assert standing.condition(workspace, app, cloud, known) == ("current", "green")
    assert standing.condition(workspace, app, cloud, None)[0] == "not finished: make up"
    assert standing.condition(workspace, app, cloud, replace(known, inputs="older"))[0] == "stale: make up"


def test_another_platform_below_a_service_makes_it_out_of_date(workspace, cloud, cart):
    app, known = cart
    cloud.ssm.put_parameter(Name=NAME, Value="another bus", Type="String", Overwrite=True)
    said, _ = standing.condition(workspace, app, cloud, known)
    assert said == "what it stands on has changed: make up"
    cloud.ssm.delete_parameter(Name=NAME)
    assert standing.condition(workspace, app, cloud, known)[0] == said


def test_a_stack_that_somebody_else_has_made_again_is_not_ours(workspace, cloud, cart):
    app, known = cart
    cloud.cloudformation.delete_stack(StackName="commerce-local-cart")
    assert standing.condition(workspace, app, cloud, known)[0] == "not deployed: make up"
    make(cloud, "commerce-local-cart")
    assert standing.condition(workspace, app, cloud, known)[0] == "deployed by somebody else: make up"


def test_a_failed_deployment_is_called_one(workspace, cloud, cart, monkeypatch):
    app, known = cart
    stacks = [Stack("commerce-local-cart", "UPDATE_ROLLBACK_COMPLETE", "2")]
    monkeypatch.setattr(Cloud, "stacks", lambda *_: stacks)
    said, _ = standing.condition(workspace, app, cloud, known)
    assert said == "failed (commerce-local-cart UPDATE_ROLLBACK_COMPLETE): make up"


@pytest.mark.parametrize(("status", "failed"), [("CREATE_COMPLETE", False), ("UPDATE_FAILED", True)])
def test_a_status_tells_whether_a_deployment_failed(status, failed):
    assert Stack("s", status, "1").failed is failed


@pytest.mark.usefixtures("cloud")
def test_the_platform_is_not_deleted_below_services(workspace, cloud):
    make(cloud, "commerce-dev-cart-data")
    apps = [workspace.app("platform")]
    with pytest.raises(CliError) as refused:
        main._refuse_to_undermine(workspace, apps, "dev")
    assert "cart-service stand on the platform" in refused.value.problem
    assert refused.value.advice == "Delete them first, or everything: make destroy STAGE=dev"
    main._refuse_to_undermine(workspace, workspace.apps, "dev")
    main._refuse_to_undermine(workspace, [workspace.app("cart-service")], "dev")
    main._refuse_to_undermine(workspace, apps, "prod")
