"""The bus on which services tell each other what happened, the archive it can be replayed from, and the schema registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import CfnResource, Duration, RemovalPolicy
from aws_cdk.aws_events import EventBus, EventPattern, Match
from aws_cdk.aws_eventschemas import CfnRegistry
from aws_cdk.aws_iam import AccountPrincipal, PolicyStatement
from constructs import Construct
from shared_constructs import ServiceStack

if TYPE_CHECKING:
    from collections.abc import Iterable

    from commerce_platform.account.forwarding import Flow


class Bus(Construct):
    """`commerce-<stage>`, its archive and the registry of what is told on it, published for discovery.

    Services reach the bus of their own account only; forwarding between accounts is this platform's configuration
    and not the services'. Undelivered events are the business of each rule, which has its own DLQ. The bus's policy lets
    another account put the events that are consumed here and produced there, and nothing else.

    Args:
        scope: The platform's stateful stack.
        construct_id: Its id there.
        arriving: What is forwarded to this account; nothing by default.

    Attributes:
        bus: The event bus.
    """

    def __init__(self, scope: Construct, construct_id: str, *, arriving: Iterable[Flow] = ()) -> None:
        super().__init__(scope, construct_id)
        stack = ServiceStack.of(self)
        stage = stack.stage
        self.bus = EventBus(
            self,
            "Bus",
            event_bus_name=f"commerce-{stage.name.value}",
            description=f"Facts that the services of {stage.name.value} publish",
        )
        self.bus.apply_removal_policy(stage.removal_policy)
        archive = self.bus.archive(
            "Archive",
            description="Every event of the platform's services, to be replayed",
            event_pattern=EventPattern(source=Match.prefix("commerce.")),
            retention=Duration.days(stage.event_archive_days),
        )
        for child in archive.node.find_all():
            if isinstance(child, CfnResource):
                child.apply_removal_policy(stage.removal_policy)
        registry = CfnRegistry(
            self,
            "Schemas",
            registry_name=f"commerce-{stage.name.value}",
            description="What the services publish, as each of them says it",
        )
        # It holds nothing that services do not write again, and its name would be in the way of the next one.
        registry.apply_removal_policy(RemovalPolicy.DESTROY)
        found = stack.export_parameter("schema-registry-name", f"commerce-{stage.name.value}")
        found.node.add_dependency(registry)
        stack.export_parameter("event-bus-arn", self.bus.event_bus_arn)
        stack.export_parameter("event-bus-name", self.bus.event_bus_name)
        for flow in arriving:
            account = str(flow.origin.account)
            self.bus.add_to_resource_policy(
                PolicyStatement(
                    sid=f"{flow.source.removeprefix('commerce.')}-{account}",
                    principals=[AccountPrincipal(account)],
                    actions=["events:PutEvents"],
                    resources=[self.bus.event_bus_arn],
                    conditions={
                        "StringEquals": {
                            "events:source": flow.source,
                            "events:detail-type": list(flow.detail_types),
                        }
                    },
                )
            )
