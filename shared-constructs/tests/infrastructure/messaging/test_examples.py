"""The examples in the docstrings run."""

import doctest
from importlib import import_module

import pytest
from aws_cdk import Duration
from service_runtime.envelope import PublishedEvent
from shared_constructs import (
    Aggregate,
    ChangeFeed,
    Counter,
    DomainEvent,
    EventRequest,
    ExpressWorkflow,
    Projection,
    QueueConsumer,
    ServiceApp,
    ServiceStack,
    ServiceTable,
    StackKind,
    Subscription,
)
from shared_constructs.change_feed import became


class ProductChanged(PublishedEvent, major=1):
    sku: str
    name: str


class ProductRetired(PublishedEvent, major=1):
    sku: str


class OrderConfirmed(PublishedEvent, major=1):
    order_id: str


class StockReservationRequested(PublishedEvent, major=1):
    order_id: str
    expires_at: str


PASS = {"QueryLanguage": "JSONata", "StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}


@pytest.mark.parametrize(
    "module",
    [
        "express_workflow",
        "queue_consumer",
        "change_feed.feed",
        "change_feed.events",
        "projection",
        "counter",
        "event_request",
    ],
)
def test_the_examples_of_the_constructs_run(module, tmp_path):
    app = ServiceApp(service="product", stage="local", outdir=str(tmp_path))
    stack = ServiceStack(app, kind=StackKind.STATELESS)
    names = {
        "stack": stack,
        "table": ServiceTable(ServiceStack(app, kind=StackKind.STATEFUL), "Table", stream=True),
        "function": ExpressWorkflow(stack, "Handler", definition=PASS, per_record=True),
        **{
            c.__name__: c
            for c in (
                Aggregate,
                ChangeFeed,
                Counter,
                DomainEvent,
                Duration,
                EventRequest,
                ExpressWorkflow,
                Projection,
                QueueConsumer,
                Subscription,
                OrderConfirmed,
                ProductChanged,
                ProductRetired,
                StockReservationRequested,
                became,
            )
        },
    }
    results = doctest.testmod(import_module(f"shared_constructs.{module}"), extraglobs=names)
    assert results.attempted
    assert not results.failed
    app.synth()
