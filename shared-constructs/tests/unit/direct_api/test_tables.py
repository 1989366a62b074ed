"""What a table's keys and indexes let a route do, and what its role needs for it."""

from __future__ import annotations

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from pydantic import BaseModel
from shared_constructs import ServiceApp, ServiceStack, ServiceTable, StackKind
from shared_constructs.direct_api import GetItem, PutItem, Query, RouteError, attributes_of, equals, path

KEY = {"pk": path("id"), "sk": "THING"}
TABLE = "arn:aws:dynamodb:eu-west-1:111122223333:table/things"
MASTER_KEY = "arn:aws:kms:eu-west-1:111122223333:key/k"


class Thing(BaseModel):
    name: str


class Described(Thing):
    description: str


@pytest.fixture(scope="module")
def stack():
    return Stack(App(), "Stack")


def attribute(name):
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)


@pytest.fixture(scope="module")
def table(stack):
    made = dynamodb.Table(stack, "Table", partition_key=attribute("pk"), sort_key=attribute("sk"))
    made.add_global_secondary_index(
        index_name="gsi1", partition_key=attribute("gsi1pk"), sort_key=attribute("gsi1sk")
    )
    return made


@pytest.fixture(scope="module")
def service_table():
    data = ServiceStack(ServiceApp(service="things", stage="dev"), kind=StackKind.STATEFUL)
    return ServiceTable(
        data, "Table", indexes={"gsi1": attributes_of(Thing), "gsi2": attributes_of(Described)}
    )


def allowed(operation):
    return [
        (each["Action"], each["Resource"])
        for each in (statement.to_statement_json() for statement in operation.integration().permissions)
    ]


def test_a_route_may_do_its_one_action_on_its_table_or_index(stack):
    imported = dynamodb.Table.from_table_arn(stack, "Imported", TABLE)
    assert allowed(GetItem(table=imported, key=KEY, response=Thing)) == [("dynamodb:GetItem", TABLE)]
    assert allowed(PutItem(table=imported, key=KEY)) == [("dynamodb:PutItem", TABLE)]
    listed = Query(table=imported, partition="x", index="gsi1", response=Thing)
    assert allowed(listed) == [("dynamodb:Query", f"{TABLE}/index/gsi1")]
    assert allowed(Query(table=imported, partition="x", response=Thing)) == [("dynamodb:Query", TABLE)]


def test_a_table_with_a_key_of_its_own_needs_the_key_to_read_and_another_right_to_write(stack):
    encrypted = dynamodb.Table.from_table_attributes(
        stack, "Encrypted", table_arn=TABLE, encryption_key=kms.Key.from_key_arn(stack, "Key", MASTER_KEY)
    )
    reads = ("kms:Decrypt", MASTER_KEY)
    assert allowed(GetItem(table=encrypted, key=KEY, response=Thing))[1:] == [reads]
    assert allowed(Query(table=encrypted, partition="x", response=Thing))[1:] == [reads]
    written = allowed(PutItem(table=encrypted, key=KEY))[1:]
    assert written == [reads, ("kms:GenerateDataKey", MASTER_KEY)]


def refusal(operation) -> str:
    with pytest.raises(RouteError) as error:
        operation.integration()
    return str(error.value)


def test_a_key_is_the_tables(table):
    assert GetItem(table=table, key=KEY, response=Thing).integration()
    partial = refusal(GetItem(table=table, key={"pk": "x"}, response=Thing))
    assert partial == "key has the attributes ['pk'], the table's key is ['pk', 'sk']"
    assert refusal(PutItem(table=table, key={})) == "key is empty; give a value for each key attribute"
    # Nothing is known of the keys of an imported one.
    imported = dynamodb.Table.from_table_name(table.stack, "Foreign", "things")
    assert GetItem(table=imported, key={"id": "x"}, response=Thing).integration()


def test_an_index_is_one_that_the_table_has(table):
    assert Query(table=table, index="gsi1", partition="x", response=Thing).integration()
    missing = refusal(Query(table=table, index="gsi9", partition="x", response=Thing))
    assert missing == "the table has no index 'gsi9'; give it one, or query another"
    table.add_global_secondary_index(index_name="odd", partition_key=attribute("other"))
    odd = refusal(Query(table=table, index="odd", partition="x", response=Thing))
    assert odd == "key has the attributes ['oddpk', 'oddsk'], the index 'odd''s key is ['other']"


def test_an_index_holds_what_its_route_reads(service_table):
    for index, model in (("gsi1", Thing), ("gsi2", Thing), ("gsi2", Described)):
        assert Query(table=service_table, index=index, partition="x", response=model).integration()
    absent = refusal(Query(table=service_table, index="gsi1", partition="x", response=Described))
    assert absent.startswith(
        "the index 'gsi1' does not project ['description'], which the route reads; it projects ['"
    )
    assert "'name'" in absent
    asked = Query(
        table=service_table, index="gsi1", partition="x", response=Thing, where=equals("secret", "x")
    )
    assert "does not project ['secret']" in refusal(asked)
    assert GetItem(table=service_table, key=KEY, response=Described).integration()
