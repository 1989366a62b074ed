"""What every account has before any service is deployed to it."""

import json
import re

import pytest
from commerce_platform.account.stack import build
from service_testing import masked, synthesize
from syrupy.extensions.json import JSONSnapshotExtension

STAGES = ("local", "dev", "staging", "prod")


@pytest.fixture(scope="module")
def accounts():
    return {stage: synthesize(build, service="platform", stage=stage) for stage in STAGES}


@pytest.fixture(scope="module", params=STAGES)
def stage(request):
    return request.param


@pytest.fixture(scope="module")
def data(accounts, stage):
    return accounts[stage][f"commerce-{stage}-platform-data"]["Resources"]


@pytest.fixture(scope="module")
def stateless(accounts, stage):
    return accounts[stage][f"commerce-{stage}-platform"]["Resources"]


def only(resources, resource_type):
    [resource] = [each for each in resources.values() if each["Type"] == resource_type]
    return resource


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_the_templates_change_only_when_it_is_meant(accounts, name, snapshot):
    for stack, template in accounts[name].items():
        assert masked(template) == snapshot(name=stack, extension_class=JSONSnapshotExtension)


def test_services_discover_everything_the_platform_promises(data, stateless, stage):
    published = {
        each["Properties"]["Name"]
        for each in (data | stateless).values()
        if each["Type"] == "AWS::SSM::Parameter"
    }
    assert published == {
        f"/commerce/{stage}/platform/{name}/v1"
        for name in (
            *("event-bus-arn", "event-bus-name", "schema-registry-name", "runtime-layer-arn"),
            *("user-pool-arn", "user-pool-id", "user-pool-client-id"),
            *(("alarm-topic-arn",) if stage in {"staging", "prod"} else ()),
        )
    }


def test_only_alarms_of_this_account_may_use_the_topic_and_it_outlives_its_stack(accounts):
    data = accounts["prod"]["commerce-prod-platform-data"]["Resources"]
    assert only(data, "AWS::SNS::Topic")["DeletionPolicy"] == "Retain"
    policy = only(data, "AWS::SNS::TopicPolicy")["Properties"]["PolicyDocument"]
    [allowed] = [each for each in policy["Statement"] if each["Effect"] == "Allow"]
    assert (allowed["Action"], allowed["Principal"]) == (
        "sns:Publish",
        {"Service": ["budgets.amazonaws.com", "cloudwatch.amazonaws.com"]},
    )
    assert allowed["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_every_event_of_the_services_can_be_replayed(data, stage):
    bus = only(data, "AWS::Events::EventBus")["Properties"]
    assert bus["Name"] == f"commerce-{stage}"
    archive = only(data, "AWS::Events::Archive")["Properties"]
    assert archive["EventPattern"] == {"source": [{"prefix": "commerce."}]}
    assert archive["RetentionDays"] == {"local": 1, "dev": 7, "staging": 14, "prod": 90}[stage]


def test_users_and_events_outlive_their_stack_where_they_are_real(data, stage):
    kept = "Retain" if stage in {"staging", "prod"} else "Delete"
    for resource_type in ("AWS::Cognito::UserPool", "AWS::Events::EventBus", "AWS::Events::Archive"):
        assert only(data, resource_type)["DeletionPolicy"] == kept
    pool = only(data, "AWS::Cognito::UserPool")["Properties"]
    assert pool["DeletionProtection"] == ("ACTIVE" if kept == "Retain" else "INACTIVE")


def test_the_client_has_no_secret_and_may_request_openid_only(data, stage):
    client = only(data, "AWS::Cognito::UserPoolClient")["Properties"]
    assert client["GenerateSecret"] is False
    assert set(client["ExplicitAuthFlows"]) == {
        "ALLOW_ADMIN_USER_PASSWORD_AUTH",
        "ALLOW_USER_SRP_AUTH",
        "ALLOW_REFRESH_TOKEN_AUTH",
    }
    if stage in {"local", "dev"}:
        assert client["AllowedOAuthScopes"] == ["openid"]
        assert client["AllowedOAuthFlows"] == ["code"]
    else:
        assert client["AllowedOAuthFlowsUserPoolClient"] is False
        assert "AllowedOAuthScopes" not in client


def test_scopes_are_decided_by_the_trigger_on_access_tokens(data):
    pool = only(data, "AWS::Cognito::UserPool")["Properties"]
    assert pool["UserPoolTier"] == "ESSENTIALS"
    assert pool["LambdaConfig"]["PreTokenGenerationConfig"]["LambdaVersion"] == "V2_0"
    server = only(data, "AWS::Cognito::UserPoolResourceServer")["Properties"]
    assert server["Identifier"] == "commerce"
    assert {scope["ScopeName"] for scope in server["Scopes"]} == {"shop", "operate"}
    assert only(data, "AWS::Cognito::UserPoolGroup")["Properties"]["GroupName"] == "operators"


def test_only_this_pool_may_invoke_the_trigger(data):
    permission = only(data, "AWS::Lambda::Permission")["Properties"]
    assert permission["Principal"] == "cognito-idp.amazonaws.com"
    [pool] = [name for name, each in data.items() if each["Type"] == "AWS::Cognito::UserPool"]
    assert permission["SourceArn"] == {"Fn::GetAtt": [pool, "Arn"]}


def test_versions_of_the_runtime_layer_stay_for_the_functions_that_use_them(stateless):
    assert only(stateless, "AWS::Lambda::LayerVersion")["DeletionPolicy"] == "Retain"


def test_api_gateway_may_write_logs_in_this_account(stateless):
    account = only(stateless, "AWS::ApiGateway::Account")
    assert account["DeletionPolicy"] == "Retain"
    role = only(stateless, "AWS::IAM::Role")
    assert role["DeletionPolicy"] == "Retain"
    assert "ManagedPolicyArns" not in role["Properties"]


def test_no_role_has_an_aws_managed_policy_or_a_wildcard_action(data, stateless):
    for resource in (data | stateless).values():
        text = json.dumps(resource)
        assert "ManagedPolicyArns" not in text
        assert not re.search(r'"[a-z-]+:\*"', text)


def test_every_event_can_be_searched_where_it_is_worth_its_price(data, stage):
    logs = [each for each in data.values() if each["Type"] == "AWS::Logs::LogGroup"]
    if stage in {"local", "dev"}:
        assert not any(each["Type"] == "AWS::Events::Rule" for each in data.values())
        return
    [group] = [
        each for each in logs if each["Properties"].get("LogGroupName") == f"/aws/events/commerce-{stage}"
    ]
    assert group["Properties"]["RetentionInDays"] == {"staging": 30, "prod": 90}[stage]
    rule = only(data, "AWS::Events::Rule")["Properties"]
    assert rule["EventPattern"] == {"source": [{"prefix": "commerce."}]}
    [target] = rule["Targets"]
    assert json.dumps(target["Arn"]).rstrip('"]}').endswith(f"log-group:/aws/events/commerce-{stage}")
    policy = only(data, "AWS::Logs::ResourcePolicy")["Properties"]["PolicyDocument"]
    assert "aws:SourceArn" in json.dumps(policy)


def test_who_hears_of_alarms_hears_of_money_before_it_is_spent(stateless, stage):
    budgets = [each["Properties"] for each in stateless.values() if each["Type"] == "AWS::Budgets::Budget"]
    if stage in {"local", "dev"}:
        assert budgets == []
        return
    [budget] = budgets
    assert budget["Budget"]["BudgetLimit"] == {"Amount": {"staging": 200, "prod": 1000}[stage], "Unit": "USD"}
    assert budget["Budget"]["CostFilters"] == {"TagKeyValue": [f"user:commerce:stage${stage}"]}
    told = budget["NotificationsWithSubscribers"]
    assert [
        (each["Notification"]["NotificationType"], each["Notification"]["Threshold"]) for each in told
    ] == [
        ("ACTUAL", 80),
        ("FORECASTED", 100),
    ]
    assert {each["Subscribers"][0]["SubscriptionType"] for each in told} == {"SNS"}
