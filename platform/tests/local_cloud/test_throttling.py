"""DynamoDB throttles when a test says so, however it is called."""

import http.client
import json

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError


def switch(cloud, method, query=""):
    connection = http.client.HTTPConnection(cloud.endpoint.removeprefix("http://"))
    connection.request(method, f"/_commerce/throttling{query}")
    return json.load(connection.getresponse())


@pytest.fixture
def throttled(cloud):
    cloud.table()
    before = switch(cloud, "PUT", "?seconds=59")["refused"]
    yield lambda: switch(cloud, "GET")["refused"] - before
    switch(cloud, "PUT", "?seconds=0")


def test_a_client_is_throttled_until_the_moment_is_over(cloud, throttled):
    impatient = boto3.client(
        "dynamodb",
        endpoint_url=cloud.endpoint,
        region_name="eu-west-1",
        aws_access_key_id=cloud.account,
        aws_secret_access_key="any",
        config=Config(retries={"total_max_attempts": 1}),
    )
    with pytest.raises(ClientError, match="ThrottlingException"):
        impatient.get_item(TableName="table", Key={"pk": {"S": "x"}})
    assert throttled() == 1
    switch(cloud, "PUT", "?seconds=0")
    assert "Item" not in impatient.get_item(TableName="table", Key={"pk": {"S": "x"}})


@pytest.mark.parametrize(
    ("integration", "error"),
    [("dynamodb", "DynamoDB.ThrottlingException"), ("aws-sdk:dynamodb", "DynamoDb.ThrottlingException")],
)
def test_a_workflow_is_throttled(cloud, throttled, integration, error):
    states = {
        "Get": {
            "Type": "Task",
            "Resource": f"arn:aws:states:::{integration}:getItem",
            "Arguments": {"TableName": "table", "Key": {"pk": {"S": "x"}}},
            "Catch": [{"ErrorEquals": [error], "Next": "Throttled"}],
            "End": True,
        },
        "Throttled": {"Type": "Pass", "Output": "throttled", "End": True},
    }
    assert cloud.run(states) == "throttled"
    assert throttled() == 1
