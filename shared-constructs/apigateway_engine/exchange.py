"""One request on its way through the gateway, and the values that mapping expressions find in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from apigateway_engine import java, jsonpath
from apigateway_engine.errors import UnsupportedFeatureError
from apigateway_engine.model import Headers
from apigateway_engine.variables import create_variables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from apigateway_engine.integration import BackendResponse
    from apigateway_engine.model import Api, HttpRequest, Method


@dataclass(kw_only=True)
class Exchange:
    """One request on its way: what mapping needs to know of it."""

    api: Api
    request: HttpRequest
    method: Method | None
    context: dict[str, Any]

    def variables(self, body: str) -> dict[str, Any]:
        """The roots for a template over `body`."""
        return create_variables(self.api, self.request, self.context, body)

    def value(self, source: str, answer: BackendResponse | None = None) -> str | None:  # noqa: PLR0911 - one case per source
        """The value of a mapping expression; None when its source is absent, which drops the parameter.

        Args:
            source: `method.request.header.X`, `context.requestId`, `'text'`, …
            answer: The back end's, for `integration.response.*`.

        Raises:
            UnsupportedFeatureError: The expression is not known here.
        """
        request = self.request
        match source.split(".", 3):
            case _ if len(source) > 1 and source[0] == source[-1] == "'":
                return source[1:-1]
            case ["context" | "stageVariables" as root, *_]:
                value: Any = self.context if root == "context" else dict(self.api.stage_variables)
                for name in source.split(".")[1:]:
                    value = value.get(name) if isinstance(value, dict) else None
                return None if value is None else java.to_string(value)
            case ["method", "request", "header" | "multivalueheader" as location, name]:
                return _joined(request.headers.get_all(name), location)
            case ["method", "request", "querystring" | "multivaluequerystring" as location, name]:
                return _joined(request.query.get(name, ()), location)
            case ["method", "request", "path", name]:
                return request.path_parameters.get(name)
            case ["method", "request", "body", *path]:
                return body_value(request.body, *path)
            case ["integration", "response", "header" | "multivalueheader", name] if answer is not None:
                return Headers(answer.headers).get(name)
            case ["integration", "response", "body", *path] if answer is not None:
                return body_value(answer.body, *path)
        raise UnsupportedFeatureError(f"mapping expression {source!r} is not known here")


def _joined(values: Sequence[str], location: str) -> str | None:
    return None if not values else ",".join(values) if location.startswith("multi") else values[-1]


def body_value(body: str, path: str = "") -> str | None:
    """Text at a path of a JSON body, the body itself without one; None when there is none."""
    if not path:
        return body
    try:
        found = jsonpath.find(json.loads(body), "$." + path)
    except json.JSONDecodeError:
        return None
    if found is java.MISSING or found is None:
        return None
    return found if isinstance(found, str) else java.json_text(found)


def claim_texts(claims: Mapping[str, Any]) -> dict[str, str]:
    """Claims as templates see them: all text, a list as `[a b]`."""
    return {
        name: f"[{' '.join(map(java.to_string, value))}]"
        if isinstance(value, list)
        else java.to_string(value)
        for name, value in claims.items()
    }
