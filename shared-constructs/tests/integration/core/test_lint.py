"""`python -m service_lint` finds what would fail on AWS, says where, and remembers what has passed."""

import json

import pytest
from service_lint.__main__ import main

QUEUE = {"Type": "AWS::SQS::Queue", "Properties": {}, "Metadata": {"aws:cdk:path": "Stack/Orders/Resource"}}
FINE = {"QueryLanguage": "JSONata", "StartAt": "Done", "States": {"Done": {"Type": "Succeed"}}}
LOST = {
    "QueryLanguage": "JSONata",
    "StartAt": "Go",
    "States": {"Go": {"Type": "Pass", "Next": "Nowhere"}},
}


@pytest.fixture
def assembly(tmp_path, monkeypatch):
    monkeypatch.setenv("COMMERCE_CACHE_DIR", str(tmp_path / "cache"))
    directory = tmp_path / "cdk.out"
    directory.mkdir()
    (directory / "manifest.json").write_text("{}")
    (directory / "validation-report.json").write_text('{"pluginReports": []}')

    def write(**resources):
        (directory / "stack.template.json").write_text(json.dumps({"Resources": resources}))
        return str(directory)

    return write


def workflow(definition):
    return {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {"RoleArn": "arn:aws:iam::111111111111:role/r", "DefinitionString": definition},
    }


def joined(definition):
    """As the CDK writes a definition that names other resources."""
    before, after = json.dumps({"Comment": "TOKEN", **definition}).split("TOKEN")
    return {"Fn::Join": ["", [before, {"Fn::GetAtt": ["Orders", "Arn"]}, after]]}


def test_sound_templates_pass_in_silence(assembly, capsys):
    assert main([assembly(Orders=QUEUE, Workflow=workflow(joined(FINE)))]) == 0
    assert capsys.readouterr().out == ""


def test_a_property_that_does_not_exist_is_found_with_its_construct(assembly, capsys):
    assert main([assembly(Orders={**QUEUE, "Properties": {"FifoQueu": True}})]) == 1
    line = capsys.readouterr().out
    assert line.startswith("stack.template.json: Orders (Stack/Orders/Resource): E3002: ")
    assert "FifoQueu" in line


def test_a_workflow_that_leads_nowhere_is_found_through_intrinsic_functions(assembly, capsys):
    assert main([assembly(Orders=QUEUE, Workflow=workflow(joined(LOST)))]) == 1
    assert "Workflow: ASL: Go" in capsys.readouterr().out


def test_an_alarm_that_does_not_say_where_to_look_is_found(assembly, capsys):
    alarm = {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": "It fails. First: look.",
            "ComparisonOperator": "GreaterThanThreshold",
            "EvaluationPeriods": 1,
        },
    }
    assert main([assembly(Alarm=alarm)]) == 1
    assert "Alarm: ALARM: the description must read" in capsys.readouterr().out


def test_a_failed_template_is_looked_at_again_and_a_passed_one_is_not(assembly, monkeypatch):
    path = assembly(Orders={**QUEUE, "Properties": {"FifoQueu": True}})
    assert main([path]) == main([path]) == 1
    path = assembly(Orders=QUEUE)
    assert main([path]) == 0
    monkeypatch.setattr("service_lint.templates._cfn_lint", lambda *_: pytest.fail("checked again"))
    assert main([path]) == 0


def test_what_the_cdk_s_own_validation_found_is_found(assembly, tmp_path, capsys):
    path = assembly(Orders=QUEUE)
    place = {"constructPath": "Stack/Orders/Resource"}
    violation = {"ruleName": "AwsSolutions-SQS3", "description": "no DLQ", "violatingConstructs": [place]}
    failed = {"pluginName": "AwsSolutions", "conclusion": "failure", "violations": [violation]}
    passed = {**failed, "conclusion": "success"}
    report = {"pluginReports": [failed, passed]}
    (tmp_path / "cdk.out" / "validation-report.json").write_text(json.dumps(report))
    assert main([path]) == 1
    assert capsys.readouterr().out == "Stack: Stack/Orders/Resource: AwsSolutions-SQS3: no DLQ\n"


def test_an_assembly_that_no_rule_has_seen_is_refused(assembly, tmp_path, capsys):
    path = assembly(Orders=QUEUE)
    (tmp_path / "cdk.out" / "validation-report.json").unlink()
    assert main([path]) == 2
    assert "synthesize it again without CDK_VALIDATION=false" in capsys.readouterr().err


def test_what_is_no_assembly_is_refused(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "is no cloud assembly" in capsys.readouterr().err


def test_usage_is_shown_when_nothing_is_given(capsys):
    assert main([]) == 2
    assert "usage:" in capsys.readouterr().err
