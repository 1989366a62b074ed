"""Events that services of other accounts consume, from the bus of their producer's account to the bus of theirs.

One hop, from each producer to each consumer: EventBridge does not pass an event that came from another bus on to a third
(https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-cross-account.html). Who consumes what is in
`consumption.json`, which `make contracts` writes from the locks of the services' consumed contracts.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from aws_cdk import Acknowledgment, Aws, Duration, Validations
from aws_cdk.aws_events import EventBus, EventPattern, Rule
from aws_cdk.aws_events_targets import EventBus as EventBusTarget
from aws_cdk.aws_iam import Role, ServicePrincipal
from aws_cdk.aws_sqs import Queue, QueueEncryption
from constructs import Construct
from shared_constructs import ServiceStack
from shared_constructs.alarms import dlq_alarm
from shared_constructs.queries import EVENTS, saved

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from service_topology import Place, Topology

CONSUMPTION = Path(__file__).with_name("consumption.json")
"""Service → `commerce.order/OrderConfirmed.v1` of each event that it consumes."""

DLQ_RETENTION = Duration.days(14)
"""As long as SQS keeps a message."""


@dataclass(frozen=True)
class Flow:
    """Events of one source that go from one account to another.

    Attributes:
        origin: Where the producer lives.
        destination: Where consumers live.
        source: `commerce.order`.
        detail_types: `OrderConfirmed.v1`, in order.
    """

    origin: Place
    destination: Place
    source: str
    detail_types: tuple[str, ...]


def flows(topology: Topology, stage: str, consumption: Mapping[str, Sequence[str]]) -> list[Flow]:
    """Every flow of a stage, in a fixed order; none where all live in one account.

    A topology that lists its services has no place for others: what they would read goes nowhere.

    Args:
        topology: Who lives where.
        stage: Which stage.
        consumption: Service → events, as `CONSUMPTION` has it.

    Raises:
        TopologyError: The topology does not know the stage.
    """
    listed = None if topology.services is None else topology.known_services
    found: dict[tuple[Place, Place, str], set[str]] = defaultdict(set)
    for service, events in consumption.items():
        for event in events:
            source, detail_type = event.split("/")
            producer = source.removeprefix("commerce.")
            if listed is not None and not {service, producer} <= {*listed}:
                continue
            origin, destination = topology.place(stage, producer), topology.place(stage, service)
            if origin != destination:
                found[origin, destination, source].add(detail_type)
    return [Flow(*key, tuple(sorted(types))) for key, types in sorted(found.items())]


def consumption() -> dict[str, list[str]]:
    """What is committed of who consumes what."""
    known: dict[str, list[str]] = json.loads(CONSUMPTION.read_text())
    return known


class Forwarding(Construct):
    """One rule per flow on the bus of this account, each with the other account's bus as its target.

    EventBridge tries for a day; what it could not deliver then is in one DLQ for all rules, with an alarm. The role may put
    events on those buses only; each of them decides by its own policy whom and what it takes (`Bus`).

    Args:
        scope: The platform's stateless stack of the producers' account.
        construct_id: Its id there.
        leaving: The flows whose origin this account is; at least one.
    """

    def __init__(self, scope: Construct, construct_id: str, *, leaving: Iterable[Flow]) -> None:
        super().__init__(scope, construct_id)
        stack = ServiceStack.of(self)
        dlq = Queue(
            self,
            "Dlq",
            encryption=QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=DLQ_RETENTION,
        )
        Validations.of(dlq).acknowledge(
            Acknowledgment(id="AwsSolutions-SQS3", reason="It is itself the dead-letter queue, of rules.")
        )
        dlq_alarm(
            self,
            "DlqAlarm",
            dlq=dlq,
            what="An event for a service of another account",
            query=saved(self, EVENTS, stack.event_log),
        )
        role = Role(
            self,
            "Role",
            assumed_by=ServicePrincipal(
                "events.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
            ),
            description="Forwards events to the buses of the accounts that consume them",
        )
        for flow in leaving:
            name = f"{flow.source.removeprefix('commerce.')}-{'-'.join(filter(None, flow.destination))}"
            bus = stack.format_arn(
                service="events",
                account=flow.destination.account,
                region=flow.destination.region,
                resource="event-bus",
                resource_name=f"commerce-{stack.stage.name.value}",
            )
            Rule(
                self,
                name,
                event_bus=stack.event_bus,
                description=f"{flow.source} to account {flow.destination.account}",
                event_pattern=EventPattern(source=[flow.source], detail_type=list(flow.detail_types)),
                targets=[
                    EventBusTarget(
                        EventBus.from_event_bus_arn(self, f"{name}-bus", bus),
                        role=role,
                        dead_letter_queue=dlq,
                    )
                ],
            )
