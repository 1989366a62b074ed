"""A service with a route for every operation."""

from __future__ import annotations

import pytest
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from service_testing import synthesize
from shared_constructs import ServiceApp, ServiceStack, ServiceTable, StackKind
from shared_constructs.direct_api import (
    IAM,
    PUBLIC,
    DeleteItem,
    DirectApi,
    GetItem,
    Page,
    Problem,
    PutItem,
    Query,
    Require,
    Scopes,
    SendToQueue,
    StartWorkflow,
    Succeed,
    UpdateItem,
    attributes_of,
    body,
    claim,
    correlation_id,
    equals,
    header,
    less_than,
    not_exists,
    one_of,
    path,
    query,
    request_id,
    request_time,
    text,
)


class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Note(Camel):
    title: str = Field(min_length=1, max_length=50)
    rating: float | None = None
    pinned: bool = False
    tags: list[str] = Field(default=[], max_length=10)
    scores: dict[str, int] = {}
    author: Author | None = None


class Author(Camel):
    name: str
    born: int | None = None


class StoredNote(Note):
    note_id: str
    version: int
    created_at: str


class Order(Camel):
    order_id: str
    status: str
    total: int
    cancel_requested: bool | None = None
    timeline: list[Step] = []


class Step(Camel):
    at: str
    status: str


class Receipt(Camel):
    receipt_id: str = Field(pattern="^[a-z0-9-]{1,40}$")
    quantity: int = Field(ge=1, le=1000)


def build(app: ServiceApp) -> None:
    data = ServiceStack(app, kind=StackKind.STATEFUL)
    stack = ServiceStack(app, kind=StackKind.STATELESS)
    table = ServiceTable(data, "Table", indexes={"gsi1": attributes_of(Order)})
    api = DirectApi(stack, "Api", description="Everything")
    note = {"pk": text("NOTE#", path("noteId")), "sk": "NOTE"}
    api.route(
        "PUT",
        "/notes/{noteId}",
        PutItem(
            table=table,
            key=note,
            request=Note,
            values={"noteId": path("noteId"), "by": header("X-By")},
            response={"noteId": path("noteId"), "createdAt": request_time()},
            location=text("/notes/", path("noteId")),
        ),
        auth=PUBLIC,
    )
    api.route("GET", "/notes/{noteId}", GetItem(table=table, key=note, response=StoredNote), auth=PUBLIC)
    api.route("DELETE", "/notes/{noteId}", DeleteItem(table=table, key=note, if_match=True), auth=PUBLIC)
    api.route(
        "PATCH",
        "/notes/{noteId}",
        UpdateItem(
            table=table,
            key=note,
            add={"views": query("by", pattern="[0-9]{1,3}", number=True)},
            if_match=True,
        ),
        auth=IAM,
    )
    _orders(api, table)
    _others(api, stack)


def _orders(api: DirectApi, table: ServiceTable) -> None:
    order = {"pk": text("ORDER#", path("orderId")), "sk": "ORDER"}
    mine = equals("customerId", claim("sub"))
    missing = Problem(404, "There is no such order.")
    shopper = Scopes("commerce/shop")
    api.route(
        "GET", "/orders/{orderId}", GetItem(table=table, key=order, where=mine, response=Order), auth=shopper
    )
    api.route(
        "GET",
        "/orders",
        Query(
            table=table,
            index="gsi1",
            partition=text("CUST#", claim("sub")),
            where=equals("status", query("status", pattern="[A-Z_]{1,20}")),
            newest_first=True,
            page=Page(default=2, maximum=5),
            response=Order,
        ),
        auth=shopper,
    )
    api.route(
        "POST",
        "/orders/{orderId}/cancellation",
        UpdateItem(
            table=table,
            key=order,
            values={"cancelRequested": True},
            append={"timeline": {"at": request_time(), "status": "CANCELLING", "by": claim("sub")}},
            conditions=(
                Require(mine, otherwise=missing),
                Require(not_exists("cancelRequested"), otherwise=Succeed(202)),
                Require(
                    one_of("status", "PLACED", "PAID"), otherwise=Problem(409, "It is too late to cancel.")
                ),
                Require(
                    less_than("total", 1000), otherwise=Problem(422, "Large orders are cancelled by phone.")
                ),
            ),
            missing=missing,
            keep_correlation_id=True,
            response=Order,
            status=202,
        ),
        auth=shopper,
    )


def _others(api: DirectApi, stack: ServiceStack) -> None:
    queue = sqs.Queue(stack, "Queue")
    signature = header("Stripe-Signature", required=True)
    api.route("POST", "/webhooks", SendToQueue(queue=queue, attributes={"signature": signature}), auth=PUBLIC)
    api.route(
        "POST",
        "/stock/{sku}/receipts",
        SendToQueue(
            queue=queue,
            request=Receipt,
            message={
                "sku": path("sku"),
                "receipt": body(),
                "quantity": body("quantity"),
                "requestId": request_id(),
                "by": claim("sub"),
            },
            attributes={"source": header("X-Source", pattern="[a-z]{1,10}"), "kind": "receipt"},
            response={"receivedAt": request_time(), "correlationId": correlation_id()},
        ),
        auth=Scopes("commerce/operate"),
    )
    machine = sfn.StateMachine.from_state_machine_arn(
        stack, "Workflow", f"arn:aws:states:{stack.region}:{stack.account}:stateMachine:placing"
    )
    api.route(
        "POST",
        "/orders",
        StartWorkflow(
            workflow=machine,
            request=Receipt,
            input={
                "order": body(),
                "customerId": claim("sub"),
                "key": header("Idempotency-Key", required=True),
            },
            failures={"PricesChanged": Problem(503, "Prices are changing.")},
        ),
        auth=Scopes("commerce/shop"),
    )
    api.route(
        "POST",
        "/jobs/{jobId}",
        StartWorkflow(
            workflow=machine,
            input={"job": path("jobId")},
            wait=False,
            execution_name=path("jobId"),
            response={"job": path("jobId")},
        ),
        auth=PUBLIC,
    )


Note.model_rebuild()
StoredNote.model_rebuild()
Order.model_rebuild()


@pytest.fixture(scope="session")
def everything():
    """Its templates."""
    return synthesize(build, service="everything")
