"""What a workflow is started with, and what becomes of what it says."""

from __future__ import annotations

import json

import pytest
from aws_cdk import App, Stack
from aws_cdk import aws_stepfunctions as sfn
from pydantic import BaseModel
from service_testing import HOSTILE_VALUES
from shared_constructs.direct_api import Problem, StartWorkflow, body, claim, path, query, request_id, text

ARN = "arn:aws:states:eu-west-1:111122223333:stateMachine:things"


class Thing(BaseModel):
    name: str
    note: str | None = None


@pytest.fixture(scope="module")
def machine():
    return sfn.StateMachine.from_state_machine_arn(Stack(App(), "Stack"), "Machine", ARN)


def starting(machine, **options):
    return StartWorkflow(**{"workflow": machine, "input": {"id": path("id")}} | options)


def asked(render, operation, **request):
    return render(operation.integration().request_template(), **({"path": {"id": "7"}} | request)).json()


def answered(render, operation, answer, outcome="200"):
    """Status if the template sets one, headers but the correlation id, and body."""
    rendered = render(operation.integration().response_templates()[outcome], body=answer, path={"id": "7"})
    headers = rendered.override["header"]
    assert headers.pop("X-Correlation-Id") == "request-1"
    body = rendered.text.strip()
    return rendered.override.get("status"), headers, json.loads(body) if body else None


PROBLEM = {"Content-Type": "application/problem+json"}


def problem(status, title, detail):
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return status, PROBLEM, document | {"instance": "request-1"}


INTERNAL = problem(500, "Internal Server Error", "The request could not be processed.")


# -------------------------------------------------------------------------------------------------------- the request
@pytest.mark.parametrize("value", HOSTILE_VALUES[::4], ids=repr)
def test_no_text_leaves_the_input(render, machine, value):
    operation = starting(
        machine, request=Thing, input={"all": body(), "name": body("name"), "kind": 'a"#$\\'}
    )
    call = asked(render, operation, body={"name": value})
    assert call["stateMachineArn"] == ARN
    assert json.loads(call["input"]) == {"all": {"name": value}, "name": value, "kind": 'a"#$\\'}


def test_an_input_leaves_out_what_is_absent(render, machine):
    operation = starting(machine, request=Thing, input={"note": body("note"), "by": query("by"), "n": 1})
    assert json.loads(asked(render, operation, body={"name": "n"})["input"]) == {"n": 1}
    full = asked(render, operation, body={"name": "n", "note": ""}, query={"by": "me"})
    assert json.loads(full["input"]) == {"note": "", "by": "me", "n": 1}


def test_what_is_not_acceptable_starts_nothing(render, machine):
    """The input is no JSON, which Step Functions refuses."""
    assert asked(render, starting(machine), path={"id": "a b"}) == {
        "stateMachineArn": ARN,
        "input": "not acceptable",
    }


def test_a_route_may_start_its_workflow_and_no_more(machine):
    for wait, action in ((True, "StartSyncExecution"), (False, "StartExecution")):
        told = starting(machine, wait=wait).integration()
        assert (told.service, told.action) == ("states", action)
        assert [each.to_statement_json() for each in told.permissions] == [
            {"Effect": "Allow", "Action": f"states:{action}", "Resource": ARN}
        ]


def test_a_started_workflow_is_answered_at_once(render, machine):
    operation = starting(machine, wait=False, response={"id": path("id")})
    assert operation.integration().status == 202
    assert answered(render, operation, {"executionArn": "a"}) == (None, {}, {"id": "7"})
    assert operation.integration().contract["Response"]["required"] == ["id"]
    assert starting(machine, wait=False, status=201).integration().status == 201
    assert answered(render, operation, {"__type": "ExecutionAlreadyExists"}, "400") == INTERNAL


def test_the_same_name_again_is_the_same_request(render, machine):
    operation = starting(
        machine, wait=False, execution_name=text("t-", claim("sub")), response={"id": path("id")}
    )
    assert asked(render, operation, claims={"sub": "alice"})["name"] == "t-alice"
    again = answered(render, operation, {"__type": "ExecutionAlreadyExists"}, "400")
    assert again == (202, {"Content-Type": "application/json"}, {"id": "7"})


# --------------------------------------------------------------------------------------------------------- the answer
def ended(render, operation, output=None, **told):
    """The answer to an execution; a body is text as it stands."""
    answer = {"status": "SUCCEEDED"} | told
    if output is not None:
        answer["output"] = output if isinstance(output, str) else json.dumps(output)
    return answered(render, operation, answer)


def test_a_workflows_output_is_the_answer(render, machine):
    operation = starting(machine, output=Thing)
    assert operation.integration().status == 200
    assert starting(machine, status=201).integration().status == 201
    assert ended(render, operation, {"name": "n", "list": [1]}) == (None, {}, {"name": "n", "list": [1]})
    # As a part of something else it is no problem.
    assert ended(render, operation, {"a": {"problem": {"status": 422}}})[0] is None
    assert operation.integration().contract["Response"]["required"] == ["name"]
    assert starting(machine).integration().contract["Response"] is None


def test_a_workflow_may_choose_its_status_and_some_headers(render, machine):
    output = {
        "statusCode": 202,
        "headers": {"Location": "/things/7", "ETag": '"1"', "Retry-After": "3", "Set-Cookie": "x"},
        "body": '{"name":"n"}',
    }
    headers = {"Location": "/things/7", "ETag": '"1"', "Retry-After": "3"}
    assert ended(render, starting(machine), output) == (202, headers, {"name": "n"})
    some = {"statusCode": 301, "headers": {"Location": "/"}}
    assert ended(render, starting(machine), some) == (301, {"Location": "/"}, None)
    for status in (99, 100, 400, 500, 2000, "x"):
        assert ended(render, starting(machine), {"statusCode": status, "body": "{}"}) == INTERNAL


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"status": 422, "detail": "No."},
            {"type": "about:blank", "title": "Unprocessable Entity", "instance": "request-1"},
        ),
        ({"detail": "No.", "status": 404, "title": "T"}, {"type": "about:blank", "instance": "request-1"}),
        (
            {
                "status": 409,
                "type": "urn:x",
                "instance": "i",
                "detail": "a}b{",
                "errors": [{"pointer": "#/a"}],
            },
            {"title": "Conflict"},
        ),
        (
            {"status": 499, "detail": "No."},
            {"type": "about:blank", "title": "Error", "instance": "request-1"},
        ),
        ({"type": "t", "title": "t", "instance": "i", "status": 400, "detail": "$x #end"}, {}),
    ],
    ids=str,
)
@pytest.mark.parametrize("indent", [None, 1])
def test_a_business_rejection_becomes_a_complete_problem(render, machine, given, expected, indent):
    output = json.dumps({"problem": given}, indent=indent)
    status, headers, document = ended(render, starting(machine), output)
    assert (status, headers, document) == (given["status"], PROBLEM, given | expected)


@pytest.mark.parametrize(
    "output",
    [
        {"problem": {"status": 200, "detail": "x"}},
        {"problem": {"status": 600, "detail": "x"}},
        {"problem": {"status": 4222, "detail": "x"}},
        {"problem": {"detail": "x"}},
        {"problem": {"status": 422}},
        {"problem": {"status": 422, "detail": ""}},
        {"problem": {"status": 422, "detail": "x"}, "more": 1},
    ],
    ids=str,
)
def test_a_rejection_that_is_incomplete_tells_nothing(render, machine, output):
    assert ended(render, starting(machine), output) == INTERNAL


def test_a_workflow_that_failed_tells_only_what_the_route_says(render, machine):
    failures = {"Busy": Problem(503, "Later.", retry_after_seconds=2), "Gone": Problem(502, "Gone.")}
    operation = starting(machine, failures=failures)
    told = {"status": "FAILED", "cause": "secret"}
    assert ended(render, operation, error="Other", **told) == INTERNAL
    assert ended(render, operation, error="Gone", **told) == problem(502, "Bad Gateway", "Gone.")
    status, headers, _ = ended(render, operation, error="Busy", **told)
    assert (status, headers) == (503, PROBLEM | {"Retry-After": "2"})
    assert ended(render, operation, **told) == INTERNAL
    assert ended(render, operation, status="TIMED_OUT") == problem(
        504, "Gateway Timeout", "The request took too long; its outcome is unknown."
    )


# ------------------------------------------------------------------------------------------------------------ refused
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"execution_name": "n"}, "execution_name and response are for wait=False"),
        ({"response": {"a": 1}}, "execution_name and response are for wait=False"),
        ({"wait": False, "failures": {"A": Problem(500, "x")}}, "failures need wait=True"),
        ({"failures": {"A": Problem(499, "x")}}, "failures answer 500 or more, got 499 for A"),
        ({"wait": False, "output": Thing}, "output needs wait=True"),
    ],
    ids=str,
)
def test_what_contradicts_itself_is_refused(machine, options, message):
    with pytest.raises(ValueError, match=f"^{message}: "):
        starting(machine, **options)


def test_what_goes_together_is_accepted(machine):
    assert starting(machine, failures={"A": Problem(500, "x")}).integration()
    assert starting(machine, wait=False, execution_name=request_id(), response={"a": 1}).integration()
