"""Run a synthesized template without AWS: render and execute direct integrations, run functions and workflows.

    from service_testing import Deployment, synthesize

    with Deployment(synthesize(build, service="product")) as d:
        response = d.request("PUT", "/products/EST-1", body={…}, claims={"sub": "u", "scope": "commerce/operate"})
        assert response.status == 201

The names below load what they need on first use, so that `apigateway_engine` alone loads neither
moto nor the CDK.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apigateway_engine import HttpResponse as HttpResponse
    from apigateway_engine import IntegrationRequest as IntegrationRequest

    from .consumers import FeedResult as FeedResult
    from .consumers import events_of as events_of
    from .deployment import Deployment as Deployment
    from .injection import HOSTILE_VALUES as HOSTILE_VALUES
    from .injection import InjectionCase as InjectionCase
    from .injection import Probe as Probe
    from .injection import injection_cases as injection_cases
    from .injection import unprobed_routes as unprobed_routes
    from .inspection import actions_on as actions_on
    from .inspection import listed as listed
    from .inspection import masked as masked
    from .inspection import of_type as of_type
    from .inspection import statements as statements
    from .templates import synthesize as synthesize
    from .workflows import Execution as Execution
    from .workflows import WorkflowError as WorkflowError
    from .workflows import run_workflow as run_workflow

_MODULES = {
    "Deployment": "deployment",
    "Execution": "workflows",
    "HOSTILE_VALUES": "injection",
    "HttpResponse": "apigateway",
    "InjectionCase": "injection",
    "IntegrationRequest": "apigateway",
    "FeedResult": "consumers",
    "Probe": "injection",
    "WorkflowError": "workflows",
    "actions_on": "inspection",
    "injection_cases": "injection",
    "listed": "inspection",
    "masked": "inspection",
    "of_type": "inspection",
    "statements": "inspection",
    "run_workflow": "workflows",
    "synthesize": "templates",
    "events_of": "consumers",
    "unprobed_routes": "injection",
}

__all__ = [*_MODULES]  # noqa: PLE0604 - the table's keys are strings


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(_MODULES)}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
