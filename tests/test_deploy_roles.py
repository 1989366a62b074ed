"""What a pipeline may touch and what it may not, decided from the synthesized policies by an evaluator of IAM.

The evaluator is the emulator's, in its own environment: deny before allow, boundaries, conditions.
"""

from __future__ import annotations

import json
import subprocess
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from commerce_platform.account.stack import build
from commerce_platform.settings import PlatformSettings
from service_testing import synthesize
from service_topology import Topology

ROOT = Path(__file__).parents[1]
STAGE, REGION = "prod", "eu-west-1"
GUARDED = """
[github]
workspace = "acme/commerce"
repository = "acme/{service}-service"

[stages.prod.user_pool]
arn = "arn:aws:cognito-idp:eu-west-1:444444444444:userpool/eu-west-1_x"
id = "eu-west-1_x"
client_id = "c"

[stages.prod.operator_pool]
arn = "arn:aws:cognito-idp:eu-west-1:444444444444:userpool/eu-west-1_o"
id = "eu-west-1_o"
client_id = "o"
"""
SENDER = {"stages": {STAGE: {"mail_sender": "no-reply@crumb.bakery"}}}

EVALUATOR = """
import json, sys
from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document
for asked in map(json.loads, sys.stdin):
    layers = [[parse_policy_document(each) for each in layer] for layer in asked["layers"]]
    context = EvalContext(
        principal_arn="arn:aws:iam::444444444444:role/any", principal_type="AssumedRole",
        principal_account="444444444444", action=asked["action"], resource_arn=asked["resource"],
        region="eu-west-1", service_context={name.lower(): value for name, value in asked["context"].items()},
    )
    print(evaluate(context, *layers).decision == "Allow")
"""


def ask(questions: list[dict[str, Any]]) -> list[bool]:
    """Whether each action is allowed: one process for all."""
    python = ROOT / ".venv-emulator" / "bin" / "python"
    lines = "\n".join(map(json.dumps, questions))
    done = subprocess.run([python, "-c", EVALUATOR], input=lines, capture_output=True, text=True, check=True)
    return [line == "True" for line in done.stdout.splitlines()]


class Account:
    """The roles and boundaries of the platform's stateless stack, of one account for the whole stage."""

    def __init__(self, folder: Path) -> None:
        self.topology = folder / "topology.toml"
        self.topology.write_text((ROOT / "topologies" / "per-stage.toml").read_text() + GUARDED)
        context = {"topology": str(self.topology), **SENDER}
        self.stacks = synthesize(
            build, service="platform", settings=PlatformSettings, stage=STAGE, context=context
        )
        self.resources = {
            key: each for template in self.stacks.values() for key, each in template["Resources"].items()
        }
        self.account = str(Topology.load(self.topology).place(STAGE, "platform").account)

    def text(self, value: Any) -> Any:
        """A value of the template as it is once deployed."""
        match value:
            case {"Ref": name}:
                known = {"AWS::Partition": "aws", "AWS::Region": REGION, "AWS::AccountId": self.account}
                return known.get(name) or f"arn:aws:iam::{self.account}:policy/{self.managed_name(name)}"
            case {"Fn::Join": [separator, parts]}:
                return separator.join(self.text(part) for part in parts)
            case {"Fn::GetAtt": [name, "Arn"]}:
                known = self.resources[name]["Properties"]
                return f"arn:aws:iam::{self.account}:role/{known.get('RoleName', name)}"
            case dict():
                value = {key: self.text(each) for key, each in value.items()}
            case list():
                value = [self.text(each) for each in value]
        return value

    def role(self, name: str) -> dict[str, Any]:
        found: dict[str, Any]
        [found] = [
            each["Properties"]
            for each in self.resources.values()
            if each["Type"] == "AWS::IAM::Role" and each["Properties"].get("RoleName") == name
        ]
        return found

    def policies(self, name: str) -> list[Any]:
        [logical_id] = [
            key
            for key, each in self.resources.items()
            if each["Type"] == "AWS::IAM::Role" and each["Properties"].get("RoleName") == name
        ]
        return [
            self.text(each["Properties"]["PolicyDocument"])
            for each in self.resources.values()
            # What is more than an inline policy may be, the CDK puts into a managed one.
            if each["Type"] in {"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"}
            and {"Ref": logical_id} in each["Properties"].get("Roles", ())
        ]

    def managed_name(self, logical_id: str) -> str:
        return str(self.text(self.resources[logical_id]["Properties"]["ManagedPolicyName"]))

    def managed(self) -> dict[str, Any]:
        """Every managed policy by its name."""
        return {
            self.managed_name(key): self.text(each["Properties"]["PolicyDocument"])
            for key, each in self.resources.items()
            if each["Type"] == "AWS::IAM::ManagedPolicy" and "ManagedPolicyName" in each["Properties"]
        }

    def boundary(self, service: str) -> Any:
        """Of a service, or the common one."""
        name = f"commerce-{STAGE}-{service}-boundary" if service else f"commerce-{STAGE}-boundary-{REGION}"
        return self.managed()[name]

    def pipelines_boundary(self) -> Any:
        return self.managed()[f"commerce-{STAGE}-pipelines-boundary-{REGION}"]

    def arn(self, aws: str, resource: str) -> str:
        return f"arn:aws:{aws}:{REGION}:{self.account}:{resource}"

    def may(self, role: str, action: str, resource: str, **context: str) -> dict[str, Any]:
        layers = [self.policies(role), [self.pipelines_boundary()]]
        return {"layers": layers, "action": action, "resource": resource, "context": context}


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Account:
    return Account(tmp_path_factory.mktemp("account"))


def decided(questions: dict[str, dict[str, Any]]) -> dict[str, bool]:
    return dict(zip(questions, ask(list(questions.values())), strict=True))


def allowed(questions: dict[str, dict[str, Any]]) -> list[str]:
    return [name for name, decision in decided(questions).items() if decision]


def test_only_the_environment_of_the_services_own_repository_may_act_as_its_pipeline(
    account: Account,
) -> None:
    trust, workspace = account.role("commerce-prod-cart-deploy")["AssumeRolePolicyDocument"]["Statement"]
    assert account.text(workspace["Principal"]) == {
        "AWS": f"arn:aws:iam::{account.account}:role/commerce-prod-deploy"
    }
    assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert trust["Condition"] == {
        "StringEquals": {
            "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
            "token.actions.githubusercontent.com:sub": "repo:acme/cart-service:environment:prod",
        }
    }


def test_a_pipeline_may_change_its_services_stacks_through_cloudformation_and_nothing_else(
    account: Account,
) -> None:
    role, passing = "commerce-prod-cart-deploy", "iam:PassedToService"
    bucket = f"arn:aws:s3:::cdk-hnb659fds-assets-{account.account}-{REGION}"
    execution = f"arn:aws:iam::{account.account}:role/commerce-prod-cart-cloudformation"

    def stack(name: str) -> str:
        return account.arn("cloudformation", f"stack/{name}/0a1b")

    def may(action: str, resource: str, **context: str) -> dict[str, Any]:
        return account.may(role, action, resource, **context)

    cloudformation = {passing: "cloudformation.amazonaws.com"}
    due = {
        "its stack": may("cloudformation:CreateChangeSet", stack("commerce-prod-cart")),
        "its data": may("cloudformation:ExecuteChangeSet", stack("commerce-prod-cart-data")),
        "its own role to CloudFormation": may("iam:PassRole", execution, **cloudformation),
        "its assets": may("s3:PutObject", f"{bucket}/cart/0a1b.zip"),
        "the version of the bootstrap stack": may(
            "ssm:GetParameter", account.arn("ssm", "parameter/cdk-bootstrap/hnb659fds/version")
        ),
    }
    denied = {
        "another service": may("cloudformation:ExecuteChangeSet", stack("commerce-prod-order")),
        "another stage": may("cloudformation:ExecuteChangeSet", stack("commerce-dev-cart")),
        "the account stack": may("cloudformation:ExecuteChangeSet", stack("commerce-prod-platform")),
        "a service whose name goes on": may("cloudformation:ExecuteChangeSet", stack("commerce-prod-cart-x")),
        "another service's role": may("iam:PassRole", execution.replace("cart", "order"), **cloudformation),
        "the administrators' role of the bootstrap stack": may(
            "iam:PassRole",
            f"arn:aws:iam::{account.account}:role/cdk-hnb659fds-cfn-exec-role-{account.account}-{REGION}",
            **cloudformation,
        ),
        "its role to a function": may("iam:PassRole", execution, **{passing: "lambda.amazonaws.com"}),
        "another service's assets": may("s3:PutObject", f"{bucket}/order/0a1b.zip"),
        "assets of everybody": may("s3:PutObject", f"{bucket}/0a1b.zip"),
        "a role": may("iam:CreateRole", f"arn:aws:iam::{account.account}:role/commerce/prod/cart/x"),
        "a table": may("dynamodb:DeleteTable", account.arn("dynamodb", "table/commerce-prod-cart-data-x")),
        "a parameter": may("ssm:PutParameter", account.arn("ssm", "parameter/commerce/prod/cart/api-url/v1")),
        "another role": may("sts:AssumeRole", f"arn:aws:iam::{account.account}:role/x"),
    }
    assert allowed(due) == list(due)
    assert allowed(denied) == []


def test_cloudformation_may_make_and_change_that_service_only(account: Account) -> None:
    role = "commerce-prod-cart-cloudformation"
    tags = {"aws:ResourceTag/commerce:service": "cart", "aws:ResourceTag/commerce:stage": "prod"}
    asked = {key.replace("Resource", "Request"): value for key, value in tags.items()}
    others = tags | {"aws:ResourceTag/commerce:service": "order"}
    platforms = tags | {"aws:ResourceTag/commerce:service": "platform"}

    def may(action: str, resource: str, **context: str) -> dict[str, Any]:
        return account.may(role, action, resource, **context)

    def named(service: str) -> dict[str, dict[str, Any]]:
        name, arn = f"commerce-prod-{service}-X-0A1B", account.arn
        return {
            "table": may(
                "dynamodb:UpdateTable", arn("dynamodb", f"table/commerce-prod-{service}-data-X-0A1B")
            ),
            "queue": may("sqs:CreateQueue", arn("sqs", name)),
            "workflow": may("states:CreateStateMachine", arn("states", f"stateMachine:{name}")),
            "function": may("lambda:UpdateFunctionCode", arn("lambda", f"function:{name}")),
            "rollout": may(
                "codedeploy:CreateDeployment", arn("codedeploy", f"deploymentgroup:{name}/{name}")
            ),
            "alias": may("lambda:UpdateAlias", arn("lambda", f"function:{name}:live")),
            "rule": may("events:PutRule", arn("events", f"rule/commerce-prod/{name}")),
            "pipe": may("pipes:UpdatePipe", arn("pipes", f"pipe/{name}")),
            "alarm": may("cloudwatch:PutMetricAlarm", arn("cloudwatch", f"alarm:{name}")),
            "composite alarm": may("cloudwatch:PutCompositeAlarm", arn("cloudwatch", f"alarm:{name}")),
            "dashboard": may(
                "cloudwatch:PutDashboard",
                f"arn:aws:cloudwatch::{account.account}:dashboard/commerce-prod-{service}",
            ),
            "parameter": may("ssm:PutParameter", arn("ssm", f"parameter/commerce/prod/{service}/api-url/v1")),
            "schema": may(
                "schemas:UpdateSchema", arn("schemas", f"schema/commerce-prod/commerce.{service}@Fact.v1")
            ),
        }

    api = f"arn:aws:apigateway:{REGION}::/restapis"
    by_tag = {
        "a new API": may("apigateway:POST", api, **asked),
        "its API's route": may("apigateway:PUT", f"{api}/0a1b/resources/x/methods/GET", **tags),
        "its secret": may("secretsmanager:UpdateSecret", account.arn("secretsmanager", "secret:X"), **tags),
        "a saved query": may("logs:PutQueryDefinition", "*"),
        "a count of events": may(
            "logs:PutMetricFilter", account.arn("logs", "log-group:/aws/events/commerce-prod"), **platforms
        ),
        "its log group": may("logs:PutRetentionPolicy", account.arn("logs", "log-group:X"), **tags),
    }
    denied = {
        "an API of another service": may("apigateway:DELETE", f"{api}/0a1b", **others),
        "an API of nobody": may("apigateway:POST", api),
        "a secret of another service": may(
            "secretsmanager:DeleteSecret", account.arn("secretsmanager", "secret:X"), **others
        ),
        "the log of events": may(
            "logs:DeleteLogGroup", account.arn("logs", "log-group:/aws/events/commerce-prod"), **platforms
        ),
        "the bus": may("events:DeleteEventBus", account.arn("events", "event-bus/commerce-prod")),
        "the bus's policy": may("events:PutPermission", account.arn("events", "event-bus/commerce-prod")),
        "users": may("cognito-idp:DeleteUserPool", account.arn("cognito-idp", "userpool/x")),
        "what the platform publishes": may(
            "ssm:PutParameter", account.arn("ssm", "parameter/commerce/prod/platform/user-pool-arn/v1")
        ),
        "what is in its tables": may(
            "dynamodb:Scan", account.arn("dynamodb", "table/commerce-prod-cart-data-X-0A1B")
        ),
        "what its secret says": may(
            "secretsmanager:GetSecretValue", account.arn("secretsmanager", "secret:X"), **tags
        ),
    }
    assert allowed(named("cart") | by_tag) == [*named("cart"), *by_tag]
    assert allowed(named("order") | denied) == []


def test_cloudformation_makes_no_role_without_the_services_boundary_and_changes_no_boundary(
    account: Account,
) -> None:
    role, iam = "commerce-prod-cart-cloudformation", f"arn:aws:iam::{account.account}:"
    boundary = f"{iam}policy/commerce-prod-cart-boundary"

    def may(action: str, resource: str, **context: str) -> dict[str, Any]:
        return account.may(role, action, iam + resource, **context)

    bounded = {"iam:PermissionsBoundary": boundary}
    due = {
        "its role": may("iam:CreateRole", "role/commerce/prod/cart/x", **bounded),
        "its role's policy": may("iam:PutRolePolicy", "role/commerce/prod/cart/x", **bounded),
        "its role to a function": may(
            "iam:PassRole", "role/commerce/prod/cart/x", **{"iam:PassedToService": "lambda.amazonaws.com"}
        ),
    }
    denied = {
        "a role without a boundary": may("iam:CreateRole", "role/commerce/prod/cart/x"),
        "a role with another's": may(
            "iam:CreateRole",
            "role/commerce/prod/cart/x",
            **{"iam:PermissionsBoundary": boundary.replace("cart", "order")},
        ),
        "a policy of a role without one": may("iam:PutRolePolicy", "role/commerce/prod/cart/x"),
        "another's role": may("iam:CreateRole", "role/commerce/prod/order/x", **bounded),
        "a role of nobody": may("iam:CreateRole", "role/x", **bounded),
        "a role without its boundary from now on": may(
            "iam:DeleteRolePermissionsBoundary", "role/commerce/prod/cart/x", **bounded
        ),
        "a wider boundary": may("iam:CreatePolicyVersion", "policy/commerce-prod-cart-boundary"),
        "a managed policy on a role": may("iam:AttachRolePolicy", "role/commerce/prod/cart/x", **bounded),
        "more for the pipeline": may("iam:PutRolePolicy", "role/commerce-prod-cart-deploy", **bounded),
        "more for itself": may("iam:PutRolePolicy", f"role/{role}", **bounded),
        "a user": may("iam:CreateUser", "user/x", **bounded),
    }
    assert allowed(due) == list(due)
    assert allowed(denied) == []


def test_the_workspaces_pipeline_may_become_each_role_that_deploys_and_nothing_else(account: Account) -> None:
    [trust] = account.role("commerce-prod-deploy")["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Condition"]["StringEquals"]["token.actions.githubusercontent.com:sub"] == (
        "repo:acme/commerce:environment:prod"
    )
    role, iam = "commerce-prod-deploy", f"arn:aws:iam::{account.account}:role"

    def may(action: str, resource: str) -> dict[str, Any]:
        return account.may(role, action, resource)

    services = Topology.load(account.topology).known_services
    assert len(services) > 1
    due = {each: may("sts:AssumeRole", f"{iam}/commerce-prod-{each}-deploy") for each in services} | {
        "where things are": may(
            "ssm:GetParametersByPath", account.arn("ssm", "parameter/commerce/prod/order/api-url/v1")
        )
    }
    denied = {
        "another stage's": may("sts:AssumeRole", f"{iam}/commerce-dev-cart-deploy"),
        "CloudFormation's": may("sts:AssumeRole", f"{iam}/commerce-prod-cart-cloudformation"),
        "the CDK's": may("sts:AssumeRole", f"{iam}/cdk-hnb659fds-deploy-role-{account.account}-{REGION}"),
        "a stack by itself": may(
            "cloudformation:ExecuteChangeSet", account.arn("cloudformation", "stack/commerce-prod-cart/0a1b")
        ),
        "users of production": may(
            "cognito-idp:AdminSetUserPassword", account.arn("cognito-idp", "userpool/x")
        ),
    }
    assert allowed(due) == list(due)
    assert allowed(denied) == []
    for each in services:
        trusted = account.role(f"commerce-prod-{each}-deploy")["AssumeRolePolicyDocument"]["Statement"]
        assert f"{iam}/commerce-prod-deploy" in [account.text(one["Principal"]).get("AWS") for one in trusted]


def test_the_platform_is_deployed_by_the_workspaces_pipeline_alone_and_nothing_else_with_it(
    account: Account,
) -> None:
    role, passing = "commerce-prod-platform-deploy", {"iam:PassedToService": "cloudformation.amazonaws.com"}
    assert len(account.role(role)["AssumeRolePolicyDocument"]["Statement"]) == 1
    administrator = (
        f"arn:aws:iam::{account.account}:role/cdk-hnb659fds-cfn-exec-role-{account.account}-{REGION}"
    )

    def stack(name: str) -> dict[str, Any]:
        arn = account.arn("cloudformation", f"stack/{name}/0a1b")
        return account.may(role, "cloudformation:ExecuteChangeSet", arn)

    due = {
        "its stack": stack("commerce-prod-platform"),
        "its data": stack("commerce-prod-platform-data"),
        "the CDK's role to CloudFormation": account.may(role, "iam:PassRole", administrator, **passing),
    }
    denied = {
        "a service": stack("commerce-prod-cart"),
        "another stage": stack("commerce-dev-platform"),
        "the CDK's stack": stack("CDKToolkit"),
        "a role by itself": account.may(role, "iam:CreateRole", f"arn:aws:iam::{account.account}:role/x"),
        "that role by itself": account.may(role, "sts:AssumeRole", administrator),
    }
    assert allowed(due) == list(due)
    assert allowed(denied) == []


# --- The boundary -------------------------------------------------------------------------------------------------------

NAMES = {
    "dynamodb": "table/commerce-prod-{}-data-X-0A1B",
    "sqs": "commerce-prod-{}-X-0A1B",
    "states": "stateMachine:commerce-prod-{}-X-0A1B",
    "lambda": "function:commerce-prod-{}-X-0A1B",
    "events": "event-bus/commerce-prod",
    "secretsmanager": "secret:X",
}


@pytest.fixture(scope="module")
def services(account):
    """Service → its templates for the stage, deployed to an account with roles and boundaries."""
    found = {}
    for service in Topology.load(account.topology).services or ():
        room = f"{service}_service.settings"
        settings = getattr(import_module(room), f"{service.title()}Settings") if find_spec(room) else None
        found[service] = synthesize(
            import_module(f"{service}_service.stack").build,
            service=service,
            settings=settings,
            stage=STAGE,
            context={"topology": str(account.topology)},
        )
    return found


def roles(stacks):
    for template in stacks.values():
        for each in template["Resources"].values():
            if each["Type"] == "AWS::IAM::Role":
                yield each["Properties"]


def granted(stacks) -> set[str]:
    """Every action that a policy of these stacks' roles allows."""
    documents = [
        each["Properties"]["PolicyDocument"]
        for template in stacks.values()
        for each in template["Resources"].values()
        if each["Type"] == "AWS::IAM::Policy"
    ]
    documents += [inline["PolicyDocument"] for role in roles(stacks) for inline in role.get("Policies", ())]
    return {
        action
        for document in documents
        for statement in document["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }


def within(account: Account, boundary: str, action: str, owner: str) -> dict[str, Any]:
    """Whether a boundary lets an action be done on what belongs to a service."""
    aws = action.partition(":")[0]
    return {
        "layers": [[account.boundary(boundary)]],
        "action": action,
        "resource": account.arn(aws, NAMES[aws].format(owner)) if aws in NAMES else "*",
        "context": {
            "events:source": f"commerce.{owner}",
            "aws:ResourceTag/commerce:service": owner,
            "aws:ResourceTag/commerce:stage": STAGE,
        },
    }


def test_every_role_of_every_service_has_its_services_boundary_and_path(account, services):
    for service, stacks in services.items():
        for role in roles(stacks):
            assert role["Path"] == f"/commerce/prod/{service}/"
            boundary = json.dumps(role["PermissionsBoundary"])
            assert f":iam::{account.account}:policy/commerce-prod-{service}-boundary" in boundary


def test_every_role_of_the_platform_and_of_those_who_deploy_has_a_boundary(account):
    platform = f"commerce-prod-platform-boundary-{REGION}"
    pipelines = f"commerce-prod-pipelines-boundary-{REGION}"
    for role in roles(account.stacks):
        boundary = str(account.text(role["PermissionsBoundary"])).partition(":policy/")[2]
        assert boundary == (pipelines if "RoleName" in role else platform)
    assert {platform, pipelines} <= account.managed().keys()


def test_a_boundary_fits_into_a_managed_policy(account):
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    assert {
        name: len(json.dumps(each, separators=(",", ":"))) <= 6144 for name, each in account.managed().items()
    } == dict.fromkeys(account.managed(), True)


def test_the_platforms_boundary_is_in_the_way_of_nothing_that_its_roles_need(account):
    boundary = account.managed()[f"commerce-prod-platform-boundary-{REGION}"]
    own = [role for role in roles(account.stacks) if "RoleName" not in role]
    needed = granted({"own": {"Resources": only_of(account, own)}})
    assert needed
    function = account.arn("lambda", NAMES["lambda"].format("platform"))
    questions: dict[str, Any] = {
        action: {
            "layers": [[boundary]],
            "action": action,
            "resource": function if action.startswith("lambda:") else "*",
            "context": {},
        }
        for action in sorted(needed)
    }
    assert allowed(questions) == list(questions)
    forwarding: dict[str, Any] = {
        stage: {
            "layers": [[boundary]],
            "action": "events:PutEvents",
            "resource": f"arn:aws:events:eu-central-1:555555555555:event-bus/commerce-{stage}",
            "context": {},
        }
        for stage in ("prod", "dev")
    }
    assert allowed(forwarding) == ["prod"]
    beyond: dict[str, Any] = {
        action: {"layers": [[boundary]], "action": action, "resource": "*", "context": {}}
        for action in ("iam:CreateRole", "dynamodb:GetItem", "sts:AssumeRole", "cognito-idp:AdminGetUser")
    }
    assert allowed(beyond) == []


def only_of(account, own):
    """The resources of these roles: they themselves and their policies."""
    names = {key for key, each in account.resources.items() if each.get("Properties") in own}
    return {
        key: each
        for key, each in account.resources.items()
        if key in names
        or (
            each["Type"] == "AWS::IAM::Policy"
            and any(role.get("Ref") in names for role in each["Properties"]["Roles"])
        )
    }


@pytest.mark.parametrize("is_common", [False, True])
def test_a_boundary_is_in_the_way_of_nothing_that_a_role_needs(account, services, is_common):
    for service, stacks in services.items():
        boundary = "" if is_common else service
        questions = {action: within(account, boundary, action, service) for action in sorted(granted(stacks))}
        assert allowed(questions) == list(questions)


def test_where_no_topology_lists_services_every_role_has_the_common_boundary_which_tells_stages_apart(
    account,
):
    stacks = synthesize(import_module("product_service.stack").build, service="product", stage=STAGE)
    found = [role["PermissionsBoundary"] for role in roles(stacks)]
    assert found
    assert {account.text(each).partition(":policy/")[2] for each in found} == {"commerce-prod-boundary"}
    asked = within(account, "", "dynamodb:PutItem", "cart")
    elsewhere = {**asked, "resource": asked["resource"].replace("-prod-", "-dev-")}
    platform = {**asked, "action": "cognito-idp:AdminCreateUser"}
    assert ask([asked, elsewhere, platform]) == [True, False, False]


def test_a_boundary_keeps_a_service_from_what_is_anothers_whatever_its_policies_say(account, services):
    for service in services:
        other = "order" if service != "order" else "cart"
        actions = sorted(
            action
            for action in granted(services[service])
            if action.partition(":")[0] in NAMES and action != "dynamodb:ListStreams"
        )
        assert allowed({action: within(account, service, action, other) for action in actions}) == []


@pytest.mark.parametrize(
    "action",
    [
        "iam:CreateRole",
        "iam:PassRole",
        "sts:AssumeRole",
        "s3:GetObject",
        "ssm:PutParameter",
        "dynamodb:DeleteTable",
    ],
)
def test_no_role_of_a_service_may_change_what_is_deployed_or_become_another(account, action):
    assert ask([within(account, "order", action, "order")]) == [False]


def test_a_services_stacks_are_deployed_by_its_own_roles_and_its_assets_under_its_own_prefix(tmp_path):
    from shared_constructs import ServiceApp

    account = Account(tmp_path)
    app = ServiceApp(
        service="product",
        stage=STAGE,
        outdir=str(tmp_path / "out"),
        context={"topology": str(account.topology), "aws:cdk:bundling-stacks": []},
    )
    import_module("product_service.stack").build(app)
    for stack in app.synth().stacks:
        assert str(stack.assume_role_arn).endswith(":role/commerce-prod-product-deploy")
        assert str(stack.cloud_formation_execution_role_arn).endswith(
            ":role/commerce-prod-product-cloudformation"
        )
        assert "/product/" in str(stack.stack_template_asset_object_url)
