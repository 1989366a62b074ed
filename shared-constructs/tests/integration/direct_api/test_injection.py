"""No value in any field of any operation can change more than itself."""

from __future__ import annotations

import pytest
from service_testing import HOSTILE_VALUES, Deployment, Probe
from service_testing.injection import injection_cases, unprobed_routes

ALICE = {"sub": "alice", "scope": "commerce/shop"}
OPERATOR = {"sub": "op", "scope": "commerce/operate"}
NOTE = {"title": "Zest", "rating": 4.5, "tags": ["sour"], "scores": {"taste": 9}, "author": {"name": "Zoë"}}


def _note(deployment: Deployment) -> None:
    deployment.table("Table").put_item(
        Item={
            "pk": "NOTE#n-a",
            "sk": "NOTE",
            "noteId": "n-a",
            "title": "t",
            "version": 89,
            "createdAt": "now",
        }
    )


def _order(deployment: Deployment) -> None:
    deployment.table("Table").put_item(
        Item={
            "pk": "ORDER#o-1",
            "sk": "ORDER",
            "orderId": "o-1",
            "customerId": "alice",
            "status": "PAID",
            "total": 10,
        }
    )


PROBES = [
    Probe(
        method="PUT",
        path="/notes/{noteId}",
        path_parameters={"noteId": "n-7"},
        headers={"X-By": "me-myself"},
        body=NOTE,
    ),
    Probe(method="GET", path="/notes/{noteId}", path_parameters={"noteId": "n-a"}, prepare=_note),
    Probe(
        method="DELETE",
        path="/notes/{noteId}",
        path_parameters={"noteId": "n-a"},
        headers={"If-Match": "89"},
        prepare=_note,
    ),
    Probe(method="GET", path="/orders", query={"status": "SHIPPED", "limit": "4"}, claims=ALICE),
    Probe(
        method="GET",
        path="/orders/{orderId}",
        path_parameters={"orderId": "o-1"},
        claims=ALICE,
        prepare=_order,
    ),
    Probe(
        method="POST",
        path="/orders/{orderId}/cancellation",
        path_parameters={"orderId": "o-1"},
        claims=ALICE,
        prepare=_order,
    ),
    Probe(
        method="POST",
        path="/webhooks",
        headers={"Stripe-Signature": "t=1,v1=f00"},
        body={"id": "evt-1", "data": {"object": "payment"}},
    ),
    Probe(
        method="POST",
        path="/stock/{sku}/receipts",
        path_parameters={"sku": "SKU-1"},
        headers={"X-Source": "web"},
        body={"receiptId": "r-1", "quantity": 37},
        claims=OPERATOR,
    ),
]


@pytest.fixture(scope="module")
def deployment(everything):
    with Deployment(everything) as one:
        yield one


# Every second value, the services' own suites send them all; and no JSON objects, which the harness would take apart.
# If-Match is not among the fields: "*" means something there; the catalogue tests send it what is hostile.
VALUES = [value for value in HOSTILE_VALUES[::2] if not value.startswith('{"')]


CASES = [case for case in injection_cases(PROBES, values=VALUES) if case.name != ("If-Match",)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_value_defeats_a_template(deployment, case):
    case.run(deployment)


def test_every_route_but_those_of_workflows_and_signed_callers_is_probed(deployment):
    assert {str(route) for route in unprobed_routes(deployment, PROBES)} == {
        "PATCH /notes/{noteId}",
        "POST /jobs/{jobId}",
        "POST /orders",
    }
