"""A new version of the CDK brings flags; each is decided before it changes anything."""

import json
import tarfile
from importlib.resources import files

import pytest
from service_testing import synthesize
from shared_constructs import ServiceApp, ServiceStack, StackKind
from shared_constructs.direct_api import DirectApi, Scopes, SendToQueue
from shared_constructs.feature_flags import _OURS, FEATURE_FLAGS


@pytest.fixture(scope="module")
def recommended():
    """What `cdk init` of the installed library would write into a new app."""
    (packed,) = [each for each in files("aws_cdk._jsii").iterdir() if each.name.startswith("aws-cdk-lib@")]
    with tarfile.open(str(packed)) as archive:
        return json.load(archive.extractfile("package/recommended-feature-flags.json"))


def test_every_flag_that_the_cdk_recommends_is_decided(recommended):
    assert set(FEATURE_FLAGS) == set(recommended)


def test_what_is_not_as_recommended_is_said_to_be_ours(recommended):
    assert {name for name, value in FEATURE_FLAGS.items() if value != recommended[name]} == set(_OURS)


def test_an_app_has_them_unless_its_context_says_otherwise():
    flag = "@aws-cdk/aws-apigateway:authorizerChangeDeploymentLogicalId"
    assert ServiceApp(service="things").node.try_get_context(flag) is True
    assert ServiceApp(service="things", context={flag: False}).node.try_get_context(flag) is False


def test_another_user_pool_is_another_deployment_of_the_api():
    from aws_cdk.aws_cognito import UserPool
    from aws_cdk.aws_sqs import Queue

    def deployment(pool):
        def build(app):
            stack = ServiceStack(app, kind=StackKind.STATELESS)
            arn = f"arn:aws:cognito-idp:eu-west-1:123456789012:userpool/{pool}"
            api = DirectApi(
                stack,
                "Api",
                description="Things",
                user_pools=[UserPool.from_user_pool_arn(stack, "Pool", arn)],
            )
            send = SendToQueue(queue=Queue(stack, "Queue"))
            api.route("POST", "/things", send, auth=Scopes("commerce/shop"))

        resources = synthesize(build, service="things", stage="prod")["commerce-prod-things"]["Resources"]
        return [name for name, each in resources.items() if each["Type"] == "AWS::ApiGateway::Deployment"]

    assert deployment("eu-west-1_one") != deployment("eu-west-1_two")
