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
            sort=begins_with("gsi1sk", text(query("category"), "#")),
        ),
    )

Every item written carries version (N, +1 per change), createdAt, updatedAt, correlationId, causationId (the request id).
Every error, the gateway's own included, is an RFC 9457 problem document with type, title, status, detail, instance (the
request id) and, where single fields are at fault, errors: [{"pointer": "#/items/0/sku", "detail": "…"}].
"""

from shared_constructs.direct_api.api import ApiResources, DirectApi
from shared_constructs.direct_api.authorisation import IAM, PUBLIC, Authorisation, Scopes
from shared_constructs.direct_api.bindings import RouteError
from shared_constructs.direct_api.conditions import (
    Condition,
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
)
from shared_constructs.direct_api.cors import Cors
from shared_constructs.direct_api.dynamodb.reads import GetItem, Page, Query
from shared_constructs.direct_api.dynamodb.writes import DeleteItem, PutItem, UpdateItem
from shared_constructs.direct_api.functions import InvokeFunction
from shared_constructs.direct_api.outcomes import Outcome, Problem, Succeed
from shared_constructs.direct_api.shapes import ModelError, Stored
from shared_constructs.direct_api.sqs import SendToQueue
from shared_constructs.direct_api.step_functions import StartWorkflow
from shared_constructs.direct_api.throttling import Throttle
from shared_constructs.direct_api.values import (
    Document,
    Value,
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
    "ApiResources",
    "Authorisation",
    "Condition",
    "Cors",
    "DeleteItem",
    "DirectApi",
    "Document",
    "GetItem",
    "InvokeFunction",
    "ModelError",
    "Outcome",
    "Page",
    "Problem",
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
    "Value",
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
    "text",
]
