"""What the caller is told when the service behind a route answers with an error, or a workflow with an outcome."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from apigateway_engine import BackendResponse
from service_testing import HOSTILE_VALUES, Deployment

if TYPE_CHECKING:
    from collections.abc import Iterator

CAUSE = "arn:aws:secret:internal"


ALICE = {"sub": "alice", "scope": "commerce/shop"}


class Service:
    """The service behind every integration, which answers as it is told."""

    def __init__(self, everything):
        self.response = BackendResponse(status=200)
        self.deployment = Deployment(everything, backend=lambda _: self.response)

    def answers(self, status: int, body: Any) -> Deployment:
        self.response = BackendResponse(status=status, body=json.dumps(body))
        return self.deployment


@pytest.fixture(scope="module")
def service(everything) -> Iterator[Service]:
    one = Service(everything)
    with one.deployment:
        yield one


def read(service, status, body):
    return service.answers(status, body).request("GET", "/notes/n-1")


@pytest.mark.parametrize(
    ("service_status", "kind", "status", "retry_after"),
    [
        (400, "ProvisionedThroughputExceededException", 503, "1"),
        (400, "ThrottlingException", 503, "1"),
        (400, "RequestLimitExceeded", 503, "1"),
        (400, "ValidationException", 400, None),
        (400, "SerializationException", 400, None),
        (400, "AccessDeniedException", 500, None),
        (400, "ResourceNotFoundException", 500, None),
        (400, "NobodyKnowsThisException", 500, None),
        (500, "InternalServerError", 503, "1"),
        (503, "ServiceUnavailable", 503, "1"),
    ],
)
@pytest.mark.parametrize("prefix", ["com.amazonaws.dynamodb.v20120810#", "com.amazon.coral.service#", ""])
def test_aws_errors_are_told_apart_by_type(  # noqa: PLR0917 - pytest gives them by name
    service, service_status, kind, status, retry_after, prefix
):
    answer = read(service, service_status, {"__type": prefix + kind, "message": CAUSE})
    assert (answer.status, answer.headers.get("Retry-After")) == (status, retry_after)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert set(answer.json()) == {"type", "title", "status", "detail", "instance"}
    assert CAUSE not in answer.body


@pytest.mark.parametrize("status", [301, 302, 100])
def test_an_answer_of_no_known_kind_is_never_a_success(service, status):
    assert read(service, status, {}).status >= 500


ORDER = {"receiptId": "r-1", "quantity": 1}


def place(service, outcome):
    return service.answers(200, outcome).request(
        "POST", "/orders", body=ORDER, headers={"Idempotency-Key": "k-1"}, claims=ALICE
    )


def succeeded(output: Any) -> dict[str, Any]:
    return {"status": "SUCCEEDED", "output": json.dumps(output), "executionArn": CAUSE}


def test_a_workflows_output_is_the_body(service):
    output = {"orderId": "o-1", "note": 'it\'s "fine" 😀', "items": [{"n": 1.5}], "none": None}
    answer = place(service, succeeded(output))
    assert (answer.status, answer.json()) == (200, output)
    assert answer.headers["X-Correlation-Id"]


def test_a_workflow_chooses_status_and_location(service):
    body = {"orderId": "o-1"}
    output = {"statusCode": 202, "headers": {"Location": "/orders/o-1"}, "body": json.dumps(body)}
    answer = place(service, succeeded(output))
    assert (answer.status, answer.headers["Location"], answer.json()) == (202, "/orders/o-1", body)
    assert answer.headers["Content-Type"] == "application/json"


PROBLEM = {"status": 422, "detail": "No."}


def test_a_workflows_problem_becomes_a_complete_document(service):
    errors = [{"pointer": "#/items/0/sku", "detail": "sku X is not sold."}]
    answer = place(service, succeeded({"problem": {**PROBLEM, "errors": errors, "total": 5}}))
    assert answer.status == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Correlation-Id"]
    document = answer.json()
    assert document.pop("instance")
    assert document == {
        "type": "about:blank",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "No.",
        "errors": errors,
        "total": 5,
    }


def test_a_workflow_may_name_its_kind_of_problem(service):
    named = {"type": "https://shop.example/out-of-stock", "title": "Out of stock", "instance": "o-1"}
    document = place(service, succeeded({"problem": {**PROBLEM, **named}})).json()
    assert document == {**named, **PROBLEM}


@pytest.mark.parametrize(
    "text",
    [*HOSTILE_VALUES, "}", "}}", '"}}', "{", '{"problem": {', '\\"}', "$x #end #set($y = 1)", "😀\n\u2028"],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["compact", "spaced"])
def test_no_text_in_a_problem_changes_more_than_itself(service, text, separators):
    problem = {
        **PROBLEM,
        "detail": f"No: {text}",
        "errors": [{"pointer": text, "detail": text}],
        "last": text,
    }
    output = json.dumps({"problem": problem}, separators=separators)
    answer = place(service, {"status": "SUCCEEDED", "output": output})
    document = answer.json()
    assert answer.status == 422
    assert set(document) - set(problem) == {"type", "title", "instance"}
    assert {name: document[name] for name in problem} == problem


@pytest.mark.parametrize(
    "output",
    [
        {"problem": {"status": 200, "detail": "No."}},
        {"problem": {"status": "many", "detail": "No."}},
        {"problem": {"detail": "No."}},
        {"problem": {"status": 422}},
        {"problem": {}},
        {"problem": PROBLEM, "more": 1},
        {"statusCode": 422, "body": json.dumps(PROBLEM)},
    ],
)
def test_an_incomplete_problem_is_a_fault_of_the_workflow(service, output):
    answer = place(service, succeeded(output))
    assert (answer.status, answer.json()["status"]) == (500, 500)


def test_an_output_may_have_a_text_named_problem(service):
    output = {"problem": "none"}
    assert place(service, succeeded(output)).json() == output


@pytest.mark.parametrize("status", [99, 600, "abc", "2022"])
def test_a_status_that_is_none_is_500(service, status):
    assert place(service, succeeded({"statusCode": status, "body": "{}"})).status == 500


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ({"status": "FAILED", "error": "PricesChanged", "cause": CAUSE}, 503),
        ({"status": "FAILED", "error": "States.TaskFailed", "cause": CAUSE}, 500),
        ({"status": "FAILED", "cause": CAUSE}, 500),
        ({"status": "TIMED_OUT", "error": "States.Timeout", "cause": CAUSE}, 504),
        ({"status": "SOMETHING_NEW"}, 500),
        ({}, 500),
    ],
)
def test_a_workflow_that_fails_is_a_problem_without_its_cause(service, outcome, status):
    answer = place(service, outcome)
    assert (answer.status, answer.json()["status"]) == (status, status)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert CAUSE not in answer.body


def test_a_workflow_gets_what_the_caller_sent_as_its_input(service):
    order = {"receiptId": "r-1", "quantity": 2}
    key = 'it\'s \\ "quoted" $x #end'
    rendered = service.deployment.render(
        "POST", "/orders", body=order, headers={"Idempotency-Key": key}, claims={**ALICE, "sub": "a'b\\c"}
    ).json()
    assert rendered["stateMachineArn"].endswith(":stateMachine:placing")
    assert json.loads(rendered["input"]) == {"order": order, "customerId": "a'b\\c", "key": key}


def test_a_workflow_needs_its_required_header(service):
    answer = service.answers(200, {}).request("POST", "/orders", body=ORDER, claims=ALICE)
    assert answer.status == 400
    assert "Idempotency-Key" in answer.json()["detail"]


def test_starting_without_waiting_is_accepted_and_repeatable(service):
    started = service.answers(200, {"executionArn": CAUSE}).request("POST", "/jobs/j-1")
    assert (started.status, started.json()) == (202, {"job": "j-1"})
    again = service.answers(400, {"__type": "ExecutionAlreadyExists", "message": CAUSE}).request(
        "POST", "/jobs/j-1"
    )
    assert (again.status, again.json()) == (202, {"job": "j-1"})
    invalid = service.answers(400, {"__type": "InvalidExecutionInput", "message": CAUSE}).request(
        "POST", "/jobs/j-1"
    )
    assert invalid.status == 400


@pytest.mark.parametrize(
    ("code", "service_status", "status"),
    [("RequestThrottled", 403, 503), ("InvalidMessageContents", 400, 400), ("AccessDenied", 403, 500)],
)
def test_queue_errors_are_told_apart_by_code(service, code, service_status, status):
    body = {"Error": {"Code": code, "Message": CAUSE, "Type": "Sender"}, "RequestId": "1"}
    answer = service.answers(service_status, body).request(
        "POST", "/webhooks", body={"id": 1}, headers={"Stripe-Signature": "s"}
    )
    assert answer.status == status
    assert CAUSE not in answer.body
