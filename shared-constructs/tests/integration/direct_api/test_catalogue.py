"""The product API, as issue and design want it, in a handful of lines: templates run against DynamoDB."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from service_testing import Deployment, synthesize
from shared_constructs import ServiceApp, ServiceStack, ServiceTable, StackKind, direct_api
from shared_constructs.direct_api import (
    PUBLIC,
    DirectApi,
    GetItem,
    Query,
    Require,
    Scopes,
    Succeed,
    UpdateItem,
    attributes_of,
    begins_with,
    body,
    not_equals,
    path,
    query,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Money(Camel):
    amount_minor: int = Field(ge=0)
    currency: str = Field(pattern="^[A-Z]{3}$")


class ProductInput(Camel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=200)
    description: str | None = Field(default=None, max_length=2000)
    category: str = Field(pattern="^[a-z-]{1,40}$")
    price: Money
    image_url: str | None = None


class Product(Camel):
    sku: str
    name: str
    description: str | None = None
    category: str
    price: Money
    image_url: str | None = None
    status: str
    version: int
    updated_at: str


def build(app: ServiceApp) -> None:
    table = ServiceTable(
        ServiceStack(app, kind=StackKind.STATEFUL), "Table", indexes={"gsi1": attributes_of(Product)}
    )
    sku = path("sku", pattern="[A-Z0-9-]{1,40}")
    key = {"pk": text("PRODUCT#", sku), "sk": "PRODUCT"}
    api = DirectApi(ServiceStack(app, kind=StackKind.STATELESS), "Api", description="Catalogue")
    api.route(
        "PUT",
        "/products/{sku}",
        UpdateItem(
            table=table,
            key=key,
            request=ProductInput,
            values={
                "sku": sku,
                "status": "ACTIVE",
                "gsi1pk": "CATALOGUE",
                "gsi1sk": text(body("category"), "#", sku),
            },
            upsert=True,
            if_match=True,
            response=Product,
        ),
        auth=Scopes("commerce/operate"),
    )
    api.route(
        "DELETE",
        "/products/{sku}",
        UpdateItem(
            table=table,
            key=key,
            values={"status": "RETIRED"},
            remove=("gsi1pk", "gsi1sk"),
            conditions=(Require(not_equals("status", "RETIRED"), otherwise=Succeed(204)),),
            status=204,
        ),
        auth=Scopes("commerce/operate"),
    )
    api.route("GET", "/products/{sku}", GetItem(table=table, key=key, response=Product), auth=PUBLIC)
    api.route(
        "GET",
        "/products",
        Query(
            table=table,
            index="gsi1",
            partition="CATALOGUE",
            sort=begins_with("gsi1sk", text(query("category"), "#")),
            response=Product,
        ),
        auth=PUBLIC,
    )


@pytest.fixture(scope="module")
def templates() -> dict[str, dict[str, object]]:
    return synthesize(build, service="product")


@pytest.fixture
def shop(templates) -> Iterator[Deployment]:
    with Deployment(templates) as deployment:
        yield deployment


OPERATOR = {"sub": "u-1", "scope": "commerce/operate"}
TART = {"name": "Lemon tart", "category": "tarts", "price": {"amountMinor": 450, "currency": "EUR"}}


def put(shop, sku="TART-1", product=TART, **headers):
    return shop.request("PUT", f"/products/{sku}", headers=headers, body=product, claims=OPERATOR)


def test_a_new_product_is_created_with_version_1(shop):
    answer = put(shop)
    assert answer.status == 201, answer
    product = answer.json()
    assert product.pop("updatedAt").endswith("Z")
    assert product == {"sku": "TART-1", "status": "ACTIVE", "version": 1, **TART}
    assert answer.headers["ETag"] == '"1"'


def test_what_is_stored_says_who_and_when(shop):
    put(shop, **{"X-Correlation-Id": "abc-123"})
    (item,) = shop.items("Table")
    assert item["correlationId"] == "abc-123"
    assert item["createdAt"] == item["updatedAt"]
    assert item["causationId"]
    assert (item["pk"], item["sk"], item["gsi1pk"], item["gsi1sk"]) == (
        "PRODUCT#TART-1",
        "PRODUCT",
        "CATALOGUE",
        "tarts#TART-1",
    )
    assert item["price"] == {"amountMinor": 450, "currency": "EUR"}
    assert "description" not in item


def test_replacing_counts_the_version_up_and_drops_what_is_left_out(shop):
    put(shop, product={**TART, "description": "Sour"})
    answer = put(shop)
    assert answer.status == 200
    assert answer.json()["version"] == 2
    assert "description" not in answer.json()


@pytest.mark.parametrize("version", ["1", '"1"', "*"])
def test_if_match_with_the_current_version_replaces(shop, version):
    put(shop)
    assert put(shop, **{"If-Match": version}).status == 200


@pytest.mark.parametrize("version", ["2", '"2"', "0", "banana", "1 OR 1=1", '"1', "9" * 60])
def test_if_match_with_anything_else_is_412(shop, version):
    put(shop)
    answer = put(shop, **{"if-match": version})
    assert answer.status == 412, answer
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["title"] == "Precondition Failed"
    assert problem["status"] == 412
    assert problem["instance"]
    assert shop.items("Table")[0]["version"] == 1


@pytest.mark.parametrize("version", ["1", "*"])
def test_if_match_on_a_missing_product_is_412(shop, version):
    assert put(shop, **{"If-Match": version}).status == 412
    assert shop.items("Table") == []


def test_reading_one(shop):
    put(shop)
    answer = shop.request("GET", "/products/TART-1")
    assert answer.status == 200
    assert answer.json()["price"] == TART["price"]
    assert answer.headers["Content-Type"] == "application/json"


def test_reading_one_that_is_not_there_is_404(shop):
    answer = shop.request("GET", "/products/NOPE", headers={"X-Correlation-Id": "mine"})
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Correlation-Id"] == "mine"
    assert answer.json()["detail"] == "There is no such resource."


def test_retiring_keeps_the_product_readable_and_is_idempotent(shop):
    put(shop)
    assert shop.request("DELETE", "/products/TART-1", claims=OPERATOR).status == 204
    again = shop.request("DELETE", "/products/TART-1", claims=OPERATOR)
    assert (again.status, again.body.strip()) == (204, "")
    product = shop.request("GET", "/products/TART-1").json()
    assert (product["status"], product["version"]) == ("RETIRED", 2)
    assert shop.request("GET", "/products").json() == {"items": []}


def test_a_retired_product_comes_back(shop):
    put(shop)
    shop.request("DELETE", "/products/TART-1", claims=OPERATOR)
    answer = put(shop)
    assert (answer.status, answer.json()["status"], answer.json()["version"]) == (200, "ACTIVE", 3)


def test_retiring_what_never_was_is_404(shop):
    assert shop.request("DELETE", "/products/NOPE", claims=OPERATOR).status == 404


def test_pages_hold_every_product_once_in_order(shop):
    for number in range(7):
        put(shop, sku=f"TART-{number}")
        put(shop, sku=f"BREAD-{number}", product={**TART, "category": "breads"})
    seen, cursor = [], None
    while True:
        answer = shop.request(
            "GET", "/products", query={"limit": "3", **({"cursor": cursor} if cursor else {})}
        )
        assert answer.status == 200, answer
        page = answer.json()
        assert len(page["items"]) <= 3
        seen += [product["sku"] for product in page["items"]]
        cursor = page.get("nextCursor")
        if cursor is None:
            break
    assert seen == [f"BREAD-{n}" for n in range(7)] + [f"TART-{n}" for n in range(7)]


def test_a_category_lists_only_its_own(shop):
    put(shop)
    put(shop, sku="BREAD-1", product={**TART, "category": "breads"})
    page = shop.request("GET", "/products", query={"category": "breads"}).json()
    assert [product["sku"] for product in page["items"]] == ["BREAD-1"]


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "....",
        "e30=",
        "AAAA",
        "%00",
        "a.b.c",
        "'",
        '"},{"',
        "-_-_.-_-_.-_-_.-_-_",
        "Zm9v.YmFy",
        "A" * 5000,
    ],
)
def test_a_malformed_cursor_is_400(shop, cursor):
    answer = shop.request("GET", "/products", query={"cursor": cursor})
    assert answer.status == 400, answer
    assert "nextCursor" in answer.json()["detail"]


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1e1", "ten", "007", "1000"])
def test_a_limit_out_of_range_is_400(shop, limit):
    answer = shop.request("GET", "/products", query={"limit": limit})
    assert answer.status == 400, answer
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_body_that_does_not_fit_is_400_with_the_reason(shop):
    answer = put(
        shop, product={"name": "", "category": "tarts", "price": {"amountMinor": -1, "currency": "EUR"}}
    )
    assert answer.status == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"]
    assert shop.items("Table") == []


@pytest.mark.parametrize(("claims", "status"), [(None, 401), ({"sub": "u", "scope": "commerce/shop"}, 403)])
def test_without_the_right_token_nothing_is_written(shop, claims, status):
    answer = shop.request("PUT", "/products/TART-1", body=TART, claims=claims)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert shop.items("Table") == []


def test_an_unknown_content_type_is_415(shop):
    answer = shop.request(
        "PUT", "/products/TART-1", headers={"Content-Type": "text/xml"}, body="<product/>", claims=OPERATOR
    )
    assert answer.status == 415
    assert answer.json()["title"] == "Unsupported Media Type"


def test_a_sku_outside_its_pattern_is_400_and_says_what_is_allowed(shop):
    answer = put(shop, sku="tart%20one")
    assert answer.status == 400
    assert "sku must match [A-Z0-9-]{1,40}" in answer.json()["detail"]


def test_the_packages_example_builds_this_api(templates):
    documentation = direct_api.__doc__
    start, end = documentation.index("    from shared_constructs"), documentation.index("Every item")
    example = textwrap.dedent(documentation[start:end])

    def build_example(app: ServiceApp) -> None:
        names = {
            "table": ServiceTable(
                ServiceStack(app, kind=StackKind.STATEFUL), "Table", indexes={"gsi1": attributes_of(Product)}
            ),
            "self": ServiceStack(app, kind=StackKind.STATELESS),
            "Product": Product,
            "ProductInput": ProductInput,
        }
        exec(example, names)  # noqa: S102 - the documentation is under test

    routes = sorted(_routes(synthesize(build_example, service="product")))
    assert routes == sorted(_routes(templates))


def _routes(templates):
    for template in templates.values():
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::ApiGateway::Method":
                integration = resource["Properties"]["Integration"]
                yield resource["Properties"]["HttpMethod"], json.dumps(integration.get("RequestTemplates"))
