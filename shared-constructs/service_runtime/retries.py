"""What AWS refuses for now: which errors pass by themselves, and how whatever met one is repeated."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

CONFLICTS = frozenset(
    {"TransactionConflict", "TransactionConflictException", "TransactionInProgressException"}
)
"""Codes of errors, and of the reasons why a transaction was cancelled."""

THROTTLED = frozenset(
    {
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingError",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
CONDITION_FAILED = frozenset({"ConditionalCheckFailed", "ConditionalCheckFailedException"})

_FIRST_BACKOFF_SECONDS = 0.02
_MAX_BACKOFF_SECONDS = 1.0

T = TypeVar("T")


class ContentionError(Exception):
    """Others were faster, or AWS too busy, at every attempt; nothing was changed."""


def error_codes(error: Exception) -> frozenset[str]:
    """The codes of an AWS error, those of its reasons if it is a cancelled transaction; none of any other exception."""
    # By shape: a handler without boto3 should not load botocore for this.
    answer = getattr(error, "response", None)
    if not isinstance(answer, dict):
        return frozenset()
    reasons = {reason.get("Code", "None") for reason in answer.get("CancellationReasons", ())} - {"None"}
    return frozenset(reasons or {answer.get("Error", {}).get("Code", "")})


def retry(
    attempt: Callable[[], T],
    *,
    on: frozenset[str],
    attempts: int,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Repeat what fails with errors that pass: 20 ms later at most, then 40, … up to a second.

    Full jitter: writers of one hot item that wait equally long meet again.

    Args:
        attempt: What to do; it is run from its beginning each time.
        on: Codes of the errors that another attempt can mend; of a cancelled transaction, of all its reasons.
        attempts: How often it is tried.
        sleep: How to wait in between, for tests.

    Raises:
        ContentionError: Every attempt met such an error.
    """
    for number in range(attempts):
        if number:
            sleep(random.uniform(0, min(_MAX_BACKOFF_SECONDS, _FIRST_BACKOFF_SECONDS * 2 ** (number - 1))))  # noqa: S311 - jitter, not a secret
        try:
            return attempt()
        except Exception as error:
            codes = error_codes(error)
            if not codes or not codes <= on:
                raise
    raise ContentionError(f"conflicts or throttling at each of {attempts} attempts")
