"""moto's DynamoDB, as the kit sets it up, takes and gives what AWS's does."""

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws
from service_testing import aws

ITEM = {
    "pk": {"S": "é"},
    "sk": {"S": "all types"},
    "binary": {"B": b"\x00\xff"},
    "binaries": {"BS": [b"\x01", b"\x02"]},
    "list": {"L": [{"M": {"deep": {"B": b"\x03"}}}, {"L": []}, {"NULL": True}]},
    "map": {"M": {"S": {"S": "a name like a type's"}, "flag": {"BOOL": False}, "none": {"M": {}}}},
    "number": {"N": "12.5"},
    "numbers": {"NS": ["1", "2"]},
    "texts": {"SS": ["a", "b"]},
}
KEY = {name: ITEM[name] for name in ("pk", "sk")}


@pytest.fixture
def client():
    with mock_aws():
        aws.create_table("table")
        yield aws.client("dynamodb")


def ordered(item):
    sets = {name for name, value in item.items() if set(value) & {"SS", "NS", "BS"}}
    return {
        name: {kind: sorted(members) for kind, members in value.items()} if name in sets else value
        for name, value in item.items()
    }


def test_values_of_every_type_are_read_as_they_were_written(client):
    client.put_item(TableName="table", Item=ITEM)
    assert ordered(client.get_item(TableName="table", Key=KEY)["Item"]) == ITEM
    (found,) = client.scan(TableName="table")["Items"]
    assert ordered(found) == ITEM


def test_an_update_returns_what_it_wrote(client):
    updated = client.update_item(
        TableName="table",
        Key=KEY,
        UpdateExpression="SET #b = :b",
        ExpressionAttributeNames={"#b": "binary"},
        ExpressionAttributeValues={":b": {"B": b"\x00\x01"}},
        ReturnValues="ALL_NEW",
    )["Attributes"]
    assert updated == {**KEY, "binary": {"B": b"\x00\x01"}}


@pytest.mark.usefixtures("client")
def test_boto3s_own_types_arrive():
    table = boto3.resource("dynamodb", region_name=aws.REGION).Table("table")
    table.put_item(Item={"pk": "p", "sk": "s", "binary": b"\x00", "texts": {"a"}, "whole": 3})
    found = table.get_item(Key={"pk": "p", "sk": "s"})["Item"]
    assert (found["binary"].value, found["texts"], found["whole"]) == (b"\x00", {"a"}, 3)


def test_a_refused_writes_item_is_in_the_error(client):
    client.put_item(TableName="table", Item=ITEM)
    with pytest.raises(ClientError) as refused:
        client.put_item(
            TableName="table",
            Item=ITEM,
            ConditionExpression="attribute_not_exists(pk)",
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    assert ordered(refused.value.response["Item"]) == ITEM
