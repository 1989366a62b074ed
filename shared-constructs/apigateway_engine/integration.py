"""The call of an AWS service integration, as the HTTP request that API Gateway sends to the service."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode
from xml.etree import ElementTree as ET

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from apigateway_engine.errors import UnsupportedFeatureError

_URI = re.compile(
    r"arn:[\w-]+:apigateway:(?P<region>[\w-]+):(?P<service>[\w.-]+):(?P<kind>path|action)/(?P<rest>.*)"
)

# Services for which API Gateway itself derives X-Amz-Target from the action.
_JSON_SERVICES: Final = {
    "dynamodb": ("DynamoDB_20120810", "application/x-amz-json-1.0"),
    "states": ("AWSStepFunctions", "application/x-amz-json-1.0"),
}
_KNOWN: Final = ("dynamodb", "events", "lambda", "sqs", "states")
_LAMBDA: Final = re.compile(r"2015-03-31/functions/(?P<arn>[^/]+)/invocations")


@dataclass(frozen=True, kw_only=True)
class IntegrationRequest:
    """The request to the back end, after mapping.

    Attributes:
        service: The service's name in the integration URI (`dynamodb`, `states`, `events`, `sqs`, `lambda`).
        action: `PutItem`, or an empty string for a path-style URI whose body or headers name it.
        path: The path below the service's endpoint.
    """

    service: str
    region: str
    action: str = ""
    http_method: str = "POST"
    path: str = "/"
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""

    def json(self) -> Any:
        """The body decoded from JSON; the error shows the body when it is not."""
        try:
            return json.loads(self.body)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"the rendered {self.service}:{self.action} is not JSON ({error}): {self.body}"
            ) from error


@dataclass(frozen=True, kw_only=True)
class BackendResponse:
    """What the service answered, unchanged but for Query-protocol XML, which API Gateway receives as JSON."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""


Backend = Callable[[IntegrationRequest], BackendResponse]


def create_integration_request(  # the parts of an HTTP request
    uri: str, *, http_method: str, headers: Mapping[str, str], query: Mapping[str, str], body: str
) -> IntegrationRequest:
    """Address a service as an integration URI says.

    Args:
        uri: `arn:aws:apigateway:{region}:{service}:action/{Action}` or `…:path/{path}`, placeholders filled in.
        http_method: The integration's, not the client's.
        headers: Mapped headers, which win over the ones that the protocol needs.
        query: Mapped query parameters.
        body: The rendered request template, or the client's body passed through.

    Raises:
        UnsupportedFeatureError: For a service, or a way of calling it, that this engine does not know.
    """
    match = _URI.fullmatch(uri)
    if match is None:
        raise UnsupportedFeatureError(
            f"integration URI {uri!r} is not arn:aws:apigateway:region:service:path|action/…"
        )
    service, kind, rest = match["service"], match["kind"], match["rest"]
    base = IntegrationRequest(
        service=service,
        region=match["region"],
        http_method=http_method,
        headers=headers,
        query=query,
        body=body,
    )
    if service == "lambda":
        function = _LAMBDA.fullmatch(rest)
        if kind != "path" or function is None:
            raise UnsupportedFeatureError(
                f"integration URI {uri!r}: only …/functions/{{arn}}/invocations is known"
            )
        path = f"/2015-03-31/functions/{quote(function['arn'], safe=':')}/invocations"
        return replace(base, action="Invoke", path=path)
    if service not in _KNOWN:
        raise UnsupportedFeatureError(
            f"integration with {service!r} is not known to this engine; known: {', '.join(_KNOWN)}"
        )
    if kind == "path":
        return replace(base, path=f"/{rest}", action=_action_in(base))
    if service == "sqs":
        raise UnsupportedFeatureError(
            f"integration URI {uri!r}: of SQS only path/{{account}}/{{queue}} is known"
        )
    action = rest.partition("&")[0]
    if service == "events":
        if not _header(headers, "X-Amz-Target"):
            raise UnsupportedFeatureError(
                f"{service}:action/{action} must map integration.request.header.X-Amz-Target and Content-Type: "
                "API Gateway does not derive them for this service"
            )
        return replace(base, action=action)
    prefix, content_type_name = _JSON_SERVICES[service]
    protocol = {"Content-Type": content_type_name, "X-Amz-Target": f"{prefix}.{action}"}
    return replace(base, action=action, headers={**protocol, **headers})


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name.lower()), "")


def _action_in(request: IntegrationRequest) -> str:
    target = _header(request.headers, "X-Amz-Target").rpartition(".")[2]
    return target or dict(parse_qsl(request.body)).get("Action") or request.query.get("Action", "")


class AwsEndpoint:
    """Sends integration requests to AWS, to whatever intercepts `requests` (moto), or to an emulator's endpoint.

    Args:
        endpoint_url: One URL for every service; None means each service's own AWS host.
        access_key_id: Signs the request; an emulator may take the account from it.
        timeout_seconds: API Gateway's integration timeout by default.
    """

    def __init__(
        self,
        endpoint_url: str | None = None,
        *,
        access_key_id: str = "testing",
        secret_access_key: str = "testing",  # noqa: S107  # what moto and emulators expect, not a secret
        timeout_seconds: float = 29,
    ) -> None:
        self._endpoint_url = endpoint_url
        self._credentials = Credentials(access_key_id, secret_access_key)
        self._timeout = timeout_seconds

    def __call__(self, request: IntegrationRequest) -> BackendResponse:
        """Send the request and return the raw answer."""
        signed = AWSRequest(
            method=request.http_method,
            url=self._host(request)
            + request.path
            + (f"?{urlencode(request.query)}" if request.query else ""),
            headers=dict(request.headers),
            data=request.body.encode(errors="replace"),
        )
        SigV4Auth(self._credentials, request.service, request.region).add_auth(signed)
        answer = requests.request(
            request.http_method,
            str(signed.url),
            headers=dict(signed.headers),
            data=signed.data,
            timeout=self._timeout,
        )
        body = answer.content.decode(errors="replace")
        if "xml" in answer.headers.get("Content-Type", "") or body.startswith("<"):
            body = _xml_as_json(body)
        return BackendResponse(status=answer.status_code, headers=dict(answer.headers), body=body)

    def _host(self, request: IntegrationRequest) -> str:
        if self._endpoint_url:
            return self._endpoint_url.rstrip("/")
        prefix = "sync-" if request.action == "StartSyncExecution" else ""
        return f"https://{prefix}{request.service}.{request.region}.amazonaws.com"


def _xml_as_json(text: str) -> str:
    root = ET.fromstring(text)  # noqa: S314  # the answer of the service that the caller chose
    content = _element(root)
    name = root.tag.rpartition("}")[2]
    return json.dumps(content if name == "ErrorResponse" else {name: content})


def _element(element: ET.Element) -> Any:
    children = list(element)
    if not children:
        return element.text or ""
    content: dict[str, Any] = {}
    for child in children:
        name, value = child.tag.rpartition("}")[2], _element(child)
        content[name] = [*content[name], value] if isinstance(content.get(name), list) else value
    return content
