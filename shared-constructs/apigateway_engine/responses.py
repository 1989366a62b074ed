"""What the gateway's two kinds of responses have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apigateway_engine import java

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apigateway_engine.exchange import Exchange
    from apigateway_engine.model import HttpRequest


def choose_template(templates: Mapping[str, str], request: HttpRequest) -> tuple[str | None, str | None]:
    """The template for the Accept header, else application/json, else the first; with its content type."""
    if not templates:
        return None, None
    accepted = [part.partition(";")[0].strip() for part in request.headers.get("Accept", "").split(",")]
    for media_type in (*accepted, "application/json"):
        if media_type in templates:
            return media_type, templates[media_type]
    return next(iter(templates.items()))


def with_header(headers: Mapping[str, str], name: str, value: str) -> dict[str, str]:
    """The headers with one set, whatever the case of its name was."""
    return {key: known for key, known in headers.items() if key.lower() != name.lower()} | {name: value}


def overridden(exchange: Exchange, status: int, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
    """Status and headers after what a template set in `$context.responseOverride`."""
    override = exchange.context["responseOverride"]
    for name, value in (override.get("header") or {}).items():
        headers = with_header(headers, name, java.to_string(value))
    return int(override.get("status") or status), headers
