"""Items in a table are plain JSON, and of two writers of one version only the first one writes."""

import boto3
import pytest
from moto import mock_aws
from service_runtime.dynamodb import Table, from_attributes, to_attributes
from service_testing.aws import create_table

ITEM = {
    "pk": "CUST#alice",
    "sk": "CART",
    "version": 1,
    "lines": [{"sku": "OPERA", "quantity": 2, "gift": False, "note": None}],
}


@pytest.fixture
def client():
    with mock_aws():
        client = boto3.client("dynamodb", region_name="eu-west-1")
        create_table("carts")
        yield client


def test_an_item_is_read_as_it_was_written_whole_numbers_included(client):
    table = Table("carts", client)
    assert table.get("CUST#alice", "CART") is None
    client.put_item(**table.creation(ITEM))
    assert table.get("CUST#alice", "CART") == ITEM
    assert type(table.get("CUST#alice", "CART")["lines"][0]["quantity"]) is int


@pytest.mark.parametrize("value", [1.5, b"x", {"set"}], ids=str)
def test_what_json_or_a_whole_number_cannot_say_is_not_stored(value):
    with pytest.raises(TypeError, match="whole numbers"):
        to_attributes({"lines": [{"quantity": value}]})


def test_what_json_cannot_say_is_not_read():
    with pytest.raises(TypeError, match="whole numbers"):
        from_attributes({"tags": {"SS": ["a"]}})


def test_what_is_decided_on_is_read_consistently(client):
    seen = []
    client.meta.events.register(
        "provide-client-params.dynamodb.GetItem", lambda params, **_: seen.append(params)
    )
    Table("carts", client).get("CUST#alice", "CART")
    assert [params["ConsistentRead"] for params in seen] == [True]


@pytest.mark.parametrize("version", [1, 3])
def test_a_version_that_does_not_follow_the_stored_one_is_refused(client, version):
    table = Table("carts", client)
    client.put_item(**table.next_version(ITEM))
    with pytest.raises(client.exceptions.ConditionalCheckFailedException):
        client.put_item(**table.next_version({**ITEM, "version": version}))
    client.put_item(**table.next_version({**ITEM, "version": 2}))
    assert table.get("CUST#alice", "CART")["version"] == 2


def test_of_two_writers_that_decided_on_the_same_version_the_second_is_refused(client):
    table = Table("carts", client)
    for version in (1, 2, 3):
        client.put_item(**table.next_version({**ITEM, "version": version, "writer": "first"}))
    for version in (1, 2, 3):
        with pytest.raises(client.exceptions.ConditionalCheckFailedException):
            client.put_item(**table.next_version({**ITEM, "version": version, "writer": "second"}))
    assert table.get("CUST#alice", "CART")["writer"] == "first"
