"""Every event of an account's bus where it can be searched, and what the month may cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Aws
from aws_cdk.aws_budgets import CfnBudget
from aws_cdk.aws_events import CfnRule
from aws_cdk.aws_iam import PolicyStatement, ServicePrincipal
from aws_cdk.aws_logs import LogGroup, ResourcePolicy
from constructs import Construct
from shared_constructs import ServiceStack

if TYPE_CHECKING:
    from aws_cdk.aws_events import IEventBus

WARNINGS = (("ACTUAL", 80), ("FORECASTED", 100))
"""When somebody is told: a share of the month's budget is spent, or will be by the end of the month."""


class EventAudit(Construct):
    """A log group with every event that was put on the bus of this account or forwarded to it.

    The archive can only be replayed; this can be searched with Logs Insights: who said what, when, in answer to what
    (`filter detail.metadata.correlationId = "…"`), and services count their business facts in it (`BusinessMetrics`).
    Events hold no personal data, so neither does it. Its name is published for discovery.

    Args:
        scope: The platform's stateful stack: what was said survives.
        construct_id: Its id there.
        bus: The bus.
    """

    def __init__(self, scope: Construct, construct_id: str, *, bus: IEventBus) -> None:
        super().__init__(scope, construct_id)
        stack = ServiceStack.of(self)
        name = f"/aws/events/commerce-{stack.stage.name.value}"
        logs = LogGroup(
            self,
            "Events",
            log_group_name=name,
            retention=stack.stage.log_retention,
            removal_policy=stack.stage.removal_policy,
        )
        rule = CfnRule(
            self,
            "Everything",
            description="Every event of the platform's services, to be searched",
            event_bus_name=bus.event_bus_name,
            event_pattern={"source": [{"prefix": "commerce."}]},
            # Without the ARN's last part, which EventBridge refuses.
            targets=[
                CfnRule.TargetProperty(
                    id="Log", arn=f"arn:{Aws.PARTITION}:logs:{stack.region}:{stack.account}:log-group:{name}"
                )
            ],
        )
        rule.node.add_dependency(logs)
        stack.export_parameter("event-log-name", name)
        # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
        ResourcePolicy(
            self,
            "Writers",
            policy_statements=[
                PolicyStatement(
                    principals=[
                        ServicePrincipal("delivery.logs.amazonaws.com"),
                        ServicePrincipal("events.amazonaws.com"),
                    ],
                    actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                    resources=[logs.log_group_arn],
                    conditions={"ArnEquals": {"aws:SourceArn": rule.attr_arn}},
                )
            ],
        )


class MonthlyBudget(Construct):
    """What one stage may cost in this account per month; those who hear of alarms are told before it is spent.

    Costs are told apart by the tag `commerce:stage`, which has to be activated for cost allocation once, in the account that pays.

    Args:
        scope: The platform's stateless stack.
        construct_id: Its id there.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        stack = ServiceStack.of(self)
        stage = stack.stage
        CfnBudget(
            self,
            "Budget",
            budget=CfnBudget.BudgetDataProperty(
                budget_name=f"commerce-{stage.name.value}",
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=CfnBudget.SpendProperty(amount=stage.monthly_budget_usd, unit="USD"),
                cost_filters={"TagKeyValue": [f"user:commerce:stage${stage.name.value}"]},
            ),
            notifications_with_subscribers=[
                CfnBudget.NotificationWithSubscribersProperty(
                    notification=CfnBudget.NotificationProperty(
                        comparison_operator="GREATER_THAN",
                        notification_type=kind,
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[
                        CfnBudget.SubscriberProperty(
                            address=stack.alarm_topic.topic_arn, subscription_type="SNS"
                        )
                    ],
                )
                for kind, percent in WARNINGS
            ],
        )
