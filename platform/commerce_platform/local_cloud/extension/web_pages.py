"""No web page drives the local cloud: what a browser sends on behalf of another site is refused.

Replaces, in `app.py`, the server's entry point (3238): it needs no signature, accepts any `Host` and answers every call
with `Access-Control-Allow-Origin: *`, so that any page open in the developer's browser could create a function and
invoke it, which runs code on the machine.

Refused with 403 are hosts other than this machine's names (a page can point a name of its own here), and requests that
a page of another origin makes (`Origin`, `Sec-Fetch-Site`: a page cannot change either), except to what is there for
pages: the deployed APIs, which have authorisation and CORS of their own, and Cognito's sign-in.
"""

from __future__ import annotations

import ipaddress
import json
import re
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ministack import app

from commerce_platform.local_cloud.extension.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    Scope = MutableMapping[str, Any]
    Application = Callable[[Scope, Any, Any], Awaitable[None]]

GUARDS = (Guard("app._parse_execute_api_url", "13d571174968"),)

_SAME_SITE_OR_USER = frozenset({"", "none", "same-origin"})
_SIGN_IN_PATH = re.compile(
    r"/(oauth2/[a-zA-Z]+|login|logout|[\w-]+/\.well-known/(jwks\.json|openid-configuration))"
)
# Amazon Cognito user pools API reference: the operations that need no AWS credentials, which sign-in libraries call.
_SIGN_IN_TARGET = re.compile(
    r"AWSCognitoIdentityProviderService\.(InitiateAuth|RespondToAuthChallenge|SignUp|ConfirmSignUp|ForgotPassword"
    r"|ConfirmForgotPassword|ResendConfirmationCode|GetUser|RevokeToken|GlobalSignOut)"
)


def apply() -> None:
    """Put the check before everything else that the server does."""
    app.app = _guarded(app.app)


def _guarded(application: Application) -> Application:
    async def guarded(scope: Scope, receive: Any, send: Any) -> None:
        reason = refusal(scope) if scope["type"] in {"http", "websocket"} else None
        if reason is None:
            await application(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        else:
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": HTTPStatus.FORBIDDEN, "headers": headers})
            await send({"type": "http.response.body", "body": json.dumps({"message": reason}).encode()})

    return guarded


def refusal(scope: Scope) -> str | None:
    """Why a request is refused, or None.

    Args:
        scope: The ASGI connection scope.
    """
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    host = headers.get("host", "")
    if not _is_this_machine(host):
        return f"The local cloud answers to names of this machine only (localhost, 127.0.0.1, [::1]), not to {host!r}."
    origin = headers.get("origin")
    foreign = origin is not None and urlsplit(origin).netloc != host
    if not foreign and headers.get("sec-fetch-site", "") in _SAME_SITE_OR_USER:
        return None
    if scope.get("method") == "OPTIONS" or _is_for_pages(scope, host, headers):
        return None
    return "A page of another origin may call the deployed APIs and Cognito's sign-in only, not the local cloud itself."


# Each request asks this about one of a few hosts.
@lru_cache
def _is_this_machine(host: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname or ""
        return name == "localhost" or name.endswith(".localhost") or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_for_pages(scope: Scope, host: str, headers: MutableMapping[str, str]) -> bool:
    path = scope["path"]
    if app._parse_execute_api_url(host, path) or _SIGN_IN_PATH.fullmatch(path):
        return True
    target = headers.get("x-amz-target", "")
    return path == "/" and not scope.get("query_string") and bool(_SIGN_IN_TARGET.fullmatch(target))
