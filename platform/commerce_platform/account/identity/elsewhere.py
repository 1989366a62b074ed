"""The user pool as the services of an account find it that does not have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs import Construct
from shared_constructs import ServiceStack

if TYPE_CHECKING:
    from service_topology import UserPool


class IdentityElsewhere(Construct):
    """The same parameters as `Identity` publishes, with the values of the platform's own account, from the topology.

    A service finds its users in its own account, wherever they are: no SSM of another account is read, and its template is
    the same in every topology. An API's authorizer takes a user pool of any account and region
    (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-cross-account-cognito-authorizer.html).

    Args:
        scope: The platform's stateful stack.
        construct_id: Its id there.
        known: The users.
    """

    def __init__(self, scope: Construct, construct_id: str, known: UserPool) -> None:
        super().__init__(scope, construct_id)
        stack = ServiceStack.of(self)
        stack.export_parameter("user-pool-arn", known.arn)
        stack.export_parameter("user-pool-id", known.id)
        stack.export_parameter("user-pool-client-id", known.client_id)
