"""What every account has before any service is deployed to it."""

import json
import re
from pathlib import Path

import pytest
from commerce_platform.account.stack import build
from commerce_platform.settings import PlatformSettings
from service_testing import masked, synthesize
from shared_constructs import StageError
from syrupy.extensions.json import JSONSnapshotExtension

STAGES = ("local", "dev", "staging", "prod")


CONTEXT = json.loads((Path(__file__).parents[3] / "cdk.json").read_text())["context"]
"""What the platform itself is synthesized with."""


def synthesized(stage, **settings):
    stages = {**CONTEXT["stages"], stage: {**CONTEXT["stages"].get(stage, {}), **settings}}
    return synthesize(
        build, service="platform", settings=PlatformSettings, stage=stage, context={"stages": stages}
    )


@pytest.fixture(scope="module")
def accounts():
    return {stage: synthesized(stage) for stage in STAGES}


@pytest.fixture(scope="module", params=STAGES)
def stage(request):
    return request.param


@pytest.fixture(scope="module")
def data(accounts, stage):
    return accounts[stage][f"commerce-{stage}-platform-data"]["Resources"]


@pytest.fixture(scope="module")
def stateless(accounts, stage):
    return accounts[stage][f"commerce-{stage}-platform"]["Resources"]


def pools(data):
    """Both user pools, by who is in them."""
    found = {name: each for name, each in data.items() if each["Type"] == "AWS::Cognito::UserPool"}
    assert len(found) == 2
    return {"operators" if "Operators" in name else "customers": each for name, each in found.items()}


def of_pool(data, who, resource_type):
    """The properties of what belongs to one of the user pools."""
    [found] = [
        each["Properties"]
        for each in data.values()
        if each["Type"] == resource_type and data[each["Properties"]["UserPoolId"]["Ref"]] is pools(data)[who]
    ]
    return found


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
            *(
                "event-bus-arn",
                "event-bus-name",
                "event-log-name",
                "schema-registry-name",
                "runtime-layer-arn",
            ),
            *("user-pool-arn", "user-pool-id", "user-pool-client-id"),
            *("operator-pool-arn", "operator-pool-id", "operator-pool-client-id"),
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
    for resource_type in ("AWS::Events::EventBus", "AWS::Events::Archive"):
        assert only(data, resource_type)["DeletionPolicy"] == kept
    for pool in pools(data).values():
        assert pool["DeletionPolicy"] == kept
        assert pool["Properties"]["DeletionProtection"] == ("ACTIVE" if kept == "Retain" else "INACTIVE")


@pytest.mark.parametrize("who", ["customers", "operators"])
def test_a_client_has_no_secret_and_may_request_openid_and_an_address_only(data, stage, who):
    client = of_pool(data, who, "AWS::Cognito::UserPoolClient")
    assert client["GenerateSecret"] is False
    assert client["ReadAttributes"] == ["email", "email_verified"]
    assert client["WriteAttributes"] == ["email"]
    if who == "customers" and stage in {"local", "dev"}:
        assert client["AllowedOAuthScopes"] == ["openid"]
        assert client["AllowedOAuthFlows"] == ["code"]
    else:
        assert client["AllowedOAuthFlowsUserPoolClient"] is False
        assert "AllowedOAuthScopes" not in client


@pytest.mark.parametrize("who", ["customers", "operators"])
def test_in_production_not_even_somebody_with_credentials_of_the_account_signs_users_in(data, stage, who):
    flows = set(of_pool(data, who, "AWS::Cognito::UserPoolClient")["ExplicitAuthFlows"])
    by_password = set() if stage == "prod" else {"ALLOW_ADMIN_USER_PASSWORD_AUTH"}
    assert flows == {"ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"} | by_password


@pytest.mark.parametrize(("who", "scope"), [("customers", "shop"), ("operators", "operate")])
def test_scopes_are_decided_by_the_pools_own_trigger_on_access_tokens(data, who, scope):
    pool = pools(data)[who]["Properties"]
    assert pool["UserPoolTier"] == "ESSENTIALS"
    trigger = pool["LambdaConfig"]["PreTokenGenerationConfig"]
    assert trigger["LambdaVersion"] == "V2_0"
    alias = data[trigger["LambdaArn"]["Ref"]]["Properties"]
    function = data[alias["FunctionName"]["Ref"]]["Properties"]
    assert function["Handler"].endswith(f".customize_{who}_token")
    server = of_pool(data, who, "AWS::Cognito::UserPoolResourceServer")
    assert server["Identifier"] == "commerce"
    assert [each["ScopeName"] for each in server["Scopes"]] == [scope]


def test_only_its_own_pool_may_invoke_a_trigger(data):
    permissions = [each["Properties"] for each in data.values() if each["Type"] == "AWS::Lambda::Permission"]
    allowed = {each["SourceArn"]["Fn::GetAtt"][0]: each["FunctionName"] for each in permissions}
    for permission in permissions:
        assert permission["Principal"] == "cognito-idp.amazonaws.com"
    assert allowed == {
        name: each["Properties"]["LambdaConfig"]["PreTokenGenerationConfig"]["LambdaArn"]
        for name, each in data.items()
        if each["Type"] == "AWS::Cognito::UserPool"
    }


def test_nobody_becomes_an_operator_uninvited_or_without_a_second_factor(data):
    pool = pools(data)["operators"]["Properties"]
    assert pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True
    assert (pool["MfaConfiguration"], pool["EnabledMfas"]) == ("ON", ["SOFTWARE_TOKEN_MFA"])
    policy = pool["Policies"]["PasswordPolicy"]
    assert (policy["MinimumLength"], policy["PasswordHistorySize"]) == (16, 5)
    assert not any(each["Type"] == "AWS::Cognito::UserPoolGroup" for each in data.values())


def test_mail_is_sent_by_ses_from_the_identity_that_the_account_has_verified():
    for settings, identity in (
        ({}, "crumb.bakery"),
        ({"mail_identity": "shop@crumb.bakery"}, "shop@crumb.bakery"),
    ):
        stacks = synthesized("prod", mail_sender="Crumb <shop@crumb.bakery>", **settings)
        for pool in pools(stacks["commerce-prod-platform-data"]["Resources"]).values():
            mail = pool["Properties"]["EmailConfiguration"]
            assert (mail["EmailSendingAccount"], mail["From"]) == ("DEVELOPER", "Crumb <shop@crumb.bakery>")
            assert mail["SourceArn"]["Fn::Join"][1][-1] == f":identity/{identity}"
            assert {"Ref": "AWS::AccountId"} in mail["SourceArn"]["Fn::Join"][1]


def test_production_without_a_sender_is_refused_and_what_to_set_is_said():
    with pytest.raises(
        RuntimeError, match=r"prod needs a mail sender.*set mail_sender of context\.stages\.prod"
    ):
        synthesized("prod", mail_sender=None)


def test_urls_to_return_to_need_a_page_that_does():
    with pytest.raises(RuntimeError, match=r"prod has sign_in_urls.*set sign_in_domain"):
        synthesized("prod", sign_in_urls=["https://crumb.bakery/"])
    with pytest.raises(StageError, match="operator_sign_in_urls need operator_sign_in_domain"):
        synthesized("prod", operator_sign_in_urls=["https://staff.crumb.bakery/"])
    with pytest.raises(StageError, match="sign_in_certificate_arn belongs to a host name"):
        synthesized("prod", sign_in_domain="login.crumb.bakery")


def test_the_page_is_at_a_prefix_of_the_account_or_at_a_host_name_of_ones_own(accounts):
    dev = accounts["dev"]["commerce-dev-platform-data"]["Resources"]
    assert only(dev, "AWS::Cognito::UserPoolDomain")["Properties"]["Domain"] == {
        "Fn::Join": ["", ["commerce-dev-", {"Ref": "AWS::AccountId"}]]
    }
    certificate = "arn:aws:acm:us-east-1:123456789012:certificate/x"
    stacks = synthesized(
        "prod",
        sign_in_urls=["https://crumb.bakery/"],
        sign_in_domain="login.crumb.bakery",
        sign_in_certificate_arn=certificate,
        operator_sign_in_urls=["https://staff.crumb.bakery/"],
        operator_sign_in_domain="crumb-staff",
    )
    data = stacks["commerce-prod-platform-data"]["Resources"]
    page = of_pool(data, "customers", "AWS::Cognito::UserPoolDomain")
    assert (page["Domain"], page["CustomDomainConfig"]) == (
        "login.crumb.bakery",
        {"CertificateArn": certificate},
    )
    assert "crumb-staff-" in str(of_pool(data, "operators", "AWS::Cognito::UserPoolDomain")["Domain"])
    client = of_pool(data, "operators", "AWS::Cognito::UserPoolClient")
    assert client["CallbackURLs"] == ["https://staff.crumb.bakery/"]


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


def test_every_event_can_be_searched_and_counted(data, stage):
    logs = [each for each in data.values() if each["Type"] == "AWS::Logs::LogGroup"]
    [group] = [
        each for each in logs if each["Properties"].get("LogGroupName") == f"/aws/events/commerce-{stage}"
    ]
    assert group["Properties"]["RetentionInDays"] == {"local": 1, "dev": 7, "staging": 30, "prod": 90}[stage]
    rule = only(data, "AWS::Events::Rule")["Properties"]
    assert rule["EventPattern"] == {"source": [{"prefix": "commerce."}]}
    [target] = rule["Targets"]
    assert json.dumps(target["Arn"]).rstrip('"]}').endswith(f"log-group:/aws/events/commerce-{stage}")
    policy = only(data, "AWS::Logs::ResourcePolicy")["Properties"]["PolicyDocument"]
    assert "aws:SourceArn" in json.dumps(policy)


def test_the_platform_shows_what_services_share(stateless, stage):
    board = only(stateless, "AWS::CloudWatch::Dashboard")["Properties"]
    assert board["DashboardName"].startswith(f"commerce-{stage}-platform")
    parts = board["DashboardBody"]["Fn::Join"][1]
    widgets = json.loads("".join(part if isinstance(part, str) else "eu-west-1" for part in parts))["widgets"]
    shown = str(widgets)
    for what in (f'EventBusName="commerce-{stage}"', "AWS/Cognito", "AWS/States", "AWS/Lambda", "AWS/Logs"):
        assert what in shown
    assert all(each["x"] + each["width"] <= 24 for each in widgets)


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
