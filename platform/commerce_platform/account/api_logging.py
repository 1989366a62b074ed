"""The permission that API Gateway needs once per account and region before any API can write logs."""

from __future__ import annotations

from aws_cdk import Acknowledgment, RemovalPolicy, Validations
from aws_cdk.aws_apigateway import CfnAccount
from aws_cdk.aws_iam import PolicyDocument, PolicyStatement, Role, ServicePrincipal
from constructs import Construct


class ApiGatewayLogging(Construct):
    """API Gateway's account setting and its role.

    Both outlive the stack: the setting belongs to the account, where another stage's APIs may be using it.

    Attributes:
        role: The role that API Gateway writes logs with.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.role = Role(
            self,
            "Role",
            assumed_by=ServicePrincipal("apigateway.amazonaws.com"),
            description="Lets API Gateway write the logs of every API of this account",
            inline_policies={
                "Logs": PolicyDocument(
                    statements=[
                        # https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-logging.html
                        PolicyStatement(
                            actions=[
                                "logs:CreateLogGroup",
                                "logs:CreateLogStream",
                                "logs:DescribeLogGroups",
                                "logs:DescribeLogStreams",
                                "logs:FilterLogEvents",
                                "logs:GetLogEvents",
                                "logs:PutLogEvents",
                            ],
                            resources=["*"],
                        )
                    ]
                )
            },
        )
        self.role.apply_removal_policy(RemovalPolicy.RETAIN)
        Validations.of(self.role).acknowledge(
            Acknowledgment(
                id="AwsSolutions-IAM5[Resource::*]",
                reason="API Gateway checks the role for these actions on every log group, those to come included.",
            )
        )
        account = CfnAccount(self, "Account", cloud_watch_role_arn=self.role.role_arn)
        account.apply_removal_policy(RemovalPolicy.RETAIN)
