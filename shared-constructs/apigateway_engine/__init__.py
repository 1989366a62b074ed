"""Amazon API Gateway's REST APIs as a library: mapping templates, validators, integrations, gateway responses.

The same code serves the testing kit (methods from a synthesized template, back end intercepted by moto) and the local
cloud (methods from the emulator's store, back end the emulator). It imports neither the CDK nor moto nor pytest.
"""

# ruff: noqa: E402 - what is missing is named before it is missed

from service_extras import require

require("engine", of=__name__)

from apigateway_engine.cloudformation import Resource, apis_from_resources
from apigateway_engine.errors import (
    GatewayEngineError,
    InvalidTemplateError,
    TemplateExecutionError,
    UnknownRouteError,
    UnsupportedFeatureError,
)
from apigateway_engine.exchange import Exchange
from apigateway_engine.gateway import Gateway
from apigateway_engine.gateway_responses import GatewayError, gateway_response
from apigateway_engine.integration import AwsEndpoint, Backend, BackendResponse, IntegrationRequest
from apigateway_engine.model import (
    Api,
    GatewayResponse,
    Headers,
    HttpRequest,
    HttpResponse,
    Integration,
    IntegrationResponse,
    Method,
)
from apigateway_engine.protocol import checked

__all__ = [
    "Api",
    "AwsEndpoint",
    "Backend",
    "BackendResponse",
    "Exchange",
    "Gateway",
    "GatewayEngineError",
    "GatewayError",
    "GatewayResponse",
    "Headers",
    "HttpRequest",
    "HttpResponse",
    "Integration",
    "IntegrationRequest",
    "IntegrationResponse",
    "InvalidTemplateError",
    "Method",
    "Resource",
    "TemplateExecutionError",
    "UnknownRouteError",
    "UnsupportedFeatureError",
    "apis_from_resources",
    "checked",
    "gateway_response",
]
