"""Every published route, asked for what it has to refuse."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from storefront.client import Caller
from storefront.smoke.visit import OPERATE, Finding, Route

if TYPE_CHECKING:
    from collections.abc import Iterator

    from storefront.smoke.visit import Visit

WITH_CHARSET = "application/json; charset=utf-8"
UNFIT = {"smoke": True}
"""A body that no route accepts."""
NOWHERE = {
    "security": [],
    "responses": {
        "404": {"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    },
}
"""A route that is not there is published nowhere; what it answers is what every route answers."""


def refusals(visit: Visit) -> Iterator[Finding]:
    """401 without a token or with a bad one, 403 without the scope, 404 for what is not there."""
    forger = Caller(visit.commerce, "not.a.token")
    for route in visit.routes:
        if route.scopes:
            for stranger in (visit.nobody, forger):
                yield visit.ask(stranger, route, {HTTPStatus.UNAUTHORIZED})
        if route.scopes == {OPERATE} and visit.signs_in:
            yield visit.ask(visit.customer, route, {HTTPStatus.FORBIDDEN})
        if _finds_something(route) and (visit.signs_in or not route.scopes):
            yield visit.ask(visit.one_who_may(route), route, {HTTPStatus.NOT_FOUND})
    for service in sorted({route.service for route in visit.routes}):
        nowhere = Route(service, "GET", "/no-such-route", NOWHERE, visit.routes[0].components)
        yield visit.ask(visit.nobody, nowhere, {HTTPStatus.NOT_FOUND})


def bodies(visit: Visit) -> Iterator[Finding]:
    """400 or 422 that names the field, whether or not the media type says its charset."""
    for route in visit.routes:
        if route.body is not None and (visit.signs_in or not route.scopes):
            fields = {*UNFIT, *route.body.get("required", ())}
            for headers in ({}, {"Content-Type": WITH_CHARSET}):
                yield visit.ask(
                    visit.one_who_may(route),
                    route,
                    {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY},
                    body=UNFIT,
                    headers=headers,
                    names=fields,
                )


def _finds_something(route: Route) -> bool:
    """Whether it looks for something before it reads a body."""
    return "404" in route.operation["responses"] and route.body is None
