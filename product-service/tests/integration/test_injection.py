"""No input defeats a mapping template: hostile values in every field that a caller controls."""

from dataclasses import replace

import pytest
from service_testing import HOSTILE_VALUES, Probe, injection_cases, unprobed_routes
from service_testing.injection import InjectionCase

OPERATOR = {"sub": "operator-1", "scope": "openid commerce/operate"}
SKU = {"sku": "PROBE-1"}


def stocked(deployment):
    """The product that reads and changes are about."""
    deployment.table("Products").put_item(
        Item={
            "pk": "PRODUCT#PROBE-1",
            "sk": "PRODUCT",
            "gsi1pk": "CATALOGUE",
            "gsi1sk": "probes#PROBE-1",
            "sku": "PROBE-1",
            "name": "A probe's name",
            "category": "probes",
            "price": {"amountMinor": 390, "currency": "EUR"},
            "status": "ACTIVE",
            "version": 1,
            "createdAt": "2026-11-21T08:00:00Z",
            "updatedAt": "2026-11-21T08:00:00Z",
        }
    )


PUT = Probe(
    method="PUT",
    path="/products/{sku}",
    path_parameters=SKU,
    body={
        "name": "Éclair",
        "description": "Choux with coffee",
        "category": "choux",
        "price": {"amountMinor": 420, "currency": "EUR"},
        "imageUrl": "https://images.example/eclair.jpg",
    },
    claims=OPERATOR,
)
DELETE = Probe(method="DELETE", path="/products/{sku}", path_parameters=SKU, claims=OPERATOR, prepare=stocked)
PROBES = [
    PUT,
    DELETE,
    Probe(method="GET", path="/products/{sku}", path_parameters=SKU, prepare=stocked),
    # Not the category that the product is in: what is stored would be taken for what was sent.
    Probe(method="GET", path="/products", query={"category": "none", "limit": "5"}, prepare=stocked),
    Probe(method="GET", path="/products", query={"limit": "5"}, prepare=stocked),
]

# "*" is no hostile If-Match: it means any version.
VERSIONS = [value for value in HOSTILE_VALUES if value != "*"]
IF_MATCH = [
    InjectionCase(probe=probe, location="header", name=("If-Match",), values=VERSIONS)
    for probe in (
        replace(PUT, headers={"If-Match": "1"}, prepare=stocked),
        replace(DELETE, headers={"If-Match": "1"}),
    )
]


@pytest.mark.parametrize("case", [*injection_cases(PROBES), *IF_MATCH], ids=str)
def test_no_input_defeats_a_template(deployment, case):
    case.run(deployment)


def test_every_route_is_probed(deployment):
    assert unprobed_routes(deployment, PROBES) == []
