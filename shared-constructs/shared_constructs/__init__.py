"""Reusable L3 constructs for serverless services on AWS.

The names below are loaded on first use, so that the testing kit's engine and the Lambda-side packages of this
distribution can be imported without loading the CDK.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared_constructs.change_feed import ChangeFeed as ChangeFeed
    from shared_constructs.change_feed import DomainEvent as DomainEvent
    from shared_constructs.change_feed import StreamRetry as StreamRetry
    from shared_constructs.direct_api import DirectApi as DirectApi
    from shared_constructs.event_request import EventRequest as EventRequest
    from shared_constructs.express_workflow import ExpressWorkflow as ExpressWorkflow
    from shared_constructs.express_workflow import StandardWorkflow as StandardWorkflow
    from shared_constructs.function import NO_DEPENDENCIES as NO_DEPENDENCIES
    from shared_constructs.function import PLATFORM_LAYER as PLATFORM_LAYER
    from shared_constructs.function import DependencyLayer as DependencyLayer
    from shared_constructs.function import OwnLayer as OwnLayer
    from shared_constructs.function import ServiceFunction as ServiceFunction
    from shared_constructs.projection import Projection as Projection
    from shared_constructs.queue_consumer import Batching as Batching
    from shared_constructs.queue_consumer import QueueConsumer as QueueConsumer
    from shared_constructs.queue_consumer import Subscription as Subscription
    from shared_constructs.service import ServiceApp as ServiceApp
    from shared_constructs.service import ServiceStack as ServiceStack
    from shared_constructs.service import StackKind as StackKind
    from shared_constructs.stage import Stage as Stage
    from shared_constructs.stage import StageError as StageError
    from shared_constructs.stage import StageName as StageName
    from shared_constructs.table import ServiceTable as ServiceTable

_MODULES = {
    "DirectApi": "direct_api",
    "DependencyLayer": "function",
    "EventRequest": "event_request",
    "NO_DEPENDENCIES": "function",
    "OwnLayer": "function",
    "PLATFORM_LAYER": "function",
    "ServiceFunction": "function",
    "StageError": "stage",
    "Projection": "projection",
    "StreamRetry": "change_feed",
    "DomainEvent": "change_feed",
    "ChangeFeed": "change_feed",
    "Subscription": "queue_consumer",
    "QueueConsumer": "queue_consumer",
    "Batching": "queue_consumer",
    "StandardWorkflow": "express_workflow",
    "ExpressWorkflow": "express_workflow",
    "ServiceApp": "service",
    "ServiceStack": "service",
    "ServiceTable": "table",
    "StackKind": "service",
    "Stage": "stage",
    "StageName": "stage",
}

__all__ = [*_MODULES]  # noqa: PLE0604 - the table's keys are strings


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(_MODULES)}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
