"""Access tokens of the local cloud's users."""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING

from commerce_platform.cli.errors import CliError

if TYPE_CHECKING:
    from commerce_platform.cli.cloud import Cloud


def access_token(cloud: Cloud, pool: str, client: str, user: str, group: str | None = None) -> str:
    """Sign a user in, creating user and membership as needed.

    The password is made up anew each time: whoever runs the local cloud owns every user in it.

    Args:
        cloud: Where the user pool is.
        pool: The user pool's id.
        client: The app client's id.
        user: The user name.
        group: A group of the pool to join.

    Raises:
        CliError: There is no such group, or sign-in was refused.
    """
    cognito = cloud.cognito
    with contextlib.suppress(cognito.exceptions.UsernameExistsException):
        cognito.admin_create_user(UserPoolId=pool, Username=user, MessageAction="SUPPRESS")
    password = f"{secrets.token_urlsafe(24)}aA1!"
    cognito.admin_set_user_password(UserPoolId=pool, Username=user, Password=password, Permanent=True)
    if group:
        try:
            cognito.admin_add_user_to_group(UserPoolId=pool, Username=user, GroupName=group)
        except cognito.exceptions.ResourceNotFoundException:
            groups = cognito.list_groups(UserPoolId=pool)["Groups"]
            known = ", ".join(sorted(found.get("GroupName", "") for found in groups)) or "none"
            raise CliError(f"There is no group {group!r}.", f"GROUP is one of: {known}.") from None
    answer = cognito.admin_initiate_auth(
        UserPoolId=pool,
        ClientId=client,
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": user, "PASSWORD": password},
    )
    try:
        return answer["AuthenticationResult"]["AccessToken"]
    except KeyError:
        challenge = answer.get("ChallengeName", "no token")
        raise CliError(f"Cognito answered {user!r} with {challenge} instead of a token.") from None
