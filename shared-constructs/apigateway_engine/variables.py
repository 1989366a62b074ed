"""The roots of a mapping template: `$input`, `$util`, `$context`, `$stageVariables`.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html
"""

from __future__ import annotations

import base64
import binascii
import json
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, unquote_plus

from apigateway_engine import java, jsonpath
from apigateway_engine.errors import InvalidBodyError, TemplateExecutionError
from apigateway_engine.java import JavaMethods

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from apigateway_engine.model import Api, Headers, HttpRequest, Method


class Params(dict[str, Any]):
    """The header map of `$input.params()`: names match whatever their case."""

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a name in any case."""
        return next((value for name, value in self.items() if name.lower() == key.lower()), default)

    def __contains__(self, key: object) -> bool:
        return any(name.lower() == str(key).lower() for name in self)

    def __getitem__(self, key: str) -> Any:
        return self.get(key)


class _Input(JavaMethods):
    """`$input`: the request's body in a request template, the back end's in a response template."""

    def __init__(
        self, body: str, path: Mapping[str, str], query: Mapping[str, str], headers: Headers
    ) -> None:
        self._body = body
        self._params = {"path": dict(path), "querystring": dict(query), "header": Params(headers)}

    @property
    def body(self) -> str:
        """The raw body; `{}` when it is empty (as observed on AWS)."""
        return self._body or "{}"

    @cached_property
    def _document(self) -> Any:
        try:
            return json.loads(self.body)
        except (json.JSONDecodeError, RecursionError) as error:
            raise InvalidBodyError(f"Could not parse request body into json: {error}") from error

    def json(self, path: str = "$") -> str:
        """JSON text of the value at a path; `""` (two quotes) when there is none."""
        found = jsonpath.find(self._document, path)
        return '""' if found is java.MISSING else java.json_text(found)

    def path(self, path: str) -> Any:
        """The value at a path, to navigate further; null when there is none."""
        found = jsonpath.find(self._document, path)
        return None if found is java.MISSING else java.from_json(found)

    def params(self, name: str | None = None) -> Any:
        """A parameter from path, query string or header, in this order, or `` (empty); all of them without a name."""
        if name is None:
            return self._params
        return next((group.get(name) for group in self._params.values() if name in group), "")


class _Util(JavaMethods):
    """`$util`. Every function of null is null."""

    def escapeJavaScript(self, value: Any) -> str | None:  # noqa: N802  # the name in templates
        return None if value is None else java.escape_java_script(java.to_string(value))

    def parseJson(self, text: str | None) -> Any:  # noqa: N802  # the name in templates
        if text is None:
            return None
        try:
            return java.from_json(json.loads(text))
        except (json.JSONDecodeError, RecursionError) as error:
            raise TemplateExecutionError(f"$util.parseJson: {error}: {text!r}") from error

    def urlEncode(self, value: Any) -> str | None:  # noqa: N802  # the name in templates
        if value is None:
            return None
        return quote_plus(java.to_string(value), safe="*", errors="replace").replace("~", "%7E")

    def urlDecode(self, value: str | None) -> str | None:  # noqa: N802  # the name in templates
        return None if value is None else unquote_plus(value)

    def base64Encode(self, value: Any) -> str | None:  # noqa: N802  # the name in templates
        return (
            None
            if value is None
            else base64.b64encode(java.to_string(value).encode(errors="replace")).decode()
        )

    def base64Decode(self, value: str | None) -> str | None:  # noqa: N802  # the name in templates
        try:
            return None if value is None else base64.b64decode(value, validate=True).decode(errors="replace")
        except binascii.Error as error:
            raise TemplateExecutionError(f"$util.base64Decode: {error}: {value!r}") from error


def create_context(
    api: Api,
    method: Method | None,
    request: HttpRequest,
    *,
    request_id: str,
    now: dt.datetime,
    authorizer: Mapping[str, Any] | None = None,
    identity: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """`$context` of one request; unset members are null and print nothing."""
    domain = f"{api.api_id}.execute-api.{api.region}.amazonaws.com"
    return {
        "accountId": api.account,
        "apiId": api.api_id,
        "authorizer": dict(authorizer or {}),
        "domainName": request.headers.get("Host", domain),
        "domainPrefix": request.headers.get("Host", domain).partition(".")[0],
        "extendedRequestId": request_id,
        "httpMethod": request.method,
        "identity": {
            "sourceIp": request.source_ip,
            "userAgent": request.headers.get("User-Agent", ""),
            **(identity or {}),
        },
        "path": f"/{api.stage}{request.path}",
        "protocol": "HTTP/1.1",
        "requestId": request_id,
        "requestOverride": {"header": {}, "path": {}, "querystring": {}},
        "requestTime": now.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "requestTimeEpoch": int(now.timestamp() * 1000),
        "resourceId": method.resource_id if method else "",
        "resourcePath": method.resource_path if method else request.path,
        "responseOverride": {"header": {}},
        "stage": api.stage,
    }


def create_variables(api: Api, request: HttpRequest, context: dict[str, Any], body: str) -> dict[str, Any]:
    """Everything a template can refer to; `body` is the request's or the back end's."""
    query = {name: values[-1] for name, values in request.query.items() if values}
    return {
        "input": _Input(body, request.path_parameters, query, request.headers),
        "util": _Util(),
        "context": context,
        "stageVariables": dict(api.stage_variables),
    }
