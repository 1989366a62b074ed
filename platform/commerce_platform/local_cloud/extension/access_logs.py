"""API Gateway's stages write a line per request to their access log.

Replaces: `services/cloudformation/provisioners.py` (5637, 5655), which drops a stage's AccessLogSetting, and
`services/apigateway_v1.py` (2580), which writes no access log. Variables that nothing here has a value for are `-`,
as they are on AWS.
"""

from __future__ import annotations

import re
import time
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

from ministack.services import apigateway_v1

from commerce_platform.local_cloud.extension.cloudformation import amend
from commerce_platform.local_cloud.extension.deferred_logs import Group, defer
from commerce_platform.local_cloud.extension.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Callable

    from commerce_platform.local_cloud.extension.deferred_logs import Line

GUARDS = (
    Guard("apigateway_v1._execute_in_scope", "2ae72b7d5eb6"),
    Guard("apigateway_v1._create_stage", "f58c23c490e8"),
    Guard("cloudformation.provisioners._apigw_stage_create", "eb1c734cddf7"),
    Guard("cloudformation.provisioners._apigw_stage_update", "6d98ef2a9198"),
)

STREAM = "access"
INTEGRATIONS = (
    "_invoke_lambda_custom_v1",
    "_invoke_sqs_v1",
    "_invoke_lambda_proxy_v1",
    "_invoke_http_proxy_v1",
)

_VARIABLE = re.compile(r"\$context\.([A-Za-z][A-Za-z0-9.]*)")
_request: ContextVar[Json] = ContextVar("logged_request")

Json = dict[str, Any]
Response = tuple[int, dict[str, Any], bytes]


@dataclass(frozen=True)
class Access:
    """One answered request.

    Attributes:
        template: The stage's log format.
        at: Seconds since the epoch.
        values: `$context` variables by name.
    """

    template: str
    at: float
    values: Json
    stream: str = STREAM

    def lines(self) -> tuple[list[Line], bool]:
        """Give the request's only line."""
        line = _VARIABLE.sub(lambda found: str(self.values.get(found[1], "-")), self.template)
        return [(int(self.at * 1000), line)], False


def apply() -> None:
    """Keep the setting; time and note each request."""
    amend("AWS::ApiGateway::Stage", _keep_the_setting)
    for name in INTEGRATIONS:
        setattr(apigateway_v1, name, _timed(getattr(apigateway_v1, name)))
    execute, answer = apigateway_v1._execute_in_scope, apigateway_v1._gateway_error_response

    async def execute_logged(request: Json, *where: Any) -> Any:
        request["received_at"] = time.time()
        _request.set(request)
        response = await execute(request, *where)
        if not isinstance(response, apigateway_v1._GatewayError):
            _log(request, response)
        return response

    def answer_logged(error: Any, request: Json) -> Response:
        response: Response = answer(error, request)
        if "received_at" in request:
            _log(
                request,
                response,
                **{"error.responseType": error.response_type, "error.message": error.message},
            )
        return response

    apigateway_v1._execute_in_scope = execute_logged
    apigateway_v1._gateway_error_response = answer_logged


def _keep_the_setting(_physical_id: str, props: Json) -> None:
    stage = apigateway_v1._stages_v1.get(props["RestApiId"], {}).get(props["StageName"])
    setting = props.get("AccessLogSetting") or {}
    if stage is not None:
        stage["accessLogSettings"] = {name[:1].lower() + name[1:]: value for name, value in setting.items()}


def _timed(invoke: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(invoke)
    async def timed(*request: Any, **options: Any) -> Any:
        began = time.perf_counter()
        try:
            return await invoke(*request, **options)
        finally:
            _request.get({})["integration_ms"] = round((time.perf_counter() - began) * 1000)

    return timed


def _log(request: Json, response: Response, **more: str) -> None:
    setting = (request.get("stage") or {}).get("accessLogSettings") or {}
    if not setting.get("destinationArn"):
        return
    at = request["received_at"]
    body = response[2]
    values = {
        "requestId": request["request_id"],
        "extendedRequestId": request["request_id"],
        "apiId": request["api_id"],
        "stage": request["stage_name"],
        "requestTime": time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime(at)),
        "requestTimeEpoch": int(at * 1000),
        "httpMethod": request["method"],
        "resourcePath": request["resource_path"] or "-",
        "path": f"/{request['stage_name']}{request['path']}",
        "status": response[0],
        "responseLength": len(body) if isinstance(body, bytes | str) else "-",
        "responseLatency": round((time.time() - at) * 1000),
        "integration.latency": request.get("integration_ms", "-"),
        "integrationLatency": request.get("integration_ms", "-"),
        **more,
    }
    defer(Group.of(setting["destinationArn"]), Access(setting["format"], at, values))
