"""What an invocation's report tells, whichever way it is read."""

from __future__ import annotations

import base64
import json
import re

import pytest
from commerce_platform.local_cloud.extension.function_reports import Report

BUSY = "def handler(event, context):\n    return sum(i * i for i in range(400_000))\n"
ASLEEP = "import time\ndef handler(event, context):\n    time.sleep(0.1)\n"
FAILS = "def handler(event, context):\n    raise KeyError('x')\n"


def tail(cloud, **options):
    answer = cloud.client("lambda").invoke(FunctionName="function", LogType="Tail", **options)
    return base64.b64decode(answer["LogResult"]).decode().splitlines()


def told(cloud):
    """Figures of the report by name."""
    return {
        name: float(value)
        for name, value in re.findall(r"(?:^|\t)([A-Z][A-Za-z ]+): ([0-9.]+) M?[mB]", tail(cloud)[-1])
    }


def give(cloud, memory):
    cloud.client("lambda").update_function_configuration(FunctionName="function", MemorySize=memory)


def test_less_memory_is_less_processor_and_a_longer_time(cloud):
    cloud.function(BUSY, MemorySize=1769)
    tail(cloud)
    whole = min(told(cloud)["Duration"] for _ in range(3))
    give(cloud, 177)
    tail(cloud)
    tenth = min(told(cloud)["Duration"] for _ in range(3))
    assert tenth == pytest.approx(whole * 10, rel=0.5)


def test_waiting_takes_as_long_with_any_memory(cloud):
    cloud.function(ASLEEP, MemorySize=128)
    tail(cloud)
    assert 100 <= told(cloud)["Duration"] < 200


def test_a_start_is_told_once_and_billed(cloud):
    cloud.function(ASLEEP)
    first, second = told(cloud), told(cloud)
    assert first["Billed Duration"] >= first["Duration"] + first["Init Duration"]
    assert "Init Duration" not in second
    assert 0 < second["Max Memory Used"] < 128


def test_a_tail_is_given_to_who_asks_with_the_function_s_own_lines(cloud):
    cloud.function("def handler(event, context):\n    print('mine')\n")
    start, own, *rest = tail(cloud)
    assert (start.split()[0], own, rest[0].split()[0]) == ("START", "mine", "END")
    assert "LogResult" not in cloud.client("lambda").invoke(FunctionName="function")


@pytest.mark.parametrize(("source", "status"), [(ASLEEP, "success"), (FAILS, "error")])
def test_a_function_that_logs_json_reports_so(cloud, source, status):
    cloud.function(source, MemorySize=512, LoggingConfig={"LogFormat": "JSON"})
    entries = map(json.loads, json_lines(tail(cloud)))
    records = {each["type"]: each["record"] for each in entries if "record" in each}
    assert records["platform.report"]["status"] == status
    assert records["platform.report"]["metrics"]["memorySizeMB"] == 512
    assert records["platform.start"]["requestId"] == records["platform.report"]["requestId"]


def json_lines(lines):
    return [line for line in lines if line.startswith("{")]


@pytest.mark.parametrize(("memory", "ms"), [(1769, 300), (3538, 300), (885, 400), (177, 1200)])
def test_the_model(memory, ms):
    assert Report(cpu=0.1, waited=0.2).billed_ms(memory) == pytest.approx(ms, abs=2)


def test_every_begun_millisecond_is_billed():
    assert Report(cpu=0.0, waited=0.0011).billed_ms(128) == 2
    assert Report(cpu=0.0, waited=0.0).billed_ms(128) == 1
