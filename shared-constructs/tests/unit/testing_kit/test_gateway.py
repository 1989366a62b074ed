"""A request through the gateway: routing, authorisation, validation, mapping, selection, the gateway's own answers."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import requests
from apigateway_engine import (
    Api,
    BackendResponse,
    Gateway,
    GatewayResponse,
    Headers,
    HttpRequest,
    Integration,
    IntegrationResponse,
    Method,
    UnknownRouteError,
    UnsupportedFeatureError,
    checked,
)

PUT_ITEM = "arn:aws:apigateway:eu-west-1:dynamodb:action/PutItem"
DEFAULT = IntegrationResponse(status_code=200)


class Backend:
    """Answers with what it is told and keeps what it was sent."""

    def __init__(self, status: int = 200, body: str = "{}", **headers: str) -> None:
        self.answer = BackendResponse(status=status, body=body, headers=headers)
        self.requests = []

    def __call__(self, request):
        self.requests.append(request)
        return self.answer


def method(path: str = "/x", verb: str = "POST", *, integration: dict | None = None, **options) -> Method:
    defaults = {"type": "AWS", "uri": PUT_ITEM, "responses": (DEFAULT,)}
    return Method(
        http_method=verb,
        resource_path=path,
        integration=Integration(**{**defaults, **(integration or {})}),
        **options,
    )


def gateway(*methods: Method, backend=None, **api) -> Gateway:
    return Gateway(
        Api(api_id="a", stage="v1", account="1" * 12, region="eu-west-1", methods=methods, **api),
        backend or Backend(),
    )


def send(served: Gateway, verb: str = "POST", path: str = "/x", *, claims=None, identity=None, **parts):
    parts["headers"] = Headers(parts.get("headers"))
    return served.handle(HttpRequest(method=verb, path=path, **parts), claims=claims, identity=identity)


# Routing --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "/"),
        ("/products", "/products"),
        ("/products/EST-1", "/products/{sku}"),
        ("/products/special", "/products/special"),
        ("/products/EST-1/stock", "/products/{sku}/stock"),
        ("/files/a/b/c", "/files/{proxy+}"),
    ],
)
def test_the_most_specific_route_serves_a_request(path, expected):
    paths = [
        "/",
        "/products",
        "/products/{sku}",
        "/products/special",
        "/products/{sku}/stock",
        "/files/{proxy+}",
    ]
    api = gateway(*(method(p, "GET") for p in paths)).api
    assert api.route("GET", path)[0].resource_path == expected


def test_an_unknown_route_lists_the_routes():
    with pytest.raises(UnknownRouteError, match=r"no route PUT /y; routes are: GET /x; POST /x"):
        send(gateway(method(), method(verb="GET")), "PUT", "/y")


def test_path_parameters_are_decoded_after_routing():
    served = gateway(
        method("/p/{id}", integration={"request_templates": {"application/json": "$input.params('id')"}})
    )
    exchange_method, request = served.route(HttpRequest(method="POST", path="/p/a%2Fb%20%C3%A9"))
    assert request.path_parameters == {"id": "a/b é"}
    assert exchange_method.resource_path == "/p/{id}"


# Authorisation --------------------------------------------------------------------------------------------------------

COGNITO = {"authorization_type": "COGNITO_USER_POOLS", "authorization_scopes": ("shop/read", "shop/write")}


@pytest.mark.parametrize(
    ("claims", "status"),
    [(None, 401), ({"sub": "u"}, 403), ({"scope": "shop/other"}, 403), ({"scope": "openid shop/write"}, 200)],
)
def test_a_scope_admits_and_its_absence_is_told_from_the_tokens(claims, status):
    assert send(gateway(method(**COGNITO)), claims=claims).status == status


def test_an_unsigned_request_is_refused_by_iam():
    served = gateway(method(authorization_type="AWS_IAM"))
    assert send(served).gateway_response == "MISSING_AUTHENTICATION_TOKEN"
    assert send(served, identity={"userArn": "arn:aws:iam::1:role/x"}).status == 200


def test_an_unknown_authorizer_is_named():
    with pytest.raises(UnsupportedFeatureError, match="authorization type CUSTOM"):
        send(gateway(method(authorization_type="CUSTOM")))


# Validation -----------------------------------------------------------------------------------------------------------

SCHEMA = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "type": "object",
    "required": ["name", "price"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[a-z]*$"},
        "price": {"type": "integer", "minimum": 0, "maximum": 9},
        "kind": {"enum": ["a", "b"]},
    },
}
VALIDATED = {"validate_body": True, "request_models": {"application/json": SCHEMA}}
DETAILS = GatewayResponse(
    response_templates={
        "application/json": '{"message":$context.error.messageString,"why":"$context.error.validationErrorString"}'
    }
)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"name": "abc"}, 'object has missing required properties (["price"])'),
        (
            {"name": "abc", "price": 1, "x": 1},
            'object instance has properties which are not allowed by the schema: ["x"]',
        ),
        (
            {"name": 1, "price": 1},
            'instance type (integer) does not match any allowed primitive type (allowed: ["string"])',
        ),
        ({"name": "a", "price": 1}, 'string "a" is too short (length: 1, required minimum: 2)'),
        ({"name": "abcdef", "price": 1}, 'string "abcdef" is too long (length: 6, maximum allowed: 5)'),
        ({"name": "ABC", "price": 1}, 'ECMA 262 regex "^[a-z]*$" does not match input string "ABC"'),
        (
            {"name": "abc\n", "price": 1},
            'ECMA 262 regex "^[a-z]*$" does not match input string "abc\n"',
        ),
        (
            {"name": "abc", "price": -1},
            "numeric instance is lower than the required minimum (minimum: 0, found: -1)",
        ),
        (
            {"name": "abc", "price": 10},
            "numeric instance is greater than the required maximum (maximum: 9, found: 10)",
        ),
        (
            {"name": "abc", "price": 1, "kind": "c"},
            'instance value ("c") not found in enum (possible values: ["a","b"])',
        ),
    ],
)
def test_a_body_that_breaks_its_model_is_400_in_the_validators_words(body, why):
    served = gateway(method(**VALIDATED), gateway_responses={"BAD_REQUEST_BODY": DETAILS})
    refused = send(served, body=json.dumps(body))
    assert (refused.status, refused.json()) == (400, {"message": "Invalid request body", "why": f"[{why}]"})


@pytest.mark.parametrize("body", ["", "{", "[1", "nope"])
def test_a_body_that_is_not_json_is_400(body):
    assert send(gateway(method(**VALIDATED)), body=body).json() == {"message": "Invalid request body"}


def test_a_content_type_without_a_model_is_not_validated_unless_there_is_a_default():
    text = {"body": "anything", "headers": {"Content-Type": "text/plain"}}
    assert send(gateway(method(**VALIDATED)), **text).status == 200
    everything = {**VALIDATED, "request_models": {"$default": SCHEMA}}
    assert send(gateway(method(**everything)), **text).status == 400


def test_required_parameters_must_be_there_and_not_blank():
    required = {
        "method.request.querystring.q": True,
        "method.request.header.X-H": True,
        "method.request.header.O": False,
    }
    served = gateway(method(validate_parameters=True, request_parameters=required))
    refused = send(served, query={"q": [" "]})
    assert (refused.status, refused.json()) == (
        400,
        {"message": "Missing required request parameters: [q, X-H]"},
    )
    assert send(served, query={"q": ["1"]}, headers={"x-h": "1"}).status == 200


def test_a_body_over_ten_megabytes_is_413():
    assert send(gateway(method()), body="x" * (10 * 1024 * 1024 + 1)).status == 413


# Integration request --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behavior", "content_type", "expected"),
    [
        ("WHEN_NO_MATCH", "application/json", "mapped"),
        ("WHEN_NO_MATCH", "application/json; charset=utf-8", "mapped"),
        ("WHEN_NO_MATCH", None, "mapped"),
        ("WHEN_NO_MATCH", "text/plain", "raw"),
        ("WHEN_NO_TEMPLATES", "text/plain", 415),
        ("NEVER", "text/plain", 415),
        ("NEVER", "application/json; charset=utf-8", "mapped"),
        ("NEVER", 'Application/JSON ;charset="UTF-8"; profile=x', "mapped"),
        ("NEVER", "application/jsonx; charset=utf-8", 415),
    ],
)
def test_passthrough_behaviour(behavior, content_type, expected):
    backend = Backend()
    integration = {"passthrough_behavior": behavior, "request_templates": {"application/json": "mapped"}}
    headers = {"Content-Type": content_type} if content_type else {}
    answer = send(gateway(method(integration=integration), backend=backend), body="raw", headers=headers)
    if expected == 415:
        assert (answer.status, answer.json(), backend.requests) == (
            415,
            {"message": "Unsupported Media Type"},
            [],
        )
    else:
        assert backend.requests[0].body == expected


def test_a_method_without_templates_passes_the_body_through_unless_never():
    for behavior, status in {"WHEN_NO_TEMPLATES": 200, "NEVER": 415}.items():
        assert send(gateway(method(integration={"passthrough_behavior": behavior}))).status == status


def test_parameters_are_mapped_to_the_integration():
    backend = Backend()
    integration = {
        "uri": "arn:aws:apigateway:eu-west-1:sqs:path/111/{queue}",
        "request_parameters": {
            "integration.request.header.Content-Type": "'application/x-www-form-urlencoded'",
            "integration.request.header.X-Claim": "context.authorizer.claims.sub",
            "integration.request.header.X-Body": "method.request.body.a.b",
            "integration.request.header.X-Absent": "method.request.header.Nope",
            "integration.request.querystring.all": "method.request.multivaluequerystring.q",
            "integration.request.querystring.stage": "stageVariables.colour",
            "integration.request.path.queue": "method.request.path.id",
        },
    }
    served = gateway(
        method("/q/{id}", integration=integration), backend=backend, stage_variables={"colour": "red"}
    )
    send(served, path="/q/my%20q", body='{"a":{"b":"c"}}', query={"q": ["1", "2"]}, claims={"sub": "u"})
    sent = backend.requests[0]
    assert sent.path == "/111/my%20q"
    assert sent.query == {"all": "1,2", "stage": "red"}
    assert sent.headers == {
        "Content-Type": "application/x-www-form-urlencoded",
        "X-Claim": "u",
        "X-Body": "c",
    }


def test_a_template_overrides_request_parameters():
    backend = Backend()
    template = "#set($context.requestOverride.header.X-A = 'template')body"
    integration = {
        "request_templates": {"application/json": template},
        "request_parameters": {"integration.request.header.X-A": "'mapping'"},
    }
    send(gateway(method(integration=integration), backend=backend))
    assert backend.requests[0].headers["X-A"] == "template"


@pytest.mark.parametrize(
    ("uri", "target", "content_type"),
    [
        ("dynamodb:action/PutItem", "DynamoDB_20120810.PutItem", "application/x-amz-json-1.0"),
        ("states:action/StartExecution", "AWSStepFunctions.StartExecution", "application/x-amz-json-1.0"),
    ],
)
def test_action_uris_name_the_operation(uri, target, content_type):
    backend = Backend()
    send(gateway(method(integration={"uri": f"arn:aws:apigateway:eu-west-1:{uri}"}), backend=backend))
    sent = backend.requests[0]
    assert (sent.headers["X-Amz-Target"], sent.headers["Content-Type"]) == (target, content_type)


@pytest.mark.parametrize(
    ("integration", "message"),
    [
        ({"uri": "arn:aws:apigateway:eu-west-1:s3:path/b/k"}, "'s3' is not known"),
        ({"uri": "arn:aws:apigateway:eu-west-1:sns:action/Publish"}, "'sns' is not known"),
        ({"uri": "arn:aws:apigateway:eu-west-1:sqs:action/SendMessage"}, "of SQS only path"),
        ({"uri": "http://example.com"}, "integration URI"),
        ({"uri": "arn:aws:apigateway:eu-west-1:events:action/PutEvents"}, "must map .*X-Amz-Target"),
        ({"type": "HTTP_PROXY"}, "integration type HTTP_PROXY is not known"),
        ({"type": "AWS_PROXY"}, "AWS_PROXY is not served here"),
        (
            {"request_parameters": {"integration.request.header.A": "method.request.cookie.x"}},
            "method.request.cookie.x",
        ),
    ],
)
def test_what_the_engine_does_not_know_is_named(integration, message):
    with pytest.raises(UnsupportedFeatureError, match=message):
        send(gateway(method(integration=integration)))


# Integration response -------------------------------------------------------------------------------------------------


def responses(*given: IntegrationResponse) -> dict:
    return {"responses": given}


def test_the_pattern_that_matches_the_whole_status_selects_the_response():
    served = method(
        integration=responses(
            IntegrationResponse(status_code=200, selection_pattern="2\\d{2}"),
            IntegrationResponse(status_code=400, selection_pattern="4\\d{2}"),
            IntegrationResponse(status_code=500),
        )
    )
    for backend_status, status in {200: 200, 202: 200, 404: 400, 4040: 500, 503: 500}.items():
        assert send(gateway(served, backend=Backend(backend_status))).status == status


def test_no_matching_response_and_no_default_is_500():
    served = method(integration=responses(IntegrationResponse(status_code=200, selection_pattern="200")))
    answer = send(gateway(served, backend=Backend(400)))
    assert (answer.status, answer.json()) == (500, {"message": "Internal server error"})
    assert "no integration response for '400'" in str(answer.cause)


def test_a_function_that_failed_is_selected_by_its_message():
    served = method(
        integration={
            "uri": "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/arn:aws:lambda:e:1:function:f/invocations",
            "responses": (IntegrationResponse(status_code=404, selection_pattern="Not found.*"), DEFAULT),
        }
    )
    failed = Backend(200, '{"errorMessage":"Not found: x"}', **{"X-Amz-Function-Error": "Unhandled"})
    assert send(gateway(served, backend=failed)).status == 404
    assert send(gateway(served, backend=Backend(200, '{"errorMessage":"Not found: x"}'))).status == 200


def test_the_response_is_mapped_with_the_backends_body():
    response = IntegrationResponse(
        status_code=200,
        response_templates={
            "application/json": '#if($input.path("$.__type").contains("Conditional"))'
            "#set($context.responseOverride.status = 409)#set($context.responseOverride.header.Retry-After = '1')#end"
            '{"kind":$input.json("$.__type"),"id":"$input.params(\'q\')"}'
        },
        response_parameters={
            "method.response.header.X-Static": "'fixed'",
            "method.response.header.X-Backend": "integration.response.header.x-id",
            "method.response.header.X-Kind": "integration.response.body.__type",
            "method.response.header.X-Request": "context.requestId",
            "method.response.header.X-None": "integration.response.header.nope",
        },
    )
    backend = Backend(400, '{"__type":"ConditionalCheckFailedException"}', **{"X-Id": "7"})
    answer = send(gateway(method(integration=responses(response)), backend=backend), query={"q": ["1"]})
    assert (answer.status, answer.json()) == (409, {"kind": "ConditionalCheckFailedException", "id": "1"})
    expected = {
        "Retry-After": "1",
        "X-Static": "fixed",
        "X-Backend": "7",
        "X-Kind": "ConditionalCheckFailedException",
    }
    assert {name: answer.headers[name] for name in expected} == expected
    assert answer.headers["X-Request"] == answer.headers["x-amzn-RequestId"]
    assert "X-None" not in answer.headers


def test_the_accept_header_chooses_the_response_template():
    templates = {"text/plain": "plain", "application/json": "{}"}
    served = gateway(
        method(integration=responses(IntegrationResponse(status_code=200, response_templates=templates)))
    )
    for accept, body in {"text/plain": "plain", "*/*": "{}", "text/html, text/plain;q=0.5": "plain"}.items():
        answer = send(served, headers={"Accept": accept})
        assert answer.body == body
    assert send(served, headers={"Accept": "text/plain"}).headers["Content-Type"] == "text/plain"


def test_a_template_that_fails_on_a_request_is_500_and_keeps_its_cause():
    integration = {"request_templates": {"application/json": "$input.params('q').substring(9)"}}
    answer = send(gateway(method(integration=integration)), query={"q": ["short"]})
    assert (answer.status, answer.json()) == (500, {"message": "Internal server error"})
    assert "StringIndexOutOfBounds" in str(answer.cause)


def test_a_body_that_the_template_cannot_parse_is_400():
    integration = {"request_templates": {"application/json": "$input.json('$.a')"}}
    answer = send(gateway(method(integration=integration)), body="{oops")
    assert answer.status == 400
    assert answer.json()["message"].startswith("Could not parse request body into json")


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (requests.Timeout(), 504, "INTEGRATION_TIMEOUT"),
        (requests.ConnectionError(), 504, "INTEGRATION_FAILURE"),
    ],
)
def test_a_backend_that_does_not_answer_is_504(error, status, kind):
    def fail(_request):
        raise error

    answer = send(gateway(method(), backend=fail))
    assert (answer.status, answer.gateway_response) == (status, kind)


def test_a_mock_selects_by_the_status_that_its_template_gives():
    served = method(
        integration={
            "type": "MOCK",
            "request_templates": {"application/json": '{"statusCode": $input.params("code")}'},
            "responses": (
                IntegrationResponse(status_code=204, selection_pattern="204"),
                IntegrationResponse(
                    status_code=200, response_templates={"application/json": "$context.stage"}
                ),
            ),
        }
    )
    assert send(gateway(served), query={"code": ["204"]}).status == 204
    assert send(gateway(served), query={"code": ["200"]}).body == "v1"
    assert send(gateway(served), query={"code": ["x"]}).status == 500


# Gateway responses ----------------------------------------------------------------------------------------------------


def test_a_gateway_response_has_a_template_headers_and_a_status():
    custom = GatewayResponse(
        status_code=418,
        response_parameters={
            "gatewayresponse.header.Content-Type": "'application/problem+json'",
            "gatewayresponse.header.X-Origin": "method.request.header.Origin",
            "gatewayresponse.header.X-Missing": "method.request.header.Nope",
        },
        response_templates={
            "application/json": '{"title":$context.error.messageString,"type":"$context.error.responseType"'
            '#if($context.error.responseType == "UNAUTHORIZED"),"hint":"sign in"#end}'
        },
    )
    served = gateway(method(**COGNITO), gateway_responses={"DEFAULT_4XX": custom})
    answer = send(served, headers={"Origin": "https://x"})
    assert answer.status == 418
    assert answer.json() == {"title": "Unauthorized", "type": "UNAUTHORIZED", "hint": "sign in"}
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["X-Origin"] == "https://x"
    assert "X-Missing" not in answer.headers


def test_a_type_of_its_own_wins_over_the_default_and_keeps_its_status():
    given = {
        "DEFAULT_4XX": GatewayResponse(response_templates={"application/json": '"any"'}),
        "UNAUTHORIZED": GatewayResponse(response_templates={"application/json": '"own"'}),
    }
    served = gateway(method(**COGNITO), gateway_responses=given)
    assert (send(served).status, send(served).json()) == (401, "own")
    refused = send(served, claims={"scope": ""})
    assert (refused.status, refused.json()) == (403, "any")


# What AWS refuses before the service ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("{", "SerializationException"),
        ("[]", "SerializationException"),
        ('{"TableName":"ttt","Item":{"pk":{"S":5}}}', "SerializationException"),
        ('{"TableName":"ttt","Item":{"pk":{"S":null}}}', "SerializationException"),
        ('{"TableName":"ttt"}', "ValidationException"),
        ('{"TableName":"ttt","Item":{"pk":{"N":"abc"}}}', "ValidationException"),
        ('{"TableName":"ttt","Item":{"pk":{"N":""}}}', "ValidationException"),
        ('{"TableName":"ttt","Item":{"pk":{"N":"1e400"}}}', "ValidationException"),
        ('{"TableName":"ttt","Item":{"a":{"M":{"n":{"N":"0x1"}}}}}', "ValidationException"),
        ('{"TableName":"ttt","Item":{"pk":{"N":"-1.50"},"a":{"L":[{"N":"1E+2"}]}},"Unknown":1}', None),
    ],
)
def test_malformed_requests_are_refused_as_aws_refuses_them(body, kind):
    backend = Backend(200, '{"__type":null}')
    integration = {
        "request_templates": {"application/json": body},
        "responses": (IntegrationResponse(status_code=200),),
    }
    answer = send(gateway(method(integration=integration), backend=checked(backend)))
    if kind is None:
        assert len(backend.requests) == 1
    else:
        assert answer.json()["__type"].endswith(f"#{kind}")
        assert backend.requests == []


def test_an_api_can_be_changed_without_a_new_gateway():
    served = gateway(method())
    served.api = replace(served.api, methods=(method("/y"),))
    assert send(served, path="/y").status == 200
