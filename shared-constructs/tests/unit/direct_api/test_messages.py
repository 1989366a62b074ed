"""What goes to a queue, as SQS's query protocol takes it."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from pydantic import BaseModel
from service_testing import HOSTILE_VALUES
from shared_constructs.direct_api import SendToQueue, body, header, path, query, request_id, text


class Thing(BaseModel):
    name: str
    note: str | None = None


@pytest.fixture(scope="module")
def queue():
    stack = Stack(App(), "Stack", env={"account": "111122223333", "region": "eu-west-1"})
    return sqs.Queue.from_queue_arn(stack, "Queue", "arn:aws:sqs:eu-west-1:111122223333:things")


def asked(render, operation, **request):
    """The fields of the form, each once, on one line."""
    form = render(operation.integration().request_template(), **request).text
    assert "\n" not in form
    fields = parse_qsl(form, keep_blank_values=True, strict_parsing=True)
    assert len(dict(fields)) == len(fields)
    return dict(fields)


def sent(fields):
    """The message, and its attributes, which are numbered without gaps and all texts."""
    assert (fields.pop("Action"), fields.pop("Version")) == ("SendMessage", "2012-11-05")
    message, attributes = fields.pop("MessageBody"), {}
    for number in range(1, len(fields) // 3 + 1):
        start = f"MessageAttribute.{number}"
        assert fields.pop(f"{start}.Value.DataType") == "String"
        attributes[fields.pop(f"{start}.Name")] = fields.pop(f"{start}.Value.StringValue")
    assert fields == {}
    return message, attributes


def test_a_request_is_kept_as_it_came(render, queue):
    operation = SendToQueue(queue=queue)
    message, attributes = sent(asked(render, operation, body={"any": ["thing", 1]}))
    assert json.loads(message) == {"any": ["thing", 1]}
    assert attributes == {"correlationId": "request-1"}
    told = operation.integration()
    assert (told.service, told.action, told.path) == ("sqs", None, "111122223333/things")
    assert (told.status, told.form, told.contract["Response"]["required"]) == (202, True, [])
    assert told.headers == {
        "Content-Type": "application/x-www-form-urlencoded",
        "Accept": "application/json",
    }


@pytest.mark.parametrize("value", HOSTILE_VALUES[::4], ids=repr)
def test_no_text_leaves_its_field(render, queue, value):
    operation = SendToQueue(
        queue=queue,
        request=Thing,
        message={"name": body("name"), "kind": "a&b#$"},
        attributes={"a&b": "x&y=z"},
    )
    message, attributes = sent(asked(render, operation, body={"name": value}))
    assert json.loads(message) == {"name": value, "kind": "a&b#$"}
    assert attributes == {"correlationId": "request-1", "a&b": "x&y=z"}


def test_a_message_leaves_out_what_is_absent(render, queue):
    operation = SendToQueue(
        queue=queue, request=Thing, message={"note": body("note"), "by": query("by"), "id": request_id()}
    )
    assert json.loads(sent(asked(render, operation, body={"name": "n"}))[0]) == {"id": "request-1"}
    both = asked(render, operation, body={"name": "n", "note": ""}, query={"by": "me"})
    assert json.loads(sent(both)[0]) == {"note": "", "by": "me", "id": "request-1"}


def test_attributes_that_are_absent_leave_no_gap(render, queue):
    operation = SendToQueue(
        queue=queue,
        attributes={
            "by": query("by"),
            "id": path("id"),
            "signature": header("X-Sign"),
            "kind": text("a#", request_id()),
        },
    )
    always = {"correlationId": "request-1", "id": "7", "kind": "a#request-1"}
    given = {"path": {"id": "7"}}
    assert sent(asked(render, operation, **given))[1] == always
    assert sent(asked(render, operation, headers={"X-Sign": "a b&c"}, **given))[1] == always | {
        "signature": "a b&c"
    }
    everything = asked(render, operation, headers={"X-Sign": "s"}, query={"by": "me"}, **given)
    assert sent(everything)[1] == always | {"by": "me", "signature": "s"}


def test_what_is_not_acceptable_is_a_message_that_sqs_refuses(render, queue):
    """It has no body, and an attribute of no type that there is."""
    operation = SendToQueue(queue=queue, attributes={"id": path("id")})
    assert asked(render, operation, path={"id": "a b"}) == {
        "Action": "SendMessage",
        "Version": "2012-11-05",
        "MessageAttribute.1.Name": "refused",
        "MessageAttribute.1.Value.DataType": "Refused",
        "MessageAttribute.1.Value.StringValue": "refused",
    }


def test_what_is_kept_is_answered_as_the_route_says(render, queue):
    operation = SendToQueue(queue=queue, request=Thing, response={"id": request_id(), "ok": True}, status=200)
    answer = render(operation.integration().response_templates()["200"], body={})
    assert answer.json() == {"id": "request-1", "ok": True}
    assert answer.override["header"] == {"X-Correlation-Id": "request-1"}
    assert operation.integration().status == 200
    assert operation.integration().contract["Response"]["properties"]["ok"] == {"const": True}
    empty = SendToQueue(queue=queue).integration().response_templates()["200"]
    assert render(empty, body={}).json() == {}


def permissions(operation):
    return [each.to_statement_json() for each in operation.integration().permissions]


def test_a_route_may_send_and_no_more(queue):
    (only,) = permissions(SendToQueue(queue=queue))
    assert only == {
        "Effect": "Allow",
        "Action": "sqs:SendMessage",
        "Resource": "arn:aws:sqs:eu-west-1:111122223333:things",
    }


def test_a_queue_with_a_key_of_its_own_needs_the_key():
    stack = Stack(App(), "Stack")
    key = kms.Key.from_key_arn(stack, "Key", "arn:aws:kms:eu-west-1:111122223333:key/k")
    found = permissions(SendToQueue(queue=sqs.Queue(stack, "Queue", encryption_master_key=key)))
    assert [each["Action"] for each in found] == ["sqs:SendMessage", "kms:Decrypt", "kms:GenerateDataKey"]
    assert {each["Resource"] for each in found[1:]} == {"arn:aws:kms:eu-west-1:111122223333:key/k"}


def test_a_message_has_as_many_attributes_as_sqs_takes(queue):
    nine = {f"a{number}": "x" for number in range(9)}
    assert SendToQueue(queue=queue, attributes=nine).integration()
    with pytest.raises(
        ValueError, match=r"^SQS takes 10 message attributes and .*, so at most 9 more, got 10$"
    ):
        SendToQueue(queue=queue, attributes=nine | {"more": "x"})
