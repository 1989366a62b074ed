"""Everything these constructs build satisfies AwsSolutions, for every stage, with reasons where it cannot."""

import json

import pytest
from aws_cdk import Validations
from cdk_nag import AwsSolutionsChecks
from shared_constructs import ServiceApp, StageName


@pytest.mark.parametrize("stage", [stage.value for stage in StageName])
def test_the_constructs_satisfy_aws_solutions(service, stage, tmp_path, monkeypatch):
    monkeypatch.setenv("CDK_VALIDATION", "true")
    app = ServiceApp(service="order", stage=stage, outdir=str(tmp_path))
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    service(app)
    app.synth()  # raises, naming each finding


def test_every_pipe_may_use_all_that_it_is_connected_to(templates):
    """The local cloud checks no pipe's role."""
    resources = templates["commerce-local-order"]["Resources"].values()
    pipes = [each["Properties"] for each in resources if each["Type"] == "AWS::Pipes::Pipe"]
    assert len(pipes) == 2
    for pipe in pipes:
        (role,) = pipe["RoleArn"]["Fn::GetAtt"][:1]
        (policy,) = [
            each["Properties"]["PolicyDocument"]["Statement"]
            for each in resources
            if each["Type"] == "AWS::IAM::Policy" and {"Ref": role} in each["Properties"]["Roles"]
        ]
        granted = [json.dumps(each["Resource"]) for each in policy]
        stream = pipe["SourceParameters"].get("DynamoDBStreamParameters", {})
        connected = [
            *(pipe[end] for end in ("Source", "Enrichment", "Target") if end in pipe),
            *(each["Arn"] for each in [stream.get("DeadLetterConfig")] if each),
            pipe["LogConfiguration"]["CloudwatchLogsLogDestination"]["LogGroupArn"],
        ]
        assert sorted(json.dumps(each) for each in connected) == sorted(granted)
