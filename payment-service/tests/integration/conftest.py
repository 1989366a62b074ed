"""The synthesized service on moto, and the order service's events."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from service_runtime.envelope import Event, rfc3339
from service_testing import Deployment, synthesize

OPERATOR = {"sub": "operator-1", "scope": "commerce/operate"}


@pytest.fixture(scope="module")
def templates():
    # Tests that need no template need not load the CDK.
    from payment_service.settings import PaymentSettings
    from payment_service.stack import build

    return synthesize(build, service="payment", settings=PaymentSettings)


@pytest.fixture
def service(templates):
    """Each test has its own: the stream tells from the beginning."""
    with Deployment(templates) as deployed:
        yield deployed


def metrics(capsys) -> Counter[str]:
    """What was counted, and how often."""
    counted: Counter[str] = Counter()
    for line in capsys.readouterr().out.splitlines():
        if '"_aws"' in line:
            written = json.loads(line)
            for kind in written["_aws"]["CloudWatchMetrics"]:
                for metric in kind["Metrics"]:
                    counted[metric["Name"]] += sum(written[metric["Name"]])
    return counted


def requested(
    card: str = "tok_visa", *, attempt: int = 1, seconds: float = 30, order: str = "order-1"
) -> Event:
    data = {
        "orderId": order,
        "amount": {"amountMinor": 1299, "currency": "EUR"},
        "paymentMethod": card,
        "expiresAt": rfc3339(datetime.now(UTC) + timedelta(seconds=seconds)),
    }
    return _event("PaymentRequested.v1", order, attempt, data)


def cancelled(order: str = "order-1") -> Event:
    return _event("OrderCancelled.v1", order, 9, {"orderId": order, "reason": "TIMED_OUT"})


def _event(detail_type: str, order: str, version: int, data: dict) -> Event:
    return Event.create(
        service="order",
        stage="local",
        detail_type=detail_type,
        aggregate_id=order,
        aggregate_version=version,
        data=data,
        correlation_id="conversation-7",
    )
