"""Mapping templates rendered without a stack: what is tested in milliseconds can be tested in every case."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import pytest
from apigateway_engine import Api, Headers, HttpRequest
from apigateway_engine.variables import create_context, create_variables
from apigateway_engine.velocity import render as velocity

if TYPE_CHECKING:
    from collections.abc import Mapping

API = Api(api_id="a1b2c3", stage="prod", account="111122223333", region="eu-west-1")
NOW = dt.datetime(2026, 2, 9, 6, 38, 3, 512_000, tzinfo=dt.UTC)


class Rendered(NamedTuple):
    """What a template became, and what it did to the answer."""

    text: str
    override: dict[str, Any]

    def json(self) -> Any:
        """The text as JSON, which has to be JSON."""
        return json.loads(self.text)


class Render(Protocol):
    """Renders a template for one request."""

    def __call__(
        self,
        template: str,
        *,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        path: Mapping[str, str] | None = None,
        claims: Mapping[str, str] | None = None,
    ) -> Rendered: ...


@pytest.fixture
def render() -> Render:
    """Render a template; `body` is the request's, or the service's answer."""

    def rendered(
        template: str,
        *,
        body: object = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        path: Mapping[str, str] | None = None,
        claims: Mapping[str, str] | None = None,
    ) -> Rendered:
        request = HttpRequest(
            method="PUT",
            path="/",
            headers=Headers(headers or {}),
            query={name: [value] for name, value in (query or {}).items()},
            path_parameters=path or {},
        )
        authorizer = {"claims": claims or {}}
        context = create_context(API, None, request, request_id="request-1", now=NOW, authorizer=authorizer)
        text = velocity(template, create_variables(API, request, context, json.dumps(body)))
        return Rendered(text, context["responseOverride"])

    return rendered
