"""Structured logs and EMF metrics in which every line can be found by correlation id and business key.

Names, level and sampling come from the `POWERTOOLS_*` variables that `ServiceFunction` sets.
"""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

if TYPE_CHECKING:
    from collections.abc import Iterator

# Where a stage samples, ServiceFunction has Lambda let DEBUG lines through. Lambda's variable would put the logger at
# DEBUG for every invocation, and has put the root logger there, where botocore would write whole requests.
if os.environ.pop("AWS_LAMBDA_LOG_LEVEL", None):
    logging.getLogger().setLevel(logging.WARNING)

logger = Logger(utc=True)
# A default, so that a handler outside Lambda (a test, a tool) never fails for the want of a name.
metrics = Metrics(namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Commerce"))


@contextmanager
def business_context(*, correlation_id: str, **keys: str) -> Iterator[None]:
    """Put a correlation id and business keys on every log line and metric of a unit of work.

    On leaving, the metrics counted inside are written as one EMF line that carries the keys, and the keys of an
    enclosing context apply again.

    Args:
        correlation_id: Of the conversation that this work belongs to.
        **keys: Business keys (`orderId="o-1"`); pseudonymous identifiers only.
    """
    before = logger.get_current_keys()
    fields = {"correlation_id": correlation_id, **keys}
    logger.append_keys(**fields)
    for key, value in fields.items():
        metrics.add_metadata(key, value)
    try:
        yield
    finally:
        write_metrics()
        metrics.provider.metadata_set.clear()
        logger.remove_keys(list(fields))
        logger.append_keys(**{key: before[key] for key in fields if key in before})


def count(name: str, value: float = 1) -> None:
    """Add to a metric of this service; written when the enclosing `business_context` ends.

    Args:
        name: Metric name in PascalCase, a fact (`OrdersPlaced`).
        value: What to add.
    """
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


def write_metrics() -> None:
    """Write what was counted so far as one EMF line; nothing if nothing was counted."""
    if metrics.provider.metric_set:
        metrics.flush_metrics()
