"""The service's templates, synthesized once, and the service brought to life from them in moto."""

import pytest
from product_service.stack import build
from service_testing import Deployment, synthesize

OPERATOR = {"sub": "operator-1", "scope": "openid commerce/operate"}


@pytest.fixture(scope="session")
def templates():
    return synthesize(build, service="product", stage="dev")


@pytest.fixture(scope="module")
def deployment(templates):
    with Deployment(templates) as deployed:
        yield deployed


@pytest.fixture
def catalogue(deployment):
    table = deployment.table("Products")
    for item in table.scan()["Items"]:
        table.delete_item(Key={"pk": item["pk"], "sk": item["sk"]})
    return Catalogue(deployment)


@pytest.fixture
def new_catalogue(templates):
    """A catalogue whose stream holds nothing yet."""
    with Deployment(templates) as deployed:
        yield Catalogue(deployed)


class Catalogue:
    """What callers say to the deployed API."""

    def __init__(self, deployment):
        self.deployment = deployment

    def put(self, sku="TARTE-CITRON", *, claims=OPERATOR, headers=None, **changes):
        return self.deployment.request(
            "PUT", f"/products/{sku}", body=self.details(**changes), claims=claims, headers=headers
        )

    def get(self, sku="TARTE-CITRON"):
        return self.deployment.request("GET", f"/products/{sku}")

    def list(self, **query):
        return self.deployment.request("GET", "/products", query=query)

    def retire(self, sku="TARTE-CITRON", *, claims=OPERATOR, headers=None):
        return self.deployment.request("DELETE", f"/products/{sku}", claims=claims, headers=headers)

    @staticmethod
    def details(**changes):
        details = {
            "name": "Tarte au citron",
            "category": "tartes",
            "price": {"amountMinor": 620, "currency": "EUR"},
            **changes,
        }
        return {name: value for name, value in details.items() if value is not ...}
