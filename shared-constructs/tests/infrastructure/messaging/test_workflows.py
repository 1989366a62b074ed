import json

import pytest
from aws_cdk import Duration
from aws_cdk.aws_iam import PolicyStatement
from service_testing import Deployment, synthesize
from shared_constructs import ExpressWorkflow, ServiceStack, ServiceTable, StackKind, StandardWorkflow


def task(resource, arguments, **fields):
    return {
        "Type": "Task",
        "Resource": f"arn:aws:states:::{resource}",
        "Arguments": arguments,
        "End": True,
        **fields,
    }


def machine(**states):
    return {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states}


GET = task(
    "dynamodb:getItem",
    {"TableName": "${Table}", "Key": {"pk": {"S": "{% $states.input.id %}"}, "sk": {"S": "x"}}},
)


def with_workflow(definition, *, kind=ExpressWorkflow, substitutions=None, **options):
    """A stack with a table and a bus, whose workflow uses what the substitutions name."""

    def build(app):
        data = ServiceStack(app, kind=StackKind.STATEFUL)
        stack = ServiceStack(app, kind=StackKind.STATELESS)
        known = {"Table": ServiceTable(data, "Table", indexes={"gsi1": ()}), "Bus": stack.event_bus}
        values = {
            name: known[value] if value in ("Table", "Bus") else value
            for name, value in (substitutions or {}).items()
        }
        kind(stack, "Workflow", definition=definition, substitutions=values, **options)

    return build


def template(build, stage="local"):
    return synthesize(build, service="order", stage=stage)[f"commerce-{stage}-order"]


def properties(found, kind):
    return [r["Properties"] for r in found["Resources"].values() if r["Type"] == kind]


def statements(found):
    return [
        s for policy in properties(found, "AWS::IAM::Policy") for s in policy["PolicyDocument"]["Statement"]
    ]


def granted(found, service):
    return [s for s in statements(found) if str(s["Action"]).startswith((f"{service}:", f"['{service}:"))]


TABLE = {"Table": "Table"}


def test_the_role_may_do_what_the_definition_does_and_nothing_else():
    (statement,) = granted(template(with_workflow(machine(Read=GET), substitutions=TABLE)), "dynamodb")
    assert statement["Action"] == "dynamodb:GetItem"
    assert "Table" in json.dumps(statement["Resource"])
    assert "*" not in json.dumps(statement["Resource"])


def test_each_action_is_granted_on_the_table_that_its_state_names_and_on_no_other():
    put = task(
        "dynamodb:putItem",
        {"TableName": "${Written}", "Item": {"pk": {"S": "{% $states.input.id %}"}, "sk": {"S": "x"}}},
    )

    def build(app):
        data = ServiceStack(app, kind=StackKind.STATEFUL)
        stack = ServiceStack(app, kind=StackKind.STATELESS)
        tables = {"Table": ServiceTable(data, "Kept"), "Written": ServiceTable(data, "Written")}
        read = {**GET, "Next": "Write"}
        del read["End"]
        ExpressWorkflow(stack, "Workflow", definition=machine(Read=read, Write=put), substitutions=tables)

    allowed = {s["Action"]: json.dumps(s["Resource"]) for s in granted(template(build), "dynamodb")}
    assert sorted(allowed) == ["dynamodb:GetItem", "dynamodb:PutItem"]
    for action, mine in (("dynamodb:GetItem", "Kept"), ("dynamodb:PutItem", "Written")):
        assert [name for name in ("Kept", "Written") if name in allowed[action]] == [mine], allowed


def test_a_query_of_an_index_is_granted_on_the_index():
    query = task(
        "aws-sdk:dynamodb:query",
        {"TableName": "${Table}", "IndexName": "gsi1", "KeyConditionExpression": "a"},
    )
    (statement,) = granted(template(with_workflow(machine(Query=query), substitutions=TABLE)), "dynamodb")
    assert statement["Action"] == "dynamodb:Query"
    assert any("/index/gsi1" in json.dumps(resource) for resource in statement["Resource"])


def test_a_transaction_is_granted_by_its_parts():
    parts = "{% {'TransactItems': [{'Put': {'TableName': '${Table}'}}, {'ConditionCheck': {'TableName': '${Table}'}}]} %}"
    found = template(
        with_workflow(machine(Write=task("aws-sdk:dynamodb:transactWriteItems", parts)), substitutions=TABLE)
    )
    (statement,) = granted(found, "dynamodb")
    assert statement["Action"] == ["dynamodb:ConditionCheckItem", "dynamodb:PutItem"]


def test_events_can_be_put_for_the_own_service_only():
    entries = {
        "Entries": [
            {"EventBusName": "${Bus}", "Source": "commerce.order", "DetailType": "A.v1", "Detail": {}}
        ]
    }
    found = template(
        with_workflow(machine(Put=task("events:putEvents", entries)), substitutions={"Bus": "Bus"})
    )
    (statement,) = granted(found, "events")
    assert statement["Condition"] == {"StringEquals": {"events:source": "commerce.order"}}


def test_a_task_token_is_answered_only_where_it_waits():
    send = task("aws-sdk:sfn:sendTaskSuccess", {"TaskToken": "{% $states.input.token %}", "Output": "{}"})

    def build(app):
        stack = ServiceStack(app, kind=StackKind.STATELESS)
        waiting = StandardWorkflow(stack, "Waiting", definition=machine(End={"Type": "Succeed"}))
        ExpressWorkflow(stack, "Answer", definition=machine(Send=send), callback_targets=[waiting])

    (statement,) = granted(template(build), "states")
    assert statement["Action"] == "states:SendTaskSuccess"
    assert "Waiting" in statement["Resource"]["Ref"]


def test_step_functions_takes_on_the_role_for_this_account_alone():
    (role,) = properties(template(with_workflow(machine(Read=GET), substitutions=TABLE)), "AWS::IAM::Role")
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "states.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


@pytest.mark.parametrize(("stage", "level"), [("local", "ALL"), ("staging", "ERROR"), ("prod", "ERROR")])
def test_logs_hold_failures_only_and_no_data_where_customers_are(stage, level):
    found = template(with_workflow(machine(Read=GET), substitutions=TABLE), stage)
    (state_machine,) = properties(found, "AWS::StepFunctions::StateMachine")
    logging = state_machine["LoggingConfiguration"]
    assert (logging["Level"], logging["IncludeExecutionData"]) == (level, stage == "local")
    (group,) = properties(found, "AWS::Logs::LogGroup")
    assert group["LogGroupName"].startswith(f"/aws/vendedlogs/states/commerce-{stage}-")
    assert state_machine["TracingConfiguration"]["Enabled"] is (stage != "local")


def standard(app):
    stack = ServiceStack(app, kind=StackKind.STATELESS)
    StandardWorkflow(stack, "Workflow", definition=machine(End={"Type": "Succeed"}))


@pytest.mark.parametrize(
    ("build", "minutes"),
    # A caller tries again what an Express workflow did not do; nobody does for a Standard one.
    [(with_workflow(machine(Read=GET), substitutions=TABLE), (3, 15)), (standard, (1, 1))],
    ids=["express", "standard"],
)
def test_executions_that_do_not_succeed_raise_one_alarm(build, minutes):
    (alarm,) = properties(template(build), "AWS::CloudWatch::Alarm")
    assert (alarm.get("DatapointsToAlarm", alarm["EvaluationPeriods"]), alarm["EvaluationPeriods"]) == minutes
    expression, *metrics = alarm["Metrics"]
    watched = {each["Id"]: each["MetricStat"]["Metric"]["MetricName"] for each in metrics}
    assert watched == {
        "failed": "ExecutionsFailed",
        "timedOut": "ExecutionsTimedOut",
        "throttled": "ExecutionThrottled",
    }
    assert expression["Expression"] == " + ".join(f"FILL({name}, 0)" for name in watched)
    assert (alarm["Threshold"], alarm["TreatMissingData"]) == (0, "notBreaching")


@pytest.mark.parametrize(("stage", "notifies"), [("dev", False), ("prod", True)])
def test_alarms_notify_somebody_where_the_stage_says_so(stage, notifies):
    found = template(with_workflow(machine(Read=GET), substitutions=TABLE), stage)
    for alarm in properties(found, "AWS::CloudWatch::Alarm"):
        assert alarm.get("AlarmActions", []) == alarm.get("OKActions", [])
        told = [found["Parameters"][each["Ref"]]["Default"] for each in alarm.get("AlarmActions", [])]
        assert told == (["/commerce/prod/platform/alarm-topic-arn/v1"] if notifies else [])


def test_a_substitution_alone_in_its_string_keeps_its_type(tmp_path):
    path = tmp_path / "limits.asl.yaml"
    path.write_text(
        """
        QueryLanguage: JSONata
        StartAt: Limits
        States:
          Limits:
            Type: Pass
            Output: {limit: "${Limit}", text: "at most ${Limit}", doubled: "{% 2 * ${Limit} %}", names: "${Names}"}
            End: true
        """
    )
    build = with_workflow(path, substitutions={"Limit": 50, "Names": ["a", "b"]})
    with Deployment(synthesize(build)) as deployed:
        output = deployed.run("Workflow", {}).output
    assert output == {"limit": 50, "text": "at most 50", "doubled": 100, "names": ["a", "b"]}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("stop.asl.yaml", "States:\n  Stop: {Type: Succeed\n", r'stop\.asl\.yaml", line 3, column 1'),
        ("stop.asl.json", '{"States":\n{', r"stop\.asl\.json is no JSON: .*line 2 column 2"),
    ],
)
def test_a_definition_that_cannot_be_parsed_says_where(tmp_path, name, text, said):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(ValueError, match=said):
        synthesize(with_workflow(path))


def test_a_state_can_be_substituted_as_a_whole_and_is_granted_what_it_names():
    build = with_workflow(machine(Read="${Read}"), substitutions={**TABLE, "Read": GET})
    found = template(build)
    (statement,) = granted(found, "dynamodb")
    assert statement["Action"] == "dynamodb:GetItem"
    assert "Table" in json.dumps(statement["Resource"])
    with Deployment(synthesize(build)) as deployed:
        deployed.table("Table").put_item(Item={"pk": "o-1", "sk": "x", "total": 5})
        assert deployed.run("Workflow", {"id": "o-1"}).output["Item"]["total"] == {"N": "5"}


def test_a_caller_s_own_properties_reach_the_resources():
    build = with_workflow(
        machine(Read=GET),
        substitutions=TABLE,
        customize={
            "state_machine": {"tracing_enabled": True},
            "log_group": {"log_group_name": "/aws/vendedlogs/states/mine"},
            "alarms": {"threshold": 3},
        },
    )
    found = template(build)
    (state_machine,) = properties(found, "AWS::StepFunctions::StateMachine")
    assert state_machine["TracingConfiguration"] == {"Enabled": True}
    (group,) = properties(found, "AWS::Logs::LogGroup")
    assert group["LogGroupName"] == "/aws/vendedlogs/states/mine"
    assert {alarm["Threshold"] for alarm in properties(found, "AWS::CloudWatch::Alarm")} == {3}


def test_a_workflow_runs_against_the_tables_of_its_deployment():
    with Deployment(synthesize(with_workflow(machine(Read=GET), substitutions=TABLE))) as deployed:
        deployed.table("Table").put_item(Item={"pk": "o-1", "sk": "x", "total": 5})
        assert deployed.run("Workflow", {"id": "o-1"}).output["Item"]["total"] == {"N": "5"}


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (with_workflow(machine(Read=GET)), "uses Table, but the substitutions given are: none"),
        (
            with_workflow(machine(End={"Type": "Succeed"}), substitutions=TABLE),
            "not used by the definition: Table",
        ),
        (with_workflow(machine(Read=GET), substitutions={"Table": "orders"}), "'Read' .* names no resource"),
        (
            with_workflow(machine(Read=GET), substitutions={"Table": Duration.days(1)}),
            "one of the resources that workflows use",
        ),
        (
            with_workflow(machine(Read=GET), substitutions=TABLE, customize={"role": {"assumed_by": None}}),
            "assumed_by of role cannot be customized",
        ),
        (
            with_workflow(machine(Read=GET), kind=StandardWorkflow, substitutions=TABLE, per_record=True),
            "only an Express workflow",
        ),
        (
            with_workflow(machine(Call=task("aws-sdk:s3:getObject", {}))),
            "permissions are derived for dynamodb",
        ),
        (with_workflow(machine(Send=task("aws-sdk:sfn:sendTaskFailure", {}))), "pass callback_targets="),
        (
            with_workflow(machine(End={"Type": "Succeed"}), timeout=Duration.minutes(6)),
            "at most 300 seconds, got 360",
        ),
    ],
)
def test_a_workflow_whose_role_cannot_be_derived_is_refused(build, message):
    with pytest.raises(ValueError, match=message):
        synthesize(build)


def test_a_definition_that_aws_would_refuse_fails_the_synthesis():
    wait = task("dynamodb:putItem.waitForTaskToken", {"TableName": "${Table}"}, TimeoutSeconds=5)
    with pytest.raises(RuntimeError, match=r"does not support \.waitForTaskToken"):
        synthesize(with_workflow(machine(Wait=wait), substitutions=TABLE))


def test_a_service_that_the_caller_grants_itself_is_left_to_them():
    call = task("aws-sdk:s3:getObject", {"Bucket": "b"})
    found = template(with_workflow(machine(Call=call), unmanaged_services=["s3"]))
    assert not granted(found, "s3")


@pytest.mark.parametrize(
    ("actions", "refused"),
    [
        (["iam:PassRole", "dynamodb:DeleteTable"], "dynamodb:DeleteTable, iam:PassRole"),
        (["logs:*"], r"logs:\*"),
        (["logs:CreateLogDelivery"], None),
    ],
)
def test_only_what_aws_can_limit_to_no_resource_may_be_granted_on_all(actions, refused):
    def build(app):
        stack = ServiceStack(app, kind=StackKind.STATELESS)
        workflow = ExpressWorkflow(stack, "Workflow", definition=machine(Stop={"Type": "Succeed"}))
        workflow.resources.role.add_to_policy(PolicyStatement(actions=actions, resources=["*"]))

    if refused is None:
        assert synthesize(build)
        return
    with pytest.raises(RuntimeError, match=f"Role may do {refused} to every resource"):
        synthesize(build)


def test_a_null_in_a_definition_reaches_the_template():
    states = machine(Begin={"Type": "Pass", "Assign": {"reply": None}, "Output": "{% $reply %}", "End": True})
    [found] = properties(template(with_workflow(states)), "AWS::StepFunctions::StateMachine")
    assert '"Assign":{"reply":null}' in json.dumps(found["DefinitionString"]).replace("\\", "")
