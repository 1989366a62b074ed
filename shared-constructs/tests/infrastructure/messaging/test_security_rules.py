"""Everything these constructs build satisfies AwsSolutions, for every stage, with reasons where it cannot."""

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
