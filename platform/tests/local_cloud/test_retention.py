"""What nobody reads any more is forgotten, and nothing else."""

from __future__ import annotations

import json
from collections import deque

import pytest
from commerce_platform.local_cloud.extension import retention
from ministack.services import cloudwatch, dynamodb, eventbridge, lambda_svc, pipes, stepfunctions

STREAM = "arn:aws:dynamodb:eu-west-1:000000000000:table/kept/stream/now"


@pytest.fixture
def forgetting(monkeypatch):
    """Few points of a metric, and no events."""
    for module, name in ((cloudwatch, "_metric_bucket"), (eventbridge, "_events_log_list")):
        monkeypatch.setattr(module, name, getattr(module, name))
    monkeypatch.setattr(retention, "POINTS", 20)
    monkeypatch.setattr(cloudwatch, "_metrics", {})
    retention._forget_events_and_points()


@pytest.mark.usefixtures("forgetting")
def test_the_latest_points_of_a_metric_are_kept():
    for number in range(100):
        cloudwatch.record_metric("AWS/Lambda", "Duration", number, "Milliseconds", {"FunctionName": "f"})
    [points] = cloudwatch._metrics.values()
    assert [each["Value"] for each in points][-20:] == list(range(80, 100))
    assert len(points) <= 22


@pytest.mark.usefixtures("forgetting")
def test_events_are_put_and_not_kept():
    put = {"Source": "s", "DetailType": "t", "Detail": "{}"}
    status, _headers, body = eventbridge._put_events({"Entries": [put]})
    assert (status, json.loads(body)["FailedEntryCount"]) == (200, 0)
    assert not eventbridge._events_log.get("entries")


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
