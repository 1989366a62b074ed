"""Events, APIs and users across the accounts of one local cloud."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import requests

from .conftest import REGION, Cloud, _accounts

EVENT = {"Source": "commerce.order", "DetailType": "OrderConfirmed.v1", "Detail": '{"n": 1}'}
SILENCE_SECONDS = 0.3
"""Long enough for an event that was delivered to be in the queue; delivery is synchronous here."""


@pytest.fixture
def other(endpoint: str) -> Cloud:
    return Cloud(endpoint=endpoint, account=str(next(_accounts)))


@pytest.fixture
def third(endpoint: str) -> Cloud:
    return Cloud(endpoint=endpoint, account=str(next(_accounts)))


def policy(bus: str, sender: str, *, source: str, detail_types: list[str]) -> dict[str, Any]:
    """What the account stack makes: who may put which events on this bus."""
    return {
        "Type": "AWS::Events::EventBusPolicy",
        "Properties": {
            "EventBusName": bus,
            "StatementId": f"cdk-{sender}",
            "Statement": {
                "Sid": f"cdk-{sender}",
                "Effect": "Allow",
                "Action": "events:PutEvents",
                "Principal": {"AWS": f"arn:aws:iam::{sender}:root"},
                "Resource": {
                    "Fn::Sub": f"arn:aws:events:${{AWS::Region}}:${{AWS::AccountId}}:event-bus/{bus}"
                },
                "Condition": {"StringEquals": {"events:source": source, "events:detail-type": detail_types}},
            },
        },
    }


def receiver(cloud: Cloud, sender: Cloud | None, *, source: str = "commerce.order"):
    """A bus that takes a sender's confirmed orders, and a queue of what arrives on it; and the bus's ARN."""
    arn = cloud.bus()
    heard = cloud.queue("heard")
    cloud.rule_to(heard, {"source": [{"prefix": "commerce."}]}, bus="bus")
    if sender:
        allowed = policy("bus", sender.account, source=source, detail_types=["OrderConfirmed.v1"])
        cloud.deploy({"Policy": allowed})
    return heard, arn


def forward(cloud: Cloud, bus_arn: str, *, bus: str = "bus", **target: Any) -> None:
    """A rule on a bus of this account whose target is another bus."""
    events = cloud.client("events")
    events.put_rule(Name="forward", EventBusName=bus, EventPattern='{"source": [{"prefix": "commerce."}]}')
    forwarded = {"Id": "bus", "Arn": bus_arn, "RoleArn": cloud.role} | target
    events.put_targets(Rule="forward", EventBusName=bus, Targets=[forwarded])


def put(cloud: Cloud, bus: str = "bus", **changes: str) -> dict[str, Any]:
    [result] = cloud.client("events").put_events(Entries=[{"EventBusName": bus, **EVENT, **changes}])[
        "Entries"
    ]
    return result


def silent(queue: Any) -> bool:
    time.sleep(SILENCE_SECONDS)
    return queue.depth() == {"visible": 0, "in_flight": 0}


def test_an_event_is_forwarded_to_the_bus_of_another_account_as_it_was(cloud, other):
    heard, arn = receiver(other, cloud)
    cloud.bus()
    forward(cloud, arn)
    put(cloud)
    [event] = heard.receive()
    assert (event["account"], event["region"], event["detail"]) == (cloud.account, REGION, {"n": 1})
    assert (event["source"], event["detail-type"]) == ("commerce.order", "OrderConfirmed.v1")


@pytest.mark.parametrize(
    "refused",
    [{"Source": "commerce.cart"}, {"DetailType": "OrderCancelled.v1"}],
    ids=["source", "detail type"],
)
def test_what_the_policy_of_the_other_bus_does_not_allow_goes_to_the_dead_letter_queue(cloud, other, refused):
    heard, arn = receiver(other, cloud)
    dlq = cloud.queue("dlq")
    cloud.bus()
    forward(cloud, arn, DeadLetterConfig={"Arn": dlq.arn})
    put(cloud, **refused)
    answer = cloud.client("sqs").receive_message(QueueUrl=dlq.url, MessageAttributeNames=["All"])
    [message] = answer["Messages"]
    assert message["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"
    assert json.loads(message["Body"])["detail"] == {"n": 1}
    assert silent(heard)


def test_an_account_that_the_policy_does_not_name_is_not_heard(cloud, other, third):
    heard, arn = receiver(other, cloud)
    third.bus()
    forward(third, arn)
    put(third)
    assert put(third, bus=arn)["ErrorCode"] == "AccessDeniedException"
    assert silent(heard)


def test_an_event_from_another_bus_is_not_passed_on_to_a_third(cloud, other, third):
    last, last_arn = receiver(third, other)
    between, between_arn = receiver(other, cloud)
    forward(other, last_arn)
    cloud.bus()
    forward(cloud, between_arn)
    put(cloud)
    assert len(between.receive()) == 1
    assert silent(last)
    put(other)
    assert len(last.receive()) == 1


def test_events_are_put_on_the_bus_of_another_account_by_its_arn(cloud, other):
    heard, arn = receiver(other, cloud)
    answer = cloud.client("events").put_events(
        Entries=[
            {"EventBusName": arn, **EVENT},
            {"EventBusName": arn, **EVENT, "Source": "commerce.cart"},
            {"EventBusName": f"{arn}-gone", **EVENT},
            {"EventBusName": "default", **EVENT},
        ]
    )
    codes = [result.get("ErrorCode") for result in answer["Entries"]]
    assert codes == [None, "AccessDeniedException", "ResourceNotFoundException", None]
    assert answer["FailedEntryCount"] == 2
    [event] = heard.receive()
    assert (event["account"], event["source"]) == (cloud.account, "commerce.order")


def test_a_bus_listens_no_longer_to_whom_its_policy_has_dropped(cloud, other):
    heard, arn = receiver(other, cloud)
    assert "ErrorCode" not in put(cloud, bus=arn)
    heard.receive()
    narrower = policy("bus", cloud.account, source="commerce.payment", detail_types=["OrderConfirmed.v1"])
    other.deploy({"Policy": narrower})
    assert put(cloud, bus=arn)["ErrorCode"] == "AccessDeniedException"
    assert "ErrorCode" not in put(cloud, bus=arn, Source="commerce.payment")
    heard.receive()
    other.deploy({"Other": {"Type": "AWS::SNS::Topic", "Properties": {}}})
    assert put(cloud, bus=arn, Source="commerce.payment")["ErrorCode"] == "AccessDeniedException"


# --- APIs and users -----------------------------------------------------------------------------------------------------

MOCK = {
    "Type": "MOCK",
    "RequestTemplates": {"application/json": '{"statusCode": 200}'},
    "IntegrationResponses": [
        {"StatusCode": "200", "ResponseTemplates": {"application/json": '{"account":"$context.accountId"}'}}
    ],
}


def open_api(cloud: Cloud, pool_arn: str) -> str:
    """An API of an account with one public and one guarded route; its URL."""

    def route(path: str, **options: Any) -> dict[str, Any]:
        return {
            "Type": "AWS::ApiGateway::Method",
            "Properties": {
                "RestApiId": {"Ref": "Api"},
                "ResourceId": {"Ref": path},
                "HttpMethod": "GET",
                "AuthorizationType": "NONE",
                "Integration": MOCK,
                "MethodResponses": [{"StatusCode": "200"}],
                **options,
            },
        }

    def part(segment: str) -> dict[str, Any]:
        parent = {"Fn::GetAtt": ["Api", "RootResourceId"]}
        properties = {"RestApiId": {"Ref": "Api"}, "ParentId": parent, "PathPart": segment}
        return {"Type": "AWS::ApiGateway::Resource", "Properties": properties}

    resources = {
        "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "api"}},
        "Public": part("public"),
        "Guarded": part("guarded"),
        "Authorizer": {
            "Type": "AWS::ApiGateway::Authorizer",
            "Properties": {
                "RestApiId": {"Ref": "Api"},
                "Name": "users",
                "Type": "COGNITO_USER_POOLS",
                "IdentitySource": "method.request.header.Authorization",
                "ProviderARNs": [pool_arn],
            },
        },
        "GetPublic": route("Public"),
        "GetGuarded": route(
            "Guarded", AuthorizationType="COGNITO_USER_POOLS", AuthorizerId={"Ref": "Authorizer"}
        ),
    }
    resources["Deployed"] = {
        "Type": "AWS::ApiGateway::Deployment",
        "DependsOn": list(resources),
        "Properties": {"RestApiId": {"Ref": "Api"}, "StageName": "v"},
    }
    api = cloud.deploy(resources, Outputs={"Api": {"Value": {"Ref": "Api"}}})["Api"]
    return f"{cloud.endpoint}/_aws/execute-api/{api}/v"


def user_pool(cloud: Cloud) -> tuple[str, str]:
    """A user pool of an account, and the access token of somebody in it."""
    cognito = cloud.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="users")["UserPool"]
    flows = ["ALLOW_ADMIN_USER_PASSWORD_AUTH"]
    client = cognito.create_user_pool_client(
        UserPoolId=pool["Id"], ClientName="shop", ExplicitAuthFlows=flows
    )["UserPoolClient"]["ClientId"]
    cognito.admin_create_user(UserPoolId=pool["Id"], Username="ada")
    cognito.admin_set_user_password(
        UserPoolId=pool["Id"], Username="ada", Password="Secret-123", Permanent=True
    )
    answer = cognito.admin_initiate_auth(
        UserPoolId=pool["Id"],
        ClientId=client,
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "ada", "PASSWORD": "Secret-123"},
    )
    return pool["Arn"], answer["AuthenticationResult"]["AccessToken"]


def test_an_api_of_any_account_answers_callers_without_aws_credentials(cloud, other):
    arn, _ = user_pool(cloud)
    for account in (cloud, other):
        answer = requests.get(f"{open_api(account, arn)}/public", timeout=10)
        assert (answer.status_code, answer.json()) == (200, {"account": account.account})


def test_an_authorizer_takes_the_users_of_another_account_and_nobody_elses(cloud, other, third):
    arn, token = user_pool(other)
    _, strangers = user_pool(third)
    url = f"{open_api(cloud, arn)}/guarded"

    def status(bearer: str) -> int:
        return requests.get(url, headers={"Authorization": f"Bearer {bearer}"}, timeout=10).status_code

    assert (status(token), status(strangers), status("none")) == (200, 401, 401)
