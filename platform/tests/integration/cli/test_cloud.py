from __future__ import annotations

import json

import pytest
from commerce_platform.cli.cloud import ACCOUNT, Cloud, write_endpoints
from moto import mock_aws

OURS = Cloud("http://127.0.0.1:4567", ours=True)


@pytest.fixture
def aws(monkeypatch):
    """A cloud without an endpoint of its own, so that moto answers for it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield Cloud.of_the_caller()


def test_a_published_api_url_becomes_one_that_curl_reaches():
    published = "https://ab12cd.execute-api.eu-west-1.amazonaws.com/local/"
    assert OURS.reachable(published) == "http://127.0.0.1:4567/_aws/execute-api/ab12cd/local"


def test_an_api_url_of_another_shape_is_left_alone():
    assert OURS.reachable("http://127.0.0.1:4567/restapis/x/local/_user_request_/").endswith(
        "/_user_request_"
    )


def test_our_own_cloud_is_used_with_no_credential_of_the_user(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "the user's")
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "secret")
    environment = OURS.environment
    assert environment["AWS_ACCESS_KEY_ID"] == ACCOUNT
    assert environment["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4567"
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN"} & environment.keys()


def test_a_cloud_that_the_user_names_is_used_with_the_users_credentials(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://elsewhere:4566/")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "222222222222")
    cloud = Cloud.given()
    assert cloud.endpoint == "http://elsewhere:4566"
    assert cloud.environment["AWS_ACCESS_KEY_ID"] == "222222222222"


def test_a_cloud_keeps_its_identity_until_it_is_emptied(aws):
    assert aws.identity() == aws.identity()
    first = aws.identity()
    aws.ssm.delete_parameter(Name="/commerce/local/cloud/identity/v1")
    assert aws.identity() != first


def test_the_endpoints_file_says_where_everything_is(aws, workspace, monkeypatch):
    for name, value in {
        "product/api-url": "https://ab12cd.execute-api.eu-west-1.amazonaws.com/local/",
        "cart/api-url": "https://ef34gh.execute-api.eu-west-1.amazonaws.com/local/",
        "platform/user-pool-id": "eu-west-1_pool",
        "platform/user-pool-client-id": "client",
        "platform/operator-pool-id": "eu-west-1_staff",
        "platform/operator-pool-client-id": "back-office",
        "platform/event-bus-name": "commerce-local",
    }.items():
        aws.ssm.put_parameter(Name=f"/commerce/local/{name}/v1", Value=value, Type="String")
    cloud = Cloud("http://127.0.0.1:4567", ours=True)
    monkeypatch.setattr(Cloud, "ssm", aws.ssm)
    write_endpoints(workspace, cloud)
    assert json.loads(workspace.endpoints_file.read_text()) == {
        "stage": "local",
        "endpointUrl": "http://127.0.0.1:4567",
        "region": "eu-west-1",
        "services": {
            "cart": {
                "account": ACCOUNT,
                "region": "eu-west-1",
                "apiUrl": "http://127.0.0.1:4567/_aws/execute-api/ef34gh/local",
            },
            "product": {
                "account": ACCOUNT,
                "region": "eu-west-1",
                "apiUrl": "http://127.0.0.1:4567/_aws/execute-api/ab12cd/local",
            },
        },
        "auth": {
            "account": ACCOUNT,
            "userPoolId": "eu-west-1_pool",
            "clientId": "client",
            "operatorPoolId": "eu-west-1_staff",
            "operatorClientId": "back-office",
        },
    }
