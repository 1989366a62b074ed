"""REST APIs whose routes call AWS services directly, without a function in between.

A route is an operation; API Gateway's request validation, mapping templates, error answers, permissions, logs and
limits are generated from it and checked at synth.

    from shared_constructs.direct_api import (
        DirectApi, GetItem, Key, PUBLIC, Query, Require, Scopes, Succeed, UpdateItem, begins_with, body, not_equals, path,
        query, text,
    )

    SKU = path("sku", pattern="[A-Z0-9-]{1,40}")
    KEY: Key = {"pk": text("PRODUCT#", SKU), "sk": "PRODUCT"}

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

from shared_constructs.direct_api.api import ApiResources as ApiResources
from shared_constructs.direct_api.api import DirectApi as DirectApi
from shared_constructs.direct_api.authorisation import IAM as IAM
from shared_constructs.direct_api.authorisation import PUBLIC as PUBLIC
from shared_constructs.direct_api.authorisation import Authorisation as Authorisation
from shared_constructs.direct_api.authorisation import Scopes as Scopes
from shared_constructs.direct_api.bindings import RouteError as RouteError
from shared_constructs.direct_api.conditions import Condition as Condition
from shared_constructs.direct_api.conditions import Require as Require
from shared_constructs.direct_api.conditions import all_of as all_of
from shared_constructs.direct_api.conditions import any_of as any_of
from shared_constructs.direct_api.conditions import at_least as at_least
from shared_constructs.direct_api.conditions import at_most as at_most
from shared_constructs.direct_api.conditions import begins_with as begins_with
from shared_constructs.direct_api.conditions import equals as equals
from shared_constructs.direct_api.conditions import exists as exists
from shared_constructs.direct_api.conditions import greater_than as greater_than
from shared_constructs.direct_api.conditions import less_than as less_than
from shared_constructs.direct_api.conditions import not_equals as not_equals
from shared_constructs.direct_api.conditions import not_exists as not_exists
from shared_constructs.direct_api.conditions import one_of as one_of
from shared_constructs.direct_api.cors import Cors as Cors
from shared_constructs.direct_api.dynamodb.reads import GetItem as GetItem
from shared_constructs.direct_api.dynamodb.reads import Page as Page
from shared_constructs.direct_api.dynamodb.reads import Query as Query
from shared_constructs.direct_api.dynamodb.writes import DeleteItem as DeleteItem
from shared_constructs.direct_api.dynamodb.writes import PutItem as PutItem
from shared_constructs.direct_api.dynamodb.writes import UpdateItem as UpdateItem
from shared_constructs.direct_api.functions import InvokeFunction as InvokeFunction
from shared_constructs.direct_api.outcomes import Outcome as Outcome
from shared_constructs.direct_api.outcomes import Problem as Problem
from shared_constructs.direct_api.outcomes import Succeed as Succeed
from shared_constructs.direct_api.shapes import ModelError as ModelError
from shared_constructs.direct_api.shapes import Stored as Stored
from shared_constructs.direct_api.shapes import attributes_of as attributes_of
from shared_constructs.direct_api.shapes import structure_of as structure_of
from shared_constructs.direct_api.sqs import SendToQueue as SendToQueue
from shared_constructs.direct_api.step_functions import StartWorkflow as StartWorkflow
from shared_constructs.direct_api.throttling import Throttle as Throttle
from shared_constructs.direct_api.values import Document as Document
from shared_constructs.direct_api.values import Key as Key
from shared_constructs.direct_api.values import Value as Value
from shared_constructs.direct_api.values import body as body
from shared_constructs.direct_api.values import claim as claim
from shared_constructs.direct_api.values import correlation_id as correlation_id
from shared_constructs.direct_api.values import header as header
from shared_constructs.direct_api.values import path as path
from shared_constructs.direct_api.values import query as query
from shared_constructs.direct_api.values import request_epoch as request_epoch
from shared_constructs.direct_api.values import request_id as request_id
from shared_constructs.direct_api.values import request_time as request_time
from shared_constructs.direct_api.values import text as text
