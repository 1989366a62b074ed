"""How workflows wait, without a server."""

from __future__ import annotations

import threading
import time

import pytest
from commerce_platform.local_cloud.workflows import Overdue, Scope, Stopped, retry_delay


@pytest.mark.parametrize(
    ("retrier", "delays"),
    [
        ({}, [1, 2, 4]),
        ({"IntervalSeconds": 3, "BackoffRate": 1.0}, [3, 3, 3]),
        ({"IntervalSeconds": 2, "BackoffRate": 3, "MaxDelaySeconds": 10}, [2, 6, 10]),
    ],
)
def test_a_retry_waits_with_backoff_up_to_its_longest_delay(retrier, delays):
    assert [retry_delay(retrier, attempt) for attempt in range(3)] == delays


def test_full_jitter_spreads_retries_over_the_whole_delay():
    delays = [retry_delay({"IntervalSeconds": 10, "JitterStrategy": "FULL"}, 0) for _ in range(200)]
    assert 0 <= min(delays) < 3
    assert 7 < max(delays) <= 10


def test_stopping_a_scope_ends_what_waits_below_it():
    execution = Scope()
    branch = Scope(parent=execution)
    threading.Timer(0.05, execution.stop).start()
    started = time.monotonic()
    with pytest.raises(Stopped):
        branch.wait(lambda: False, started + 30)
    assert time.monotonic() - started < 5


def test_stopping_a_branch_leaves_its_execution_running():
    execution = Scope()
    Scope(parent=execution).stop()
    execution.check()


def test_the_time_limit_of_an_execution_ends_a_wait_in_its_branch():
    execution = Scope()
    branch = Scope(parent=execution)
    execution.limit(0.05)
    with pytest.raises(Overdue):
        branch.wait(lambda: False)


def test_a_wait_ends_with_what_it_waits_for_or_with_its_own_limit():
    scope, done = Scope(), threading.Event()
    threading.Timer(0.05, lambda: (done.set(), scope.notify())).start()
    assert scope.wait(done.is_set, time.monotonic() + 30)
    assert not scope.wait(lambda: False, time.monotonic() + 0.01)
