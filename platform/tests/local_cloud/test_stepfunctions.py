"""Workflows behave as Step Functions runs them."""

from __future__ import annotations

import hashlib
import json
import threading
import time
import uuid
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from states_language import definition as asl

TOKEN = "{% $states.context.Task.Token %}"


def jsonata(states, **top):
    return {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states} | top


def passing(output, **fields):
    return {"Type": "Pass", "Output": output, "End": True} | fields


def waiting(queue, **fields):
    """A task that sends its token to a queue and waits for the answer."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Arguments": {"QueueUrl": queue.url, "MessageBody": TOKEN},
        "End": True,
    } | fields


def start(cloud, machine, given=None, **options):
    sfn = cloud.client("stepfunctions")
    return sfn.start_execution(stateMachineArn=machine, input=json.dumps(given or {}), **options)[
        "executionArn"
    ]


# --- JSONata -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("($f := function($n){ $n < 2 ? 1 : $n * $f($n - 1) }; $f(10))", 3628800),
        (
            """($plain := function($v){(
                $exists($v.S) ? $v.S : $exists($v.N) ? $number($v.N) : $exists($v.BOOL) ? $v.BOOL
                : $exists($v.L) ? [$v.L.$plain($)] : $exists($v.M) ? $merge($each($v.M, function($x, $k){
                    {$k: $plain($x)} })) : null)};
               $plain($states.input.item))""",
            {"sku": "A", "n": 2, "tags": ["x"], "price": {"amountMinor": 1299}, "gone": False},
        ),
        ("$hash('a|b', 'SHA-256')", hashlib.sha256(b"a|b").hexdigest()),
        ("$parse('{\"a\": [1]}')", {"a": [1]}),
        ("$partition([1,2,3,4,5], 2)", [[1, 2], [3, 4], [5]]),
        ("$range(0, 6, 3)", [0, 3, 6]),
        ("$length($uuid())", 36),
        ("$states.context.StateMachine.Name ~> $contains('m-')", True),
        ("$states.context.State.Name", "Only"),
        ("$states.context.Execution.Input.a", 1),
        ("[$states.input.none]", []),
        ("$substring('0123456789', 0, 3)", "012"),
        ("$string({'a': null})", '{"a":null}'),
        ("$sum([1,2,3].($ * 2))", 12),
        ("$map(['a','b'], function($v, $i){ $v & $string($i) })", ["a0", "b1"]),
        ("$merge([{'a': 1}, {'b': 2}])", {"a": 1, "b": 2}),
        ("$fromMillis(0)", "1970-01-01T00:00:00.000Z"),
        ("$string(1299)", "1299"),
        ("1000000000000 + 1", 1000000000001),
    ],
)
def test_an_expression_gives_what_step_functions_gives(cloud, expression, expected):
    item = {
        "M": {
            "sku": {"S": "A"},
            "n": {"N": "2"},
            "tags": {"L": [{"S": "x"}]},
            "price": {"M": {"amountMinor": {"N": "1299"}}},
            "gone": {"BOOL": False},
        }
    }
    assert cloud.run({"Only": passing(f"{{% {expression} %}}")}, {"a": 1, "item": item}) == expected


def test_an_undefined_result_fails_the_evaluation(cloud):
    machine = cloud.state_machine(jsonata({"Only": passing("{% $states.input.none %}")}))
    assert cloud.execute(machine)["error"] == "States.QueryEvaluationError"


def test_variables_choices_and_maps(cloud):
    states = {
        "Set": {
            "Type": "Pass",
            "Assign": {"limit": 2, "seen": "{% $states.input.items %}"},
            "Next": "Choose",
        },
        "Choose": {
            "Type": "Choice",
            "Choices": [
                {
                    "Condition": "{% $count($seen) > $limit %}",
                    "Assign": {"size": "big"},
                    "Output": "{% $seen %}",
                    "Next": "Each",
                }
            ],
            "Default": "Nothing",
        },
        "Nothing": {"Type": "Succeed", "Output": "nothing"},
        "Each": {
            "Type": "Map",
            "Items": "{% $states.input %}",
            "ItemSelector": {
                "n": "{% $states.context.Map.Item.Value %}",
                "i": "{% $states.context.Map.Item.Index %}",
            },
            "MaxConcurrency": 2,
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "INLINE"},
                "StartAt": "Double",
                "States": {
                    "Double": passing("{% $states.input.n * 2 + $states.input.i %}", Assign={"size": "inner"})
                },
            },
            "Output": {"size": "{% $size %}", "all": "{% $states.result %}"},
            "Next": "Done",
        },
        "Done": {"Type": "Succeed", "Output": {"size": "{% $size %}", "all": "{% $states.input.all %}"}},
    }
    assert cloud.run(states, {"items": [1, 2, 3]}) == {"size": "big", "all": [2, 5, 8]}
    assert cloud.run(states, {"items": [1]}) == "nothing"


def test_a_retry_ends_in_a_catch_that_sees_the_error(cloud):
    function = cloud.function(
        """
        class CardDeclinedError(Exception): pass
        def handler(event, context): raise CardDeclinedError("no funds")
        """
    )
    states = {
        "Call": {
            "Type": "Task",
            "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": {"FunctionName": function, "Payload": {}},
            "Retry": [
                {
                    "ErrorEquals": ["CardDeclinedError"],
                    "IntervalSeconds": 1,
                    "MaxAttempts": 1,
                    "MaxDelaySeconds": 1,
                    "JitterStrategy": "FULL",
                }
            ],
            "Catch": [
                {
                    "ErrorEquals": ["CardDeclinedError"],
                    "Assign": {"name": "{% $states.errorOutput.Error %}"},
                    "Output": "{% $parse($states.errorOutput.Cause) %}",
                    "Next": "Caught",
                }
            ],
            "End": True,
        },
        "Caught": passing({"name": "{% $name %}", "message": "{% $states.input.errorMessage %}"}),
    }
    assert cloud.run(states) == {"name": "CardDeclinedError", "message": "no funds"}


def test_a_function_that_raised_keeps_its_execution_environment(cloud):
    cloud.function(
        """
        import os
        def handler(event, context):
            if event: raise ValueError("bad")
            return os.getpid()
        """
    )

    def invoke(event):
        answer = cloud.client("lambda").invoke(FunctionName="function", Payload=json.dumps(event))
        return json.loads(answer["Payload"].read())

    before = invoke({})
    failed = invoke({"fail": True})
    assert (failed["errorType"], failed["errorMessage"]) == ("ValueError", "bad")
    assert 'raise ValueError("bad")' in failed["stackTrace"][-1]
    assert invoke({}) == before


# --- Parallel ----------------------------------------------------------------------------------------------------


def test_a_parallel_state_has_arguments_output_and_variables_of_its_own(cloud):
    def branch(name):
        return {
            "StartAt": name,
            "States": {name: passing({"n": "{% $states.input.n %}", "v": "{% $v %}"}, Assign={"v": name})},
        }

    states = {
        "Set": {"Type": "Pass", "Assign": {"v": "outer"}, "Next": "Both"},
        "Both": {
            "Type": "Parallel",
            "Arguments": {"n": "{% $states.input.given + 1 %}"},
            "Branches": [branch("A"), branch("B")],
            "Assign": {"count": "{% $count($states.result) %}"},
            "Output": {"branches": "{% $states.result %}"},
            "Next": "Done",
        },
        "Done": passing({"v": "{% $v %}", "count": "{% $count %}", "all": "{% $states.input.branches %}"}),
    }
    each = {"n": 2, "v": "outer"}
    assert cloud.run(states, {"given": 1}) == {"v": "outer", "count": 2, "all": [each, each]}


def test_every_waiting_branch_has_a_token_of_its_own(cloud):
    tokens = cloud.queue("tokens")
    branches = [
        {
            "StartAt": "Wait",
            "States": {
                "Wait": waiting(
                    tokens,
                    Arguments={
                        "QueueUrl": tokens.url,
                        "MessageBody": f"{{% $string({{'branch': {number}, 'token': $states.context.Task.Token}}) %}}",
                    },
                )
            },
        }
        for number in range(3)
    ]
    machine = cloud.state_machine(jsonata({"All": {"Type": "Parallel", "Branches": branches, "End": True}}))
    execution = start(cloud, machine)
    messages = tokens.receive(3)
    assert len({message["token"] for message in messages}) == 3
    for message in messages:
        output = json.dumps({"was": message["branch"]})
        cloud.client("stepfunctions").send_task_success(taskToken=message["token"], output=output)
    assert json.loads(cloud.ended(execution)["output"]) == [{"was": 0}, {"was": 1}, {"was": 2}]


def test_a_failing_branch_ends_the_others_at_once(cloud):
    states = {
        "Both": {
            "Type": "Parallel",
            "Branches": [
                {"StartAt": "Sleep", "States": {"Sleep": {"Type": "Wait", "Seconds": 60, "End": True}}},
                {"StartAt": "No", "States": {"No": {"Type": "Fail", "Error": "Refused"}}},
            ],
            "Catch": [{"ErrorEquals": ["Refused"], "Next": "Caught"}],
            "End": True,
        },
        "Caught": passing("caught"),
    }
    started = time.monotonic()
    assert cloud.run(states) == "caught"
    assert time.monotonic() - started < 2


# --- Time limits -------------------------------------------------------------------------------------------------


def test_a_machine_that_lasts_too_long_is_timed_out_and_says_so_to_the_bus(cloud):
    seen = cloud.queue("seen")
    cloud.rule_to(seen, {"source": ["aws.states"], "detail": {"status": ["TIMED_OUT"]}})
    states = {"Sleep": {"Type": "Wait", "Seconds": 60, "End": True}}
    ended = cloud.execute(cloud.state_machine(jsonata(states, TimeoutSeconds=1)))
    assert (ended["status"], ended.get("output")) == ("TIMED_OUT", None)
    [event] = seen.receive()
    assert event["detail-type"] == "Step Functions Execution Status Change"
    assert event["detail"]["executionArn"] == ended["executionArn"]


def test_a_wait_for_an_answer_ends_at_its_limit_given_as_an_expression(cloud):
    tokens = cloud.queue("tokens")
    task = waiting(
        tokens,
        TimeoutSeconds="{% $states.input.limit %}",
        Catch=[{"ErrorEquals": ["States.Timeout"], "Next": "Late"}],
    )
    machine = cloud.state_machine(jsonata({"Ask": task, "Late": passing("late")}))
    execution = start(cloud, machine, {"limit": 1})
    [token] = tokens.receive()
    assert json.loads(cloud.ended(execution)["output"]) == "late"
    with pytest.raises(ClientError, match="TaskTimedOut"):
        cloud.client("stepfunctions").send_task_success(taskToken=token, output="{}")


def test_a_missed_heartbeat_ends_the_wait_and_a_kept_one_prolongs_it(cloud):
    tokens, sfn = cloud.queue("tokens"), cloud.client("stepfunctions")
    task = waiting(
        tokens, HeartbeatSeconds=1, Catch=[{"ErrorEquals": ["States.HeartbeatTimeout"], "Next": "Dead"}]
    )
    machine = cloud.state_machine(jsonata({"Ask": task, "Dead": passing("dead")}))
    silent, alive = start(cloud, machine), start(cloud, machine)
    first, second = tokens.receive(2)
    started = time.monotonic()
    while time.monotonic() - started < 1.6:
        sfn.send_task_heartbeat(taskToken=second)
        time.sleep(0.2)
    sfn.send_task_success(taskToken=second, output='"alive"')
    outputs = {json.loads(cloud.ended(execution)["output"]) for execution in (silent, alive)}
    assert outputs == {"dead", "alive"}
    with pytest.raises(ClientError, match="TaskTimedOut"):
        sfn.send_task_heartbeat(taskToken=first)


def test_stopping_an_execution_ends_its_wait_and_closes_its_token(cloud):
    tokens, sfn = cloud.queue("tokens"), cloud.client("stepfunctions")
    execution = start(cloud, cloud.state_machine(jsonata({"Ask": waiting(tokens)})))
    [token] = tokens.receive()
    sfn.stop_execution(executionArn=execution, error="Cancelled", cause="by the customer")
    ended = cloud.ended(execution)
    assert (ended["status"], ended["error"]) == ("ABORTED", "Cancelled")

    def refused():
        try:
            sfn.send_task_success(taskToken=token, output="{}")
        except ClientError as error:
            return error.response["Error"]["Code"]
        return None

    assert cloud.eventually(refused) == "TaskTimedOut"
    assert cloud.ended(execution)["status"] == "ABORTED"


def test_starting_an_execution_costs_no_fixed_sleep(cloud):
    machine = cloud.state_machine(jsonata({"Only": passing(1)}), kind="EXPRESS")
    sfn = cloud.client("stepfunctions")
    sfn.start_sync_execution(stateMachineArn=machine)
    started = time.perf_counter()
    for _ in range(10):
        sfn.start_sync_execution(stateMachineArn=machine)
    assert (time.perf_counter() - started) / 10 < 0.1


# --- Callbacks ---------------------------------------------------------------------------------------------------


def test_only_the_first_answer_to_a_token_counts(cloud):
    tokens, sfn = cloud.queue("tokens"), cloud.client("stepfunctions")
    execution = start(cloud, cloud.state_machine(jsonata({"Ask": waiting(tokens)})))
    [token] = tokens.receive()
    answers = []

    def answer(number):
        try:
            sfn.send_task_success(taskToken=token, output=str(number))
            answers.append(number)
        except ClientError as error:
            answers.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=answer, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    [winner] = [each for each in answers if isinstance(each, int)]
    assert answers.count("TaskTimedOut") == 5
    assert json.loads(cloud.ended(execution)["output"]) == winner


@pytest.mark.parametrize(
    ("token", "output", "code"),
    [
        ("nonsense", "{}", "InvalidToken"),
        (str(uuid.uuid4()), "{}", "TaskTimedOut"),
        ("any", "not json", "InvalidOutput"),
    ],
)
def test_an_answer_that_nothing_waits_for_is_refused_as_aws_does(cloud, token, output, code):
    with pytest.raises(ClientError, match=code):
        cloud.client("stepfunctions").send_task_success(taskToken=token, output=output)


def test_a_workflow_sees_a_closed_token_as_the_sdk_names_it(cloud):
    states = {
        "Reply": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:sfn:sendTaskSuccess",
            "Arguments": {"TaskToken": str(uuid.uuid4()), "Output": "{}"},
            "Catch": [{"ErrorEquals": ["Sfn.TaskTimedOutException"], "Next": "Late"}],
            "End": True,
        },
        "Late": passing("late"),
    }
    assert cloud.run(states) == "late"


def test_a_workflow_fails_the_task_of_another_which_catches_it_without_a_retry(cloud):
    tokens = cloud.queue("tokens")
    asking = waiting(tokens, TimeoutSeconds=30) | {
        "Assign": {"answer": "{% $states.result %}"},
        "Retry": [
            {"ErrorEquals": ["Refused"], "MaxAttempts": 0},
            {"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 3},
        ],
        "Catch": [
            {
                "ErrorEquals": ["Refused"],
                "Assign": {"answer": "{% $parse($states.errorOutput.Cause).why %}"},
                "Next": "Refused",
            },
            {"ErrorEquals": ["States.ALL"], "Next": "Else"},
        ],
        "Next": "Else",
    }
    asking.pop("End", None)
    refused = {"Type": "Succeed", "Output": "{% [$answer, $states.input.Error] %}"}
    states = {"Ask": asking, "Refused": refused, "Else": passing("something else")}
    execution = start(cloud, cloud.state_machine(jsonata(states)))
    [token] = tokens.receive()
    refusing = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:sfn:sendTaskFailure",
        "Arguments": {"TaskToken": token, "Error": "Refused", "Cause": "{% $string({'why': 'short'}) %}"},
        "Output": "sent",
        "End": True,
    }
    assert cloud.run({"Refuse": refusing}) == "sent"
    assert json.loads(cloud.ended(execution)["output"]) == ["short", "Refused"]


def test_an_answer_that_cannot_be_assigned_is_caught(cloud):
    tokens = cloud.queue("tokens")
    asking = waiting(tokens, TimeoutSeconds=30) | {
        "Assign": {"answer": "{% $states.result[outcome = 'accepted'].id %}"},
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Else"}],
    }
    states = {"Ask": asking, "Else": {"Type": "Succeed", "Output": "{% $states.input.Error %}"}}
    execution = start(cloud, cloud.state_machine(jsonata(states)))
    [token] = tokens.receive()
    cloud.client("stepfunctions").send_task_success(taskToken=token, output='{"outcome": "rejected"}')
    assert json.loads(cloud.ended(execution)["output"]) == "States.QueryEvaluationError"


def test_variables_are_assigned_from_what_they_were_before(cloud):
    first = {"Type": "Pass", "Assign": {"x": 3, "a": 6}, "Next": "Second"}
    second = {"Type": "Pass", "Assign": {"x": "{% $a %}", "next": "{% $x %}"}, "Next": "Done"}
    done = {"Type": "Succeed", "Output": {"seen": ["{% $x %}", {"next": "{% $next %}"}, "text", 1]}}
    machine = cloud.state_machine(jsonata({"First": first, "Second": second, "Done": done}))
    assert json.loads(cloud.ended(start(cloud, machine))["output"]) == {"seen": [6, {"next": 3}, "text", 1]}


def test_a_state_that_fails_in_its_assign_assigns_nothing(cloud):
    caught = [{"ErrorEquals": ["States.QueryEvaluationError"], "Next": "Done"}]
    map_state = {
        "Type": "Parallel",
        "Branches": [{"StartAt": "In", "States": {"In": {"Type": "Pass", "End": True}}}],
        "Assign": {"x": "new", "y": "{% $error('no') %}"},
        "Catch": caught,
        "End": True,
    }
    states = {
        "First": {"Type": "Pass", "Assign": {"x": "old"}, "Next": "Both"},
        "Both": map_state,
        "Done": {"Type": "Succeed", "Output": "{% [$x, $states.input.Cause] %}"},
    }
    [x, cause] = json.loads(cloud.ended(start(cloud, cloud.state_machine(jsonata(states))))["output"])
    assert (x, cause) == ("old", "D3137: no in $error('no')")


def test_a_failure_s_cause_has_a_limit(cloud):
    with pytest.raises(ClientError, match="ValidationException"):
        cloud.client("stepfunctions").send_task_failure(
            taskToken=str(uuid.uuid4()), error="Refused", cause="x" * 32_769
        )


def test_an_sdk_call_waits_for_its_token(cloud):
    cloud.table()
    states = {
        "Ask": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:dynamodb:updateItem.waitForTaskToken",
            "Arguments": {
                "TableName": "table",
                "Key": {"pk": {"S": "wait"}},
                "UpdateExpression": "SET #token = :token",
                "ExpressionAttributeNames": {"#token": "token"},
                "ExpressionAttributeValues": {":token": {"S": TOKEN}},
            },
            "End": True,
        }
    }
    execution = start(cloud, cloud.state_machine(jsonata(states)))
    dynamodb = cloud.client("dynamodb")
    item = cloud.eventually(
        lambda: dynamodb.get_item(TableName="table", Key={"pk": {"S": "wait"}}).get("Item")
    )
    cloud.client("stepfunctions").send_task_success(taskToken=item["token"]["S"], output='{"ok": true}')
    assert json.loads(cloud.ended(execution)["output"]) == {"ok": True}


# --- Starting ----------------------------------------------------------------------------------------------------


def test_starting_twice_with_one_name_is_idempotent_while_it_runs_with_the_same_input(cloud):
    tokens = cloud.queue("tokens")
    machine = cloud.state_machine(jsonata({"Ask": waiting(tokens)}))
    first = start(cloud, machine, {"a": 1}, name="order-1")
    assert start(cloud, machine, {"a": 1}, name="order-1") == first
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        start(cloud, machine, {"a": 2}, name="order-1")
    [token] = tokens.receive()
    cloud.client("stepfunctions").send_task_success(taskToken=token, output="{}")
    cloud.ended(first)
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        start(cloud, machine, {"a": 1}, name="order-1")


def test_a_synchronous_start_takes_an_alias_and_runs_its_version(cloud):
    sfn = cloud.client("stepfunctions")
    machine = cloud.state_machine(jsonata({"Only": passing("one")}), kind="EXPRESS")
    version = sfn.publish_state_machine_version(stateMachineArn=machine)["stateMachineVersionArn"]
    routing = [{"stateMachineVersionArn": version, "weight": 100}]
    alias = sfn.create_state_machine_alias(name="live", routingConfiguration=routing)["stateMachineAliasArn"]
    sfn.update_state_machine(
        stateMachineArn=machine, definition=json.dumps(jsonata({"Only": passing("two")}))
    )
    outputs = [
        json.loads(sfn.start_sync_execution(stateMachineArn=arn)["output"])
        for arn in (machine, version, alias)
    ]
    assert outputs == ["two", "one", "one"]


def test_a_synchronous_start_answers_a_failure_without_output(cloud):
    states = {"No": {"Type": "Fail", "Error": "Refused", "Cause": "because"}}
    machine = cloud.state_machine(jsonata(states), kind="EXPRESS")
    answer = cloud.client("stepfunctions").start_sync_execution(stateMachineArn=machine)
    assert (answer["status"], answer["error"], answer["cause"]) == ("FAILED", "Refused", "because")
    assert "output" not in answer


def test_a_synchronous_start_of_a_standard_workflow_is_refused(cloud):
    machine = cloud.state_machine(jsonata({"Only": passing(1)}))
    with pytest.raises(ClientError, match="StateMachineTypeNotSupported"):
        cloud.client("stepfunctions").start_sync_execution(stateMachineArn=machine)


@pytest.mark.parametrize("kind", ["EXPRESS", "STANDARD"])
def test_a_start_with_input_that_is_no_json_is_refused(cloud, kind):
    sfn = cloud.client("stepfunctions")
    machine = cloud.state_machine(jsonata({"Only": passing(1)}), kind=kind)
    starts = [sfn.start_execution] if kind == "STANDARD" else [sfn.start_execution, sfn.start_sync_execution]
    for starting in starts:
        with pytest.raises(ClientError, match="InvalidExecutionInput"):
            starting(stateMachineArn=machine, input='{"a": }')


def test_a_nested_workflow_gives_its_output_or_its_failure(cloud):
    child = cloud.state_machine(
        jsonata(
            {
                "Which": {
                    "Type": "Choice",
                    "Choices": [{"Condition": "{% $states.input.fail %}", "Next": "No"}],
                    "Default": "Yes",
                },
                "Yes": passing({"fine": True}),
                "No": {"Type": "Fail", "Error": "Refused"},
            }
        ),
        name="child",
    )

    def parent(fail):
        task = {
            "Type": "Task",
            "Resource": "arn:aws:states:::states:startExecution.sync:2",
            "Arguments": {"StateMachineArn": child, "Input": {"fail": fail}},
            "Output": "{% $states.result.Output %}",
            "Catch": [{"ErrorEquals": ["States.TaskFailed"], "Output": "failed", "Next": "Caught"}],
            "End": True,
        }
        return cloud.run({"Nested": task, "Caught": passing("{% $states.input %}")})

    assert parent(fail=False) == {"fine": True}
    assert parent(fail=True) == "failed"


def test_standard_executions_tell_the_default_bus_their_status_and_express_ones_do_not(cloud):
    seen = cloud.queue("seen")
    cloud.rule_to(seen, {"source": ["aws.states"], "detail-type": ["Step Functions Execution Status Change"]})
    definition = jsonata({"Only": passing(1)})
    start(cloud, cloud.state_machine(definition, name="express", kind="EXPRESS"))
    cloud.execute(cloud.state_machine(definition, name="standard"))
    events = seen.receive(2)
    assert [event["detail"]["status"] for event in events] == ["RUNNING", "SUCCEEDED"]
    assert all(":standard" in event["detail"]["stateMachineArn"] for event in events)
    assert seen.depth()["visible"] == 0


# --- Integrations ------------------------------------------------------------------------------------------------


def test_an_event_that_the_bus_refuses_fails_the_task(cloud):
    seen = cloud.queue("seen")
    cloud.rule_to(seen, {"source": ["commerce.x"]})

    def put(source):
        entry = {"Source": source, "DetailType": "Fact.v1", "Detail": {"n": 1}}
        task = {
            "Type": "Task",
            "Resource": "arn:aws:states:::events:putEvents",
            "Arguments": {"Entries": [entry]},
            "Catch": [{"ErrorEquals": ["EventBridge.FailedEntry"], "Output": "failed", "Next": "Caught"}],
            "Output": "{% $states.result.FailedEntryCount %}",
            "End": True,
        }
        return cloud.run({"Put": task, "Caught": passing("{% $states.input %}")})

    assert put("commerce.x") == 0
    assert seen.receive()[0]["detail"] == {"n": 1}
    assert put("aws.x") == "failed"


def test_a_conditional_failure_has_the_name_of_its_integration(cloud):
    cloud.table()

    def put(resource, error):
        task = {
            "Type": "Task",
            "Resource": resource,
            "Arguments": {
                "TableName": "table",
                "Item": {"pk": {"S": "a"}},
                "ConditionExpression": "attribute_exists(pk)",
            },
            "Catch": [{"ErrorEquals": [error], "Output": "refused", "Next": "Caught"}],
            "End": True,
        }
        return cloud.run({"Put": task, "Caught": passing("{% $states.input %}")})

    assert put("arn:aws:states:::dynamodb:putItem", "DynamoDB.ConditionalCheckFailedException") == "refused"
    sdk = "arn:aws:states:::aws-sdk:dynamodb:putItem"
    assert put(sdk, "DynamoDb.ConditionalCheckFailedException") == "refused"


def test_a_function_that_fails_to_take_a_token_fails_its_task(cloud):
    function = cloud.function("def handler(event, context): raise KeyError(event['token'][:0])")
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Arguments": {"FunctionName": function, "Payload": {"token": TOKEN}},
        "Catch": [{"ErrorEquals": ["KeyError"], "Output": "failed", "Next": "Caught"}],
        "End": True,
    }
    assert cloud.run({"Ask": task, "Caught": passing("{% $states.input %}")}) == "failed"


def test_a_workflow_sends_messages_in_batches(cloud):
    queue = cloud.queue()
    entries = [{"Id": str(number), "MessageBody": f"message {number}"} for number in range(10)]
    states = {
        "Send": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:sqs:sendMessageBatch",
            "Arguments": {"QueueUrl": queue.url, "Entries": entries},
            "Output": "{% $count($states.result.Successful) %}",
            "End": True,
        }
    }
    assert cloud.run(states) == 10
    assert sorted(queue.receive(10)) == [f"message {number}" for number in range(10)]


def test_a_workflow_describes_an_execution_and_catches_that_there_is_none(cloud):
    machine = cloud.state_machine(jsonata({"Only": passing(1)}), name="described")
    known = cloud.execute(machine)["executionArn"]
    states = {
        "Describe": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:sfn:describeExecution",
            "Arguments": {"ExecutionArn": "{% $states.input %}"},
            "Output": "{% $states.result.Status %}",
            "Catch": [{"ErrorEquals": ["Sfn.ExecutionDoesNotExistException"], "Next": "None"}],
            "End": True,
        },
        "None": {"Type": "Pass", "Output": "none", "End": True},
    }
    assert cloud.run(states, known) == "SUCCEEDED"
    assert cloud.run(states, f"{known}-other") == "none"


def test_a_workflow_asks_an_api_and_learns_its_status(cloud):
    gateway = cloud.client("apigateway")
    api = gateway.create_rest_api(name="asked")["id"]
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    for path, status in (("well", "200"), ("gone", "404")):
        method = {
            "restApiId": api,
            "resourceId": gateway.create_resource(restApiId=api, parentId=root, pathPart=path)["id"],
            "httpMethod": "GET",
        }
        gateway.put_method(**method, authorizationType="NONE")
        gateway.put_integration(
            **method, type="MOCK", requestTemplates={"application/json": f'{{"statusCode": {status}}}'}
        )
        gateway.put_method_response(**method, statusCode=status)
        gateway.put_integration_response(
            **method, statusCode=status, responseTemplates={"application/json": '{"said": true}'}
        )
    gateway.create_deployment(restApiId=api, stageName="live")

    def ask(path):
        return {
            "Type": "Task",
            "Resource": "arn:aws:states:::apigateway:invoke",
            "Arguments": {
                "ApiEndpoint": f"{api}.execute-api.eu-west-1.amazonaws.com",
                "Method": "GET",
                "Stage": "live",
                "Path": path,
                "AuthType": "NO_AUTH",
            },
            "Output": {"status": "{% $states.result.StatusCode %}"},
            "Catch": [{"ErrorEquals": ["ApiGateway.404"], "Next": "Gone"}],
            "End": True,
        }

    gone = {"Type": "Pass", "Output": "gone", "End": True}
    for path, expected in (("/well", {"status": 200}), ("/gone", "gone")):
        definition = {
            "QueryLanguage": "JSONata",
            "StartAt": "Ask",
            "States": {"Ask": ask(path), "Gone": gone},
        }
        machine = cloud.state_machine(definition, name=path[1:])
        assert json.loads(cloud.execute(machine)["output"]) == expected


# --- Transactions ------------------------------------------------------------------------------------------------

COUNTER = (
    Path(__file__).parents[3] / "shared-constructs" / "shared_constructs" / "counter" / "counter.asl.yaml"
)
ONCE = (
    "{'TransactItems': ["
    "{'Put': {'TableName': $table, 'Item': {'pk': {'S': $states.input.order}}, 'ConditionExpression': 'attribute_not_exists(pk)'}},"
    "{'Update': {'TableName': $table, 'Key': {'pk': {'S': 'sum'}}, 'UpdateExpression': 'ADD points :p',"
    " 'ExpressionAttributeValues': {':p': {'N': $string($states.input.points)}}}}]}"
)


def test_what_is_counted_twice_adds_once_by_the_librarys_own_workflow(cloud):
    table = cloud.table()
    filled = {"Table": table, "Objections": "''", "Transaction": ONCE}
    machine = cloud.state_machine(asl.substitute(asl.load(COUNTER), filled))
    before = []
    for order, points in (("o-1", 11), ("o-1", 11), ("o-2", -4)):
        ended = cloud.ended(start(cloud, machine, {"order": order, "points": points}))
        assert ended["status"] == "SUCCEEDED"
        before.append("[ConditionalCheckFailed, None]" in ended["output"])
    assert before == [False, True, False]
    assert item(cloud, table, "sum")["points"] == {"N": "7"}


def test_a_parallel_is_tried_again_for_the_error_that_its_branch_fails_with(cloud):
    table = cloud.table()
    tries = {
        "Type": "Task",
        "Resource": "arn:aws:states:::dynamodb:updateItem",
        "Arguments": {
            "TableName": table,
            "Key": {"pk": {"S": "tries"}},
            "UpdateExpression": "ADD n :one",
            "ExpressionAttributeValues": {":one": {"N": "1"}},
        },
        "Next": "In the way",
    }
    states = {"Try": tries, "In the way": {"Type": "Fail", "Error": "Conflict"}}
    retry = [{"ErrorEquals": ["Conflict"], "IntervalSeconds": 1, "MaxAttempts": 2, "JitterStrategy": "FULL"}]
    count = {
        "Type": "Parallel",
        "Branches": [{"StartAt": "Try", "States": states}],
        "Retry": retry,
        "End": True,
    }
    ended = cloud.ended(start(cloud, cloud.state_machine(jsonata({"Count": count}))))
    assert (ended["status"], ended["error"]) == ("FAILED", "Conflict")
    assert item(cloud, table, "tries")["n"] == {"N": "3"}


def item(cloud, table, pk):
    return cloud.client("dynamodb").get_item(TableName=table, Key={"pk": {"S": pk}})["Item"]
