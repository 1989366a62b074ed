"""No input defeats a route: it comes back unchanged or is refused, and nothing else changes."""

import pytest
from service_testing import Deployment
from service_testing.injection import Probe, injection_cases, unprobed_routes

from .conftest import OPERATOR, requested

PROBES = [
    Probe(method="GET", path="/payments/{orderId}", path_parameters={"orderId": "order-77"}, claims=OPERATOR),
    Probe(
        method="POST",
        path="/payments/webhooks",
        headers={"Stripe-Signature": "t=1,v1=abc"},
        body={"data": {"object": {"metadata": {"orderId": "order-78"}}}},
    ),
]


@pytest.fixture(scope="module")
def deployment(templates):
    with Deployment(templates) as deployed:
        deployed.feed("Consumers/Orders", [requested(order="order-77")])
        yield deployed


@pytest.mark.parametrize("case", injection_cases(PROBES), ids=str)
def test_no_input_defeats_a_route(deployment, case):
    case.run(deployment)


def test_every_route_is_probed(deployment):
    assert unprobed_routes(deployment, PROBES) == []
