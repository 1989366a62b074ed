"""The most that the roles of a service may ever do, whatever their own policies say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jsii
from aws_cdk import Aspects, Aws, IAspect
from aws_cdk.aws_iam import CfnRole, ManagedPolicy, PolicyStatement
from constructs import Construct
from service_topology import (
    PLATFORM,
    boundary_name,
    common_boundary_name,
    name_prefix,
    platform_boundary_name,
)
from shared_constructs import ServiceStack

from commerce_platform.account.wildcards import acknowledge_wildcards

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from constructs import IConstruct

NAMED: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "dynamodb": (
        (
            *(
                "BatchGetItem",
                "BatchWriteItem",
                "ConditionCheckItem",
                "DeleteItem",
                "GetItem",
                "PutItem",
                "Query",
            ),
            *("Scan", "UpdateItem", "DescribeStream", "DescribeTable", "GetRecords", "GetShardIterator"),
        ),
        ("table/{}*",),
    ),
    "sqs": (
        (
            *(
                "ChangeMessageVisibility",
                "DeleteMessage",
                "GetQueueAttributes",
                "GetQueueUrl",
                "ReceiveMessage",
            ),
            "SendMessage",
        ),
        ("{}*",),
    ),
    "states": (
        (
            *(
                "DescribeExecution",
                "ListExecutions",
                "SendTaskFailure",
                "SendTaskHeartbeat",
                "SendTaskSuccess",
            ),
            *("StartExecution", "StartSyncExecution", "StopExecution"),
        ),
        ("stateMachine:{}*", "execution:{}*", "express:{}*"),
    ),
    "lambda": (
        ("GetAlias", "GetProvisionedConcurrencyConfig", "InvokeFunction", "UpdateAlias"),
        ("function:{}*",),
    ),
}
"""Service of AWS → actions, and the resources that have names which begin as the stack's does."""

ANYWHERE = (
    *("cloudwatch:DescribeAlarms", "cloudwatch:PutMetricData", "dynamodb:ListStreams"),
    *("logs:CreateLogDelivery", "logs:CreateLogStream", "logs:DeleteLogDelivery", "logs:DescribeLogGroups"),
    *("logs:DescribeResourcePolicies", "logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:PutLogEvents"),
    *("logs:PutResourcePolicy", "logs:UpdateLogDelivery"),
    *(
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
    ),
)
"""What AWS limits to no resource, and writing logs: their groups are called after whoever writes."""

LOGGING = (
    *("logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogGroups", "logs:DescribeLogStreams"),
    *("logs:FilterLogEvents", "logs:GetLogEvents", "logs:PutLogEvents"),
    *("cloudwatch:DescribeAlarms", "xray:PutTelemetryRecords", "xray:PutTraceSegments"),
)
"""What the platform's own functions write, and API Gateway for every API of the account; alarms stop a rollout."""


class Boundaries(Construct):
    """A permissions boundary per service of this account, and one for services that no topology lists.

    `ServiceApp` puts them on all of a service's roles by their names. A boundary is not what a role may do (that is its
    own policy, the least that it needs) but what no mistake in such a policy can exceed: a service's own tables, queues,
    workflows, functions and secrets, events under its own name on the stage's bus, logs and traces. Nothing of IAM, nothing
    of another service's. The common one tells stages apart, and not services.

    Args:
        scope: The platform's stateless stack.
        construct_id: Its id there.
        services: Who lives here and is listed.
    """

    def __init__(self, scope: Construct, construct_id: str, *, services: Iterable[str]) -> None:
        super().__init__(scope, construct_id)
        stage = ServiceStack.of(self).stage.name.value
        for service in services:
            bounded(
                self,
                service,
                name=boundary_name(stage, service),
                description=f"The most that roles of {service} may do in {stage}",
                statements=self._statements(service),
            )
        bounded(
            self,
            "Common",
            name=common_boundary_name(stage, ServiceStack.of(self).place),
            description=f"The most that roles of any service may do in {stage}",
            statements=self._statements(None),
        )

    def _statements(self, service: str | None) -> list[PolicyStatement]:
        stage = ServiceStack.of(self).stage.name.value
        prefix = name_prefix(stage, service) if service else f"commerce-{stage}-"
        tags = {"aws:ResourceTag/commerce:stage": stage}
        own = [
            PolicyStatement(
                actions=[f"{aws}:{action}" for action in actions],
                resources=[_arn(self, aws, resource.format(prefix)) for resource in resources],
            )
            for aws, (actions, resources) in NAMED.items()
        ]
        return [
            *own,
            PolicyStatement(
                actions=["events:PutEvents"],
                resources=[_arn(self, "events", f"event-bus/commerce-{stage}")],
                conditions={"StringEquals": {"events:source": f"commerce.{service}"}}
                if service
                else {"StringLike": {"events:source": "commerce.*"}},
            ),
            PolicyStatement(
                actions=["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"],
                resources=[_arn(self, "secretsmanager", "secret:*")],
                # A secret's generated name does not begin with its stack's.
                conditions={
                    "StringEquals": tags | ({"aws:ResourceTag/commerce:service": service} if service else {})
                },
            ),
            PolicyStatement(actions=list(ANYWHERE), resources=["*"]),
        ]


class PlatformBoundary(Construct):
    """The boundary of the platform's own roles, in the stack that is deployed first.

    They write logs and traces, roll the platform's functions out and forward events to buses of the stage, and nothing else: a mistake in the policy of one,
    or in the code of a trigger, reaches no service's data. Those that deploy have another (`DeployRoles`).

    Args:
        scope: The platform's stateful stack, whose roles wait for it.
        construct_id: Its id there.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        stage = ServiceStack.of(self).stage.name.value
        self._policy = bounded(
            self,
            "Policy",
            name=platform_boundary_name(stage, ServiceStack.of(self).place),
            description=f"The most that the platform's own roles may do in {stage}",
            statements=[
                PolicyStatement(
                    actions=["events:PutEvents"],
                    # Of any account: rules forward to those of the stage.
                    resources=[f"arn:{Aws.PARTITION}:events:*:*:event-bus/commerce-{stage}"],
                ),
                PolicyStatement(
                    actions=[f"lambda:{action}" for action in NAMED["lambda"][0]],
                    resources=[_arn(self, "lambda", f"function:{name_prefix(stage, PLATFORM)}*")],
                ),
                PolicyStatement(actions=list(LOGGING), resources=["*"]),
            ],
        )
        Aspects.of(scope).add(_After(self._policy))


@jsii.implements(IAspect)
class _After:
    """Roles name their boundary by text, so CloudFormation has to be told that they need it."""

    def __init__(self, policy: ManagedPolicy) -> None:
        self._policy = policy

    def visit(self, node: IConstruct) -> None:
        if isinstance(node, CfnRole):
            node.node.add_dependency(self._policy)


def bounded(
    scope: Construct, construct_id: str, *, name: str, description: str, statements: list[PolicyStatement]
) -> ManagedPolicy:
    """A managed policy that is a boundary and no grant.

    Args:
        scope: Where it belongs.
        construct_id: Its id there.
        name: By which roles name it.
        description: For people.
        statements: The most that its roles may do.
    """
    policy = ManagedPolicy(
        scope, construct_id, managed_policy_name=name, description=description, statements=statements
    )
    acknowledge_wildcards(
        policy, statements, "A boundary grants nothing; within it each role's own policy names its resources."
    )
    return policy


def _arn(scope: Construct, aws: str, resource: str) -> str:
    stack = ServiceStack.of(scope)
    return f"arn:{Aws.PARTITION}:{aws}:{stack.region}:{stack.account}:{resource}"
