"""What a route answers when something other than the ordinary happens."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from shared_constructs.direct_api.vtl import json_string

PROBLEM_TYPE: Final = '#set($context.responseOverride.header.Content-Type = "application/problem+json")'
"""The part of a response template that says that the body is a problem document."""


@dataclass(frozen=True)
class Problem:
    """An error answer as RFC 9457 has it.

    Attributes:
        status: 400-599.
        detail: What happened, for the caller; never an internal cause.
        title: Defaults to the status's name.
        type: URI of the kind of problem; `about:blank` means that the status says it all.
        retry_after_seconds: Answers a Retry-After header.
    """

    status: int
    detail: str
    title: str = ""
    type: str = "about:blank"
    retry_after_seconds: int | None = None

    def __post_init__(self) -> None:
        if not 400 <= self.status <= 599:  # noqa: PLR2004 - the range is the definition
            raise ValueError(f"a Problem's status must be between 400 and 599, got {self.status}")

    def json(self, *, detail: str | None = None) -> str:
        """Return the document as template text; `detail` (JSON text) replaces the static one."""
        title = self.title or HTTPStatus(self.status).phrase
        return (
            f'{{"type":{json_string(self.type)},"title":{json_string(title)},"status":{self.status},'
            f'"detail":{detail or json_string(self.detail)},"instance":"$context.requestId"}}'
        )

    def template(self) -> str:
        """Return the part of a response template that answers with this problem."""
        retry = (
            f'#set($context.responseOverride.header.Retry-After = "{self.retry_after_seconds}")'
            if self.retry_after_seconds is not None
            else ""
        )
        return f"#set($context.responseOverride.status = {self.status}){retry}{PROBLEM_TYPE}{self.json()}"


@dataclass(frozen=True)
class Succeed:
    """A successful answer without a body: the state asked for is already there.

    Attributes:
        status: 200-299.
    """

    status: int = 204

    def __post_init__(self) -> None:
        if not 200 <= self.status <= 299:  # noqa: PLR2004 - the range is the definition
            raise ValueError(f"Succeed's status must be between 200 and 299, got {self.status}")

    def headers(self) -> str:
        """Return the part of a response template that sets the status and a JSON body's type."""
        return (
            f"#set($context.responseOverride.status = {self.status})"
            '#set($context.responseOverride.header.Content-Type = "application/json")'
        )

    def template(self) -> str:
        """Return the part of a response template that answers with this status."""
        return self.headers() + ("" if self.status == HTTPStatus.NO_CONTENT else "{}")


Outcome = Problem | Succeed

NOT_FOUND: Final = Problem(404, "There is no such resource.")
EXISTS: Final = Problem(409, "The resource already exists.")
CHANGED: Final = Problem(409, "The resource has changed meanwhile; try again.")
STALE: Final = Problem(412, "The resource has another version than If-Match requires, or does not exist.")
INTERNAL: Final = Problem(500, "The request could not be processed.")
UNAVAILABLE: Final = Problem(503, "The service is busy; try again.", retry_after_seconds=1)
TIMED_OUT: Final = Problem(504, "The request took too long; its outcome is unknown.")
