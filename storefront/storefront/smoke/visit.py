"""Who looks at a stage: its published routes, and somebody of each kind of caller."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from storefront.client import Caller, Customer, Operator, StorefrontError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import requests

    from storefront.client import Commerce, Json

PUBLISHED = ("{service}-service/*", "{service}_service")
"""Where a service's package is: from the workspace's root, and from its own repository's."""
OPENAPI = "contracts/published/openapi.json"
"""Where in the package it publishes its API."""
OPERATE = "commerce/operate"
"""The scope of operators."""
CORRELATION = "X-Correlation-Id"


@dataclass(frozen=True)
class Finding:
    """What was looked at, and what is wrong with it; nothing is where `problem` is empty."""

    what: str
    problem: str = ""


@dataclass(frozen=True)
class Route:
    """A route as it is published.

    Attributes:
        service: Whose, `order`.
        method: `GET`.
        path: With its parameters in braces.
        operation: OpenAPI's operation object.
        components: The document's components, which schemas refer to.
    """

    service: str
    method: str
    path: str
    operation: Json = field(repr=False)
    components: Json = field(repr=False)

    def __str__(self) -> str:
        return f"{self.service}: {self.method} {self.path}"

    @property
    def scopes(self) -> set[str]:
        """The scopes of which a token needs one; none for a public route."""
        return {
            scope for scheme in self.operation["security"] for scopes in scheme.values() for scope in scopes
        }

    @property
    def body(self) -> Json | None:
        """The schema of its JSON body; None if it takes none."""
        content = self.operation.get("requestBody", {}).get("content", {})
        schema: Json | None = content.get("application/json", {}).get("schema")
        if schema and "$ref" in schema:
            schema = self.components["schemas"][schema["$ref"].rpartition("/")[2]]
        return schema

    def to_nothing(self) -> tuple[str, dict[str, str], dict[str, str]]:
        """Path, headers and query of a request that is well-formed and means something that is not there."""
        path = self.path
        headers: dict[str, str] = {}
        query: dict[str, str] = {}
        for parameter in self.operation.get("parameters", ()):
            if parameter.get("required"):
                value = _unknown(parameter["schema"].get("pattern", ""))
                if parameter["in"] == "path":
                    path = path.replace(f"{{{parameter['name']}}}", value)
                else:
                    (headers if parameter["in"] == "header" else query)[parameter["name"]] = value
        return path, headers, query

    def promise_broken(self, answer: requests.Response) -> str:
        """How an answer differs from what is published; empty if it does not."""
        published = self.operation["responses"].get(str(answer.status_code))
        if published is None:
            return f"{answer.status_code} is not published: {answer.text[:200]}"
        content = published.get("content", {})
        if not content:
            return "" if not answer.content else f"{answer.status_code} has a body: {answer.text[:200]}"
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
        if kind not in content:
            return f"{answer.status_code} is {kind or 'of no type'} instead of {', '.join(content)}"
        schema = {**content[kind].get("schema", {}), "components": self.components}
        fault = next(iter(Draft202012Validator(schema).iter_errors(answer.json())), None)
        return f"{answer.status_code}: {fault.message} at {fault.json_path}" if fault else ""


@dataclass(frozen=True)
class Visit:
    """One look at a stage.

    Attributes:
        commerce: The stage.
        routes: What its services publish.
        signs_in: Whether customers and operators may be made up.
    """

    commerce: Commerce
    routes: tuple[Route, ...]
    signs_in: bool = True

    @cached_property
    def nobody(self) -> Caller:
        """Somebody without a token."""
        return Caller(self.commerce)

    @cached_property
    def customer(self) -> Customer:
        """A new customer."""
        return Customer(self.commerce)

    @cached_property
    def operator(self) -> Operator:
        """The operator of smoke tests."""
        return Operator(self.commerce, "smoke-test")

    def one_who_may(self, route: Route) -> Caller:
        """Somebody whom a route serves."""
        if not route.scopes:
            return self.nobody
        return self.operator if OPERATE in route.scopes else self.customer

    def ask(
        self,
        caller: Caller,
        route: Route,
        expected: set[int],
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        names: set[str] | None = None,
    ) -> Finding:
        """Send a request to something that is not there, and compare the answer with what is published.

        Args:
            caller: Who asks.
            route: What is asked.
            expected: The statuses that it may answer.
            body: Sent as JSON.
            headers: More headers.
            names: Words of which the answer must have one.
        """
        path, needed, query = route.to_nothing()
        correlation = f"smoke-{secrets.token_hex(8)}"
        sent = {CORRELATION: correlation, **needed, **(headers or {})}
        answer = caller.send(route.method, route.service, path, body=body, headers=sent, query=query)
        asked = f"{route} as {type(caller).__name__.lower() if caller is not self.nobody else 'nobody'}"
        if headers:
            asked += f" with {', '.join(f'{name}: {value}' for name, value in headers.items())}"
        return Finding(asked, _problem(route, answer, expected, correlation, names or set()))


def _problem(
    route: Route, answer: requests.Response, expected: set[int], correlation: str, names: set[str]
) -> str:
    if answer.status_code not in expected:
        wanted = " or ".join(map(str, sorted(expected)))
        return f"{answer.status_code} instead of {wanted}: {answer.text[:200]}"
    if broken := route.promise_broken(answer):
        return broken
    # What the gateway itself refuses has the request's own id: it cannot judge whether the caller's is acceptable.
    known = (correlation, answer.json().get("instance"))
    if answer.headers.get(CORRELATION) not in known:
        return f"{CORRELATION} is {answer.headers.get(CORRELATION)!r}, neither of {known}"
    if names and not any(name in answer.text for name in names):
        return f"names none of {', '.join(sorted(names))}: {answer.text[:200]}"
    return ""


def published(commerce: Commerce, root: Path, services: Iterable[str] | None = None) -> tuple[Route, ...]:
    """The routes of services that are deployed and publish their APIs below a folder.

    Args:
        commerce: Where they are deployed.
        root: The folder.
        services: Which; all that are deployed by default.

    Raises:
        StorefrontError: None does.
    """
    found = tuple(_routes(services or commerce.endpoints["services"], root))
    if not found:
        raise StorefrontError(
            f"No service that is deployed publishes its API below {root}.",
            f"Looked for {PUBLISHED[0].format(service='*')}/{OPENAPI}; deployed: {', '.join(commerce.endpoints['services']) or 'none'}.",
        )
    return found


def _routes(services: Iterable[str], root: Path) -> Iterator[Route]:
    for service in sorted(services):
        places = [f"{place.format(service=service)}/{OPENAPI}" for place in PUBLISHED]
        for file in sorted(each for place in places for each in root.glob(place)):
            document = json.loads(file.read_text())
            for path, operations in document["paths"].items():
                for method, operation in operations.items():
                    yield Route(service, method.upper(), path, operation, document["components"])


def _unknown(pattern: str) -> str:
    """An identifier that a pattern accepts and nothing has."""
    unique = secrets.token_hex(16)
    candidates = (unique, f"SMOKE-{unique.upper()}", *re.findall(r"[A-Z_]{3,}", pattern))
    return next((each for each in candidates if re.search(pattern, each)), unique)
