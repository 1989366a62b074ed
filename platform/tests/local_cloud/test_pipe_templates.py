"""Input templates of pipes, rendered without a server."""

from __future__ import annotations

import pytest
from commerce_platform.local_cloud.pipes.template import TemplateError, render, resolve, select

RESERVED = {"aws.pipes.pipe-name": "feed", "aws.pipes.source-arn": "arn:source"}
RECORD = {
    "messageId": "m1",
    "body": '{"sku": "A", "items": [{"n": 1}, {"n": 2}], "text": "a \\"quoted\\" word", "none": null}',
    "attributes": {"SenderId": "s"},
}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('{"sku": "<$.body.sku>", "id": <$.messageId>}', {"sku": "A", "id": "m1"}),
        ('{"first": <$.body.items[0]>, "all": <$.body.items[*].n>}', {"first": {"n": 1}, "all": [1, 2]}),
        ('{"body": <$.body.items>}', {"body": [{"n": 1}, {"n": 2}]}),
        (
            '{"text": "<$.body.text>!", "same": <$.body.text>}',
            {"text": 'a "quoted" word!', "same": 'a "quoted" word'},
        ),
        ('{"none": <$.body.none>, "missing": <$.body.missing>}', {"none": None, "missing": ""}),
        ('{"in text": "<$.body.items[0]>"}', {"in text": '{"n": 1}'}),
        ('{"path": "<$.attributes[\'SenderId\']>"}', {"path": "s"}),
        ('["<aws.pipes.pipe-name>", "<aws.pipes.source-arn>"]', ["feed", "arn:source"]),
        (
            '{"event": <aws.pipes.event.json>}',
            {
                "event": RECORD
                | {
                    "body": {
                        "sku": "A",
                        "items": [{"n": 1}, {"n": 2}],
                        "text": 'a "quoted" word',
                        "none": None,
                    }
                }
            },
        ),
        ("<$.attributes>", {"SenderId": "s"}),
        ("<$.body.sku>", "A"),
        ("Hello, <$.attributes.SenderId>", "Hello, s"),
        ('"Hello, <$.attributes.SenderId>"', "Hello, s"),
        ('{"constant": "\\"<none>\\""}', {"constant": '"<none>"'}),
    ],
)
def test_a_template_renders_as_pipes_does(template, expected):
    assert render(template, RECORD, RESERVED) == expected


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("<$.body>", "invalid JSON on AWS"),
        ('{"a": <$.body.sku>', "renders to invalid JSON"),
        ('{"a": <aws.pipes.nonsense>}', "is not a reserved variable of Pipes"),
        ('{"a": <$.body[?(@.n)]>}', "is not one that Pipes understands"),
    ],
)
def test_a_template_that_gives_no_payload_says_why(template, message):
    with pytest.raises(TemplateError, match=message):
        render(template, RECORD, RESERVED)


def test_parameters_take_values_from_paths_and_leave_other_text():
    parameters = {
        "DetailType": "$.body.sku",
        "Source": "commerce.x",
        "Resources": ["$.messageId", "plain $.x"],
    }
    assert resolve(parameters, RECORD) == {
        "DetailType": "A",
        "Source": "commerce.x",
        "Resources": ["m1", "plain $.x"],
    }


def test_only_a_top_level_body_is_parsed_implicitly():
    assert select("$.wrapper.body.sku", {"wrapper": {"body": '{"sku": "A"}'}}) == ""
