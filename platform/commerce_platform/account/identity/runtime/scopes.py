"""Which scopes an access token carries: decided by who signs in, never by what the client asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

SHOP = "commerce/shop"
OPERATE = "commerce/operate"
OPERATORS = "operators"

COGNITO_SCOPES = frozenset({"openid", "aws.cognito.signin.user.admin"})
"""Cognito's own: who am I, and change my own password or second factor. They open none of our APIs."""


class ScopeChange(NamedTuple):
    """What to do to the scopes that Cognito was about to put into the token."""

    add: tuple[str, ...]
    suppress: tuple[str, ...]


def grant_scopes(*, groups: Iterable[str], requested: Iterable[str]) -> ScopeChange:
    """Everybody may shop, operators may operate, and no other scope is anybody's.

    Args:
        groups: The user's groups in the pool.
        requested: The scopes that the token would carry.
    """
    earned = {SHOP, OPERATE} if OPERATORS in groups else {SHOP}
    return ScopeChange(
        add=tuple(sorted(earned)),
        suppress=tuple(sorted(set(requested) - earned - COGNITO_SCOPES)),
    )
