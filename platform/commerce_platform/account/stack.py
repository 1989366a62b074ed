"""The account stacks of the platform: what services find when they are deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared_constructs import ServiceApp, ServiceStack, StackKind

from commerce_platform.account.alarm_topic import AlarmTopic
from commerce_platform.account.api_logging import ApiGatewayLogging
from commerce_platform.account.bus import Bus
from commerce_platform.account.forwarding import Flow, Forwarding, consumption, flows
from commerce_platform.account.identity.elsewhere import IdentityElsewhere
from commerce_platform.account.identity.infrastructure import Identity
from commerce_platform.account.runtime_layer.infrastructure import RuntimeLayer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service_topology import Place, UserPool


class PlatformData(ServiceStack):
    """What must survive: users, archived events and who is told of alarms. The trigger is here because the pool cannot be without it.

    Args:
        app: The platform's.
        place: Which account.
        known: The users of the platform's own account, in every other one.
        arriving: Events that other accounts forward to this one.
    """

    def __init__(
        self,
        app: ServiceApp,
        *,
        place: Place,
        known: UserPool | None = None,
        arriving: Sequence[Flow] = (),
    ) -> None:
        super().__init__(app, kind=StackKind.STATEFUL, place=place)
        if self.stage.alarms:
            self.alarm_topic = AlarmTopic(
                self, "Alarms"
            ).topic  # not the parameter, which this stack publishes
        Bus(self, "Events", arriving=arriving)
        if known:
            IdentityElsewhere(self, "Identity", known)
        else:
            Identity(self, "Identity")


class Platform(ServiceStack):
    """What can be made again at any time.

    Args:
        app: The platform's.
        place: Which account.
        leaving: Events that this account forwards to others.
    """

    def __init__(self, app: ServiceApp, *, place: Place, leaving: Sequence[Flow] = ()) -> None:
        super().__init__(app, kind=StackKind.STATELESS, place=place)
        RuntimeLayer(self, "Runtime")
        ApiGatewayLogging(self, "ApiLogging")
        if leaving:
            Forwarding(self, "Forwarding", leaving=leaving)


def build(app: ServiceApp) -> None:
    """Both stacks of each account of the stage.

    Those of other accounts than the platform's own need to know its users: they are built once the topology has them.
    """
    stage = app.stage.name
    every = flows(app.topology, stage, consumption()) if app.topology else []
    known = app.topology.stage(stage).user_pool if app.topology else None
    for place in app.topology.places(stage) if app.topology else (app.place,):
        is_own = place == app.place
        if not is_own and not known:
            continue
        data = PlatformData(
            app,
            place=place,
            known=None if is_own else known,
            arriving=[flow for flow in every if flow.destination == place],
        )
        stateless = Platform(app, place=place, leaving=[flow for flow in every if flow.origin == place])
        stateless.add_stack_dependency(data)
