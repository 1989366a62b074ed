"""Lambda functions behind AWS_PROXY routes, run in the test's own process."""

from __future__ import annotations

import importlib
import json
import os
import sys
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from apigateway_engine import Exchange, Headers, HttpResponse

if TYPE_CHECKING:
    from collections.abc import Callable

    from service_testing.resources import DeployedResource


@dataclass(frozen=True, kw_only=True)
class LambdaContext:
    """What a handler gets as its context."""

    function_name: str
    invoked_function_arn: str
    memory_limit_in_mb: int
    timeout_seconds: int
    function_version: str = "$LATEST"
    aws_request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def get_remaining_time_in_millis(self) -> int:
        """The whole time limit: a test does not run out of time."""
        return self.timeout_seconds * 1000


class LocalFunction:
    """A function of the template: its handler imported from the source, called with its environment.

    The template's `Handler` is the full package path (`cart_service.api.runtime.handler.handler`), in Lambda and here,
    so the package must be importable: install the service in editable mode. The handler's package is imported anew for
    each Deployment, because clients and settings made at import belong to one environment.

    Args:
        function: The AWS::Lambda::Function.
    """

    def __init__(self, function: DeployedResource) -> None:
        self._function = function
        self._handler: Callable[[Any, Any], Any] | None = None

    def invoke(self, event: Any) -> Any:
        """Call the handler with an event that went through JSON, as on Lambda; its exception is the caller's."""
        properties = self._function.properties
        variables = {
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(properties.get("MemorySize", 128)),
            "AWS_LAMBDA_FUNCTION_NAME": self._function.ref,
            **properties.get("Environment", {}).get("Variables", {}),
        }
        context = LambdaContext(
            function_name=self._function.ref,
            invoked_function_arn=self._function.attributes["Arn"],
            memory_limit_in_mb=int(properties.get("MemorySize", 128)),
            timeout_seconds=int(properties.get("Timeout", 3)),
        )
        with patch.dict(os.environ, variables):
            if self._handler is None:
                self._handler = self._import()
            return json.loads(json.dumps(self._handler(json.loads(json.dumps(event)), context)))

    def _import(self) -> Callable[[Any, Any], Any]:
        path = self._function.properties.get("Handler", "")
        module_name, _, name = path.rpartition(".")
        package = module_name.rpartition(".")[0] or module_name
        for loaded in [m for m in sys.modules if f"{m}.".startswith(f"{package}.")]:
            del sys.modules[loaded]
        try:
            handler: Callable[[Any, Any], Any] = getattr(importlib.import_module(module_name), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ImportError(
                f"cannot import handler {path!r} of {self._function.logical_id}: {error}. The template's Handler must "
                "be the full package path, and the service installed (pip install -e)"
            ) from error
        return handler


def proxy_event(exchange: Exchange) -> dict[str, Any]:
    """The event of a Lambda proxy integration (payload 1.0)."""
    request, context = exchange.request, exchange.context
    template_only = ("requestOverride", "responseOverride")
    return {
        "resource": context["resourcePath"],
        "path": request.path,
        "httpMethod": request.method,
        "headers": dict(request.headers) or None,
        "multiValueHeaders": {name: request.headers.get_all(name) for name in request.headers} or None,
        "queryStringParameters": {name: values[-1] for name, values in request.query.items() if values}
        or None,
        "multiValueQueryStringParameters": {name: list(values) for name, values in request.query.items()}
        or None,
        "pathParameters": dict(request.path_parameters) or None,
        "stageVariables": dict(exchange.api.stage_variables) or None,
        "requestContext": {key: value for key, value in context.items() if key not in template_only},
        "body": request.body or None,
        "isBase64Encoded": False,
    }


def proxy_response(answer: Any) -> HttpResponse | None:
    """The client's response from a proxy integration's answer; None when it is malformed (502 on AWS)."""
    if not isinstance(answer, dict) or not str(answer.get("statusCode", "")).isdigit():
        return None
    body = answer.get("body")
    if answer.get("isBase64Encoded") or not (body is None or isinstance(body, str)):
        return None
    headers = {"Content-Type": "application/json", **(answer.get("headers") or {})}
    headers |= {name: values for name, values in (answer.get("multiValueHeaders") or {}).items() if values}
    merged: dict[str, Any] = {}
    for name, value in headers.items():
        merged = {key: known for key, known in merged.items() if key.lower() != name.lower()} | {name: value}
    return HttpResponse(status=int(answer["statusCode"]), headers=Headers(merged), body=body or "")
