"""The most that the roles of a service may ever do, whatever their own policies say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Aws
from aws_cdk.aws_iam import ManagedPolicy, PolicyStatement
from constructs import Construct
from service_topology import boundary_name, name_prefix
from shared_constructs import ServiceStack

from commerce_platform.account.wildcards import acknowledge_wildcards

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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


class Boundaries(Construct):
    """A permissions boundary per service of this account, which `ServiceApp` puts on all of the service's roles by its name.

    It is not what a role may do (that is its own policy, the least that it needs) but what no mistake in such a policy can
    exceed: a service's own tables, queues, workflows, functions and secrets, events under its own name on the
    stage's bus, logs and traces. Nothing of IAM, nothing of another service's.

    Args:
        scope: The platform's stateless stack.
        construct_id: Its id there.
        services: Who lives here.
    """

    def __init__(self, scope: Construct, construct_id: str, *, services: Iterable[str]) -> None:
        super().__init__(scope, construct_id)
        stage = ServiceStack.of(self).stage.name.value
        for service in services:
            statements = self._statements(service, stage)
            policy = ManagedPolicy(
                self,
                service,
                managed_policy_name=boundary_name(stage, service),
                description=f"The most that roles of {service} may do in {stage}",
                statements=statements,
            )
            acknowledge_wildcards(
                policy,
                statements,
                "A boundary grants nothing; within it each role's own policy names its resources.",
            )

    def _statements(self, service: str, stage: str) -> list[PolicyStatement]:
        stack, prefix = ServiceStack.of(self), name_prefix(stage, service)

        def arn(aws: str, resource: str) -> str:
            return f"arn:{Aws.PARTITION}:{aws}:{stack.region}:{stack.account}:{resource}"

        own = [
            PolicyStatement(
                actions=[f"{aws}:{action}" for action in actions],
                resources=[arn(aws, resource.format(prefix)) for resource in resources],
            )
            for aws, (actions, resources) in NAMED.items()
        ]
        return [
            *own,
            PolicyStatement(
                actions=["events:PutEvents"],
                resources=[arn("events", f"event-bus/commerce-{stage}")],
                conditions={"StringEquals": {"events:source": f"commerce.{service}"}},
            ),
            PolicyStatement(
                actions=["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"],
                resources=[arn("secretsmanager", "secret:*")],
                # A secret's generated name does not begin with its stack's.
                conditions={
                    "StringEquals": {
                        "aws:ResourceTag/commerce:service": service,
                        "aws:ResourceTag/commerce:stage": stage,
                    }
                },
            ),
            PolicyStatement(actions=list(ANYWHERE), resources=["*"]),
        ]
