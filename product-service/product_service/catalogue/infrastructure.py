"""The catalogue's API: every route goes from API Gateway to DynamoDB and back."""

from collections.abc import Mapping

from constructs import Construct
from shared_constructs import ServiceTable, SyntheticCheck
from shared_constructs.direct_api import (
    PUBLIC,
    DirectApi,
    GetItem,
    Key,
    Query,
    Require,
    Scopes,
    Succeed,
    UpdateItem,
    Value,
    begins_with,
    body,
    claim,
    not_equals,
    path,
    query,
    text,
)

from product_service.catalogue.models import CATEGORY_PATTERN, SKU_PATTERN, Product, ProductDetails

OPERATORS = Scopes("commerce/operate")

SKU = path("sku", pattern=SKU_PATTERN)
KEY: Key = {"pk": text("PRODUCT#", SKU), "sk": "PRODUCT"}
ON_SALE = "CATALOGUE"
"""Every product on sale is in one partition of the index, sorted by category: the whole catalogue and one category
are the same query. A retired product leaves the index."""

BY_WHOM: Mapping[str, Value] = {"updatedBy": claim("sub")}
"""Kept on the item alone: no model has it, so that no answer, index or event shows who an operator is."""


class CatalogueApi(Construct):
    """Read the catalogue without a token; change it as an operator."""

    def __init__(self, scope: Construct, construct_id: str, *, products: ServiceTable) -> None:
        super().__init__(scope, construct_id)
        self.api = DirectApi(self, "Api", description="The catalogue: products, their prices and categories")
        self.api.route(
            "GET",
            "/products",
            Query(
                table=products,
                index="gsi1",
                partition=ON_SALE,
                sort=begins_with("gsi1sk", text(query("category", pattern=CATEGORY_PATTERN), "#")),
                response=Product,
            ),
            auth=PUBLIC,
        )
        self.api.route(
            "GET", "/products/{sku}", GetItem(table=products, key=KEY, response=Product), auth=PUBLIC
        )
        self.api.route(
            "PUT",
            "/products/{sku}",
            UpdateItem(
                table=products,
                key=KEY,
                request=ProductDetails,
                values={
                    "sku": SKU,
                    "status": "ACTIVE",
                    "gsi1pk": ON_SALE,
                    "gsi1sk": text(body("category"), "#", SKU),
                    **BY_WHOM,
                },
                upsert=True,
                if_match=True,
                response=Product,
            ),
            auth=OPERATORS,
        )
        self.api.route(
            "DELETE",
            "/products/{sku}",
            UpdateItem(
                table=products,
                key=KEY,
                values={"status": "RETIRED", **BY_WHOM},
                remove=("gsi1pk", "gsi1sk"),
                conditions=(Require(not_equals("status", "RETIRED"), otherwise=Succeed(204)),),
                if_match=True,
                status=204,
            ),
            auth=OPERATORS,
        )
        SyntheticCheck(self, "Check", api=self.api, path="/products")
