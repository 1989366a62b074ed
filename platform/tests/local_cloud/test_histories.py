"""An execution's history reads the same however and whenever it is written."""

from __future__ import annotations

import gc
import json
import threading
import time

import pytest
from commerce_platform.local_cloud.extension.stepfunctions import _only_step, _state
from commerce_platform.local_cloud.histories import History, told, told_again
from ministack.services import stepfunctions

EVENT = {"id": 1, "type": "PassStateEntered", "timestamp": "2026-01-01T00:00:00.000Z"}


def entered(data):
    return EVENT | {"stateEnteredEventDetails": {"name": "State", "input": data}}


@pytest.mark.parametrize("value", [{"ä": [1, 2.5, None, True, {"b": "\u2028"}]}, [], "text", 10**20, {}])
def test_what_is_told_later_is_what_would_have_been_told_at_once(value):
    history = History([EVENT])
    history.append(entered(told(value)))
    assert list(history) == [EVENT, entered(json.dumps(value))]
    assert history[-1] == history[1:][0] == entered(json.dumps(value))


def test_a_value_is_told_as_it_was():
    value = {"items": [1]}
    history = History()
    history.append(entered(told(value)))
    value["items"].append(2)
    assert history[0] == entered('{"items": [1]}')


def test_text_is_told_as_the_engine_writes_it():
    history = History()
    history.append(entered(told_again('{"a":1,\n "b": "\u00e9"}')))
    assert history[0] == entered('{"a": 1, "b": "\\u00e9"}')


def test_a_history_is_nothing_for_the_collector_to_go_through():
    history = History()
    history.append(entered(told({"a": [1]})))
    assert not any(map(gc.is_tracked, history._kept))


def one_step(output, **top):
    state = {"Type": "Pass", "Output": output, "End": True}
    return {"QueryLanguage": "JSONata", "StartAt": "Only", "States": {"Only": state}} | top


def two_steps(output, **top):
    """The same, in a way that is run step by step."""
    definition = one_step(output, **top)
    definition["States"]["Only"]["Assign"] = {"unused": 1}
    return definition


def ended(cloud, definition, given, *, kind):
    """An execution's description and history without what is its own."""
    sfn = cloud.client("stepfunctions")
    arn = sfn.create_state_machine(
        name=f"machine-{time.monotonic_ns()}",
        definition=json.dumps(definition),
        roleArn=cloud.role,
        type=kind,
    )["stateMachineArn"]
    execution = sfn.start_execution(stateMachineArn=arn, input=given)["executionArn"]
    described = cloud.ended(execution)
    events = sfn.get_execution_history(executionArn=execution)["events"]
    for event in events:
        assert event.pop("timestamp")
    return {key: described.get(key) for key in ("status", "input", "output", "error", "cause")}, events


@pytest.mark.parametrize("kind", ["EXPRESS", "STANDARD"])
@pytest.mark.parametrize(
    ("output", "given"),
    [
        (
            "{% $states.input.items.{'n': $string(count), 'half': count / 2} %}",
            '{"items":[{"count":3},\n {"count":4.0}]}',
        ),
        ("{% [$states.input.name & 'é'] %}", '{"name": "\\u00e9", "big": 12345678901234567890}'),
        ("{% $states.input.gone %}", "{}"),
        ("{% $states.input.a + 1 %}", '{"a": "text"}'),
        ("{% $states.input %}", "null"),
        ("{% $hash($states.input.a, 'MD5') %}", '{"a": "x"}'),
    ],
)
def test_one_step_at_once_is_told_as_steps_are(cloud, kind, output, given):
    assert _only_step(json.dumps(one_step(output)))
    assert not _only_step(json.dumps(two_steps(output)))
    assert ended(cloud, one_step(output), given, kind=kind) == ended(
        cloud, two_steps(output), given, kind=kind
    )


@pytest.mark.parametrize(
    "definition",
    [
        one_step("{% $states.context.Execution.Name %}"),
        one_step("{% $states.input.a & $b %}"),
        one_step("text"),
        one_step({"a": "{% $states.input.a %}"}),
        one_step("{% $states.input.a %}", QueryLanguage="JSONPath"),
    ],
)
def test_other_steps_are_run_one_by_one(definition):
    assert _only_step(json.dumps(definition)) is None


def test_one_step_at_once_is_held_to_its_machine_s_time_limit(cloud):
    definition = one_step("{% $states.input.a %}", TimeoutSeconds=0)
    described, _events = ended(cloud, definition, '{"a": 1}', kind="EXPRESS")
    assert described["status"] == "TIMED_OUT"


def test_items_run_side_by_side_at_most_as_many_as_may(cloud):
    wait = {"Type": "Wait", "Seconds": 1, "End": True}
    most = {"Type": "Map", "End": True, "ItemProcessor": {"StartAt": "Wait", "States": {"Wait": wait}}}
    for limit, seconds in ((0, 1), (2, 2)):
        definition = {
            "QueryLanguage": "JSONata",
            "StartAt": "Each",
            "States": {"Each": most | {"Items": [1, 2, 3, 4], "MaxConcurrency": limit}},
        }
        began = time.monotonic()
        found = cloud.execute(cloud.state_machine(definition, name=f"map-{limit}"))
        assert found["status"] == "SUCCEEDED"
        assert seconds <= time.monotonic() - began < seconds + 1


def test_a_name_started_twice_at_once_is_one_execution(cloud):
    machine = cloud.state_machine(one_step("{% $states.input.a %}"))
    sfn, found = cloud.client("stepfunctions"), []

    def begin(number):
        try:
            sfn.start_execution(stateMachineArn=machine, name="same", input=json.dumps({"a": number}))
            found.append(number)
        except sfn.exceptions.ExecutionAlreadyExists:
            pass

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 1


def test_what_outlives_a_restart_has_its_histories_written():
    history = History([EVENT])
    stepfunctions._executions["arn"] = {"events": history}
    try:
        state = _state(lambda: {"executions": stepfunctions._executions})
        assert state["executions"]["arn"]["events"] == [EVENT]
    finally:
        stepfunctions._executions.pop("arn", None)
