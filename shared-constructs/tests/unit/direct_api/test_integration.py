"""What every operation answers when AWS refuses, is busy or fails."""

from __future__ import annotations

import json

import pytest
from shared_constructs.direct_api import Problem, Succeed, path, query
from shared_constructs.direct_api.bindings import Bindings
from shared_constructs.direct_api.integration import MethodIntegration, statement

BUSY = 503, "The service is busy; try again."
INTERNAL = 500, "The request could not be processed."
REFUSED = "A value of the request is not acceptable."


def integration(*reads, **options):
    request = Bindings()
    for each in reads:
        request.reference(each)
    return MethodIntegration(
        **{
            "service": "dynamodb",
            "action": "GetItem",
            "call": '{"call":1}',
            "refused": '{"refused":1}',
            "content": '{"done":1}',
            "status": 200,
            "permissions": [],
            "request": request,
            "answer": Bindings.of_answer(),
        }
        | options
    )


def told(render, outcome, body, *reads, **options):
    rendered = render(integration(*reads, **options).response_templates()[outcome], body=body)
    assert rendered.override["header"]["X-Correlation-Id"] == "request-1"
    document = rendered.json()
    assert document["status"] == rendered.override["status"]
    assert rendered.override["header"]["Content-Type"] == "application/problem+json"
    return document["status"], document["detail"]


def test_an_acceptable_request_is_a_call_and_another_is_refused(render):
    template = integration(path("id")).request_template()
    assert render(template, path={"id": "a"}).json() == {"call": 1}
    assert render(template, path={"id": "a b"}).json() == {"refused": 1}


def test_a_form_has_no_line_break_of_ours(render):
    template = integration(
        path("id"), query("by"), form=True, call="a=\n1", refused="b=\n2"
    ).request_template()
    assert render(template, path={"id": "a"}).text == "a=1"
    assert render(template, path={"id": "a b"}).text == "b=2"


def test_success_is_the_content(render):
    rendered = render(integration().response_templates()["200"], headers={"X-Correlation-Id": "c-1"})
    assert rendered.json() == {"done": 1}
    assert rendered.override["header"] == {"X-Correlation-Id": "c-1"}
    assert "status" not in rendered.override


@pytest.mark.parametrize(
    "error",
    [
        *(
            "ValidationException",
            "SerializationException",
            "InvalidParameterValue",
            "InvalidParameterCombination",
        ),
        *("InvalidExecutionInput", "InvalidName", "InvalidMessageContents", "MissingParameter"),
    ],
)
def test_a_value_that_the_service_refuses_is_the_callers_fault(render, error):
    for body in ({"__type": error}, {"__type": f"com.amazon#{error}"}, {"Error": {"Code": error}}):
        assert told(render, "400", body) == (400, REFUSED)


def test_the_caller_is_told_the_rules(render):
    reads = path("id", pattern="[a-z]+"), query("n", pattern="[0-9]", says="be a digit")
    said = f"{REFUSED} path value id must match [a-z]+; query parameter n must be a digit."
    assert told(render, "400", {"__type": "ValidationException"}, *reads) == (400, said)


@pytest.mark.parametrize(
    "error",
    [
        *(
            "ProvisionedThroughputExceededException",
            "ThrottlingException",
            "ThrottledException",
            "Throttling",
        ),
        *("RequestLimitExceeded", "RequestThrottled", "TransactionConflictException"),
        *("ReplicatedWriteConflictException", "LimitExceededException", "ExecutionLimitExceeded"),
        *("ServiceQuotaExceededException", "InternalServerError", "InternalException", "ServiceUnavailable"),
    ],
)
def test_what_a_repetition_can_cure_is_busy(render, error):
    assert told(render, "400", {"__type": f"com.amazonaws#{error}"}) == BUSY
    rendered = render(integration().response_templates()["400"], body={"__type": error})
    assert rendered.override["header"]["Retry-After"] == "1"


@pytest.mark.parametrize(
    "body",
    [{}, {"__type": "AccessDeniedException"}, {"__type": "ValidationExceptionOfAnother"}, {"Error": {}}],
    ids=str,
)
def test_whatever_else_is_our_fault_and_says_no_more(render, body):
    assert told(render, "400", body) == INTERNAL


def test_a_failure_of_the_service_is_busy_too(render):
    assert told(render, "500", {"__type": "ValidationException"}) == BUSY


def test_an_expected_error_has_its_own_answer_and_hides_no_other(render):
    options = {"expected_error": ("ValidationException", Problem(409, "Known.").template())}
    assert told(render, "400", {"__type": "x#ValidationException"}, **options) == (409, "Known.")
    assert told(render, "400", {"__type": "InvalidName"}, **options) == (400, REFUSED)


def test_the_contract_has_what_each_template_reads_once():
    answer, failure = Bindings.of_answer(), Bindings.of_answer()
    answer.reference(path("id"))
    failure.reference(query("n", pattern="[0-9]", says="be a digit"))
    contract = integration(path("id"), answer=answer, failure=failure, response={"const": 1}).contract
    assert contract["Response"] == {"const": 1}
    assert contract["Parameters"]["query"] == {
        "n": {"type": "string", "pattern": "^(?:[0-9])$", "description": "Must be a digit."}
    }
    assert list(contract["Parameters"]["path"]) == ["id"]


@pytest.mark.parametrize("status", [399, 600])
def test_a_problem_is_no_success(status):
    with pytest.raises(ValueError, match=rf"a Problem's status must be between 400 and 599, got {status}"):
        Problem(status, "x")


@pytest.mark.parametrize("status", [199, 300])
def test_a_success_is_no_problem(status):
    with pytest.raises(ValueError, match=rf"Succeed's status must be between 200 and 299, got {status}"):
        Succeed(status)


@pytest.mark.parametrize("status", [200, 204, 299])
def test_a_success_without_a_body_says_its_status(render, status):
    rendered = render(Succeed(status).template())
    assert rendered.override == {"header": {"Content-Type": "application/json"}, "status": status}
    assert rendered.text == ("" if status == 204 else "{}")


@pytest.mark.parametrize("status", [400, 599])
def test_a_problem_may_say_more(render, status):
    rendered = render(Problem(status, 'a "b" $c', title="T", type="urn:t", retry_after_seconds=0).template())
    document = {
        "type": "urn:t",
        "title": "T",
        "status": status,
        "detail": 'a "b" $c',
        "instance": "request-1",
    }
    assert rendered.json() == document
    headers = {"Content-Type": "application/problem+json", "Retry-After": "0"}
    assert rendered.override == {"header": headers, "status": status}
    assert json.loads(Problem(404, "x").json(detail='"y"').replace("$context.requestId", ""))["detail"] == "y"


def test_a_statement_allows_one_thing():
    assert statement("a:B", "arn").to_statement_json() == {
        "Effect": "Allow",
        "Action": "a:B",
        "Resource": "arn",
    }
