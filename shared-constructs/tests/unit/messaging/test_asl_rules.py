import pytest
from states_language.rules import advise, check_definition


def machine(start="A", **states):
    return {"QueryLanguage": "JSONata", "StartAt": start, "States": states}


def passes(**fields):
    return {"Type": "Pass", **({"End": True} if "Next" not in fields else {}), **fields}


def task(resource, **fields):
    return passes(Type="Task", Resource=f"arn:aws:states:::{resource}", **fields)


WAIT = {"TimeoutSeconds": 30, "Arguments": {"token": "{% $states.context.Task.Token %}"}}

SOUND = machine(
    "Choose",
    Choose={
        "Type": "Choice",
        "Choices": [{"Condition": "{% $states.input.n > 1 %}", "Next": "Each"}],
        "Default": "Wait",
    },
    Each={
        "Type": "Map",
        "Items": "{% $states.input.items %}",
        "ItemProcessor": {"StartAt": "One", "States": {"One": passes(Output="{% $states.input %}")}},
        "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Failed"}],
        "Next": "Both",
    },
    Both={
        "Type": "Parallel",
        "Branches": [{"StartAt": "Left", "States": {"Left": passes()}}],
        "End": True,
    },
    Wait={"Type": "Wait", "Seconds": 1, "Next": "Ask"},
    Ask=task("aws-sdk:dynamodb:updateItem.waitForTaskToken", **WAIT),
    Failed={"Type": "Fail", "Error": "E"},
)


def test_a_sound_definition_has_no_faults():
    assert check_definition(SOUND) == []


@pytest.mark.parametrize(
    ("definition", "fault"),
    [
        ({"StartAt": "A", "States": {"A": passes()}}, 'set "QueryLanguage": "JSONata"'),
        (machine(A=passes(QueryLanguage="JSONPath")), "A: QueryLanguage must be JSONata"),
        (machine(A=passes(InputPath="$.x")), "A: InputPath is a JSONPath field"),
        (machine(A=passes(Result=1)), "A: Result is a JSONPath field"),
        (machine(A=passes(Arguments={})), "A: Arguments is not a field of a Pass state"),
        (machine(A={"Type": "Pass"}), 'A: needs either "Next" or "End"'),
        (machine(A=passes(Next="A", End=True)), 'A: needs either "Next" or "End"'),
        (machine(A=passes(Next="B")), "A: leads to 'B'"),
        (machine("Z", A=passes()), "StartAt names 'Z'"),
        (machine(A=passes(), B=passes()), "B: unreachable"),
        (machine(A=passes(Next="B"), B=passes(Next="A")), "no reachable state ends it"),
        (machine(A={"Type": "Taks"}), "A: Type must be one of"),
        (machine(A={"Type": "Choice", "Choices": [], "Default": "A"}), "at least one entry in Choices"),
        (
            machine(A={"Type": "Choice", "Choices": [{"Condition": "{% true %}", "Next": "A"}]}),
            "States.NoChoiceMatched",
        ),
        (
            machine(A={"Type": "Choice", "Choices": [{"Condition": "yes", "Next": "A"}], "Default": "A"}),
            "needs a Condition in {% %}, got 'yes'",
        ),
        (machine(A=passes(Output="{% $states.input. %}")), "JSONata does not parse"),
        (machine(A=passes(Output={"deep": ["{% (1 %}"]})), "JSONata does not parse"),
        (machine(A=passes(Output="{% $eval('1') %}")), "no function $eval; $parse reads JSON text"),
        (machine(A=passes(Output="{% $summ([1]) %}")), "no function $summ"),
        (machine(A=passes(Output="{% $states.input.x ?? 1 %}")), "JSONata 2.0, without ??"),
        (machine(A=passes(Output="{% $states.input.x ?: 1 %}")), "JSONata 2.0, without ?:"),
        (machine(A=passes(Output="{% input.x %}")), "no document at the top"),
        (machine(A=passes(Output="{% $$ %}")), "no document at the top"),
        (
            machine(A=task("dynamodb:putItem.waitForTaskToken", **WAIT)),
            "aws-sdk:dynamodb:putItem.waitForTaskToken",
        ),
        (machine(A=task("dynamodb:query")), "offers deleteItem, getItem, putItem, updateItem, not query"),
        (machine(A=task("kinesis:putRecord")), "no optimized integration 'kinesis'"),
        (machine(A=task("aws-sdk:ecs:runTask.sync")), "know only the pattern .waitForTaskToken, got .sync"),
        (machine(A=passes(Type="Task", Resource="lambda")), "Resource must be a service integration"),
        (
            machine(A=task("sqs:sendMessage.waitForTaskToken", Arguments=WAIT["Arguments"])),
            "needs TimeoutSeconds",
        ),
        (
            machine(A=task("sqs:sendMessage.waitForTaskToken", TimeoutSeconds=5)),
            "must hand out $states.context.Task.Token",
        ),
        (
            machine(A=task("aws-sdk:dynamodb:putItem", Arguments={"Item": {"tags": {"SS": ["a"]}}})),
            "spells the types SS in another way",
        ),
        (
            machine(A=task("aws-sdk:dynamodb:putItem", Arguments="{% {'Item': {'on': {'BOOL': true}}} %}")),
            "spells the types BOOL in another way",
        ),
        (machine(A={"Type": "Wait", "End": True}), "exactly one of Seconds and Timestamp"),
        (
            machine(A=task("sqs:sendMessage", Retry=[{"ErrorEquals": []}])),
            "Retry: every entry needs ErrorEquals",
        ),
        (
            machine(
                A=task(
                    "sqs:sendMessage",
                    Catch=[{"ErrorEquals": ["States.ALL"], "Next": "B"}, {"ErrorEquals": ["X"], "Next": "B"}],
                ),
                B=passes(),
            ),
            "Catch: States.ALL must stand alone and last",
        ),
        (machine(A=task("sqs:sendMessage", Catch=[{"ErrorEquals": ["X"]}])), "Catch: every entry needs Next"),
        (machine(**{"A" * 81: passes()}, start="A" * 81), "at most 80 characters"),
        (
            machine(A={"Type": "Parallel", "Branches": [machine(A=passes())], "End": True}),
            "names must be unique",
        ),
        (
            machine(A={"Type": "Map", "ItemProcessor": machine("B", B=passes(Next="A")), "End": True}),
            "B: leads to 'A', which is not a state beside it",
        ),
        ({**machine(A=passes()), "TimeoutSeconds": "{% 5 %}"}, "must be a number"),
    ],
)
def test_what_aws_would_refuse_is_found_and_named(definition, fault):
    faults = check_definition(definition)
    assert any(fault in each for each in faults), faults


@pytest.mark.parametrize(
    "expression",
    [
        "$uuid() & $hash('a', 'SHA-256')",
        "($twice := function($n) { 2 * $n }; $twice(1))",
        "$map([1], function($value, $index) { $index })",
        "$apply := function($f, $x) { $f($x) }",
        "'not a call: $nothing(1)'",
        "$contains($states.input.x, /^(?:a|b)$/) ? 'why ?? so' : 1",
        "$states.input[price > 1].{'price': $}",
    ],
)
def test_what_step_functions_offers_and_an_expression_binds_is_known(expression):
    assert check_definition(machine(A=passes(Output=f"{{% {expression} %}}"))) == []


def test_an_express_workflow_cannot_wait_for_callbacks():
    faults = check_definition(SOUND, workflow_type="EXPRESS")
    assert faults == [
        "Ask: an Express workflow cannot use .waitForTaskToken: callbacks and jobs need a Standard workflow"
    ]


def test_tasks_without_retry_or_catch_are_remarked_on():
    inner = {
        "StartAt": "B",
        "States": {"B": task("sqs:sendMessage", Retry=[{"ErrorEquals": ["States.ALL"]}])},
    }
    remarks = advise(machine(A={"Type": "Map", "ItemProcessor": inner, "End": True}))
    assert remarks == ["B: no Catch; its failure is the workflow's failure"]
