"""Where the alarms of every service go."""

from __future__ import annotations

from aws_cdk import Aws
from aws_cdk.aws_iam import PolicyStatement, ServicePrincipal
from aws_cdk.aws_sns import Topic
from constructs import Construct
from shared_constructs import ServiceStack


class AlarmTopic(Construct):
    """The topic that the alarms of one stage notify, published for discovery.

    Who is paged is nobody's code: people and paging tools subscribe to it. It is not encrypted with a key, because
    CloudWatch cannot use the key of SNS and an alarm says nothing secret.

    Attributes:
        topic: The topic.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        stack = ServiceStack.of(self)
        self.topic = Topic(
            self, "Topic", display_name=f"Alarms of commerce {stack.stage.name.value}", enforce_ssl=True
        )
        self.topic.apply_removal_policy(stack.stage.removal_policy)
        self.topic.add_to_resource_policy(
            PolicyStatement(
                actions=["sns:Publish"],
                # Budgets tell the same people.
                principals=[
                    ServicePrincipal("cloudwatch.amazonaws.com"),
                    ServicePrincipal("budgets.amazonaws.com"),
                ],
                resources=[self.topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}},
            )
        )
        stack.export_parameter("alarm-topic-arn", self.topic.topic_arn)
