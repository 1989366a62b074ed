"""Who may call a route."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aws_cdk import Acknowledgment, Validations
from aws_cdk.aws_apigateway import AuthorizationType

if TYPE_CHECKING:
    from collections.abc import Callable

    from aws_cdk.aws_apigateway import IAuthorizer, Method


@dataclass(frozen=True)
class Public:
    """Anybody may call."""


@dataclass(frozen=True)
class Iam:
    """Callers sign with AWS credentials whose policy allows execute-api:Invoke: service to service."""


@dataclass(frozen=True, init=False)
class Scopes:
    """Callers present a user pool's access token with one of these scopes."""

    names: tuple[str, ...]

    def __init__(self, *names: str) -> None:
        if not names:
            raise ValueError(
                "Scopes needs at least one scope, such as commerce/shop; without one any token would do"
            )
        object.__setattr__(self, "names", names)


PUBLIC: Final = Public()
IAM: Final = Iam()

Authorisation = Public | Iam | Scopes


def caller_of(auth: Authorisation) -> str:
    """Return the kind of caller, in a construct's id: Public, Services, or the scopes' last words, such as Shop."""
    match auth:
        case Scopes(names):
            words = (re.split(r"\W+", name)[-1] for name in sorted(names))
            return "".join(word.title() for word in words)
        case Iam():
            return "Services"
        case Public():
            return "Public"


def method_options(auth: Authorisation, authorizer: Callable[[], IAuthorizer]) -> dict[str, Any]:
    """Return the options of a method that let those callers in.

    Args:
        auth: Who may call.
        authorizer: Makes the user pool's authorizer, only when a route needs it.
    """
    match auth:
        case Scopes(names):
            return {
                "authorization_type": AuthorizationType.COGNITO,
                "authorizer": authorizer(),
                "authorization_scopes": list(names),
            }
        case Iam():
            return {"authorization_type": AuthorizationType.IAM}
        case Public():
            return {"authorization_type": AuthorizationType.NONE}


def acknowledge(method: Method, auth: Authorisation) -> None:
    """Say to the security checks why a route has no user pool, or no authorisation at all."""
    reasons = {
        Iam: {"AwsSolutions-COG4": "Services call the route, and sign with their own roles."},
        Public: dict.fromkeys(
            ("AwsSolutions-APIG4", "AwsSolutions-COG4"),
            "The route is public by design; throttling and validation protect it.",
        ),
    }
    acknowledge_all(method, reasons.get(type(auth), {}))


def acknowledge_all(method: Method, reasons: dict[str, str]) -> None:
    """Say to the security checks why each of these findings is meant."""
    for finding, reason in reasons.items():
        Validations.of(method).acknowledge(Acknowledgment(id=finding, reason=reason))
