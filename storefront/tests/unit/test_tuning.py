"""A function's memory is tried, put back, and the best size found."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from storefront.client import StorefrontError
from storefront.cost import templates
from storefront.tuning import measuring, shown, verb
from storefront.tuning.measuring import Size, Tuner, best, parsed, payload, report

TEXT = "START RequestId: 1\nmine\nEND RequestId: 1\n{}\n"


def text_report(ms, memory, start=None):
    init = f"Init Duration: {start:.2f} ms\t" if start else ""
    return TEXT.format(
        f"REPORT RequestId: 1\tDuration: {ms - 0.5:.2f} ms\tBilled Duration: {ms} ms\t"
        f"Memory Size: {memory} MB\tMax Memory Used: 90 MB\t{init}"
    )


class Functions:
    """A function whose processor time is 100 ms with a whole processor; each new size starts it."""

    def __init__(self, memory=512, breaks_at=None, *, fails=False):
        self.memory, self.given, self.breaks_at, self.fails = memory, [], breaks_at, fails
        self.payloads = []
        self.is_cold = True

    def get_function_configuration(self, FunctionName):  # noqa: N803 - AWS's name
        return {"MemorySize": self.memory, "LastUpdateStatus": "Successful", "FunctionName": FunctionName}

    def update_function_configuration(self, FunctionName, MemorySize):  # noqa: N803
        assert FunctionName == "fn"
        self.given.append(MemorySize)
        self.memory, self.is_cold = MemorySize, True

    def invoke(self, FunctionName, LogType, Payload):  # noqa: N803
        assert (FunctionName, LogType) == ("fn", "Tail")
        if self.memory == self.breaks_at:
            raise KeyboardInterrupt
        self.payloads.append(json.loads(Payload))
        ms = round(100 / min(1, self.memory / 1769)) + (250 if self.is_cold else 0)
        log = text_report(ms, self.memory, 250 if self.is_cold else None)
        self.is_cold = False
        answer = {"LogResult": base64.b64encode(log.encode()).decode()}
        return answer | ({"FunctionError": "Unhandled"} if self.fails else {})


def size(memory, ms, used=90, failed=0):
    return Size(memory, (ms,), 0.0, used, failed)


def test_each_size_is_tried_and_the_old_one_put_back():
    functions = Functions()
    found = Tuner(functions, "fn", {}, times=3).try_all((128, 1769))
    assert functions.given == [1769, 128, 512]
    assert [(each.memory_mb, each.ms, each.start_ms) for each in found] == [
        (128, (1382,) * 3, 250.0),
        (1769, (100,) * 3, 250.0),
    ]


@pytest.mark.parametrize("breaks_at", [1769, 128])
def test_whatever_interrupts_it_the_old_size_is_put_back(breaks_at):
    functions = Functions(breaks_at=breaks_at)
    with pytest.raises(KeyboardInterrupt):
        Tuner(functions, "fn", {}).try_all((128, 1769))
    assert functions.memory == 512


def test_a_function_that_only_fails_has_another_event_to_be_given():
    functions = Functions(fails=True)
    with pytest.raises(StorefrontError, match="its event does not fit"):
        Tuner(functions, "fn", {}, times=1).try_all((128,))
    assert functions.memory == 512


def test_a_size_that_is_not_taken_is_said(monkeypatch):
    monkeypatch.setattr(measuring, "UPDATE_SECONDS", 0.01)
    functions = Functions()
    functions.update_function_configuration = lambda **_: None
    with pytest.raises(StorefrontError, match="did not take 128 MB"):
        Tuner(functions, "fn", {}).give(128)


SIZES = (size(128, 800), size(512, 200), size(1024, 110), size(1769, 100), size(3008, 100))


@pytest.mark.parametrize(("strategy", "memory"), [("speed", 1769), ("cost", 512), ("balanced", 1024)])
def test_the_best_size_depends_on_what_is_wanted(strategy, memory):
    assert best(SIZES, strategy).memory_mb == memory


def test_a_size_that_fails_or_is_too_small_is_not_chosen():
    assert best((size(128, 10, used=160), size(256, 10)), "cost").memory_mb == 256
    assert best((size(128, 10, failed=1), size(256, 10)), "cost").memory_mb == 256


@pytest.mark.parametrize(
    ("service", "strategy", "told"),
    [("cart-service", "cheap", "balanced, cost, speed; got 'cheap'"), ("", "cost", "Whose function?")],
)
def test_what_cannot_be_chosen_is_refused_before_anything_is_measured(service, strategy, told):
    with pytest.raises(StorefrontError, match=told):
        verb.Asked(service, "local", Path("templates"), strategy=strategy)


def test_an_invocation_costs_its_request_and_its_time():
    assert size(1024, 100).usd == pytest.approx(2e-7 + 100 * 1.33334e-8)


@pytest.mark.parametrize("wrong", ["", "64", "128,x", "128,20000"])
def test_sizes_that_lambda_does_not_have_are_refused(wrong):
    with pytest.raises(StorefrontError, match="from 128 to 10240 MB"):
        parsed(wrong)


def test_reports_are_read_in_both_formats():
    assert report(text_report(12, 128, 250))["initDurationMs"] == 250.0
    metrics = {"durationMs": 11.2, "billedDurationMs": 12}
    line = json.dumps({"time": "x", "type": "platform.report", "record": {"metrics": metrics}})
    assert report(f'{{"level": "INFO"}}\n{line}\n') == metrics
    with pytest.raises(StorefrontError, match="no report"):
        report("START RequestId: 1\n")


def test_an_event_is_another_one_each_time():
    at = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
    event = {"Records": [{"messageId": "{id}", "body": {"id": "{id}", "at": "{now}", "until": "{later}"}}]}
    first, second = (json.loads(payload(event, at)) for _ in range(2))
    assert first != second
    body = json.loads(first["Records"][0]["body"])
    assert body == {
        "id": first["Records"][0]["messageId"],
        "at": "2026-11-21T10:00:00.000Z",
        "until": "2026-11-21T11:00:00.000Z",
    }


def stage(*names):
    found = {
        f"F{index}": {"Type": "AWS::Lambda::Function", "Metadata": {"aws:cdk:path": f"stack/{name}/Resource"}}
        for index, name in enumerate(names)
    }
    return templates.of({"commerce-dev-cart": {"Resources": found}}, "dev")


def test_a_service_s_only_function_need_not_be_named_and_others_are_listed():
    assert verb.chosen(stage("Carts/Writes"), "cart-service", "").id == "F0"
    two = stage("Carts/Writes", "Other")
    assert verb.chosen(two, "cart-service", "Other").id == "F1"
    for wrong in ("", "None"):
        with pytest.raises(StorefrontError) as refused:
            verb.chosen(two, "cart-service", wrong)
        assert "Carts/Writes, Other" in refused.value.advice


def test_production_is_touched_only_by_who_means_it(tmp_path):
    asked = verb.Asked("cart-service", "prod", tmp_path / "none")
    with pytest.raises(StorefrontError, match="of prod"):
        verb.tune(asked, (128,), Console(file=StringIO()), tmp_path)


def test_what_was_found_is_said_and_drawn():
    told = shown.told(SIZES, "balanced", 512)
    assert "1,024 MB is the best of these (balanced): -90.0 ms an invocation, at 109%" in told
    assert shown.told(SIZES, "balanced", 1024) == "1,024 MB is the best of these (balanced)."
    document = {"title": "t", "sizes": shown.kept(SIZES)}
    assert shown.drawing(document) == shown.drawing(json.loads(json.dumps(document)))
    assert "1,769 MB" in shown.drawing(document)
