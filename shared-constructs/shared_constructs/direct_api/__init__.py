"""REST APIs whose routes call AWS services directly, without a function in between.

A route is an operation; API Gateway's request validation, mapping templates, error answers, permissions, logs and
limits are generated from it and checked at synth.

    from shared_constructs.direct_api import (
        DirectApi, GetItem, PUBLIC, Query, Require, Scopes, Succeed, UpdateItem, begins_with, body, not_equals, path,
        query, text,
    )

    SKU = path("sku", pattern="[A-Z0-9-]{1,40}")
    KEY = {"pk": text("PRODUCT#", SKU), "sk": "PRODUCT"}

    api = DirectApi(self, "Api", description="Catalogue")
    api.route(
        "PUT", "/products/{sku}", auth=Scopes("commerce/operate"),
        operation=UpdateItem(
            table=table, key=KEY, request=ProductInput, response=Product, upsert=True, if_match=True,
            values={"sku": SKU, "status": "ACTIVE", "gsi1pk": "CATALOGUE", "gsi1sk": text(body("category"), "#", SKU)},
        ),
    )
    api.route(
        "DELETE", "/products/{sku}", auth=Scopes("commerce/operate"),
        operation=UpdateItem(
            table=table, key=KEY, values={"status": "RETIRED"}, remove=("gsi1pk", "gsi1sk"),
            conditions=(Require(not_equals("status", "RETIRED"), otherwise=Succeed(204)),), status=204,
        ),
    )
    api.route("GET", "/products/{sku}", GetItem(table=table, key=KEY, response=Product), auth=PUBLIC)
    api.route(
        "GET", "/products", auth=PUBLIC,
        operation=Query(
            table=table, index="gsi1", partition="CATALOGUE", response=Product,
            sort=begins_with(text(query("category"), "#")),
        ),
    )

Operations (frozen dataclasses, keyword-only; see each one's docstring):

    GetItem(table, key, response, where=None, default=None, consistent=True, missing=Problem(404, …))
        `where` is evaluated by DynamoDB; an item it rejects reads as absent. `default` is the 200 body of an absent
        item: {"cartId": path("cartId"), "items": [], "total": {"amountMinor": 0, "currency": "EUR"}}.
    Query(table, partition, response, index=None, sort=None, where=None, newest_first=False, page=Page(default=20, maximum=100))
        answers {"items": […], "nextCursor"?}; reads `limit` and `cursor` from the query string.
    PutItem(table, key, request=None, values={}, response={}, status=201, exists=Problem(409, …))
    UpdateItem(table, key, request=None, values={}, remove=(), add={}, append={}, conditions=(), upsert=False,
               if_match=False, versioned=True, response=None, status=200, created_status=201, missing=Problem(404, …))
        `request`'s fields are written under their JSON names (an Optional field that is absent is removed).
    DeleteItem(table, key, conditions=(), if_match=False, status=204, missing=Succeed(204))
    SendToQueue(queue, request=None, message=None | {name: value}, attributes={}, response={}, status=202)
        `message=None` sends the raw request body; the correlation id is always an attribute.
    StartWorkflow(workflow, input={…}, request=None, wait=True, rejections={"ErrorName": Problem(409, …)}, status=200|202, response={})
        `wait=True`: StartSyncExecution of an Express workflow. Its output is either the body, answered with `status`, or
        {"statusCode": 202, "headers": {"Location": "…"}, "body": "<JSON text>"}; 4xx from there is a problem document.
    PutEvent(detail_type, aggregate_id, data={…}, request=None, response={}, status=202)
    InvokeFunction(function, request=None)   # ServiceFunction or IFunction, AWS_PROXY

Values: path(name, pattern=…), query(name, pattern=…), header(name, pattern=…, required=False), body("price.amountMinor"),
body() (whole body; message and workflow input only), claim("sub"), correlation_id(), request_id(), request_time()
(RFC 3339 UTC), request_epoch() (seconds), text("CUST#", claim("sub")), and str, int, bool constants.

Conditions: equals(attribute, value), not_equals, one_of(attribute, *constants), exists, not_exists, less_than, at_most,
greater_than, at_least, all_of, any_of; in `Query.sort`: begins_with(value), sort_equals(value), sort_at_least(value),
sort_at_most(value). Require(condition, otherwise=Problem(409, "…") | Succeed(202)).

Every item written carries version (N, +1 per change), createdAt, updatedAt, correlationId, causationId (the request id).
Response fields are read from the attribute of the same JSON name, or Annotated[…, Stored("attribute")]; a list kept as a
map is Annotated[list[Line], Stored("lines", as_map=True)].
"""

from shared_constructs.direct_api.api import IAM, PUBLIC, Cors, DirectApi, Scopes, Throttle
from shared_constructs.direct_api.conditions import (
    Require,
    all_of,
    any_of,
    at_least,
    at_most,
    begins_with,
    equals,
    exists,
    greater_than,
    less_than,
    not_equals,
    not_exists,
    one_of,
    sort_at_least,
    sort_at_most,
    sort_equals,
)
from shared_constructs.direct_api.operations import (
    DeleteItem,
    GetItem,
    InvokeFunction,
    Page,
    PutEvent,
    PutItem,
    Query,
    SendToQueue,
    StartWorkflow,
    UpdateItem,
)
from shared_constructs.direct_api.outcomes import Problem, Succeed
from shared_constructs.direct_api.shapes import ModelError, Stored
from shared_constructs.direct_api.templates import RouteError
from shared_constructs.direct_api.values import (
    body,
    claim,
    correlation_id,
    header,
    path,
    query,
    request_epoch,
    request_id,
    request_time,
    text,
)

__all__ = [
    "IAM",
    "PUBLIC",
    "Cors",
    "DeleteItem",
    "DirectApi",
    "GetItem",
    "InvokeFunction",
    "ModelError",
    "Page",
    "Problem",
    "PutEvent",
    "PutItem",
    "Query",
    "Require",
    "RouteError",
    "Scopes",
    "SendToQueue",
    "StartWorkflow",
    "Stored",
    "Succeed",
    "Throttle",
    "UpdateItem",
    "all_of",
    "any_of",
    "at_least",
    "at_most",
    "begins_with",
    "body",
    "claim",
    "correlation_id",
    "equals",
    "exists",
    "greater_than",
    "header",
    "less_than",
    "not_equals",
    "not_exists",
    "one_of",
    "path",
    "query",
    "request_epoch",
    "request_id",
    "request_time",
    "sort_at_least",
    "sort_at_most",
    "sort_equals",
    "text",
]
