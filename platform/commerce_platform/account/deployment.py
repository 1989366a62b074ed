"""Who deploys a service from its pipeline, and what CloudFormation may do for them: nothing but that service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Aws, RemovalPolicy
from aws_cdk.aws_iam import (
    CfnOIDCProvider,
    Effect,
    PolicyStatement,
    Role,
    ServicePrincipal,
    WebIdentityPrincipal,
)
from constructs import Construct
from service_topology import boundary_name, deploy_role_name, execution_role_name, name_prefix, role_path
from shared_constructs import ServiceStack

from commerce_platform.account.wildcards import acknowledge_wildcards

if TYPE_CHECKING:
    from collections.abc import Iterable

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


class DeployRoles(Construct):
    """Two roles per service of this account: its pipeline's, and the one that CloudFormation acts in.

    The pipeline's trusts GitHub's tokens of one repository and one environment (no key is stored anywhere). It may put assets under
    the service's prefix of the CDK's bucket, and create and change the service's two stacks, which is done by passing
    the other role to CloudFormation. That one may make and change what has the service's name or tags, and roles of the
    service only with its boundary. Neither may change a boundary, or anything of another service.

    Args:
        scope: The platform's stateless stack.
        construct_id: Its id there.
        services: Who lives here; the platform itself is deployed by an administrator.
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
        provider = self._iam(f"oidc-provider/{ISSUER}")
        if makes_provider:
            made = CfnOIDCProvider(
                self, "GitHub", url=f"https://{ISSUER}", client_id_list=["sts.amazonaws.com"]
            )
            made.apply_removal_policy(RemovalPolicy.RETAIN)  # other stages of this account use it
            provider = made.attr_arn
        for service in services:
            execution = self._execution_role(service)
            self._deploy_role(service, execution, provider, github.of(service))

    def _arn(self, aws: str, resource: str) -> str:
        stack = ServiceStack.of(self)
        return f"arn:{Aws.PARTITION}:{aws}:{stack.region}:{stack.account}:{resource}"

    def _iam(self, resource: str) -> str:
        stack = ServiceStack.of(self)
        return f"arn:{Aws.PARTITION}:iam::{stack.account}:{resource}"

    def _deploy_role(self, service: str, execution: Role, provider: str, repository: str) -> None:
        claims = {
            f"{ISSUER}:aud": "sts.amazonaws.com",
            f"{ISSUER}:sub": f"repo:{repository}:environment:{self._stage}",
        }
        role = Role(
            self,
            f"{service}-deploy",
            role_name=deploy_role_name(self._stage, service),
            assumed_by=WebIdentityPrincipal(provider, {"StringEquals": claims}),
            description=f"Pipeline of {repository}: deploys {service} to {self._stage}",
        )
        stack = ServiceStack.of(self)
        bucket = f"arn:{Aws.PARTITION}:s3:::cdk-{QUALIFIER}-assets-{stack.account}-{stack.region}"
        stacks = [f"commerce-{self._stage}-{service}", f"commerce-{self._stage}-{service}-data"]
        statements = [
            PolicyStatement(
                actions=[
                    f"cloudformation:{verb}"
                    for verb in (
                        *(
                            "CreateChangeSet",
                            "DeleteChangeSet",
                            "DescribeChangeSet",
                            "DescribeEvents",
                            "ExecuteChangeSet",
                        ),
                        *(
                            "CreateStack",
                            "DeleteStack",
                            "DescribeStackEvents",
                            "DescribeStacks",
                            "GetTemplate",
                        ),
                        *("ContinueUpdateRollback", "ListStackResources", "RollbackStack", "UpdateStack"),
                        *("TagResource", "UpdateTerminationProtection", "GetTemplateSummary"),
                    )
                ],
                resources=[self._arn("cloudformation", f"stack/{name}/*") for name in stacks],
            ),
            PolicyStatement(
                actions=["iam:PassRole"],
                resources=[execution.role_arn],
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
                actions=["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath"],
                resources=[
                    self._arn("ssm", f"parameter/cdk-bootstrap/{QUALIFIER}/version"),
                    self._arn("ssm", f"parameter/commerce/{self._stage}/*"),
                ],
            ),
        ]
        for statement in statements:
            role.add_to_policy(statement)
        acknowledge_wildcards(
            role,
            statements,
            "A stack's ARN ends in a random part, an asset's key in a digest: nothing narrower can be said.",
        )

    def _execution_role(self, service: str) -> Role:
        role = Role(
            self,
            f"{service}-cloudformation",
            role_name=execution_role_name(self._stage, service),
            assumed_by=ServicePrincipal("cloudformation.amazonaws.com"),
            description=f"What CloudFormation may do for the stacks of {service} in {self._stage}",
        )
        statements = [*self._iam_statements(service), *self._resource_statements(service)]
        for statement in statements:
            role.add_to_policy(statement)
        acknowledge_wildcards(
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
                actions=["iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"],
                resources=[roles],
                conditions={"StringEquals": {"iam:PermissionsBoundary": boundary}},
            ),
            PolicyStatement(
                actions=[
                    *("iam:DeleteRole", "iam:DeleteRolePolicy", "iam:GetRole", "iam:GetRolePolicy"),
                    *(
                        "iam:ListRolePolicies",
                        "iam:ListAttachedRolePolicies",
                        "iam:ListRoleTags",
                        "iam:TagRole",
                    ),
                    *("iam:UntagRole", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole"),
                ],
                resources=[roles],
            ),
            PolicyStatement(
                actions=["iam:PassRole"],
                resources=[roles],
                conditions={
                    "StringEquals": {"iam:PassedToService": [f"{name}.amazonaws.com" for name in PASSED_TO]}
                },
            ),
        ]

    def _resource_statements(self, service: str) -> list[PolicyStatement]:
        stack, prefix = ServiceStack.of(self), name_prefix(self._stage, service)
        own = {f"commerce:{key}": value for key, value in (("service", service), ("stage", self._stage))}

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
            # Whatever else is said, data of a service is read and written by its roles and not by its pipeline.
            PolicyStatement(
                effect=Effect.DENY,
                actions=[
                    *(
                        "dynamodb:BatchGetItem",
                        "dynamodb:BatchWriteItem",
                        "dynamodb:DeleteItem",
                        "dynamodb:GetItem",
                    ),
                    *("dynamodb:PutItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:UpdateItem"),
                    *("secretsmanager:GetSecretValue", "sqs:ReceiveMessage", "sqs:SendMessage"),
                    *("states:StartExecution", "states:StartSyncExecution"),
                ],
                resources=["*"],
            ),
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
            PolicyStatement(
                actions=["s3:GetObject"],
                resources=[
                    f"arn:{Aws.PARTITION}:s3:::cdk-{QUALIFIER}-assets-{stack.account}-{stack.region}/{service}/*"
                ],
            ),
            PolicyStatement(
                actions=["ssm:GetParameter", "ssm:GetParameters"],
                resources=arns("ssm", ["parameter/commerce/{stage}/platform/*"]),
            ),
            PolicyStatement(actions=list(UNLIMITED), resources=["*"]),
        ]
