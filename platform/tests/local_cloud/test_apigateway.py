"""Direct integrations on the local cloud behave as the testing kit's engine says, which is API Gateway's behaviour."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import requests
from apigateway_engine import BackendResponse, IntegrationRequest
from commerce_platform.local_cloud.extension import apigateway as patch
from ministack import app
from ministack.core.responses import get_account_id

PROBLEM = (
    '{"title":$context.error.messageString,"status":$context.status,"type":"$context.error.responseType",'
    '"detail":"$context.error.validationErrorString","path":"$context.path"}'
)
MODEL = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string", "maxLength": 40}},
}
ESCAPED = """$util.escapeJavaScript({}).replaceAll("\\\\'", "'")"""
SKU = ESCAPED.format("$input.params('sku')")
NAME = ESCAPED.format("$input.path('$.name')")


def integration(service: str, template: str, *responses: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {
        "Type": "AWS",
        "IntegrationHttpMethod": "POST",
        "Uri": {"Fn::Sub": f"arn:aws:apigateway:${{AWS::Region}}:{service}"},
        "Credentials": "arn:aws:iam::111111111111:role/any",
        "PassthroughBehavior": "NEVER",
        "RequestTemplates": {"application/json": {"Fn::Sub": template}},
        "IntegrationResponses": list(responses),
        **options,
    }


def response(status: int, template: str = "", pattern: str = "", **options: Any) -> dict[str, Any]:
    templates = {"ResponseTemplates": {"application/json": template}} if template else {}
    return {"StatusCode": str(status), "SelectionPattern": pattern, **templates, **options}


def method(path: str, verb: str, integrated: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {
        "Type": "AWS::ApiGateway::Method",
        "Properties": {
            "RestApiId": {"Ref": "Api"},
            "ResourceId": {"Ref": path},
            "HttpMethod": verb,
            "AuthorizationType": "NONE",
            "Integration": integrated,
            **options,
        },
    }


def part(name: str, parent: Any, segment: str) -> dict[str, Any]:
    properties = {"RestApiId": {"Ref": "Api"}, "ParentId": parent, "PathPart": segment}
    return {name: {"Type": "AWS::ApiGateway::Resource", "Properties": properties}}


PUT = integration(
    "dynamodb:action/PutItem",
    '{"TableName":"${Table}","ConditionExpression":"attribute_not_exists(pk)","Item":{'
    f'"pk":{{"S":"{SKU}"}},"name":{{"S":"{NAME}"}}}}}}',
    response(201, '{"name":"$util.escapeJavaScript($input.params(\'sku\'))"}', "200"),
    response(
        400,
        '#if($input.path("$.__type").contains("ConditionalCheckFailed"))#set($context.responseOverride.status = 409)#end'
        '{"type":$input.json("$.__type")}',
    ),
)
GET = integration(
    "dynamodb:action/GetItem",
    f'{{"TableName":"${{Table}}","Key":{{"pk":{{"S":"{SKU}"}}}}}}',
    response(
        200,
        '#set($item = $input.path("$.Item"))#if("$!item" == "")#set($context.responseOverride.status = 404){"status":404}'
        '#else{#foreach($name in $item.keySet())"$name":"$util.escapeJavaScript($item.get($name).S)'
        '.replaceAll("\\\\\'", "\'")"#if($foreach.hasNext),#end#end}#end',
        "200",
    ),
    response(500),
)
START = integration(
    "states:action/StartSyncExecution",
    '{"stateMachineArn":"${Machine}","input":"{\\"name\\":\\"$util.escapeJavaScript($input.path(\'$.name\'))\\"}"}',
    response(200, '$input.path("$.output")', "200"),
    response(500, "$input.body"),
)
EVENT = integration(
    "events:action/PutEvents",
    '{"Entries":[{"Source":"test","DetailType":"T","EventBusName":"${Bus}","Detail":"$util.escapeJavaScript($input.json(\'$\'))'
    '.replaceAll("\\\\\'", "\'")"}]}',
    response(202, '{"failed":$input.path("$.FailedEntryCount")}', "200"),
    response(500),
    RequestParameters={
        "integration.request.header.X-Amz-Target": "'AWSEvents.PutEvents'",
        "integration.request.header.Content-Type": "'application/x-amz-json-1.1'",
    },
)
SEND = integration(
    "sqs:path/${AWS::AccountId}/${Queue.QueueName}",
    "Action=SendMessage&MessageBody=$util.urlEncode($input.body)",
    response(202, '{"id":$input.json("$.SendMessageResponse.SendMessageResult.MessageId")}', "2\\d\\d"),
    response(500),
    RequestParameters={"integration.request.header.Content-Type": "'application/x-www-form-urlencoded'"},
)
MOCK = {
    "Type": "MOCK",
    "RequestTemplates": {
        "application/json": '#if($input.params("x") == "1"){"statusCode":204}#else{"statusCode":200}#end'
    },
    "IntegrationResponses": [
        response(204, pattern="204", ResponseParameters={"method.response.header.X-Stage": "context.stage"}),
        response(200, '{"variable":"$stageVariables.colour"}'),
    ],
}
RESOURCES: dict[str, Any] = {
    "Table": {
        "Type": "AWS::DynamoDB::Table",
        "Properties": {
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
        },
    },
    "Queue": {"Type": "AWS::SQS::Queue"},
    "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": "events"}},
    "Machine": {
        "Type": "AWS::StepFunctions::StateMachine",
        "Properties": {
            "StateMachineType": "EXPRESS",
            "RoleArn": "arn:aws:iam::111111111111:role/any",
            "DefinitionString": json.dumps(
                {
                    "QueryLanguage": "JSONata",
                    "StartAt": "Greet",
                    "States": {
                        "Greet": {
                            "Type": "Pass",
                            "End": True,
                            "Output": {"greeting": "{% $states.input.name %}"},
                        }
                    },
                }
            ),
        },
    },
    "Pool": {"Type": "AWS::Cognito::UserPool", "Properties": {"UserPoolName": "pool"}},
    "Client": {
        "Type": "AWS::Cognito::UserPoolClient",
        "Properties": {
            "UserPoolId": {"Ref": "Pool"},
            "ExplicitAuthFlows": ["ALLOW_ADMIN_USER_PASSWORD_AUTH"],
        },
    },
    "Api": {"Type": "AWS::ApiGateway::RestApi", "Properties": {"Name": "api"}},
    **part("Items", {"Fn::GetAtt": ["Api", "RootResourceId"]}, "items"),
    **part("Item", {"Ref": "Items"}, "{sku}"),
    **part("Workflow", {"Fn::GetAtt": ["Api", "RootResourceId"]}, "workflow"),
    **part("Events", {"Fn::GetAtt": ["Api", "RootResourceId"]}, "events"),
    **part("Messages", {"Fn::GetAtt": ["Api", "RootResourceId"]}, "messages"),
    **part("Bucket", {"Fn::GetAtt": ["Api", "RootResourceId"]}, "bucket"),
    **part("Mine", {"Fn::GetAtt": ["Api", "RootResourceId"]}, "mine"),
    **part("Guarded", {"Fn::GetAtt": ["Api", "RootResourceId"]}, "guarded"),
    "Model": {
        "Type": "AWS::ApiGateway::Model",
        "Properties": {
            "RestApiId": {"Ref": "Api"},
            "Name": "Item",
            "ContentType": "application/json",
            "Schema": MODEL,
        },
    },
    "Validator": {
        "Type": "AWS::ApiGateway::RequestValidator",
        "Properties": {
            "RestApiId": {"Ref": "Api"},
            "ValidateRequestBody": True,
            "ValidateRequestParameters": True,
        },
    },
    "BadBody": {
        "Type": "AWS::ApiGateway::GatewayResponse",
        "Properties": {
            "RestApiId": {"Ref": "Api"},
            "ResponseType": "DEFAULT_4XX",
            "ResponseTemplates": {"application/json": PROBLEM.replace("$context.status", "400")},
            "ResponseParameters": {"gatewayresponse.header.Content-Type": "'application/problem+json'"},
        },
    },
    "Authorizer": {
        "Type": "AWS::ApiGateway::Authorizer",
        "Properties": {
            "RestApiId": {"Ref": "Api"},
            "Name": "cognito",
            "Type": "COGNITO_USER_POOLS",
            "IdentitySource": "method.request.header.Authorization",
            "ProviderARNs": [{"Fn::GetAtt": ["Pool", "Arn"]}],
        },
    },
    "Put": method(
        "Item",
        "PUT",
        PUT,
        RequestModels={"application/json": {"Ref": "Model"}},
        RequestValidatorId={"Ref": "Validator"},
    ),
    "Get": method("Item", "GET", GET),
    "Start": method("Workflow", "POST", START),
    "PutEvent": method("Events", "POST", EVENT),
    "Send": method("Messages", "POST", SEND),
    "Mocked": method("Messages", "GET", MOCK),
    "Unknown": method("Bucket", "POST", integration("s3:path/bucket/key", "{}", response(200))),
    "Own": method(
        "Mine",
        "GET",
        {**MOCK, "IntegrationResponses": [response(200, '{"sub":"$context.authorizer.claims.sub"}')]},
        AuthorizationType="COGNITO_USER_POOLS",
        AuthorizerId={"Ref": "Authorizer"},
    ),
    "Scoped": method(
        "Guarded",
        "GET",
        MOCK,
        AuthorizationType="COGNITO_USER_POOLS",
        AuthorizerId={"Ref": "Authorizer"},
        AuthorizationScopes=["commerce/operate"],
    ),
}
RESOURCES |= {
    "Deployed": {
        "Type": "AWS::ApiGateway::Deployment",
        "DependsOn": [
            name for name, resource in RESOURCES.items() if resource["Type"].startswith("AWS::ApiGateway::")
        ],
        "Properties": {"RestApiId": {"Ref": "Api"}},
    },
    "Stage": {
        "Type": "AWS::ApiGateway::Stage",
        "Properties": {
            "RestApiId": {"Ref": "Api"},
            "DeploymentId": {"Ref": "Deployed"},
            "StageName": "v",
            "Variables": {"colour": "red"},
        },
    },
}


@pytest.fixture(scope="module")
def api(public_cloud):
    """Calls the API; the stack's other outputs are attributes."""
    references = {name: {"Value": {"Ref": name}} for name in ("Api", "Queue", "Pool", "Client")}
    outputs = public_cloud.deploy(RESOURCES, stack="apigateway", Outputs=references)

    class Called:
        pool, client, queue = outputs["Pool"], outputs["Client"], outputs["Queue"]

        def __call__(self, verb: str, path: str, **options: Any) -> requests.Response:
            url = f"{public_cloud.endpoint}/_aws/execute-api/{outputs['Api']}/v{path}"
            return requests.request(verb, url, timeout=10, **options)

    return Called()


def test_an_item_is_written_and_read_back_whatever_it_holds(api):
    name = 'it\'s "quoted" \\ $x #end 🥐\n'
    assert api("PUT", "/items/EST-1", json={"name": name}).status_code == 201
    read = api("GET", "/items/EST-1")
    assert (read.status_code, read.json()) == (200, {"pk": "EST-1", "name": name})
    assert read.headers["Content-Type"] == "application/json"


def test_what_is_not_there_is_404_and_what_is_there_already_409(api):
    assert api("GET", "/items/none").status_code == 404
    assert api("PUT", "/items/twice", json={"name": "x"}).status_code == 201
    again = api("PUT", "/items/twice", json={"name": "y"})
    assert again.status_code == 409
    assert again.json()["type"].endswith("ConditionalCheckFailedException")


def test_a_body_that_breaks_the_model_is_refused_by_a_gateway_response_that_says_why(api):
    refused = api("PUT", "/items/bad", json={"nome": 1})
    assert refused.status_code == 400
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert refused.json() == {
        "title": "Invalid request body",
        "status": 400,
        "type": "BAD_REQUEST_BODY",
        "detail": '[object has missing required properties (["name"])]',
        "path": "/v/items/bad",
    }
    assert api("GET", "/items/bad").status_code == 404


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON;charset=UTF-8"]
)
def test_parameters_and_case_of_a_content_type_do_not_count(api, content_type):
    headers = {"Content-Type": content_type}
    item = f"/items/{len(content_type)}"
    assert api("PUT", item, data='{"name": "Ada"}', headers=headers).status_code == 201
    invalid = api("PUT", "/items/bad", data="{}", headers=headers)
    assert invalid.status_code == 400


def test_a_content_type_without_a_template_is_415(api):
    assert api("PUT", "/items/t", data="<a/>", headers={"Content-Type": "text/xml"}).status_code == 415


def test_a_synchronous_workflow_answers_with_its_output(api):
    started = api("POST", "/workflow", json={"name": "Ada"})
    assert (started.status_code, started.json()) == (200, {"greeting": "Ada"})


def test_an_event_reaches_the_bus(api, public_cloud):
    queue = public_cloud.queue("caught")
    public_cloud.rule_to(queue, {"source": ["test"]}, bus="events")
    assert api("POST", "/events", json={"quote": "it's"}).json() == {"failed": 0}
    assert queue.receive()[0]["detail"] == {"quote": "it's"}


def test_a_message_reaches_the_queue_unchanged(api, public_cloud):
    sent = api(
        "POST", "/messages", data='{"a": "&MessageBody=x+%"}', headers={"Content-Type": "application/json"}
    )
    assert sent.status_code == 202
    assert sent.json()["id"]
    message = public_cloud.client("sqs").receive_message(QueueUrl=api.queue)["Messages"][0]
    assert message["Body"] == '{"a": "&MessageBody=x+%"}'


def test_a_mock_renders_its_templates(api):
    assert api("GET", "/messages").json() == {"variable": "red"}
    empty = api("GET", "/messages", params={"x": "1"})
    assert (empty.status_code, empty.headers["X-Stage"]) == (204, "v")


def test_a_service_that_nobody_knows_is_named(api):
    unknown = api("POST", "/bucket", json={})
    assert unknown.status_code == 501
    assert "'s3' is not known" in unknown.json()["message"]


def access_token(cloud, api) -> str:
    cognito = cloud.client("cognito-idp")
    cognito.admin_create_user(UserPoolId=api.pool, Username="ada")
    cognito.admin_set_user_password(
        UserPoolId=api.pool, Username="ada", Password="Secret-123", Permanent=True
    )
    answer = cognito.admin_initiate_auth(
        UserPoolId=api.pool,
        ClientId=api.client,
        AuthFlow="ADMIN_USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": "ada", "PASSWORD": "Secret-123"},
    )
    return answer["AuthenticationResult"]["AccessToken"]


def test_templates_see_the_callers_claims_and_a_missing_scope_is_403(api, public_cloud):
    token = access_token(public_cloud, api)
    payload = token.split(".")[1]
    subject = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["sub"]
    authorised = {"Authorization": f"Bearer {token}"}
    assert api("GET", "/mine").status_code == 401
    assert api("GET", "/mine", headers=authorised).json() == {"sub": subject}
    assert api("GET", "/guarded").status_code == 401
    forbidden = api("GET", "/guarded", headers=authorised)
    assert (forbidden.status_code, forbidden.json()["type"]) == (403, "ACCESS_DENIED")


# --- Called without HTTP -----------------------------------------------------------------------------------------


GET_ITEM = IntegrationRequest(
    service="dynamodb",
    region="eu-west-1",
    action="GetItem",
    headers={"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810.GetItem"},
    body='{"TableName": "absent", "Key": {"pk": {"S": "a"}}}',
)


@pytest.fixture
def handled(monkeypatch):
    """Stand in for the emulator's handlers; give what it is to do, and the backend."""

    def backend(call):
        monkeypatch.setattr(app, "call_service_handler_sync", call)
        patch._backend.cache_clear()
        return patch._backend("123456789012")

    yield backend
    patch._backend.cache_clear()


def test_a_handler_that_takes_longer_than_an_integration_may_times_out(handled):
    def late(*_request, timeout):
        raise TimeoutError(timeout)

    with pytest.raises(requests.Timeout, match="29"):
        handled(late)(GET_ITEM)


def test_a_handler_that_fails_is_answered_as_the_server_answers(handled):
    def broken(*_request, **_limit):
        raise KeyError("gone")

    answer = handled(broken)(GET_ITEM)
    assert answer.status == 500
    assert json.loads(answer.body)["__type"] == "InternalError"


def test_a_handler_runs_in_the_api_s_account_and_leaves_none_behind(handled):
    found = []

    def note(*_request, **_limit):
        found.append(get_account_id())
        return 200, {}, b"{}"

    before = get_account_id()
    assert handled(note)(GET_ITEM).body == "{}"
    assert (found, get_account_id()) == (["123456789012"], before)


def test_the_server_is_asked_where_iam_is_enforced(handled, monkeypatch):
    monkeypatch.setattr(app, "AUTH", True)
    monkeypatch.setattr(patch, "AwsEndpoint", lambda *_, **__: lambda _: BackendResponse(status=403))
    assert handled(None)(GET_ITEM).status == 403
