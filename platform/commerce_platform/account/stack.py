"""The account stacks of the platform: what services find when they are deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service_topology import PLATFORM
from shared_constructs import ServiceApp, ServiceStack, StackKind

from commerce_platform.account.alarm_topic import AlarmTopic
from commerce_platform.account.api_logging import ApiGatewayLogging
from commerce_platform.account.audit import EventAudit, MonthlyBudget
from commerce_platform.account.boundary import Boundaries, PlatformBoundary
from commerce_platform.account.bus import Bus
from commerce_platform.account.dashboard import PlatformDashboard
from commerce_platform.account.deployment import DeployRoles
from commerce_platform.account.forwarding import Flow, Forwarding, consumption, flows
from commerce_platform.account.identity.elsewhere import IdentityElsewhere
from commerce_platform.account.identity.infrastructure import Identity
from commerce_platform.account.observability import LogLink, LogSink
from commerce_platform.account.runtime_layer.infrastructure import RuntimeLayer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from service_topology import Place, Topology, Users


class PlatformData(ServiceStack):
    """What must survive: users, archived events and who is told of alarms. The triggers are here because the pools cannot be without them.

    Args:
        app: The platform's.
        place: Which account.
        known: The users of the platform's own account, in every other one.
        arriving: Events that other accounts forward to this one.
    """

    team = "platform-team"

    def __init__(
        self,
        app: ServiceApp,
        *,
        place: Place,
        known: Users | None = None,
        arriving: Sequence[Flow] = (),
    ) -> None:
        super().__init__(app, kind=StackKind.STATEFUL, place=place)
        PlatformBoundary(self, "Boundary")
        if self.stage.alarms:
            self.alarm_topic = AlarmTopic(
                self, "Alarms"
            ).topic  # not the parameter, which this stack publishes
        events = Bus(self, "Events", arriving=arriving)
        EventAudit(self, "Audit", bus=events.bus)
        if known:
            IdentityElsewhere(self, "Identity", known)
        else:
            Identity(self, "Identity")


class Platform(ServiceStack):
    """What can be made again at any time.

    Args:
        app: The platform's.
        place: Which account.
        residents: The services that live there.
        leaving: Events that this account forwards to others.
        is_first: Whether this is the first region of the account; money and identities know no regions.
    """

    team = "platform-team"

    def __init__(
        self,
        app: ServiceApp,
        *,
        place: Place,
        residents: Sequence[str] = (),
        leaving: Sequence[Flow] = (),
        is_first: bool = True,
    ) -> None:
        super().__init__(app, kind=StackKind.STATELESS, place=place)
        RuntimeLayer(self, "Runtime")
        ApiGatewayLogging(self, "ApiLogging")
        if self.stage.alarms and is_first:
            MonthlyBudget(self, "Budget")
        if leaving:
            Forwarding(self, "Forwarding", leaving=leaving)
        if app.topology:
            self._share_logs(app.topology)
        PlatformDashboard(self, "Dashboard", residents=[each for each in residents if each != app.service])
        guarded = [each for each in residents if app.topology and app.topology.is_guarded(each)]
        Boundaries(self, "Boundaries", services=guarded)
        if app.topology:
            self._deploy_roles(app.topology, guarded, is_first=is_first)

    def _share_logs(self, topology: Topology) -> None:
        """Show what is here to the stage's log account, or make what the others show theirs to."""
        stage = self.stage.name
        logs = topology.logs_of(stage, self.place)
        sources = {
            str(each.account)
            for each in topology.places(stage)
            if each.region == self.place.region and each.account != self.place.account
        }
        if logs == self.place and sources:
            LogSink(self, "LogSink", sources=sources)
        elif logs and logs != self.place and (sink := topology.stage(stage).log_sinks.get(str(logs.region))):
            LogLink(self, "LogLink", sink=sink)

    def _deploy_roles(self, topology: Topology, residents: Sequence[str], *, is_first: bool) -> None:
        """What deploys the platform and everything is there once per account, where it is first."""
        stage = self.stage.name
        everybody = (PLATFORM, *residents) if is_first else residents
        deployed = [each for each in everybody if topology.is_deployed_by_pipeline(stage, each)]
        if topology.github and deployed:
            DeployRoles(
                self,
                "DeployRoles",
                services=deployed,
                github=topology.github,
                makes_provider=topology.first_of_account(self.place) == (stage, self.place),
            )


def build(app: ServiceApp) -> None:
    """Both stacks of each account of the stage.

    Those of other accounts than the platform's own need to know its users: they are built once the topology has them.
    """
    stage = app.stage.name
    every = flows(app.topology, stage, consumption()) if app.topology else []
    known = app.topology.stage(stage).users if app.topology else None
    everywhere = app.topology.places(stage) if app.topology else {app.place: ()}
    for place, residents in everywhere.items():
        is_own = place == app.place
        if not is_own and not known:
            continue
        data = PlatformData(
            app,
            place=place,
            known=None if is_own else known,
            arriving=[flow for flow in every if flow.destination == place],
        )
        stateless = Platform(
            app,
            place=place,
            residents=residents,
            leaving=[flow for flow in every if flow.origin == place],
            is_first=place == next(each for each in everywhere if each.account == place.account),
        )
        stateless.add_stack_dependency(data)
