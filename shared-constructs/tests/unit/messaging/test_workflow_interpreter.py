import pytest
from service_testing.workflows import WorkflowError, run_workflow


def machine(**states):
    return {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states}


def task(**fields):
    return {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": True, **fields}


def run(definition, value=None, call=lambda _, arguments: arguments, **options):
    return run_workflow(definition, value, call=call, **options)


def failing(*errors, then="done"):
    """A call that fails with each error in turn, and then succeeds."""
    pending = list(errors)

    def call(_, __):
        if pending:
            raise WorkflowError(pending.pop(0), "because")
        return then

    return call


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("$partition([1,2,3,4,5], 2)", [[1, 2], [3, 4], [5]]),
        ("$range(0, 10, 2)", [0, 2, 4, 6, 8, 10]),
        ("$range(3, 1, -1)", [3, 2, 1]),
        ("$hash('abc', 'SHA-256')", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ("$hash('abc', 'MD5')", "900150983cd24fb0d6963f7d28e17f72"),
        ("$parse('{\"a\": [null]}')", {"a": [None]}),
        ("$random(7) = $random(7)", True),
        ("$length($uuid())", 36),
        ("$exists($states.input.none)", True),
        ("$type($states.input.none)", "null"),
        ("$exists($states.input.absent)", False),
    ],
)
def test_jsonata_has_the_functions_of_step_functions(expression, expected):
    state = {"Type": "Pass", "Output": f"{{% {expression} %}}", "End": True}
    assert run(machine(A=state), {"none": None}).output == expected


@pytest.mark.parametrize("expression", ["$states.input.absent", "$eval('1')", "1 + 'a'", "$sum"])
def test_an_expression_without_a_json_value_fails_the_state(expression):
    execution = run(machine(A={"Type": "Pass", "Output": f"{{% {expression} %}}", "End": True}), {})
    assert (execution.status, execution.error) == ("FAILED", "States.QueryEvaluationError")


def test_assign_sees_the_variables_as_they_were():
    execution = run(
        machine(
            A={"Type": "Pass", "Assign": {"a": 1, "b": 2}, "Next": "B"},
            B={"Type": "Pass", "Assign": {"a": "{% $b %}", "b": "{% $a %}"}, "Next": "C"},
            C={"Type": "Pass", "Output": "{% [$a, $b] %}", "End": True},
        )
    )
    assert execution.output == [2, 1]


def test_a_retry_ends_with_its_attempts_and_a_zero_forbids_it():
    retry = [
        {"ErrorEquals": ["Never"], "MaxAttempts": 0},
        {"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 2},
    ]
    definition = machine(A=task(Retry=retry))
    assert run(definition, call=failing("Passing", "Passing")).output == "done"
    assert run(definition, call=failing("Passing", "Passing", "Passing")).error == "Passing"
    assert run(definition, call=failing("Never")).error == "Never"


def test_the_first_catch_that_fits_decides_and_can_shape_what_follows():
    catch = [
        {"ErrorEquals": ["Other"], "Next": "B"},
        {
            "ErrorEquals": ["States.ALL"],
            "Output": {"why": "{% $states.errorOutput.Error %}", "was": "{% $states.input %}"},
            "Assign": {"failed": True},
            "Next": "C",
        },
    ]
    definition = machine(
        A=task(Catch=catch),
        B={"Type": "Succeed"},
        C={"Type": "Pass", "Output": "{% $merge([$states.input, {'failed': $failed}]) %}", "End": True},
    )
    assert run(definition, 5, call=failing("Broken")).output == {"why": "Broken", "was": 5, "failed": True}


def test_a_timeout_is_no_task_failure():
    catch = [{"ErrorEquals": ["States.TaskFailed"], "Next": "B"}]
    definition = machine(A=task(Catch=catch), B={"Type": "Succeed"})
    assert run(definition, call=failing("States.Timeout")).error == "States.Timeout"


def test_map_gives_each_item_its_own_variables():
    definition = machine(
        A={"Type": "Pass", "Assign": {"sum": 0}, "Next": "B"},
        B={
            "Type": "Map",
            "Items": "{% $states.input %}",
            "ItemSelector": {
                "n": "{% $states.context.Map.Item.Value %}",
                "i": "{% $states.context.Map.Item.Index %}",
            },
            "ItemProcessor": machine(
                C={"Type": "Pass", "Assign": {"sum": "{% $sum + $states.input.n %}"}, "Next": "D"},
                D={"Type": "Pass", "Output": "{% [$sum, $states.input.i] %}", "End": True},
            ),
            "Output": "{% {'each': $states.result, 'sum': $sum} %}",
            "End": True,
        },
    )
    assert run(definition, [5, 7]).output == {"each": [[5, 0], [7, 1]], "sum": 0}


def test_parallel_fails_with_the_error_of_its_branch_and_can_catch_it():
    branches = [
        machine(Left={"Type": "Pass", "End": True}),
        machine(Right={"Type": "Fail", "Error": "Wrong"}),
    ]
    definition = machine(
        A={
            "Type": "Parallel",
            "Branches": branches,
            "Catch": [{"ErrorEquals": ["Wrong"], "Next": "B"}],
            "End": True,
        },
        B={"Type": "Pass", "Output": "{% $states.input.Error %}", "End": True},
    )
    assert run(definition).output == "Wrong"


def test_a_callback_answers_or_fails_the_task_that_waits():
    definition = machine(
        A=task(
            Resource="arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            Arguments={"token": "{% $states.context.Task.Token %}"},
        )
    )
    assert run(definition, on_callback=lambda c: {"same": c.token == c.arguments["token"]}).output == {
        "same": True
    }
    assert run(definition).error == "States.Timeout"

    def refuse(_):
        raise WorkflowError("Refused", "no")

    assert run(definition, on_callback=refuse).error == "Refused"


def test_a_workflow_fails_another_s_task_whose_catch_takes_the_cause_along():
    asking = machine(
        A=task(
            Resource="arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            Assign={"answer": "{% $states.result %}"},
            Retry=[{"ErrorEquals": ["Refused"], "MaxAttempts": 0}, {"ErrorEquals": ["States.TaskFailed"]}],
            Catch=[
                {
                    "ErrorEquals": ["Refused"],
                    "Assign": {"answer": "{% $parse($states.errorOutput.Cause).why %}"},
                    "Next": "B",
                }
            ],
        ),
        B={"Type": "Succeed", "Output": "{% $answer %}"},
    )
    outcomes = []

    def refuse(cause):
        def answer(waiting):
            arguments = {"TaskToken": waiting.token, "Error": "Refused", "Cause": cause}
            failing = task(Resource="arn:aws:states:::aws-sdk:sfn:sendTaskFailure", Arguments=arguments)
            outcomes.extend(run_workflow(machine(A={**failing, "End": True}), {}).error for _ in range(2))

        return answer

    execution = run(asking, on_callback=refuse('{"why": "short"}'))
    assert (execution.output, execution.path) == ("short", ["A", "B"])
    assert outcomes == [None, "Sfn.TaskTimedOutException"]
    assert run(asking, on_callback=refuse("x" * 32_769)).error == "States.Timeout"
    assert outcomes[2:] == ["Sfn.SfnException"] * 2


def test_a_choice_without_a_match_and_a_loop_without_an_end_fail():
    choice = {"Type": "Choice", "Choices": [{"Condition": "{% false %}", "Next": "A"}]}
    assert run(machine(A=choice)).error == "States.NoChoiceMatched"
    assert run(machine(A={"Type": "Pass", "Next": "A"})).error == "States.Runtime"


def test_more_data_than_a_state_may_hold_fails():
    execution = run(
        machine(A={"Type": "Pass", "Output": "{% $states.input & $states.input %}", "End": True}),
        "x" * 200_000,
    )
    assert execution.error == "States.DataLimitExceeded"
