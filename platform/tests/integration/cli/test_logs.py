"""What services say is a line per entry, merged by time, without what nobody needs to read."""

from __future__ import annotations

import io
import json
import re
import time

import pytest
from commerce_platform.cli import logs
from commerce_platform.cli.cloud import Cloud
from commerce_platform.cli.errors import CliError
from commerce_platform.cli.workspace import LOCAL
from moto import mock_aws
from rich.console import Console

ARN = "arn:aws:states:eu-west-1:111111111111:execution:Lifecycle:order-1"
ACCESS = {
    "httpMethod": "POST",
    "resourcePath": "/orders",
    "status": "202",
    "responseLatencyMs": "34",
    "requestId": "r-1",
    "error": "-",
}
LINE = {
    "level": "WARNING",
    "message": "cart contended",
    "location": "store:12",
    "service": "cart",
    "function_name": "Writes",
    "xray_trace_id": "1-2",
    "correlation_id": "c-1",
    "reason": "three writers",
}
EVENT = {
    "detail-type": "OrderPlaced.v1",
    "detail": {"metadata": {"aggregateId": "o-1", "eventId": "e-1"}, "data": {"lines": [1] * 99}},
}


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (ACCESS, "INFO    POST /orders 202 in 34 ms requestId=r-1"),
        (ACCESS | {"status": "503"}, "ERROR   POST /orders 503 in 34 ms requestId=r-1"),
        (LINE, "WARNING cart contended correlation_id=c-1 reason=three writers"),
        (EVENT, "EVENT   OrderPlaced.v1 aggregateId=o-1 eventId=e-1"),
        (
            {"_aws": {"CloudWatchMetrics": [{"Metrics": [{"Name": "LinesPut"}]}]}, "LinesPut": [1.0]},
            "METRIC  LinesPut=1.0",
        ),
        (
            {
                "type": "ExecutionFailed",
                "execution_arn": ARN,
                "details": {"error": "Busy", "cause": "DynamoDB"},
            },
            "ERROR   ExecutionFailed order-1 error=Busy cause=DynamoDB",
        ),
        ({"type": "ExecutionSucceeded", "execution_arn": ARN}, "INFO    ExecutionSucceeded order-1"),
        (
            {"type": "platform.report", "record": {"status": "timeout"}},
            "ERROR   invocation ended: timeout",
        ),
        (
            {
                "level": "ERROR",
                "errorType": "Runtime.ImportModuleError",
                "errorMessage": "Unable to import module 'handler': No module named 'nope'",
                "stackTrace": ["  File /var/task/handler.py\n    import nope\n"],
                "requestId": "r-1",
            },
            (
                "ERROR   Runtime.ImportModuleError: Unable to import module 'handler': No module named 'nope' "
                "File /var/task/handler.py import nope"
            ),
        ),
        ({"other": 1}, '        {"other": 1}'),
        ({"record": [1]}, '        {"record": [1]}'),
        ("two\nlines", "        two ⏎ lines"),
    ],
)
def test_an_entry_is_one_line_with_what_it_is_about(said, shown):
    message = said if isinstance(said, str) else json.dumps(said)
    line = logs.readable(logs.Entry(1_000, "cart-service", "Writes", message))
    assert re.sub(r"^[\d:.]+  cart-service  Writes  ", "", str(line)) == shown


@pytest.mark.parametrize(
    "said",
    [
        {"type": "platform.start", "record": {}},
        {"type": "platform.report", "record": {"status": "success"}},
        {"type": "TaskStateEntered", "execution_arn": ARN},
        {"type": "ExecutionStarted", "execution_arn": ARN, "details": {"input": "{}"}},
    ],
)
def test_what_goes_as_it_should_step_by_step_is_left_out_but_not_of_what_is_raw(said):
    entry = logs.Entry(1_000, "cart-service", "Writes", json.dumps(said))
    assert logs.readable(entry) is None
    assert json.dumps(said) in str(logs.raw(entry))


def test_a_long_entry_is_cut_and_a_raw_one_is_not():
    entry = logs.Entry(1_000, "cart-service", "Writes", "x" * 1000)
    assert str(logs.readable(entry)).endswith("x…")
    assert str(logs.raw(entry)).endswith("x" * 1000)


@pytest.mark.parametrize(("since", "ago"), [("30s", 30), ("10m", 600), ("2h", 7200), ("1d", 86400)])
def test_how_long_ago_is_a_number_and_a_unit(since, ago):
    assert logs.seconds(since) == ago


@pytest.mark.parametrize("since", ["", "10", "m", "-5m", "1w", "10 m"])
def test_any_other_time_is_refused_with_those_there_are(since):
    with pytest.raises(CliError) as refused:
        logs.seconds(since)
    assert "30s, 10m, 2h, 1d" in refused.value.advice


@pytest.fixture
def said(workspace, monkeypatch):
    """Two services whose groups have entries in turn; shows what is wanted of them."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.setenv(name, "eu-west-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    apps = [workspace.app("cart-service"), workspace.app("product-service")]
    now = int(time.time() * 1000)
    with mock_aws():
        cloud = Cloud.of_the_caller()
        for position, app in enumerate(apps):
            template = {"Resources": {"WritesLogs1234ABCD": {"Type": "AWS::Logs::LogGroup"}}}
            cloud.cloudformation.create_stack(
                StackName=app.stack_prefix(LOCAL), TemplateBody=json.dumps(template)
            )
            (group,) = logs.groups(cloud, app, LOCAL)
            cloud.logs.create_log_stream(logGroupName=group.name, logStreamName="s")
            events = [
                {
                    "timestamp": now - 60_000 + 1000 * (2 * number + position),
                    "message": f"order-{number} heard",
                }
                for number in range(3)
            ]
            cloud.logs.put_log_events(logGroupName=group.name, logStreamName="s", logEvents=events)

        def show(*, since=600, **wanted):
            output = Console(file=io.StringIO(), width=200)
            which = logs.Wanted(since=time.time() - since, follow=False, **wanted)
            logs.show([cloud], apps, LOCAL, which, output)
            return [line.split()[1:4] for line in output.file.getvalue().splitlines()]

        yield show


def test_entries_of_all_groups_are_merged_by_time(said):
    assert said() == [
        [f"{service}-service", "Writes", f"order-{number}"]
        for number in range(3)
        for service in ("cart", "product")
    ]


def test_what_nobody_names_is_said_so(said):
    with pytest.raises(CliError, match=r"last 600 s names '0{8}'"):
        said(about="00000000")


def test_only_what_names_an_order_or_is_recent_enough_is_shown(said):
    assert [entry[2] for entry in said(about="order-1")] == ["order-1", "order-1"]
    assert said(since=1) == []
