"""Writes to an item as data: what several states share is added to what each of them writes."""

import pytest
from states_language.item_update import ItemUpdate

BUMP = {
    "TableName": "t",
    "UpdateExpression": "REMOVE #wait SET version = :next",
    "ExpressionAttributeNames": {"#wait": "wait"},
    "ExpressionAttributeValues": {":next": {"N": "2"}},
}


def test_values_and_elements_join_what_the_state_writes_itself():
    update = ItemUpdate(values={"status": {"S": "PAID"}}, append={"timeline": [{"S": "paid"}, {"S": "told"}]})
    assert update.added_to(BUMP) == {
        "TableName": "t",
        "UpdateExpression": (
            "REMOVE #wait SET version = :next, #status = :status, #timeline = list_append(#timeline, :timeline)"
        ),
        "ExpressionAttributeNames": {"#wait": "wait", "#status": "status", "#timeline": "timeline"},
        "ExpressionAttributeValues": {
            ":next": {"N": "2"},
            ":status": {"S": "PAID"},
            ":timeline": {"L": [{"S": "paid"}, {"S": "told"}]},
        },
    }


def test_nothing_to_add_leaves_the_state_s_own_write():
    assert ItemUpdate().added_to(BUMP) == BUMP


@pytest.mark.parametrize(
    ("update", "message"),
    [
        (ItemUpdate(values={"wait": {"S": "x"}}), "wait would be written twice"),
        (ItemUpdate(values={"log": {"S": "x"}}, append={"log": [{"S": "y"}]}), "log would be written twice"),
        (ItemUpdate(values={"next": {"S": "x"}}), ":next would stand for two values"),
    ],
)
def test_two_writes_of_one_attribute_are_refused(update, message):
    with pytest.raises(ValueError, match=message):
        update.added_to(BUMP)
