"""One thread runs at a time, in order of rank, and nobody waits for one that waits for something else."""

from __future__ import annotations

import threading
import time

import pytest
from commerce_platform.local_cloud import turns as module
from commerce_platform.local_cloud.threads import PooledThread
from commerce_platform.local_cloud.turns import ASKS, BEGINS, GOES_ON, Turns, turns


class Line:
    """Threads that want turns one after the other, while the first one has it."""

    def __init__(self):
        self.turns = Turns(at_once=1)
        self.log, self.threads = [], []
        self.go_on, begun = threading.Event(), threading.Event()
        self.start(BEGINS, "first", lambda: (begun.set(), self.go_on.wait(5)))
        assert begun.wait(5)

    def start(self, rank, name, work=lambda: None):
        def run():
            with self.turns.turn(rank):
                work()
                self.log.append(name)

        self.threads.append(threading.Thread(target=run))
        self.threads[-1].start()
        time.sleep(0.01)  # until it waits

    def names(self):
        self.go_on.set()
        for thread in self.threads:
            thread.join(5)
        return self.log


@pytest.fixture
def patient(monkeypatch):
    """No turn is taken for stalled while a test looks."""
    monkeypatch.setattr(module, "STALLED_SECONDS", 5)


@pytest.mark.usefixtures("patient")
def test_what_goes_on_is_before_what_begins_and_that_before_what_is_asked_for():
    line = Line()
    for rank, name in ((ASKS, "asks"), (BEGINS, "begins"), (GOES_ON, "goes on"), (BEGINS, "begins later")):
        line.start(rank, name)
    assert line.names() == ["first", "goes on", "begins", "begins later", "asks"]


@pytest.mark.usefixtures("patient")
def test_only_as_many_run_as_there_are_turns():
    two, running, most = Turns(at_once=2), [], []

    def run():
        with two.turn(BEGINS):
            running.append(1)
            most.append(len(running))
            time.sleep(0.002)
            running.pop()

    threads = [threading.Thread(target=run) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert max(most) == 2


@pytest.mark.usefixtures("patient")
def test_whoever_waits_leaves_its_turn_and_gets_one_back():
    one, log, other = Turns(at_once=1), [], threading.Event()

    def run():
        with one.turn(BEGINS):
            log.append("other")
            other.set()

    with one.turn(BEGINS):
        threading.Thread(target=run).start()
        with one.waiting():
            assert other.wait(5)
        log.append("again")
        with one.turn(BEGINS):
            log.append("within")
    assert log == ["other", "again", "within"]
    assert one._free == 1


def test_a_turn_that_is_not_left_holds_nobody_up_for_ever(monkeypatch):
    monkeypatch.setattr(module, "STALLED_SECONDS", 0.02)
    line = Line()
    line.start(BEGINS, "second")
    line.threads[1].join(5)
    assert line.log == ["second"]
    assert line.names() == ["second", "first"]
    assert line.turns._free == 1


@pytest.mark.usefixtures("patient")
def test_a_caller_is_not_passed_for_ever(monkeypatch):
    monkeypatch.setattr(module, "STALLED_SECONDS", 0.02)
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.05)
    line = Line()
    line.turns._given_back = time.monotonic() + 10  # it goes on, as it does under load
    line.start(ASKS, "asks")
    time.sleep(0.2)
    line.start(BEGINS, "begins")
    assert line.names() == ["first", "asks", "begins"]


@pytest.mark.usefixtures("patient")
def test_a_thread_whose_work_ends_runs_what_is_next_itself():
    one, ran, handed = Turns(at_once=1), [], []
    one.begin(lambda: ran.append("first"), handed.append)
    one.begin(lambda: ran.append("second"), handed.append)
    one.begin(lambda: ran.append("third"), handed.append)
    assert len(handed) == 1
    one.run_in_turn(handed[0])
    assert (ran, len(handed), one._free) == (["first", "second", "third"], 1, 1)


@pytest.mark.usefixtures("patient")
def test_work_that_waits_hands_the_next_to_another_thread():
    one, handed = Turns(at_once=1), []

    def wait():
        with one.waiting():
            assert len(handed) == 2
            one.run_in_turn(handed[1])

    one.begin(wait, handed.append)
    one.begin(lambda: None, handed.append)
    one.run_in_turn(handed[0])
    assert one._free == 1


def test_pooled_work_that_waits_for_pooled_work_ends():
    seen = []

    def nested(depth):
        assert turns._mine.held
        if depth:
            thread = PooledThread(target=nested, args=(depth - 1,))
            thread.start()
            thread.join()
        seen.append(depth)

    began = time.monotonic()
    outer = PooledThread(target=nested, args=(20,))
    outer.start()
    outer.join(10)
    assert seen == list(range(21))
    assert time.monotonic() - began < 20 * module.STALLED_SECONDS
