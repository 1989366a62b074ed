"""Types that CloudFormation of the emulator lacks: each is real afterwards, or inert and named as such."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from dataclasses import replace

import pytest
from botocore.exceptions import ClientError
from commerce_platform.local_cloud.extension import cloudformation

QUEUE_API = {
    "Queue": {"Type": "AWS::SQS::Queue"},
    "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "api"}},
    "Orders": {
        "Type": "AWS::ApiGateway::Resource",
        "Properties": {
            "RestApiId": {"Ref": "Api"},
            "ParentId": {"Fn::GetAtt": ["Api", "RootResourceId"]},
            "PathPart": "orders",
        },
    },
    "Model": {
        "Type": "AWS::ApiGateway::Model",
        "Properties": {
            "RestApiId": {"Ref": "Api"},
            "ContentType": "application/json",
            "Name": "Order",
            "Schema": {"type": "object", "required": ["sku"]},
        },
    },
    "Validator": {
        "Type": "AWS::ApiGateway::RequestValidator",
        "Properties": {"RestApiId": {"Ref": "Api"}, "ValidateRequestBody": True},
    },
    "Method": {
        "Type": "AWS::ApiGateway::Method",
        "Properties": {
            "RestApiId": {"Ref": "Api"},
            "ResourceId": {"Ref": "Orders"},
            "HttpMethod": "POST",
            "AuthorizationType": "NONE",
            "RequestModels": {"application/json": {"Ref": "Model"}},
            "RequestValidatorId": {"Ref": "Validator"},
            "MethodResponses": [{"StatusCode": "200"}],
            "Integration": {
                "Type": "MOCK",
                "RequestTemplates": {"application/json": '{"statusCode": 200}'},
                "IntegrationResponses": [{"StatusCode": "200"}],
            },
        },
    },
    "Deployment": {
        "Type": "AWS::ApiGateway::Deployment",
        "DependsOn": "Method",
        "Properties": {"RestApiId": {"Ref": "Api"}},
    },
    "Stage": {
        "Type": "AWS::ApiGateway::Stage",
        "Properties": {"RestApiId": {"Ref": "Api"}, "DeploymentId": {"Ref": "Deployment"}, "StageName": "v1"},
    },
}


def status_of(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - loopback
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_a_request_validator_validates(endpoint, cloud):
    # A bearer-less request resolves in the server's default account.
    cloud = replace(cloud, account="111111111111")
    outputs = cloud.deploy(QUEUE_API, stack="validated", Outputs={"ApiId": {"Value": {"Ref": "Api"}}})
    url = f"{endpoint}/_aws/execute-api/{outputs['ApiId']}/v1/orders"

    assert (status_of(url, {"sku": "A"}), status_of(url, {})) == (200, 400)

    without = json.loads(json.dumps(QUEUE_API))
    without["Validator"]["Properties"]["ValidateRequestBody"] = False
    cloud.deploy(without, stack="validated", Outputs={"ApiId": {"Value": {"Ref": "Api"}}})
    assert status_of(url, {}) == 200


def test_an_apis_address_in_a_parameter_is_one_that_answers(public_cloud):
    host = [
        "https://",
        {"Ref": "Api"},
        ".execute-api.",
        {"Ref": "AWS::Region"},
        ".",
        {"Ref": "AWS::URLSuffix"},
    ]
    published = {
        "Address": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {
                "Name": "/commerce/local/thing/api-url/v1",
                "Type": "String",
                "Value": {"Fn::Join": ["", [*host, "/", {"Ref": "Stage"}, "/"]]},
                "AllowedPattern": r"^https?://\S+$",
            },
        }
    }

    def address():
        found = public_cloud.client("ssm").get_parameter(Name="/commerce/local/thing/api-url/v1")
        return found["Parameter"]["Value"]

    public_cloud.deploy(QUEUE_API | published, stack="published")
    assert status_of(f"{address()}orders", {"sku": "A"}) == 200

    moved = json.loads(json.dumps(published))
    moved["Address"]["Properties"]["Value"]["Fn::Join"][1].append("orders")
    public_cloud.deploy(QUEUE_API | moved, stack="published")
    assert status_of(address(), {"sku": "A"}) == 200


def test_an_archive_keeps_the_events_of_its_bus(cloud):
    archived = {
        "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "bus"}},
        "Archive": {
            "Type": "AWS::Events::Archive",
            "Properties": {
                "SourceArn": {"Fn::GetAtt": ["Bus", "Arn"]},
                "EventPattern": {"source": ["commerce.order"]},
                "RetentionDays": 30,
            },
        },
    }
    outputs = cloud.deploy(archived, Outputs={"Name": {"Value": {"Ref": "Archive"}}})
    events = cloud.client("events")
    for source in ("commerce.order", "commerce.other"):
        events.put_events(
            Entries=[{"EventBusName": "bus", "Source": source, "DetailType": "Fact.v1", "Detail": "{}"}]
        )

    found = events.describe_archive(ArchiveName=outputs["Name"])
    assert (found["EventCount"], found["RetentionDays"]) == (1, 30)

    archived["Archive"]["Properties"]["RetentionDays"] = 7
    cloud.deploy(archived, Outputs={"Name": {"Value": {"Ref": "Archive"}}})
    assert events.describe_archive(ArchiveName=outputs["Name"])["RetentionDays"] == 7

    cloud.client("cloudformation").delete_stack(StackName="stack")
    assert events.list_archives()["Archives"] == []


def test_an_alias_runs_the_version_it_names(cloud):
    def machine(result, description):
        definition = {"StartAt": "Say", "States": {"Say": {"Type": "Pass", "Result": result, "End": True}}}
        return {
            "Machine": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {"RoleArn": cloud.role, "DefinitionString": json.dumps(definition)},
            },
            "Version": {
                "Type": "AWS::StepFunctions::StateMachineVersion",
                "Properties": {"StateMachineArn": {"Ref": "Machine"}, "Description": description},
            },
            "Alias": {
                "Type": "AWS::StepFunctions::StateMachineAlias",
                "Properties": {
                    "Name": "live",
                    "RoutingConfiguration": [{"StateMachineVersionArn": {"Ref": "Version"}, "Weight": 100}],
                },
            },
        }

    outputs = cloud.deploy(machine("one", "first"), Outputs={"Alias": {"Value": {"Ref": "Alias"}}})
    assert json.loads(cloud.execute(outputs["Alias"])["output"]) == "one"
    assert cloud.deploy(machine("two", "second"), Outputs={"Alias": {"Value": {"Ref": "Alias"}}}) == outputs
    assert json.loads(cloud.execute(outputs["Alias"])["output"]) == "two"


def test_a_functions_reserved_concurrency_reaches_it_and_leaves_it(cloud):
    properties = {
        "FunctionName": "limited",
        "Runtime": "python3.13",
        "Handler": "index.handler",
        "Role": cloud.role,
        "Code": {"ZipFile": "def handler(event, context): return 1"},
    }
    lambda_ = cloud.client("lambda")
    limited = properties | {"ReservedConcurrentExecutions": 3}
    cloud.deploy({"Function": {"Type": "AWS::Lambda::Function", "Properties": limited}})
    assert lambda_.get_function_concurrency(FunctionName="limited")["ReservedConcurrentExecutions"] == 3

    cloud.deploy({"Function": {"Type": "AWS::Lambda::Function", "Properties": properties}})
    assert not lambda_.get_function_concurrency(FunctionName="limited").get("ReservedConcurrentExecutions")


def test_every_inert_type_deploys_updates_and_is_deleted(cloud):
    def resources(value):
        return {
            f"R{index}": {"Type": name, "Properties": {"Anything": value}}
            for index, name in enumerate(cloudformation.INERT)
        }

    cloud.deploy(resources("a"))
    cloud.deploy(resources("b"))
    cloud.client("cloudformation").delete_stack(StackName="stack")


def test_an_alarm_on_metric_math_exists_and_watches_nothing(cloud):
    def alarm(**watched):
        threshold = {"ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1, "Threshold": 0}
        return {"Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": threshold | watched}}

    def watching():
        return [each["MetricName"] for each in cloud.client("cloudwatch").describe_alarms()["MetricAlarms"]]

    math = alarm(Metrics=[{"Id": "m", "Expression": "1"}])
    plain = alarm(MetricName="Errors", Namespace="AWS/Lambda", Statistic="Sum", Period=60)
    cloud.deploy(math)
    assert watching() == []
    cloud.deploy(plain)
    assert watching() == ["Errors"]
    cloud.deploy(math)
    assert watching() == []
    cloud.client("cloudformation").delete_stack(StackName="stack")


def test_an_unknown_type_is_refused_by_name(cloud):
    with pytest.raises(ClientError, match="AWS::Nobody::Knows"):
        cloud.deploy({"Unknown": {"Type": "AWS::Nobody::Knows"}})


def test_parameters_of_type_ssm_imports_and_conditions_resolve(cloud):
    cloud.client("ssm").put_parameter(Name="/commerce/local/platform/x/v1", Value="found", Type="String")
    cloud.deploy(
        {"Queue": {"Type": "AWS::SQS::Queue"}},
        stack="exporting",
        Outputs={"Arn": {"Value": {"Fn::GetAtt": ["Queue", "Arn"]}, "Export": {"Name": "the-queue"}}},
    )
    outputs = cloud.deploy(
        {
            "Copy": {
                "Type": "AWS::SSM::Parameter",
                "Properties": {"Type": "String", "Value": {"Fn::ImportValue": "the-queue"}},
            }
        },
        stack="importing",
        Parameters={
            "Found": {
                "Type": "AWS::SSM::Parameter::Value<String>",
                "Default": "/commerce/local/platform/x/v1",
            }
        },
        Outputs={"Found": {"Value": {"Ref": "Found"}}, "Copy": {"Value": {"Fn::GetAtt": ["Copy", "Value"]}}},
    )
    assert outputs["Found"] == "found"
    assert outputs["Copy"].startswith("arn:aws:sqs:")


def test_a_pre_token_generation_trigger_decides_the_scopes_of_an_access_token(cloud):
    code = """
def handler(event, context):
    scopes = {"scopesToAdd": ["commerce/operate"], "scopesToSuppress": ["aws.cognito.signin.user.admin"]}
    event["response"] = {"claimsAndScopeOverrideDetails": {"accessTokenGeneration": scopes}}
    return event
"""
    outputs = cloud.deploy(
        {
            "Trigger": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Runtime": "python3.13",
                    "Handler": "index.handler",
                    "Role": cloud.role,
                    "Code": {"ZipFile": code},
                },
            },
            "Pool": {
                "Type": "AWS::Cognito::UserPool",
                "Properties": {
                    "UserPoolTier": "ESSENTIALS",
                    "LambdaConfig": {
                        "PreTokenGenerationConfig": {
                            "LambdaArn": {"Fn::GetAtt": ["Trigger", "Arn"]},
                            "LambdaVersion": "V2_0",
                        }
                    },
                },
            },
            "Scopes": {
                "Type": "AWS::Cognito::UserPoolResourceServer",
                "Properties": {
                    "UserPoolId": {"Ref": "Pool"},
                    "Identifier": "commerce",
                    "Name": "commerce",
                    "Scopes": [{"ScopeName": "operate", "ScopeDescription": "operate"}],
                },
            },
            "Operators": {
                "Type": "AWS::Cognito::UserPoolGroup",
                "Properties": {"UserPoolId": {"Ref": "Pool"}, "GroupName": "operators"},
            },
            "Client": {
                "Type": "AWS::Cognito::UserPoolClient",
                "Properties": {
                    "UserPoolId": {"Ref": "Pool"},
                    "ExplicitAuthFlows": ["ALLOW_ADMIN_USER_PASSWORD_AUTH"],
                },
            },
        },
        Outputs={"Pool": {"Value": {"Ref": "Pool"}}, "Client": {"Value": {"Ref": "Client"}}},
    )
    cognito, pool = cloud.client("cognito-idp"), outputs["Pool"]
    cognito.admin_create_user(UserPoolId=pool, Username="alice")
    cognito.admin_set_user_password(UserPoolId=pool, Username="alice", Password="Secret-1234", Permanent=True)
    cognito.admin_add_user_to_group(UserPoolId=pool, Username="alice", GroupName="operators")
    answer = cognito.admin_initiate_auth(
        UserPoolId=pool,
        ClientId=outputs["Client"],
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "alice", "PASSWORD": "Secret-1234"},
    )
    payload = answer["AuthenticationResult"]["AccessToken"].split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    assert (claims["scope"], claims["cognito:groups"]) == ("commerce/operate", ["operators"])
