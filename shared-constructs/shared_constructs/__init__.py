"""Reusable L3 constructs for serverless services on AWS."""

from service_topology import StageName

from shared_constructs.business_metrics import BusinessMetric, BusinessMetrics
from shared_constructs.change_feed import ChangeFeed, DomainEvent, StreamRetry
from shared_constructs.counter import Counter
from shared_constructs.dashboard import ServiceDashboard
from shared_constructs.direct_api import DirectApi
from shared_constructs.event_request import Aggregate, EventRequest
from shared_constructs.event_schemas import EventSchemas
from shared_constructs.express_workflow import ExpressWorkflow, StandardWorkflow
from shared_constructs.function import (
    NO_DEPENDENCIES,
    PLATFORM_LAYER,
    Dependencies,
    DependencyLayer,
    OwnLayer,
    ServiceFunction,
)
from shared_constructs.projection import Projection
from shared_constructs.queue_consumer import Batching, QueueConsumer, Subscription
from shared_constructs.service import ServiceApp, ServiceStack, StackKind
from shared_constructs.service_levels import Objective, ServiceLevels
from shared_constructs.stage import ServiceSettings, Stage, StageError
from shared_constructs.synthetic_check import SyntheticCheck
from shared_constructs.table import ServiceTable

__all__ = [
    "NO_DEPENDENCIES",
    "PLATFORM_LAYER",
    "Aggregate",
    "Batching",
    "BusinessMetric",
    "BusinessMetrics",
    "ChangeFeed",
    "Counter",
    "Dependencies",
    "DependencyLayer",
    "DirectApi",
    "DomainEvent",
    "EventRequest",
    "EventSchemas",
    "ExpressWorkflow",
    "Objective",
    "OwnLayer",
    "Projection",
    "QueueConsumer",
    "ServiceApp",
    "ServiceDashboard",
    "ServiceFunction",
    "ServiceLevels",
    "ServiceSettings",
    "ServiceStack",
    "ServiceTable",
    "StackKind",
    "Stage",
    "StageError",
    "StageName",
    "StandardWorkflow",
    "StreamRetry",
    "Subscription",
    "SyntheticCheck",
]
