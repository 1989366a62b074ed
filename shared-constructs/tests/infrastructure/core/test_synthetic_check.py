"""Somebody asks for what customers ask for, and tells when the answer is another."""

import json

import pytest
from service_testing import synthesize
from service_testing.templates import of_type
from shared_constructs import ServiceStack, StackKind, SyntheticCheck
from shared_constructs.direct_api import PUBLIC, DirectApi, StartWorkflow
from shared_constructs.express_workflow import ExpressWorkflow

SAY = {"QueryLanguage": "JSONata", "StartAt": "Say", "States": {"Say": {"Type": "Succeed"}}}


def template(stage="prod", minutes=1, **arguments):
    def build(app):
        stack = ServiceStack(app, kind=StackKind.STATELESS)
        api = DirectApi(stack, "Api", description="Says it.")
        start = StartWorkflow(workflow=ExpressWorkflow(stack, "Say", definition=SAY), input={})
        api.route("GET", "/said", start, auth=PUBLIC)
        SyntheticCheck(stack, "Check", api=api, **{"path": "/said", **arguments})

    context = {"stages": {"prod": {"synthetic_check_minutes": minutes}}}
    (made,) = synthesize(build, service="shop", stage=stage, context=context).values()
    return made


def test_it_asks_the_public_address_as_often_as_the_stage_says():
    made = template(minutes=5)
    (schedule,) = of_type(made, "AWS::Scheduler::Schedule")
    assert schedule["ScheduleExpression"] == "rate(5 minutes)"
    (machine,) = [
        each
        for each in of_type(made, "AWS::StepFunctions::StateMachine")
        if "apigateway:invoke" in json.dumps(each["DefinitionString"])
    ]
    written = json.dumps(machine["DefinitionString"])
    assert ".execute-api." in written
    assert '\\"Path\\":\\"/said\\"' in written.replace("\\\\", "\\")


def test_its_alarm_says_what_is_not_answered():
    alarms = [
        alarm
        for alarm in of_type(template(), "AWS::CloudWatch::Alarm")
        if "GET /said is not answered 200" in alarm["AlarmDescription"]
    ]
    assert [(each["DatapointsToAlarm"], each["EvaluationPeriods"]) for each in alarms] == [(3, 15)]
    assert "runbooks.html#no-answer" in alarms[0]["AlarmDescription"]


@pytest.mark.parametrize("stage", ["local", "dev"])
def test_where_nobody_is_served_nobody_asks(stage):
    assert of_type(template(stage), "AWS::Scheduler::Schedule") == []


@pytest.mark.parametrize("path", ["said", "/said?how=loud"])
def test_a_path_that_cannot_be_asked_for_is_refused(path):
    with pytest.raises(ValueError, match="begins with a slash and has no query"):
        template(path=path)
