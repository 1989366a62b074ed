"""Signing somebody in with credentials of the account, as a tool does that has no password of theirs."""

from __future__ import annotations

import random
import secrets
import time
from contextlib import suppress
from typing import Any

from pyotp import TOTP

ATTEMPTS = 12
"""How often it is tried: whoever else signs the same user in at the same time exchanges password and second factor too."""

PAUSE_SECONDS = 0.3
"""How long to leave the other one alone, at most, before the next attempt."""


class SignInError(Exception):
    """Nobody could be signed in; says what Cognito answered."""


def access_token(cognito: Any, pool: str, client: str, user: str) -> str:
    """Sign a user in, created if need be, with a password made up for this once.

    Where the pool requires a second factor, that is made up too and lost afterwards. Cognito lets nobody turn one off there
    (https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_SoftwareTokenMfaSettingsType.html),
    so a user who has one is deleted and made anew: a user whom a tool signs in is nobody else's.

    Args:
        cognito: A boto3 client for the user pool's account.
        pool: The user pool's id.
        client: The id of an app client that lets tools sign users in.
        user: The user name.

    Raises:
        SignInError: Cognito asks for something else.
    """
    who = {"UserPoolId": pool, "Username": user}
    known = cognito.exceptions
    answer: dict[str, Any] = {}
    for _ in range(ATTEMPTS):
        try:
            answer = _answer(cognito, who, client)
        except (known.NotAuthorizedException, known.UserNotFoundException) as exchanged:
            answer = {"ChallengeName": str(exchanged)}
        if "AuthenticationResult" in answer:
            return str(answer["AuthenticationResult"]["AccessToken"])
        time.sleep(random.uniform(0, PAUSE_SECONDS))  # noqa: S311 - who goes first is no secret
    raise SignInError(f"Cognito answered {user!r} with {answer.get('ChallengeName', 'no token')}.")


def _answer(cognito: Any, who: dict[str, str], client: str) -> dict[str, Any]:
    password = f"{secrets.token_urlsafe(24)}aA1!"
    with suppress(cognito.exceptions.UsernameExistsException):
        cognito.admin_create_user(**who, MessageAction="SUPPRESS")
    cognito.admin_set_user_password(**who, Password=password, Permanent=True)
    answer: dict[str, Any] = cognito.admin_initiate_auth(
        UserPoolId=who["UserPoolId"],
        ClientId=client,
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": who["Username"], "PASSWORD": password},
    )
    match answer.get("ChallengeName"):
        case "MFA_SETUP":
            return _second_factor(cognito, who, client, answer["Session"])
        case "SOFTWARE_TOKEN_MFA":  # whose secret is lost
            cognito.admin_delete_user(**who)
    return answer


def _second_factor(cognito: Any, who: dict[str, str], client: str, session: str) -> dict[str, Any]:
    device = cognito.associate_software_token(Session=session)
    code = TOTP(device["SecretCode"]).now()
    verified = cognito.verify_software_token(Session=device["Session"], UserCode=code)
    answer: dict[str, Any] = cognito.admin_respond_to_auth_challenge(
        UserPoolId=who["UserPoolId"],
        ClientId=client,
        ChallengeName="MFA_SETUP",
        ChallengeResponses={"USERNAME": who["Username"]},
        Session=verified["Session"],
    )
    return answer
