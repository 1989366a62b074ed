"""What nobody reads any more is forgotten, and nothing else."""

from __future__ import annotations

from collections import deque

import pytest
from commerce_platform.local_cloud.extension import retention
from ministack.services import dynamodb, lambda_svc, pipes, stepfunctions

STREAM = "arn:aws:dynamodb:eu-west-1:000000000000:table/kept/stream/now"


@pytest.fixture
def stream(monkeypatch):
    """A stream of 40 changes, of which 10 are to be kept."""
    monkeypatch.setattr(retention, "STREAM_RECORDS", 10)
    dynamodb._tables["kept"] = {"LatestStreamArn": STREAM}
    dynamodb._stream_records["kept"] = records = [{"number": number} for number in range(40)]
    yield records
    for store in (dynamodb._tables, dynamodb._stream_records, dynamodb._stream_trimmed):
        store.pop("kept", None)
    pipes._pipes.pop("pipe", None)
    pipes._positions.pop("pipe-arn", None)
    lambda_svc._esms.pop("mapping", None)


def read_to(position):
    pipes._pipes["pipe"] = {"Arn": "pipe-arn", "Source": STREAM}
    pipes._positions["pipe-arn"] = position


def test_the_latest_changes_are_kept_and_a_reader_goes_on_where_it_was(stream):
    read_to(40)
    retention._trim_read("kept")
    assert [each["number"] for each in stream] == list(range(30, 40))
    stream.append({"number": 40})
    assert dynamodb.stream_records_since("kept", 40, 5) == [{"number": 40}]


def test_what_a_pipe_has_not_read_is_kept(stream):
    read_to(7)
    retention._trim_read("kept")
    assert [each["number"] for each in stream] == list(range(7, 40))
    assert dynamodb.stream_records_since("kept", 7, 1) == [{"number": 7}]


def test_a_stream_that_a_function_reads_is_left_alone(stream):
    lambda_svc._esms["mapping"] = {"EventSourceArn": STREAM}
    retention._trim_read("kept")
    assert len(stream) == 40


def test_the_oldest_executions_of_a_kind_are_forgotten(monkeypatch):
    monkeypatch.setattr(retention, "EXECUTIONS", 2)
    monkeypatch.setattr(retention, "_ended", {"STANDARD": deque(), "EXPRESS": deque()})
    stepfunctions._state_machines["standard"] = {}
    stepfunctions._state_machines["express"] = {"type": "EXPRESS"}
    names = [f"{kind}-{number}" for number in range(4) for kind in ("standard", "express")]
    for name in names:
        stepfunctions._executions[name] = {"stateMachineArn": name.partition("-")[0]}
        retention._forget_others(name)
    kept = [name for name in names if name in stepfunctions._executions]
    for name in (*names, "standard", "express"):
        stepfunctions._executions.pop(name, None)
        stepfunctions._state_machines.pop(name, None)
    assert kept == ["standard-2", "express-2", "standard-3", "express-3"]
