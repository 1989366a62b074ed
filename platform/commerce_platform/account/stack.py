"""The account stacks of the platform: what services find when they are deployed."""

from shared_constructs import ServiceApp, ServiceStack, StackKind

from commerce_platform.account.alarm_topic import AlarmTopic
from commerce_platform.account.api_logging import ApiGatewayLogging
from commerce_platform.account.bus import Bus
from commerce_platform.account.identity.infrastructure import Identity
from commerce_platform.account.runtime_layer.infrastructure import RuntimeLayer


class PlatformData(ServiceStack):
    """What must survive: users, archived events and who is told of alarms. The trigger is here because the pool cannot be without it."""

    def __init__(self, app: ServiceApp) -> None:
        super().__init__(app, kind=StackKind.STATEFUL)
        if self.stage.alarms:
            self.alarm_topic = AlarmTopic(
                self, "Alarms"
            ).topic  # not the parameter, which this stack publishes
        Bus(self, "Events")
        Identity(self, "Identity")


class Platform(ServiceStack):
    """What can be made again at any time."""

    def __init__(self, app: ServiceApp) -> None:
        super().__init__(app, kind=StackKind.STATELESS)
        RuntimeLayer(self, "Runtime")
        ApiGatewayLogging(self, "ApiLogging")


def build(app: ServiceApp) -> None:
    """Both stacks of the account."""
    PlatformData(app)
    Platform(app)
