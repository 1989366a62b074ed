"""Cognito's pre-token-generation trigger, event version 2: the last word on an access token's scopes."""

from __future__ import annotations

from typing import Any

from commerce_platform.account.identity.runtime.scopes import grant_scopes


def customize_access_token(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Grant the scopes that the user's groups earn and remove all others.

    Nothing is logged: the event holds personal data. An exception denies the token, which is the right answer to an
    event that cannot be understood.

    Args:
        event: https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-pre-token-generation.html
        _context: Lambda's context.

    Returns:
        The event with its response filled in.
    """
    request = event["request"]
    change = grant_scopes(
        groups=request["groupConfiguration"].get("groupsToOverride") or (),
        requested=request.get("scopes") or (),
    )
    event["response"] = {
        "claimsAndScopeOverrideDetails": {
            "accessTokenGeneration": {
                "scopesToAdd": list(change.add),
                "scopesToSuppress": list(change.suppress),
            }
        }
    }
    return event
