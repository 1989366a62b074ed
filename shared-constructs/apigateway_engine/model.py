"""An API as plain data: what a template or an emulator's store says, and what goes in and out of the gateway."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any


class Headers(Mapping[str, str]):
    """HTTP headers, found whatever their case; several values of one name are kept in order."""

    def __init__(self, headers: Mapping[str, str | Sequence[str]] | None = None) -> None:
        self._values: dict[str, tuple[str, list[str]]] = {}
        for name, value in (headers or {}).items():
            many = [value] if isinstance(value, str) else [str(item) for item in value]
            self._values.setdefault(name.lower(), (name, []))[1].extend(many)

    def __getitem__(self, name: str) -> str:
        values = self._values[name.lower()][1]
        if not values:
            raise KeyError(name)
        return values[-1]

    def __iter__(self) -> Any:
        return (name for name, _ in self._values.values())

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def get_all(self, name: str) -> list[str]:
        """Every value of a header; an empty list when it is absent."""
        return list(self._values.get(name.lower(), (name, []))[1])

    def __repr__(self) -> str:
        return f"Headers({dict(self)!r})"


@dataclass(frozen=True, kw_only=True)
class HttpRequest:
    """A client's request as it reaches the stage.

    Attributes:
        path: The decoded path below the stage, `/products/X`.
        query: Parameter → its values in order.
        path_parameters: Decoded; filled in by `Api.route`.
    """

    method: str
    path: str
    headers: Headers = field(default_factory=Headers)
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)
    body: str = ""
    path_parameters: Mapping[str, str] = field(default_factory=dict)
    source_ip: str = "127.0.0.1"

    @property
    def media_type(self) -> str:
        """The Content-Type without parameters, in lower case; `application/json` when there is none, API Gateway's default.

        API Gateway chooses templates and models by it. Its documentation says "MIME type" and is silent on parameters
        (https://docs.aws.amazon.com/apigateway/latest/developerguide/integration-passthrough-behaviors.html); templates
        for `multipart/form-data`, whose boundary is another one in every request, show that they do not count. The smoke
        test asks every route of a deployment.
        """
        return self.headers.get("Content-Type", "application/json").partition(";")[0].strip().lower()


@dataclass(frozen=True, kw_only=True)
class HttpResponse:
    """What the client receives.

    Attributes:
        gateway_response: The gateway response type (`BAD_REQUEST_BODY`, …) when API Gateway itself answered.
        cause: What failed inside, for a test's message; never sent.
    """

    status: int
    headers: Headers
    body: str
    gateway_response: str | None = None
    cause: Exception | None = None

    def json(self) -> Any:
        """The body decoded from JSON; the error shows the body when it is not."""
        try:
            return json.loads(self.body)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"the body of this {self.status} is not JSON ({error}): {self.body!r}"
            ) from error


@dataclass(frozen=True, kw_only=True)
class IntegrationResponse:
    """How one family of back-end results becomes the method's response."""

    status_code: int
    selection_pattern: str = ""
    response_parameters: Mapping[str, str] = field(default_factory=dict)
    response_templates: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Integration:
    """What a method calls. `type` is AWS, AWS_PROXY, MOCK (HTTP and HTTP_PROXY are refused by name)."""

    type: str
    uri: str = ""
    http_method: str = "POST"
    passthrough_behavior: str = "WHEN_NO_MATCH"
    request_parameters: Mapping[str, str] = field(default_factory=dict)
    request_templates: Mapping[str, str] = field(default_factory=dict)
    responses: tuple[IntegrationResponse, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Method:
    """One verb of one resource.

    Attributes:
        authorization_type: NONE, COGNITO_USER_POOLS, AWS_IAM or CUSTOM.
        authorization_scopes: Any one of them admits an access token.
        request_parameters: `method.request.header.X` → whether it is required.
        request_models: Content type → JSON Schema (draft 4).
    """

    http_method: str
    resource_path: str
    integration: Integration
    resource_id: str = ""
    authorization_type: str = "NONE"
    authorization_scopes: tuple[str, ...] = ()
    request_parameters: Mapping[str, bool] = field(default_factory=dict)
    request_models: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    validate_body: bool = False
    validate_parameters: bool = False

    def __str__(self) -> str:
        return f"{self.http_method} {self.resource_path}"


@dataclass(frozen=True, kw_only=True)
class GatewayResponse:
    """A customised answer of the gateway's own."""

    status_code: int | None = None
    response_parameters: Mapping[str, str] = field(default_factory=dict)
    response_templates: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Api:
    """A deployed REST API: one stage of it."""

    api_id: str
    stage: str
    account: str
    region: str
    methods: tuple[Method, ...] = ()
    stage_variables: Mapping[str, str] = field(default_factory=dict)
    gateway_responses: Mapping[str, GatewayResponse] = field(default_factory=dict)

    def route(self, http_method: str, path: str) -> tuple[Method, dict[str, str]] | None:
        """The method that serves a request, with its path parameters.

        A literal segment wins over `{name}`, which wins over `{name+}`; an exact verb wins over ANY.
        """
        found = []
        for method in self.methods:
            if method.http_method in (http_method, "ANY"):
                rank, names, pattern = _route(method.resource_path)
                if match := pattern.fullmatch(path.strip("/")):
                    parameters = dict(zip(names, match.groups(), strict=True))
                    found.append(((rank, method.http_method == "ANY"), method, parameters))
        return min(found, key=lambda each: each[0])[1:] if found else None


@lru_cache(maxsize=1024)
def _route(resource_path: str) -> tuple[tuple[int, ...], list[str], re.Pattern[str]]:
    """How general each segment is, the names of the parameters, and what paths match."""
    segments = resource_path.strip("/").split("/")
    ranks = tuple(2 if each.endswith("+}") else 1 if each.startswith("{") else 0 for each in segments)
    patterns = (
        (re.escape(each), "([^/]*)", "(.+)")[rank] for rank, each in zip(ranks, segments, strict=True)
    )
    return (
        ranks,
        [each.strip("{+}") for each in segments if each.startswith("{")],
        re.compile("/".join(patterns), re.DOTALL),
    )
