"""DynamoDB throttles for a moment when a test says so: `PUT /_commerce/throttling?seconds=3`.

Wraps, in `services/dynamodb.py`, the operations that every way of calling it passes through (HTTP, a function's socket, a
workflow), which answer as an on-demand table does that cannot follow. The emulator itself never throttles, so nobody
would know what a service makes of it. Until told otherwise each call costs one comparison more.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

from ministack import app
from ministack.core.responses import error_response_json
from ministack.services import dynamodb

from commerce_platform.local_cloud.extension import web_pages
from commerce_platform.local_cloud.extension.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from commerce_platform.local_cloud.extension.web_pages import Application, Scope

GUARDS = (
    Guard("dynamodb.handle_request", "1201f2ac993c"),
    Guard("stepfunctions._invoke_dynamodb", "3d538d8656c8"),
)

PATH = "/_commerce/throttling"
OPERATIONS = (
    "_get_item",
    "_put_item",
    "_update_item",
    "_query",
    "_batch_get_item",
    "_transact_get_items",
    "_transact_write_items",
)
REFUSAL = (
    "ThrottlingException",
    "Throughput exceeds the current capacity of your table or index.",
)
_SECONDS = re.compile(rb"seconds=([0-9]|[1-5][0-9])")


@dataclass
class Throttle:
    """Until when every call is refused, and how many have been."""

    until: float = 0.0
    refused: int = 0

    def answer(self) -> dict[str, int]:
        """What the switch answers."""
        return {"refused": self.refused}


throttle = Throttle()


def apply() -> None:
    """Wrap the operations, and serve the switch."""
    for name in OPERATIONS:
        setattr(dynamodb, name, _throttled(getattr(dynamodb, name)))
    app.app = _serving(app.app)


def _throttled(operation: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(operation)
    def call(*arguments: Any, **options: Any) -> Any:
        if throttle.until and time.monotonic() < throttle.until:
            throttle.refused += 1
            return error_response_json(*REFUSAL, 400)
        return operation(*arguments, **options)

    return call


def _serving(application: Application) -> Application:
    async def served(scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or web_pages.refusal(scope):
            await application(scope, receive, send)
            return
        if scope["method"] == "PUT" and (seconds := _SECONDS.fullmatch(scope["query_string"])):
            throttle.until = time.monotonic() + int(seconds[1])
        body = json.dumps(throttle.answer()).encode()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return served
