"""Functions and workflows behind aliases, with CodeDeploy beside them: what is called is the version that was deployed."""

import json

SAY = """
def handler(event, context):
    return {{"statusCode": 200, "body": "{what} " + context.invoked_function_arn.rsplit(":", 1)[1]}}
"""
TELL = """
import boto3, json
def handler(event, context):
    boto3.client("sqs").send_message(QueueUrl="{url}", MessageBody="{what} " + event["Records"][0]["body"])
"""


def function(cloud, name, code):
    """A function, its version, named after its code as the CDK does, and its alias, which CodeDeploy shifts."""
    version = f"{name}Version{abs(hash(code))}"
    return {
        name: {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "python3.13",
                "Handler": "index.handler",
                "Role": cloud.role,
                "Code": {"ZipFile": code},
            },
        },
        version: {
            "Type": "AWS::Lambda::Version",
            "Properties": {"FunctionName": {"Ref": name}, "Description": "layer:1"},
        },
        f"{name}Alias": {
            "Type": "AWS::Lambda::Alias",
            "Properties": {
                "FunctionName": {"Ref": name},
                "FunctionVersion": {"Fn::GetAtt": [version, "Version"]},
                "Name": "live",
            },
            "UpdatePolicy": {
                "CodeDeployLambdaAliasUpdate": {
                    "ApplicationName": {"Ref": "Application"},
                    "DeploymentGroupName": {"Ref": f"{name}Group"},
                }
            },
        },
        f"{name}Group": {
            "Type": "AWS::CodeDeploy::DeploymentGroup",
            "Properties": {
                "ApplicationName": {"Ref": "Application"},
                "DeploymentConfigName": "CodeDeployDefault.LambdaCanary10Percent5Minutes",
                "ServiceRoleArn": cloud.role,
            },
        },
        "Application": {
            "Type": "AWS::CodeDeploy::Application",
            "Properties": {"ComputePlatform": "Lambda"},
        },
    }


def test_requests_and_messages_reach_the_version_behind_the_alias_after_each_deployment(cloud):
    work, told = cloud.queue("work"), cloud.queue("told")

    def deploy(what):
        resources = {
            **function(cloud, "Say", SAY.format(what=what)),
            **function(cloud, "Tell", TELL.format(what=what, url=told.url)),
            "Mapping": {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {
                    "EventSourceArn": work.arn,
                    # As the CDK writes the name of an alias: the name of its function and its own.
                    "FunctionName": {
                        "Fn::Join": [
                            ":",
                            [
                                {"Fn::Select": [6, {"Fn::Split": [":", {"Ref": "TellAlias"}]}]},
                                "live",
                            ],
                        ]
                    },
                },
            },
        }
        return cloud.deploy(resources, Outputs={"Alias": {"Value": {"Ref": "SayAlias"}}})["Alias"]

    functions = cloud.client("lambda")
    for what in ("first", "second"):
        alias = deploy(what)
        answer = json.loads(functions.invoke(FunctionName=alias)["Payload"].read())
        assert answer["body"] == f"{what} live"
        cloud.client("sqs").send_message(QueueUrl=work.url, MessageBody="message")
        assert told.receive() == [f"{what} message"]
    versions = functions.list_versions_by_function(FunctionName=alias.rpartition(":")[0])["Versions"]
    assert [each["Version"] for each in versions] == ["$LATEST", "2"]


def test_a_synchronous_execution_of_an_alias_runs_the_version_that_was_deployed(cloud):
    def deploy(result):
        definition = {
            "QueryLanguage": "JSONata",
            "StartAt": "Say",
            "States": {"Say": {"Type": "Pass", "Output": result, "End": True}},
        }
        resources = {
            "Machine": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {
                    "RoleArn": cloud.role,
                    "StateMachineType": "EXPRESS",
                    "DefinitionString": json.dumps(definition),
                },
            },
            "Version": {
                "Type": "AWS::StepFunctions::StateMachineVersion",
                "UpdateReplacePolicy": "Retain",
                "DeletionPolicy": "Delete",
                "Properties": {
                    "StateMachineArn": {"Ref": "Machine"},
                    "StateMachineRevisionId": {"Fn::GetAtt": ["Machine", "StateMachineRevisionId"]},
                },
            },
            "Alias": {
                "Type": "AWS::StepFunctions::StateMachineAlias",
                "Properties": {
                    "Name": "live",
                    "DeploymentPreference": {
                        "StateMachineVersionArn": {"Ref": "Version"},
                        "Type": "CANARY",
                        "Percentage": 10,
                        "Interval": 5,
                        "Alarms": ["any"],
                    },
                },
            },
        }
        return cloud.deploy(resources, Outputs={"Alias": {"Value": {"Ref": "Alias"}}})["Alias"]

    machines = cloud.client("stepfunctions")
    for result in ("first", "second"):
        alias = deploy(result)
        assert json.loads(machines.start_sync_execution(stateMachineArn=alias)["output"]) == result
    assert alias.endswith(":live")
