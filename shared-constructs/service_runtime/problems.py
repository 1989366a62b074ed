"""Problem details for HTTP APIs (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from service_runtime.envelope import WireModel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONTENT_TYPE = "application/problem+json"
_FIRST_ERROR_STATUS = 400


class Fault(WireModel):
    """What is wrong with one part of a request's body."""

    pointer: Annotated[str, Field(description="Where in the body, as RFC 6901 has it: `#/quantity`.")]
    detail: str


class ProblemDocument(WireModel, extra="allow"):
    """An error as RFC 9457 has it. Every route answers its errors like this; further members may be there."""

    type: Annotated[str, Field(description="What kind of problem; `about:blank` means: see the status.")]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: Annotated[str, Field(description="What went wrong this time, for a person.")]
    instance: Annotated[str, Field(description="The request's id.")]
    errors: tuple[Fault, ...] = ()


class Problem(Exception):  # noqa: N818 - RFC 9457 names it a problem
    """An HTTP error that is told to the caller as a problem document.

    Args:
        status: HTTP status, 400 to 599.
        detail: What went wrong this time and what to do about it, for a person; nothing internal. Default the title.
        title: What kind of problem it is; default the status's phrase.
        type: URI of the kind; default `about:blank`, which RFC 9457 reads as "see the status".
        errors: One entry per offending part of the body, `{"pointer": "#/quantity", "detail": "must be at least 1"}`.
        headers: Response headers that belong to the answer (`Retry-After`).
        extensions: Further members of the document.

    Raises:
        ValueError: The status is not an error.
    """

    def __init__(
        self,
        status: int,
        *,
        detail: str | None = None,
        title: str | None = None,
        type: str = "about:blank",  # noqa: A002 - the RFC's name
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        if status < _FIRST_ERROR_STATUS:
            raise ValueError(f"a problem's status must be between 400 and 599, got {status}")
        self.status = HTTPStatus(status)
        self.title = title or self.status.phrase
        self.detail = detail or self.title
        self.type = type
        self.errors = [dict(error) for error in errors]
        self.headers = dict(headers or {})
        self.extensions = dict(extensions or {})
        super().__init__(f"{self.status.value} {self.title}: {self.detail}")

    def document(self, *, instance: str) -> dict[str, Any]:
        """The problem document, of the same shape as those of API Gateway's direct routes.

        Args:
            instance: Id of the request that met the problem.
        """
        return {
            **self.extensions,
            "type": self.type,
            "title": self.title,
            "status": self.status.value,
            "detail": self.detail,
            "instance": instance,
            **({"errors": self.errors} if self.errors else {}),
        }
