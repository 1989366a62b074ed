"""Templates come to life in moto: references, requests, functions; and the injection harness finds what it should."""

from __future__ import annotations

import copy
import json
import sys
from typing import Any

import pytest
from apigateway_engine import UnknownRouteError, UnsupportedFeatureError
from service_testing import Deployment, Probe, injection_cases, unprobed_routes
from service_testing.intrinsics import UnresolvableError

SAFE = """$util.escapeJavaScript({}).replaceAll("\\\\'", "'")"""
PROBLEM = {
    "application/json": '{"title":$context.error.messageString,"status":$context.responseOverride.status,"type":"about:blank"}'
}


def api_part(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::ApiGateway::{kind}", "Properties": {"RestApiId": {"Ref": "Api"}, **properties}}


def integration(uri: str, template: str, *responses: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {
        "Type": "AWS",
        "IntegrationHttpMethod": "POST",
        "Uri": {"Fn::Sub": "arn:${AWS::Partition}:apigateway:${AWS::Region}:" + uri},
        "PassthroughBehavior": "NEVER",
        "RequestTemplates": {
            "application/json": {
                "Fn::Join": [
                    "",
                    template.split("|")[:1]
                    + [
                        part if index % 2 == 0 else {"Fn::ImportValue": part}
                        for index, part in enumerate(template.split("|"))
                    ][1:],
                ]
            }
        },
        "IntegrationResponses": list(responses),
        **options,
    }


def put(escape: str) -> dict[str, Any]:
    sku, note = SAFE.format("$input.params('sku')"), escape.format("$input.path('$.note')")
    problem = '{"title":"refused","status":400,"type":"about:blank"}'
    return integration(
        "dynamodb:action/PutItem",
        f'{{"TableName":"|data-table|","Item":{{"pk":{{"S":"{sku}"}},"note":{{"S":"{note}"}},"by":{{"S":"$context.authorizer.claims.sub"}}}}}}',
        {
            "StatusCode": "200",
            "SelectionPattern": "200",
            "ResponseTemplates": {"application/json": '{"id":"$context.requestId"}'},
        },
        {
            "StatusCode": "400",
            "ResponseTemplates": {"application/json": problem},
            "ResponseParameters": {"method.response.header.Content-Type": "'application/problem+json'"},
        },
    )


DATA = {
    "Resources": {
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            },
        },
    },
    "Outputs": {"Name": {"Value": {"Ref": "Table"}, "Export": {"Name": "data-table"}}},
}
SERVICE = {
    "Parameters": {
        "Bus": {
            "Type": "AWS::SSM::Parameter::Value<String>",
            "Default": "/commerce/local/platform/event-bus-name/v1",
        },
        "Published": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/commerce/local/x/queue/v1"},
    },
    "Resources": {
        "Queue": {"Type": "AWS::SQS::Queue"},
        "Parameter": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {
                "Name": "/commerce/local/x/queue/v1",
                "Value": {"Fn::GetAtt": ["Queue", "QueueName"]},
            },
        },
        "Role": {"Type": "AWS::IAM::Role", "Properties": {"Of": {"Ref": "Function"}}},
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Handler": "kit_service.runtime.handler.handler",
                "MemorySize": 256,
                "Timeout": 7,
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Environment": {
                    "Variables": {"TABLE": {"Fn::ImportValue": "data-table"}, "BUS": {"Ref": "Bus"}}
                },
            },
        },
        "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "api"}},
        "Stage": api_part("Stage", StageName="v1"),
        "Items": api_part("Resource", ParentId={"Fn::GetAtt": ["Api", "RootResourceId"]}, PathPart="items"),
        "Item": api_part("Resource", ParentId={"Ref": "Items"}, PathPart="{sku}"),
        "Code": api_part("Resource", ParentId={"Fn::GetAtt": ["Api", "RootResourceId"]}, PathPart="code"),
        "Model": api_part(
            "Model",
            Name="Note",
            Schema={
                "type": "object",
                "required": ["note"],
                "properties": {"note": {"type": "string", "maxLength": 2000}},
            },
        ),
        "Validator": api_part("RequestValidator", ValidateRequestBody=True),
        "Refused": api_part(
            "GatewayResponse",
            ResponseType="DEFAULT_4XX",
            ResponseParameters={"gatewayresponse.header.Content-Type": "'application/problem+json'"},
            ResponseTemplates={
                "application/json": '#set($s = {"UNAUTHORIZED": 401, "ACCESS_DENIED": 403})#set($t = $context.error.responseType)'
                '{"title":$context.error.messageString,"status":#if($s.containsKey($t))$s.get($t)#{else}400#end}'
            },
        ),
        "Put": api_part(
            "Method",
            HttpMethod="PUT",
            ResourceId={"Ref": "Item"},
            AuthorizationType="COGNITO_USER_POOLS",
            AuthorizationScopes=["x/write"],
            RequestModels={"application/json": {"Ref": "Model"}},
            RequestValidatorId={"Ref": "Validator"},
            Integration=put(SAFE),
        ),
        "Send": api_part(
            "Method",
            HttpMethod="POST",
            ResourceId={"Ref": "Items"},
            AuthorizationType="NONE",
            Integration=integration(
                "sqs:path/${AWS::AccountId}/${Published}",
                "Action=SendMessage&MessageBody=$util.urlEncode($input.body)",
                {"StatusCode": "202"},
                RequestParameters={
                    "integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"
                },
            ),
        ),
        "Run": api_part(
            "Method",
            HttpMethod="POST",
            ResourceId={"Ref": "Code"},
            AuthorizationType="NONE",
            Integration={
                "Type": "AWS_PROXY",
                "IntegrationHttpMethod": "POST",
                "Uri": {
                    "Fn::Sub": "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Function.Arn}/invocations"
                },
            },
        ),
    },
}
OPERATOR = {"sub": "user-1", "scope": "x/write"}
PUT = Probe(
    method="PUT",
    path="/items/{sku}",
    path_parameters={"sku": "SKU-1"},
    body={"note": "harmless"},
    claims=OPERATOR,
)


@pytest.fixture
def deployment():
    with Deployment({"data": DATA, "service": SERVICE}) as deployed:
        yield deployed


@pytest.fixture
def handler_package(tmp_path, monkeypatch):
    package = tmp_path / "kit_service" / "runtime"
    package.mkdir(parents=True)
    (package / "handler.py").write_text(
        "import json, os\n"
        "TABLE = os.environ['TABLE']\n"
        "def handler(event, context):\n"
        "    return {'statusCode': 201, 'headers': {'X-Bus': os.environ['BUS']}, 'body': json.dumps({'table': TABLE,\n"
        "        'memory': context.memory_limit_in_mb, 'left': context.get_remaining_time_in_millis(),\n"
        "        'resource': event['resource'], 'body': event['body'], 'q': event['queryStringParameters']})}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield package
    for name in [name for name in sys.modules if name.startswith("kit_service")]:
        del sys.modules[name]


def test_a_direct_route_writes_through_exports_between_stacks(deployment):
    answer = deployment.request("PUT", "/items/a%2Fb", body={"note": "it's"}, claims=OPERATOR)
    assert (answer.status, answer.json()) == (200, {"id": answer.headers["x-amzn-RequestId"]})
    assert deployment.items("Table") == [{"pk": "a/b", "note": "it's", "by": "user-1"}]
    assert [(call.service, call.action) for call in deployment.calls] == [("dynamodb", "PutItem")]


def test_authorisation_and_validation_come_before_the_integration(deployment):
    statuses = [
        deployment.request("PUT", "/items/a", body={"note": "x"}).status,
        deployment.request("PUT", "/items/a", body={"note": "x"}, claims={"sub": "u"}).status,
        deployment.request("PUT", "/items/a", body={"note": 1}, claims=OPERATOR).status,
    ]
    assert statuses == [401, 403, 400]
    assert deployment.calls == []


def test_rendering_shows_the_request_without_sending_it(deployment):
    rendered = deployment.render("PUT", "/items/a", body={"note": "x"}, claims=OPERATOR)
    assert rendered.action == "PutItem"
    assert rendered.json()["Item"]["pk"] == {"S": "a"}
    assert deployment.items("Table") == []


def test_a_queue_found_by_parameter_gets_the_body(deployment):
    assert deployment.request("POST", "/items", body='{"a": "b&c"}').status == 202
    assert deployment.messages("Queue") == ['{"a": "b&c"}']


@pytest.mark.usefixtures("handler_package")
def test_a_function_route_runs_the_handler_with_its_environment(deployment):
    answer = deployment.request("POST", "/code?q=1", body={"n": 1})
    assert (answer.status, answer.headers["x-bus"]) == (201, "commerce-local")
    assert answer.json() == {
        "table": "data-Table", "memory": 256, "left": 7000, "resource": "/code", "body": '{"n": 1}', "q": {"q": "1"},
    }  # fmt: skip


@pytest.mark.usefixtures("handler_package")
def test_each_deployment_imports_handlers_anew():
    for table in ("one", "two"):
        data = copy.deepcopy(DATA)
        data["Resources"]["Table"]["Properties"]["TableName"] = table
        with Deployment({"data": data, "service": SERVICE}) as deployed:
            assert deployed.request("POST", "/code").json()["table"] == table


def test_a_handler_that_cannot_be_imported_says_what_to_do(deployment):
    with pytest.raises(
        ImportError, match=r"kit_service\.runtime\.handler\.handler.*Function.*pip install -e"
    ):
        deployment.request("POST", "/code")


def test_a_route_that_wants_an_api_key_is_refused_by_name():
    template = copy.deepcopy(SERVICE)
    template["Resources"]["Send"]["Properties"]["ApiKeyRequired"] = True
    with (
        Deployment({"data": DATA, "service": template}) as deployed,
        pytest.raises(UnsupportedFeatureError, match="/items: API keys"),
    ):
        deployed.request("POST", "/items", body="{}")


def test_an_unknown_route_lists_the_routes(deployment):
    with pytest.raises(
        UnknownRouteError, match=r"no route PUT /x; routes are: POST /code; POST /items; PUT /items/\{sku\}"
    ):
        deployment.request("PUT", "/x")


def test_a_resource_that_is_not_there_lists_those_that_are(deployment):
    with pytest.raises(LookupError, match=r"none called 'Orders': AWS::DynamoDB .*; there are: Table$"):
        deployment.table("Orders")


def test_a_parameter_that_nobody_publishes_says_how_to_give_it():
    template = copy.deepcopy(SERVICE)
    template["Parameters"]["Published"]["Default"] = "/commerce/local/other/thing/v1"
    with (
        Deployment({"data": DATA, "service": template}) as deployed,
        pytest.raises(UnresolvableError, match=r"/commerce/local/other/thing/v1.*parameters="),
    ):
        deployed.request("POST", "/items", body="{}")
    given = {"/commerce/local/other/thing/v1": "service-Queue"}
    with Deployment({"data": DATA, "service": template}, parameters=given) as deployed:
        assert deployed.request("POST", "/items", body="{}").status == 202


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            {"Fn::Sub": ["${a}-${!b}-${AWS::Region}-${R.Arn}", {"a": "x"}]},
            "x-${b}-eu-west-1-arn:aws:iam::123456789012:role/stack-R",
        ),
        ({"Fn::Select": [1, {"Fn::Split": [",", "a,b"]}]}, "b"),
        ({"Fn::If": ["Prod", 1, {"Ref": "R"}]}, "stack-R"),
        ({"Fn::FindInMap": ["Sizes", "eu-west-1", "n"]}, 3),
        ({"Fn::Base64": "a"}, "YQ=="),
        ({"a": {"Ref": "AWS::NoValue"}, "b": [{"Ref": "AWS::NoValue"}, {"Ref": "P"}]}, {"b": ["given"]}),
        ("{{resolve:ssm:/x}}/y", "found/y"),
    ],
)
def test_intrinsic_functions(value, expected):
    template = {
        "Parameters": {"P": {"Type": "String"}},
        "Conditions": {"Prod": {"Fn::Not": [{"Fn::Or": [{"Fn::Equals": [{"Ref": "P"}, "given"]}]}]}},
        "Mappings": {"Sizes": {"eu-west-1": {"n": 3}}},
        "Resources": {
            "R": {"Type": "AWS::IAM::Role"},
            "User": {"Type": "AWS::IAM::User", "Properties": {"Value": value}},
        },
    }
    with Deployment({"stack": template}, parameters={"P": "given", "/x": "found"}) as deployed:
        assert deployed.resource("User").properties["Value"] == expected


def test_an_unknown_intrinsic_function_is_named():
    template = {
        "Resources": {"Q": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::Cidr": ["x"]}}}}
    }
    with Deployment({"s": template}) as deployed, pytest.raises(UnresolvableError, match="Fn::Cidr"):
        deployed.resource("Q")


def test_a_queue_with_a_name_exists_before_anything_refers_to_it():
    """Code may know the name; a queue without one can only be known by a reference."""
    template = {
        "Resources": {
            "Named": {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "named"}},
            "Nameless": {"Type": "AWS::SQS::Queue"},
        }
    }
    with Deployment({"s": template}) as deployed:
        queues = deployed.client("sqs").list_queues()["QueueUrls"]
        assert [url.rpartition("/")[2] for url in queues] == ["named"]
        assert deployed.resource("Nameless").ref in deployed.client("sqs").list_queues()["QueueUrls"]


INJECTION = 'a"},"pk":{"S":"other"},"z":{"S":"b'
VALUES = [
    "null",
    " ",
    "it's",
    '"',
    "\\",
    "{",
    "&DelaySeconds=1&MessageBody=x",
    "$x",
    "#end",
    INJECTION,
    "a\x00b",
    " a ",
    "é𝒳",
]
# Injection ------------------------------------------------------------------------------------------------------------


def case(location: str, name: str) -> Any:
    return next(
        c
        for c in injection_cases([PUT], values=VALUES)
        if (c.location, c.name[-1:]) == (location, (name,) if name else ())
    )


@pytest.mark.parametrize(
    ("location", "name"),
    [("path", "sku"), ("body", "note"), ("body-name", ""), ("body-text", ""), ("claim", "scope")],
)
def test_a_template_that_escapes_passes_the_injection_suite(deployment, location, name):
    case(location, name).run(deployment)


def test_a_template_that_does_not_escape_is_found(deployment):
    with pytest.raises(AssertionError, match=r"claim sub: \d+ values\n.*Item\.by\.S is 'a', not"):
        case("claim", "sub").run(deployment)


@pytest.mark.parametrize("unsafe", ["{}", "$util.urlEncode({})", "{}.replaceAll('[^a-z]', '')", "{}.trim()"])
def test_each_way_of_escaping_wrongly_is_found(unsafe):
    template = copy.deepcopy(SERVICE)
    template["Resources"]["Put"]["Properties"]["Integration"] = put(unsafe)
    with (
        Deployment({"data": DATA, "service": template}) as deployed,
        pytest.raises(AssertionError, match="body note"),
    ):
        case("body", "note").run(deployed)


def test_an_injection_case_leaves_the_tables_as_they_were(deployment):
    deployment.table("Table").put_item(Item={"pk": "kept", "note": "x"})
    case("body", "note").run(deployment)
    assert deployment.items("Table") == [{"pk": "kept", "note": "x"}]


def test_routes_without_a_probe_are_listed(deployment):
    assert unprobed_routes(deployment, [PUT]) == ["POST /code", "POST /items"]


def test_a_response_that_is_not_json_shows_itself(deployment):
    with pytest.raises(ValueError, match="is not JSON"):
        deployment.request("POST", "/items", body=json.dumps({"a": 1})).__class__(
            status=200, headers={}, body="<x>"
        ).json()
