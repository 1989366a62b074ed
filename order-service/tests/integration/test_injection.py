"""No input defeats a mapping template: hostile values in every field that a caller controls."""

import json
from dataclasses import replace

import pytest
from service_testing import HOSTILE_VALUES, Deployment, Probe, injection_cases, unprobed_routes

CUSTOMER = {"sub": "customer-1", "scope": "openid commerce/shop"}
OPERATOR = {"sub": "operator-1", "scope": "openid commerce/operate"}
ORDER_ID = {"orderId": "0123456789abcdef0123456789abcdef"}


@pytest.fixture(scope="module")
def deployment(templates):
    with Deployment(templates) as deployed:
        yield deployed


def stocked(deployment):
    """A product that can be ordered, and an order to read and to change."""
    deployment.table("Catalogue").put_item(
        Item={
            "pk": "SKU#PROBE-1",
            "sk": "CATALOGUE",
            "name": "A probe's name",
            "price": {"amountMinor": 390, "currency": "EUR"},
            "status": "ACTIVE",
            "productVersion": 1,
        }
    )
    deployment.table("Orders").put_item(
        Item={
            "pk": f"ORDER#{ORDER_ID['orderId']}",
            "sk": "ORDER",
            "gsi1pk": "CUST#customer-1",
            "gsi1sk": "2026-11-21T08:00:00Z#1",
            "gsi2pk": f"STATUS#CONFIRMED#{ORDER_ID['orderId'][0]}",
            "gsi2sk": "2026-11-21T08:00:00Z#1",
            "orderId": ORDER_ID["orderId"],
            "customerId": "customer-1",
            "status": "CONFIRMED",
            "version": 4,
            "lines": [],
            "total": {"amountMinor": 0, "currency": "EUR"},
            "timeline": [],
            "createdAt": "2026-11-21T08:00:00Z",
            "updatedAt": "2026-11-21T08:00:00Z",
        }
    )


PLACE = Probe(
    method="POST",
    path="/orders",
    headers={"Idempotency-Key": "key-1"},
    body={
        "items": [{"sku": "PROBE-1", "quantity": 2}],
        "paymentMethod": "tok_visa",
        "expectedTotal": {"amountMinor": 780, "currency": "EUR"},
    },
    claims=CUSTOMER,
    prepare=stocked,
)
PROBES = [
    PLACE,
    # Not the customer who has the order: what is stored would be taken for what was sent.
    Probe(
        method="GET",
        path="/orders",
        query={"limit": "5"},
        claims={**CUSTOMER, "sub": "nobody-1"},
        prepare=stocked,
    ),
    Probe(method="GET", path="/orders/{orderId}", path_parameters=ORDER_ID, claims=CUSTOMER, prepare=stocked),
    Probe(
        method="POST",
        path="/orders/{orderId}/cancellation",
        path_parameters=ORDER_ID,
        claims=CUSTOMER,
        prepare=stocked,
    ),
    Probe(
        method="GET",
        path="/operations/orders",
        query={"status": "FULFILLED", "limit": "5"},
        claims=OPERATOR,
        prepare=stocked,
    ),
    Probe(
        method="GET",
        path="/operations/orders/{orderId}",
        path_parameters=ORDER_ID,
        claims=OPERATOR,
        prepare=stocked,
    ),
    Probe(
        method="POST",
        path="/operations/orders/{orderId}/fulfilment",
        path_parameters=ORDER_ID,
        claims=OPERATOR,
        prepare=stocked,
    ),
]


# The order's id is a hash of these: another value makes another order, which the harness takes for damage.
HASHED = ("POST /orders header Idempotency-Key", "POST /orders claim sub")
CASES = [case for case in injection_cases(PROBES) if str(case) not in HASHED]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_input_defeats_a_template(deployment, case):
    case.run(deployment)


def test_every_route_is_probed(deployment):
    assert unprobed_routes(deployment, PROBES) == []


def hostile(field, value):
    if field == "sub":
        return replace(PLACE, claims={**CUSTOMER, "sub": value})
    return replace(PLACE, headers={**PLACE.headers, field: value})


@pytest.mark.parametrize("field", ["Idempotency-Key", "X-Correlation-Id", "sub"])
def test_what_the_order_s_identity_is_made_of_makes_one_order_of_that_customer_or_none(deployment, field):
    stocked(deployment)
    before = deployment.items("Orders")
    for value in HOSTILE_VALUES:
        response = hostile(field, value).send(deployment)
        orders = [order for order in deployment.items("Orders") if order not in before]
        if response.status == 202:
            (order,) = orders
            assert order["customerId"] == (value if field == "sub" else "customer-1")
            assert order["gsi1pk"] == f"CUST#{order['customerId']}"
            assert order["correlationId"].replace("-", "").isalnum()
            assert order["orderId"] == response.json()["orderId"]
            deployment.table("Orders").delete_item(Key={"pk": order["pk"], "sk": "ORDER"})
        else:
            assert 400 <= response.status < 500, (value, response.body)
            assert json.loads(response.body)["status"] == response.status
            assert orders == []
