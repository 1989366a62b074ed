"""Cognito's pre-token-generation triggers, event version 2: the last word on an access token's scopes.

Each pool has its own, so that nothing in a customer's record can earn an operator's scope.
"""

from __future__ import annotations

from typing import Any

from commerce_platform.account.identity.runtime.scopes import OPERATE, SHOP, grant_scopes


def customize_customers_token(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Let a customer shop, and nothing else.

    Nothing is logged: the event holds personal data. An exception denies the token, which is the right answer to an
    event that cannot be understood.

    Args:
        event: https://docs.aws.amazon.com/cognito/latest/developerguide/user-pool-lambda-pre-token-generation.html
        _context: Lambda's context.

    Returns:
        The event with its response filled in.
    """
    return _customized(event, SHOP)


def customize_operators_token(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Let an operator operate, and shop as everybody may. As for customers.

    Args:
        event: As for customers.
        _context: Lambda's context.

    Returns:
        The event with its response filled in.
    """
    return _customized(event, OPERATE, SHOP)


def _customized(event: dict[str, Any], *earned: str) -> dict[str, Any]:
    change = grant_scopes(earned=earned, requested=event["request"].get("scopes") or ())
    event["response"] = {
        "claimsAndScopeOverrideDetails": {
            "accessTokenGeneration": {
                "scopesToAdd": list(change.add),
                "scopesToSuppress": list(change.suppress),
            }
        }
    }
    return event
