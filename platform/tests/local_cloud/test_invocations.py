"""An invocation ends as soon as its function does, with all its log lines."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
import uuid
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from commerce_platform.local_cloud.extension import invocations
from ministack.services import cloudwatch_logs, lambda_svc

if TYPE_CHECKING:
    from conftest import Cloud


def _invoke(cloud: Cloud, name: str = "function", event: Any = None) -> tuple[Any, list[str], str | None]:
    answer = cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail")
    log = base64.b64decode(answer.get("LogResult", "")).decode(errors="replace").splitlines()
    return json.loads(answer["Payload"].read()), log, answer.get("FunctionError")


def test_every_line_is_in_the_log_of_its_own_invocation(cloud: Cloud) -> None:
    cloud.function(
        """
        print("while it starts\\n" * 3000)

        def handler(event, context):
            for number in range(event):
                print(f"line {number} of {event} é")
            print("the rest", end="")
            return event
        """
    )

    for count in (3, 0, 4_000, 1):
        found, _tail, _error = _invoke(cloud, event=count)
        assert found == count

    events = (
        cloud.client("logs").get_paginator("filter_log_events").paginate(logGroupName="/aws/lambda/function")
    )
    lines = [line for page in events for event in page["events"] for line in event["message"].splitlines()]
    for count in (3, 4_000, 1):
        ours = [line for line in lines if f" of {count} é" in line]
        assert len(ours) == count
    assert sum("while it starts" in line for line in lines) == 3000


def test_an_invocation_that_logs_nothing_waits_for_no_line(cloud: Cloud) -> None:
    cloud.function("def handler(event, context):\n    return 1")
    _invoke(cloud)

    took = []
    for _ in range(40):
        began = time.perf_counter()
        _invoke(cloud)
        took.append(time.perf_counter() - began)

    # What it took at least to be sure that no line would come; the quickest, since the machine may be busy.
    assert min(took) < 0.05


def test_output_that_is_no_answer_is_passed_over(cloud: Cloud) -> None:
    cloud.function(
        """
        import os

        def handler(event, context):
            os.write(1, b"native\\n{not json\\n" + b'{"status": "fine"}\\n[1]\\n')
            return "é" * 200_000
        """
    )

    assert _invoke(cloud)[0] == "é" * 200_000
    assert _invoke(cloud)[0] == "é" * 200_000


def test_a_function_is_ended_at_its_timeout_whatever_it_has_started(cloud: Cloud) -> None:
    cloud.function(
        """
        import subprocess

        def handler(event, context):
            if event:
                print("before")
                subprocess.run(["sleep", "30"])
            return "again"
        """,
        Timeout=1,
    )
    _invoke(cloud)

    began = time.perf_counter()
    found, log, error = _invoke(cloud, event=True)

    assert time.perf_counter() - began < 20
    assert error == "Unhandled"
    assert "timed out after 1.00 seconds" in found["errorMessage"]
    assert any("before" in line for line in log)
    assert _invoke(cloud)[0] == "again"


def test_an_alias_is_held_to_its_functions_reserved_concurrency(cloud: Cloud) -> None:
    name, lambda_ = "function:live", cloud.client("lambda")
    cloud.function(
        """
        import boto3, json
        from botocore.config import Config

        def handler(event, context):
            if not event:
                return "alone"
            client = boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}))
            try:
                return json.load(client.invoke(FunctionName=event)["Payload"])
            except client.exceptions.TooManyRequestsException as error:
                return error.response["Reason"]
        """,
        Publish=True,
    )
    lambda_.create_alias(FunctionName="function", Name="live", FunctionVersion="1")

    assert _invoke(cloud, name, name)[0] == "alone"
    lambda_.put_function_concurrency(FunctionName="function", ReservedConcurrentExecutions=1)
    assert _invoke(cloud, name, name)[0] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert _invoke(cloud, name, "function")[0] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    lambda_.delete_function_concurrency(FunctionName="function")
    assert _invoke(cloud, name, name)[0] == "alone"


def test_a_worker_that_ends_or_closes_its_pipes_is_replaced(cloud: Cloud) -> None:
    cloud.function(
        """
        import os

        def handler(event, context):
            if event == "end":
                os._exit(3)
            if event == "quiet":
                os.close(2)
            return os.getpid()
        """,
        Timeout=5,
    )
    first = _invoke(cloud)[0]

    found, _log, error = _invoke(cloud, event="end")
    assert error == "Unhandled"
    assert "Worker process died" in found["errorMessage"]
    second = _invoke(cloud)[0]
    assert second != first
    assert _invoke(cloud, event="quiet")[0] == second
    assert _invoke(cloud)[0] == second


def test_a_functions_log_group_remembers_the_latest_invocations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invocations, "STREAMS_KEPT", 3)
    emit = invocations._forgetting(lambda_svc._emit_lambda_logs)
    function = {"config": {"FunctionName": f"f-{uuid.uuid4().hex}"}}

    for number in range(5):
        emit(function, f"id-{number}", "", False, 1)

    streams = cloudwatch_logs._log_groups[f"/aws/lambda/{function['config']['FunctionName']}"]["streams"]
    firsts = [stream["events"][0]["message"] for stream in streams.values()]
    assert [line.split()[2] for line in firsts] == ["id-2", "id-3", "id-4"]


def test_an_event_may_be_as_large_as_lambda_takes(cloud: Cloud) -> None:
    cloud.function("def handler(event, context):\n    print('x' * 200_000)\n    return len(event)")

    found, _log, _error = _invoke(cloud, event="x" * 5_000_000)

    assert found == 5_000_000


def test_time_for_which_a_busy_machine_had_no_processor_is_not_the_functions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = """if True:
        import time
        input()
        time.sleep(0.6)
        print('{"status": "ok"}', flush=True)
        input()
    """
    for waited, in_time in ((8.0, True), (0.0, False)):
        process = subprocess.Popen(
            [sys.executable, "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        moments = iter([0.0])
        monkeypatch.setattr(invocations, "starved", lambda _pid, m=moments, w=waited: next(m, w))
        worker = SimpleNamespace(_proc=process, _pipes=invocations.Pipes(process, print))
        answers: list[dict[str, Any]] = []
        assert invocations._answered(worker, {}, 0.2, answers) is in_time
        assert answers == [{"status": "ok"}] * in_time
        process.kill()
        process.communicate()


JSON_LOG = {"LoggingConfig": {"LogFormat": "JSON"}}


def _dry(cloud: Cloud, name: str = "function") -> Any:
    answer = cloud.client("lambda").invoke(FunctionName=name, InvocationType="DryRun")
    return json.loads(answer["Payload"].read()) if "FunctionError" in answer else answer["StatusCode"]


def _logged_errors(cloud: Cloud, name: str = "function") -> list[Any]:
    found = cloud.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
    entries = [json.loads(event["message"]) for event in found]
    return [entry for entry in entries if "errorType" in entry]


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        (
            "import nope",
            "Runtime.ImportModuleError",
            "Unable to import module 'index': No module named 'nope'",
        ),
        ("def f(:", "Runtime.UserCodeSyntaxError", "Syntax error in module 'index': invalid syntax"),
        ("x = 1", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'index'"),
        ("1 / 0", "ZeroDivisionError", "division by zero"),
    ],
)
def test_a_function_that_cannot_start_says_why(cloud: Cloud, source: str, kind: str, message: str) -> None:
    cloud.function(source, **JSON_LOG)
    found, _tail, error = _invoke(cloud)
    assert (error, found["errorType"]) == ("Unhandled", kind)
    assert found["errorMessage"].startswith(message)
    assert ("/var/task/index.py" in "".join(found["stackTrace"])) is (kind != "Runtime.HandlerNotFound")
    (logged,) = _logged_errors(cloud)
    assert (logged["level"], {name: logged[name] for name in found}) == ("ERROR", found)


def test_a_handlers_error_is_logged_in_the_format_of_the_function(cloud: Cloud) -> None:
    source = "def handler(event, context):\n    raise KeyError('sku')"
    cloud.function(source, **JSON_LOG)
    cloud.function(source, name="text")
    _invoke(cloud)
    (logged,) = _logged_errors(cloud)
    assert (logged["errorType"], logged["errorMessage"]) == ("KeyError", "'sku'")
    assert "raise KeyError" in logged["stackTrace"][-1]
    _found, lines, _error = _invoke(cloud, "text")
    assert lines[1:3] == ["[ERROR] KeyError: 'sku'", "Traceback (most recent call last):"]


def test_a_dry_run_starts_a_function_for_the_invocation_to_come_and_handles_nothing(cloud: Cloud) -> None:
    cloud.function(
        """
        import os
        print("starts", os.getpid())

        def handler(event, context):
            print("handles", event)
            return os.getpid()
        """,
        **JSON_LOG,
    )
    assert _dry(cloud) == 204
    pid, lines, _error = _invoke(cloud, event=1)
    report = json.loads(lines[-1])["record"]
    assert report["metrics"]["initDurationMs"] > 0
    assert [line for line in lines if line.startswith(("starts", "handles"))] == [
        f"starts {pid}",
        "handles 1",
    ]
    assert _dry(cloud) == 204
    assert _invoke(cloud)[0] == pid
    assert "initDurationMs" not in json.loads(_invoke(cloud)[1][-1])["record"]["metrics"]


def test_a_dry_run_of_a_function_that_cannot_start_tells_it_and_logs_it(cloud: Cloud) -> None:
    cloud.function("import nope", **JSON_LOG)
    error = _dry(cloud)
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert [each["errorMessage"] for each in _logged_errors(cloud)] == [error["errorMessage"]]
