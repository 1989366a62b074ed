"""Which scopes an access token carries: decided by where its user is, never by what the client asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SHOP = "commerce/shop"
"""What everybody earns: customers, who sign up by themselves, and operators."""
OPERATE = "commerce/operate"
"""What operators earn, who are invited and have a second factor."""

COGNITO_SCOPES = frozenset({"openid", "aws.cognito.signin.user.admin"})
"""Cognito's own: who am I, and change my own password or second factor. They open none of our APIs."""


class ScopeChange(NamedTuple):
    """What to do to the scopes that Cognito was about to put into the token."""

    add: tuple[str, ...]
    suppress: tuple[str, ...]


def grant_scopes(*, earned: Sequence[str], requested: Iterable[str]) -> ScopeChange:
    """The scopes that every user of a pool earns, and no other of ours or of anybody's.

    Args:
        earned: What users of the pool earn.
        requested: The scopes that the token would carry.
    """
    return ScopeChange(
        add=tuple(earned),
        suppress=tuple(sorted(set(requested) - {*earned} - COGNITO_SCOPES)),
    )
