"""Who deploys from a pipeline, and what CloudFormation may do for them: a service's nothing but that service."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from aws_cdk import Aws, RemovalPolicy
from aws_cdk.aws_iam import (
    ArnPrincipal,
    CfnOIDCProvider,
    CompositePrincipal,
    Effect,
    PermissionsBoundary,
    PolicyStatement,
    PrincipalBase,
    Role,
    ServicePrincipal,
    WebIdentityPrincipal,
)
from constructs import Construct
from service_topology import (
    PLATFORM,
    boundary_name,
    deploy_role_name,
    execution_role_name,
    name_prefix,
    role_path,
    workspace_role_name,
)
from shared_constructs import ServiceStack

from commerce_platform.account.boundary import bounded
from commerce_platform.account.wildcards import acknowledge_wildcards
from commerce_platform.settings import PlatformSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from service_topology import GitHub

ISSUER = "token.actions.githubusercontent.com"
PASSED_TO = ("apigateway", "codedeploy", "events", "lambda", "pipes", "scheduler", "states")
"""The services of AWS that act in a role of ours."""
QUALIFIER = "hnb659fds"
"""Of the CDK's bootstrap stack: the default one."""

NAMED = {
    "cloudwatch": ("alarm:{}*",),
    "codedeploy": ("application:{}*", "deploymentgroup:{}*"),
    "dynamodb": ("table/{}*",),
    "events": ("rule/commerce-{stage}/{}*", "rule/{}*"),
    "lambda": ("function:{}*", "layer:{}*", "layer:{}*:*"),
    "pipes": ("pipe/{}*",),
    "scheduler": ("schedule/default/{}*",),
    "sqs": ("{}*",),
    "ssm": ("parameter/commerce/{stage}/{service}/*",),
    "states": ("stateMachine:{}*",),
    "wafv2": ("regional/webacl/{}*",),
    "schemas": ("schema/commerce-{stage}/commerce.{service}@*", "registry/commerce-{stage}"),
}
"""Service of AWS → its resources that have a service's name, or its stack's."""

TAGGED = {
    "apigateway": ("/restapis", "/restapis/*", "/tags/*"),
    "logs": ("*",),
    "secretsmanager": ("secret:*",),
    "lambda": ("event-source-mapping:*",),
}
"""Service of AWS → its resources whose names do not tell: they are tagged, or asked for with the tags of the service."""

DEPLOYING = (
    *("CreateChangeSet", "DeleteChangeSet", "DescribeChangeSet", "DescribeEvents", "ExecuteChangeSet"),
    *("CreateStack", "DeleteStack", "DescribeStackEvents", "DescribeStacks", "GetTemplate"),
    *("ContinueUpdateRollback", "ListStackResources", "RollbackStack", "UpdateStack"),
    *("TagResource", "UpdateTerminationProtection", "GetTemplateSummary"),
)
"""What the CDK asks CloudFormation for."""

SIGNING_IN = (
    *("AdminCreateUser", "AdminDeleteUser", "AdminInitiateAuth"),
    *("AdminRespondToAuthChallenge", "AdminSetUserPassword"),
)
"""How a smoke test makes up who it is (`storefront.sign_in`)."""

ROLES = (
    *(
        "CreateRole",
        "PutRolePermissionsBoundary",
        "PutRolePolicy",
        "DeleteRole",
        "DeleteRolePolicy",
        "GetRole",
    ),
    *(
        "GetRolePolicy",
        "ListRolePolicies",
        "ListAttachedRolePolicies",
        "ListRoleTags",
        "TagRole",
        "UntagRole",
    ),
    *("UpdateAssumeRolePolicy", "UpdateRole"),
)
"""What CloudFormation does with a role of a service."""
BOUNDED = 3
"""How many of them it may only do with the service's boundary."""

UNLIMITED = (
    *("apigateway:GET", "cloudwatch:DescribeAlarms", "lambda:ListLayers", "lambda:ListLayerVersions"),
    "codedeploy:GetDeploymentConfig",  # those that CodeDeploy brings
    *("lambda:GetLayerVersion", "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups"),
    *(
        "logs:DescribeResourcePolicies",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
    ),
    *("logs:DeleteQueryDefinition", "logs:DescribeQueryDefinitions", "logs:PutQueryDefinition"),
    *("logs:UpdateLogDelivery", "secretsmanager:GetRandomPassword", "states:ValidateStateMachineDefinition"),
)
"""What AWS limits to no resource, and reading what others have to read too."""

DATA = (
    *("dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:GetItem"),
    *("dynamodb:PutItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:UpdateItem"),
    *("secretsmanager:GetSecretValue", "sqs:ReceiveMessage", "sqs:SendMessage"),
    *("states:StartExecution", "states:StartSyncExecution"),
)
"""What reads or writes data, or makes somebody do so."""


class DeployRoles(Construct):
    """Two roles per service of this account: its pipeline's, and the one that CloudFormation acts in; and the workspace's.

    A service's pipeline trusts GitHub's tokens of one repository and one environment (no key is stored anywhere; which branches
    may use the environment is GitHub's to say). It may put assets under the service's prefix of the CDK's bucket, and create
    and change the service's two stacks, which is done by passing the other role to CloudFormation. That one may make and
    change what has the service's name or tags, and roles of the service only with its boundary. Neither may change a
    boundary, or anything of another service.

    The workspace's pipeline, where the topology names one, may become any of the deploy roles here and do nothing by itself.
    The platform's is one of them: it may change the platform's stacks only, but CloudFormation acts in the CDK's own role for
    it, an administrator's, because the platform makes roles and boundaries.

    All of them have a boundary too: the stage's names, tags, stacks and roles.

    Args:
        scope: The platform's stateless stack.
        construct_id: Its id there.
        services: Whom pipelines deploy here, the platform if the workspace's deploys it.
        github: Where their pipelines run.
        makes_provider: Whether the account's one provider of GitHub's tokens is this stack's to make; else it is there already.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        services: Iterable[str],
        github: GitHub,
        makes_provider: bool,
    ) -> None:
        super().__init__(scope, construct_id)
        stack = ServiceStack.of(self)
        self._stage = stack.stage.name.value
        self._provider = self._iam(f"oidc-provider/{ISSUER}")
        if makes_provider:
            made = CfnOIDCProvider(
                self, "GitHub", url=f"https://{ISSUER}", client_id_list=["sts.amazonaws.com"]
            )
            made.apply_removal_policy(RemovalPolicy.RETAIN)  # other stages of this account use it
            self._provider = made.attr_arn
        boundary = bounded(
            self,
            "Boundary",
            name="-".join(filter(None, (f"commerce-{self._stage}-pipelines-boundary", stack.place.region))),
            description=f"The most that roles which deploy may do in {self._stage}",
            statements=self._most(),
        )
        PermissionsBoundary.of(self).apply(boundary)
        # The platform has stacks in every region of the account, its roles are made in the first.
        workspace = (
            self._workspace_role(github.workspace) if github.workspace and PLATFORM in services else None
        )
        for service in services:
            self._deploy_role(service, github, workspace)

    def _arn(self, aws: str, resource: str, *, region: str | None = None) -> str:
        stack = ServiceStack.of(self)
        return f"arn:{Aws.PARTITION}:{aws}:{region or stack.region}:{stack.account}:{resource}"

    def _iam(self, resource: str) -> str:
        stack = ServiceStack.of(self)
        return f"arn:{Aws.PARTITION}:iam::{stack.account}:{resource}"

    def _pipeline_of(self, repository: str) -> WebIdentityPrincipal:
        claims = {
            f"{ISSUER}:aud": "sts.amazonaws.com",
            f"{ISSUER}:sub": f"repo:{repository}:environment:{self._stage}",
        }
        return WebIdentityPrincipal(self._provider, {"StringEquals": claims})

    def _workspace_role(self, repository: str) -> Role:
        role = Role(
            self,
            "workspace-deploy",
            role_name=workspace_role_name(self._stage),
            assumed_by=self._pipeline_of(repository),
            description=f"Pipeline of {repository}: deploys everything to {self._stage}",
        )
        becoming = PolicyStatement(
            actions=["sts:AssumeRole"], resources=[self._iam(f"role/{deploy_role_name(self._stage, '*')}")]
        )
        statements = [becoming, *self._smoke_statements()]
        self._grant(role, statements, "Any deploy role of this stage, and users that have no names yet.")
        return role

    def _deploy_role(self, service: str, github: GitHub, workspace: Role | None) -> None:
        is_platform, repository = service == PLATFORM, github.of(service)
        pipelines: list[PrincipalBase] = [self._pipeline_of(repository)] if repository else []
        if github.workspace:
            name = workspace_role_name(self._stage)
            pipelines.append(ArnPrincipal(workspace.role_arn if workspace else self._iam(f"role/{name}")))
        role = Role(
            self,
            f"{service}-deploy",
            role_name=deploy_role_name(self._stage, service),
            assumed_by=CompositePrincipal(*pipelines),
            description=f"Pipelines: {service} to {self._stage}",
        )
        region = "*" if is_platform else None
        execution = (
            self._iam(f"role/cdk-{QUALIFIER}-cfn-exec-role-{ServiceStack.of(self).account}-*")
            if is_platform
            else self._execution_role(service).role_arn
        )
        statements = [*self._deploying(service, execution, region), *self._smoke_statements()]
        self._grant(
            role,
            statements,
            "A stack's ARN ends in a random part, an asset's key in a digest: nothing narrower can be said.",
        )

    def _grant(self, role: Role, statements: list[PolicyStatement], reason: str) -> None:
        for statement in statements:
            role.add_to_policy(statement)
        acknowledge_wildcards(role, statements, reason)

    def _deploying(self, service: str, execution: str, region: str | None) -> list[PolicyStatement]:
        bucket = self._bucket(region)
        stacks = [f"commerce-{self._stage}-{service}", f"commerce-{self._stage}-{service}-data"]
        return [
            PolicyStatement(
                actions=[f"cloudformation:{verb}" for verb in DEPLOYING],
                resources=[self._arn("cloudformation", f"stack/{name}/*", region=region) for name in stacks],
            ),
            PolicyStatement(
                actions=["iam:PassRole"],
                resources=[execution],
                conditions={"StringEquals": {"iam:PassedToService": "cloudformation.amazonaws.com"}},
            ),
            PolicyStatement(
                actions=["s3:GetBucketLocation", "s3:GetEncryptionConfiguration", "s3:ListBucket"],
                resources=[bucket],
            ),
            PolicyStatement(
                actions=["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
                resources=[f"{bucket}/{service}/*"],
            ),
            PolicyStatement(
                actions=["ssm:GetParameter"],
                resources=[self._arn("ssm", f"parameter/cdk-bootstrap/{QUALIFIER}/version", region=region)],
            ),
        ]

    def _bucket(self, region: str | None = None) -> str:
        stack = ServiceStack.of(self)
        return f"arn:{Aws.PARTITION}:s3:::cdk-{QUALIFIER}-assets-{stack.account}-{region or stack.region}"

    def _smoke_statements(self) -> list[PolicyStatement]:
        """To find what is deployed, and where tools may, to be somebody there."""
        found = PolicyStatement(
            actions=["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"],
            # With and without the slash: a path is asked for by its beginning.
            resources=[self._arn("ssm", f"parameter/commerce/{self._stage}{end}") for end in ("", "/*")],
        )
        if not PlatformSettings.of(self).tools_sign_in:
            return [found]
        tags = {"commerce:service": PLATFORM, "commerce:stage": self._stage}
        signing_in = PolicyStatement(
            actions=[f"cognito-idp:{action}" for action in SIGNING_IN],
            resources=[self._arn("cognito-idp", "userpool/*")],
            conditions={"StringEquals": {f"aws:ResourceTag/{key}": value for key, value in tags.items()}},
        )
        return [found, signing_in]

    def _execution_role(self, service: str) -> Role:
        role = Role(
            self,
            f"{service}-cloudformation",
            role_name=execution_role_name(self._stage, service),
            assumed_by=ServicePrincipal("cloudformation.amazonaws.com"),
            description=f"What CloudFormation may do for the stacks of {service} in {self._stage}",
        )
        own = {"commerce:service": service, "commerce:stage": self._stage}
        statements = [
            *self._iam_statements(service),
            *self._resources(name_prefix(self._stage, service), service, own),
            # Whatever else is said, data of a service is read and written by its roles and not by its pipeline.
            PolicyStatement(effect=Effect.DENY, actions=list(DATA), resources=["*"]),
        ]
        self._grant(
            role,
            statements,
            "AWS does not list CloudFormation's calls for a type: names, tags and path limit them instead.",
        )
        return role

    def _iam_statements(self, service: str) -> list[PolicyStatement]:
        roles = self._iam(f"role{role_path(self._stage, service)}*")
        boundary = self._iam(f"policy/{boundary_name(self._stage, service)}")
        return [
            PolicyStatement(
                actions=[f"iam:{action}" for action in ROLES[:BOUNDED]],
                resources=[roles],
                conditions={"StringEquals": {"iam:PermissionsBoundary": boundary}},
            ),
            PolicyStatement(actions=[f"iam:{action}" for action in ROLES[BOUNDED:]], resources=[roles]),
            PolicyStatement(
                actions=["iam:PassRole"],
                resources=[roles],
                conditions={
                    "StringEquals": {"iam:PassedToService": [f"{name}.amazonaws.com" for name in PASSED_TO]}
                },
            ),
        ]

    def _most(self) -> list[PolicyStatement]:
        """What all of these roles together may do at most: what has the stage's name, tag or path.

        A managed policy has 6,144 characters, so what is limited alike is said together; a resource's ARN names its service.
        """
        stage, account = self._stage, ServiceStack.of(self).account
        roles, deploying = (
            self._iam(f"role/commerce/{stage}/*"),
            self._iam(f"role/{deploy_role_name(stage, '*')}"),
        )
        passed = (execution_role_name(stage, "*"), f"cdk-{QUALIFIER}-cfn-exec-role-{account}-*")
        limited = [
            *self._resources(f"commerce-{stage}-", "*", {"commerce:stage": stage}),
            *self._smoke_statements(),
            PolicyStatement(actions=[f"iam:{action}" for action in ROLES], resources=[roles]),
            PolicyStatement(
                actions=["iam:PassRole"], resources=[roles, *(self._iam(f"role/{each}") for each in passed)]
            ),
            PolicyStatement(actions=["sts:AssumeRole"], resources=[deploying]),
            PolicyStatement(
                actions=["cloudformation:*"],
                resources=[self._arn("cloudformation", f"stack/commerce-{stage}-*", region="*")],
            ),
            PolicyStatement(
                actions=["s3:Get*", "s3:ListBucket", "s3:PutObject", "s3:AbortMultipartUpload"],
                resources=[f"{self._bucket('*')}*"],
            ),
            PolicyStatement(
                actions=["ssm:GetParameter"],
                resources=[self._arn("ssm", f"parameter/cdk-bootstrap/{QUALIFIER}/version", region="*")],
            ),
        ]
        together: dict[str, list[PolicyStatement]] = defaultdict(list)
        for statement in limited:
            together[f"{statement.conditions} {'*' in statement.resources}"].append(statement)
        return [
            PolicyStatement(
                actions=list(dict.fromkeys(action for each in alike for action in each.actions)),
                resources=list(dict.fromkeys(resource for each in alike for resource in each.resources)),
                conditions=alike[0].conditions,
            )
            for alike in together.values()
        ]

    def _resources(self, prefix: str, service: str, own: Mapping[str, str]) -> list[PolicyStatement]:
        """What CloudFormation makes and changes, by how its name begins or by its tags."""
        stack = ServiceStack.of(self)

        def arns(aws: str, resources: Iterable[str]) -> list[str]:
            account = "" if aws == "apigateway" else stack.account
            begin = f"arn:{Aws.PARTITION}:{aws}:{stack.region}:{account}:"
            return [begin + each.format(prefix, stage=self._stage, service=service) for each in resources]

        def tagged(kind: str) -> dict[str, dict[str, str]]:
            return {"StringEquals": {f"aws:{kind}Tag/{key}": value for key, value in own.items()}}

        by_tag = [
            PolicyStatement(actions=[f"{aws}:*"], resources=arns(aws, resources), conditions=tagged(kind))
            for aws, resources in TAGGED.items()
            for kind in ("Resource", "Request")
        ]
        return [
            *(
                PolicyStatement(actions=[f"{aws}:*"], resources=arns(aws, resources))
                for aws, resources in NAMED.items()
            ),
            *by_tag,
            PolicyStatement(
                actions=[
                    *("lambda:CreateEventSourceMapping", "lambda:DeleteEventSourceMapping"),
                    *("lambda:GetEventSourceMapping", "lambda:UpdateEventSourceMapping"),
                ],
                resources=["*"],
                conditions={"ArnLike": {"lambda:FunctionArn": arns("lambda", ["function:{}*"])}},
            ),
            # Dashboards know no regions.
            PolicyStatement(
                actions=[
                    f"cloudwatch:{verb}" for verb in ("DeleteDashboards", "GetDashboard", "PutDashboard")
                ],
                resources=[
                    f"arn:{Aws.PARTITION}:cloudwatch::{stack.account}:dashboard/commerce-{self._stage}-{service}"
                ],
            ),
            # Services count their facts in the log of all events, which is the platform's.
            PolicyStatement(
                actions=[f"logs:{verb}MetricFilter" for verb in ("Delete", "Put")]
                + ["logs:DescribeMetricFilters"],
                resources=arns(
                    "logs",
                    ["log-group:/aws/events/commerce-{stage}", "log-group:/aws/events/commerce-{stage}:*"],
                ),
            ),
            PolicyStatement(
                actions=["wafv2:AssociateWebACL", "wafv2:DisassociateWebACL", "wafv2:GetWebACLForResource"],
                resources=arns("apigateway", ["/restapis/*/stages/*"]),
            ),
            PolicyStatement(actions=["s3:GetObject"], resources=[f"{self._bucket()}/{service}/*"]),
            PolicyStatement(
                actions=["ssm:GetParameter", "ssm:GetParameters"],
                resources=arns("ssm", ["parameter/commerce/{stage}/platform/*"]),
            ),
            PolicyStatement(actions=list(UNLIMITED), resources=["*"]),
        ]
