"""The user pools as the services of an account find them that does not have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from constructs import Construct
from shared_constructs import ServiceStack

if TYPE_CHECKING:
    from service_topology import Users


class IdentityElsewhere(Construct):
    """The same parameters as `Identity` publishes, with the values of the platform's own account, from the topology.

    A service finds its users in its own account, wherever they are: no SSM of another account is read, and its template is
    the same in every topology. An API's authorizer takes user pools of any account and region
    (https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-cross-account-cognito-authorizer.html).

    Args:
        scope: The platform's stateful stack.
        construct_id: Its id there.
        known: The users.
    """

    def __init__(self, scope: Construct, construct_id: str, known: Users) -> None:
        super().__init__(scope, construct_id)
        stack = ServiceStack.of(self)
        for name, pool in (("user", known.customers), ("operator", known.operators)):
            stack.export_parameter(f"{name}-pool-arn", pool.arn)
            stack.export_parameter(f"{name}-pool-id", pool.id)
            stack.export_parameter(f"{name}-pool-client-id", pool.client_id)
