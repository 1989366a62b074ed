"""No input defeats a mapping template: hostile values in every field that a caller controls."""

import pytest
from inventory_service.stack import build
from service_testing import Deployment, Probe, injection_cases, synthesize, unprobed_routes

OPERATOR = {"sub": "operator-1", "scope": "openid commerce/operate"}
SKU = {"sku": "PROBE-1"}


@pytest.fixture(scope="module")
def deployment():
    with Deployment(synthesize(build, service="inventory", stage="dev")) as deployed:
        yield deployed


def stocked(deployment):
    """The stock that is read."""
    numbers = {"onHand": 9, "reserved": 2, "available": 7, "lowThreshold": 3, "version": 4}
    deployment.table("Stock").put_item(
        Item={"pk": "STOCK#PROBE-1", "sk": "STOCK", "sku": "PROBE-1", **numbers}
    )


PROBES = [
    Probe(method="GET", path="/stock/{sku}", path_parameters=SKU, prepare=stocked),
    Probe(
        method="POST",
        path="/stock/{sku}/receipts",
        path_parameters=SKU,
        body={"receiptId": "note-1", "quantity": 5},
        claims=OPERATOR,
    ),
    Probe(
        method="PUT",
        path="/stock/{sku}/threshold",
        path_parameters=SKU,
        body={"lowThreshold": 5},
        claims=OPERATOR,
    ),
]


@pytest.mark.parametrize("case", injection_cases(PROBES), ids=str)
def test_no_input_defeats_a_template(deployment, case):
    case.run(deployment)


def test_every_route_is_probed(deployment):
    assert unprobed_routes(deployment, PROBES) == []
