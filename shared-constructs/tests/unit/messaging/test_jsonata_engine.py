"""JSONata as Step Functions has it, whichever engine evaluates it."""

import runpy
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from states_language import jsonata_engine
from states_language.jsonata_engine import UNDEFINED, QueryEvaluationError, evaluate


@pytest.fixture(params=["with_jlens", "with_jsonata_python"], autouse=True)
def engine(request, monkeypatch):
    monkeypatch.setattr(jsonata_engine, "ENGINE", getattr(jsonata_engine, request.param))


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("$hash('a', 'SHA-256')", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
        ("$hash('a', 'MD5')", "0cc175b9c0f1b6a831c399e269772661"),
        ("$partition([1, 2, 3], 2)", [[1, 2], [3]]),
        ("$range(1, 7.9, 3)", [1, 4, 7]),
        ("$range(3, 1, -1)", [3, 2, 1]),
        ("$random(1) = $random(1)", True),
        ("$length($uuid())", 36),
        ("$parse('{\"a\": [null, 1.5]}')", {"a": [None, 1.5]}),
        ("$toMillis('2020-01-01T00:00:00Z')", 1577836800000),
        ("$replace('abc', /b+/, '-')", "a-c"),
        ("$given.kept", None),
        ("4 / 2", 2),
    ],
)
def test_an_expression_gives_its_value(expression, value):
    assert evaluate(expression, {"given": {"kept": None}}) == value


def test_nothing_is_not_null():
    assert evaluate("$given.absent", {"given": {}}) is UNDEFINED
    assert evaluate("$given", {"given": None}) is None


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("$eval('1')", "no \\$eval"),
        ("$hash('a', 'CRC')", "CRC"),
        ("$range(1, 5000, 1)", "at most 1000"),
        ("$toMillis('2020-01-01 10:00')", "D3110"),
        ("$replace('abc', /x*/, 'y')", "D1004"),
        ("1 +", "S0207"),
        ("'a' + 1", "T2001"),
        ("$nobody()", "T1006"),
    ],
)
def test_what_fails_on_aws_fails_with_its_reason(expression, reason):
    with pytest.raises(QueryEvaluationError, match=reason):
        evaluate(expression, {})


def test_an_expression_without_an_end_is_stopped(monkeypatch):
    monkeypatch.setattr(jsonata_engine, "TIME_LIMIT_SECONDS", 0.2)
    with pytest.raises(QueryEvaluationError):
        evaluate("($again := function($n) { $again($n + 1) }; $again(0))", {})


def test_threads_share_an_expression_without_sharing_variables():
    with ThreadPoolExecutor(8) as threads:
        found = list(
            threads.map(lambda n: evaluate("($mine := $n; $sum([1..50]) + $mine)", {"n": n}), range(200))
        )
    assert found == [1275 + n for n in range(200)]


def test_a_platform_without_a_wheel_falls_back(monkeypatch):
    monkeypatch.setitem(sys.modules, "jlens", None)
    fresh = runpy.run_path(jsonata_engine.__file__)
    assert fresh["ENGINE"] is fresh["with_jsonata_python"]
    assert fresh["evaluate"]("1 + 1", {}) == 2
