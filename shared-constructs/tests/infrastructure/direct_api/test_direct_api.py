"""What a DirectApi puts into the template, and what it refuses to."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from apigateway_engine import BackendResponse
from aws_cdk import assertions
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs
from pydantic import BaseModel, Field, field_validator
from service_testing import Deployment, synthesize
from shared_constructs import ExpressWorkflow, ServiceApp, ServiceStack, ServiceTable, StackKind, StageName
from shared_constructs.direct_api import (
    IAM,
    PUBLIC,
    Cors,
    DeleteItem,
    DirectApi,
    GetItem,
    InvokeFunction,
    ModelError,
    Page,
    Problem,
    Query,
    Require,
    RouteError,
    Scopes,
    SendToQueue,
    StartWorkflow,
    Succeed,
    Throttle,
    UpdateItem,
    all_of,
    any_of,
    attributes_of,
    body,
    claim,
    equals,
    exists,
    greater_than,
    less_than,
    path,
    text,
)
from shared_constructs.nag import add_rules


class Thing(BaseModel):
    name: str = Field(max_length=10)


class Described(Thing):
    description: str


class Given:
    """An app with a table and an API, to which a test adds routes."""

    def __init__(self, app: ServiceApp, *, table: Any = None, **options: Any) -> None:
        self.stack = ServiceStack(app, kind=StackKind.STATELESS)
        if table:
            self.table = table(self.stack)
        else:
            data = ServiceStack(app, kind=StackKind.STATEFUL)
            self.table = ServiceTable(data, "Table", indexes={"gsi1": attributes_of(Thing)})
        self.api = DirectApi(self.stack, "Api", description="Things", **options)
        self.key = {"pk": text("THING#", path("id")), "sk": "THING"}

    def get(self, **options: Any) -> GetItem:
        return GetItem(table=self.table, key=self.key, response=Thing, **options)


def template_of(add_routes, stage="prod", **options: Any) -> assertions.Template:
    def build(app: ServiceApp) -> None:
        add_routes(Given(app, **options))

    return assertions.Template.from_json(
        synthesize(build, service="things", stage=stage)["commerce-" + stage + "-things"]
    )


def two_routes(given: Given) -> None:
    given.api.route("GET", "/things/{id}", given.get(), auth=PUBLIC)
    given.api.route(
        "GET",
        "/things",
        Query(table=given.table, index="gsi1", partition=text("OF#", claim("sub")), response=Thing),
        auth=Scopes("commerce/shop"),
        throttle=Throttle(rate=5, burst=7),
    )


@pytest.fixture(scope="module")
def template():
    return template_of(two_routes)


@pytest.fixture
def given():
    return Given(ServiceApp(service="things", stage="prod"))


def methods(template) -> dict[str, dict[str, Any]]:
    found = template.find_resources("AWS::ApiGateway::Method")
    return {
        f"{each['Properties']['HttpMethod']} {each['Properties'].get('OperationName', key)}": each[
            "Properties"
        ]
        for key, each in found.items()
    }


# -------------------------------------------------------------------------------------------------------- permissions
def test_each_kind_of_caller_has_a_role_that_may_do_what_its_routes_do_and_nothing_else(template):
    policies = template.find_resources("AWS::IAM::Policy").values()
    by_role = {
        policy["Properties"]["Roles"][0]["Ref"][: len("ApiPublic")]: policy["Properties"]["PolicyDocument"][
            "Statement"
        ]
        for policy in policies
    }
    assert set(by_role) == {"ApiPublic", "ApiShopRo"}
    (public,), (shop,) = by_role["ApiPublic"], by_role["ApiShopRo"]
    assert (public["Action"], shop["Action"]) == ("dynamodb:GetItem", "dynamodb:Query")
    assert "/index/gsi1" in json.dumps(shop["Resource"])
    assert "/index" not in json.dumps(public["Resource"])
    assert "*" not in json.dumps([public, shop])


def test_routes_of_one_kind_of_caller_share_a_role_its_statements_and_the_authorizer():
    shop = Scopes("commerce/shop")

    def routes(given: Given) -> None:
        given.api.route("GET", "/things/{id}", given.get(), auth=shop)
        given.api.route("GET", "/things/{id}/again", given.get(), auth=shop)
        given.api.route("GET", "/signed/{id}", given.get(), auth=IAM)

    template = template_of(routes)
    template.resource_count_is("AWS::ApiGateway::Authorizer", 1)
    roles = template.find_resources("AWS::IAM::Role")
    assert sorted(name.partition("Role")[0] for name in roles) == ["ApiServices", "ApiShop"]
    for role in roles.values():
        (trusted,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert trusted["Principal"] == {"Service": "apigateway.amazonaws.com"}
    for policy in template.find_resources("AWS::IAM::Policy").values():
        (statement,) = policy["Properties"]["PolicyDocument"]["Statement"]
        assert statement["Action"] == "dynamodb:GetItem"


# ------------------------------------------------------------------------------------------------------ stage and logs
def test_no_method_logs_bodies_and_each_is_counted(template):
    (stage,) = template.find_resources("AWS::ApiGateway::Stage").values()
    settings = stage["Properties"]["MethodSettings"]
    assert len(settings) == 2
    assert {each["DataTraceEnabled"] for each in settings} == {False}
    assert {each["MetricsEnabled"] for each in settings} == {True}


def test_an_api_has_as_many_resources_as_api_gateway_takes():
    def with_paths(count):
        def routes(given: Given) -> None:
            for number in range(count):
                given.api.route("GET", f"/of/r{number}/{{id}}", given.get(), auth=PUBLIC)

        return routes

    # /of, and two resources below it for each.
    assert template_of(with_paths(3)).find_resources("AWS::ApiGateway::Resource").keys()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("shared_constructs.direct_api.api.MAX_RESOURCES", 7)
        assert template_of(with_paths(3))
        with pytest.raises(RuntimeError, match="the API has 9 resources, API Gateway allows 7; split it"):
            template_of(with_paths(4))


def test_customers_and_operators_are_known_and_a_routes_scope_says_which_of_them_it_lets_in(template):
    [authorizer] = template.find_resources("AWS::ApiGateway::Authorizer").values()
    pools = [
        template.to_json()["Parameters"][each["Ref"]]["Default"]
        for each in authorizer["Properties"]["ProviderARNs"]
    ]
    assert pools == [
        "/commerce/prod/platform/user-pool-arn/v1",
        "/commerce/prod/platform/operator-pool-arn/v1",
    ]


def test_every_method_validates_and_refuses_unknown_content_types(template):
    for properties in methods(template).values():
        if properties["HttpMethod"] == "OPTIONS":
            continue
        assert properties["RequestValidatorId"]
        assert properties["Integration"]["PassthroughBehavior"] == "NEVER"
        assert list(properties["Integration"]["RequestTemplates"]) == ["application/json"]
    template.has_resource_properties(
        "AWS::ApiGateway::RequestValidator", {"ValidateRequestBody": True, "ValidateRequestParameters": True}
    )


def test_only_a_known_success_is_a_success(template):
    for properties in methods(template).values():
        if properties["HttpMethod"] != "OPTIONS":
            patterns = {
                each["StatusCode"]: each.get("SelectionPattern")
                for each in properties["Integration"]["IntegrationResponses"]
            }
            assert patterns == {"200": r"2\d{2}", "400": r"4\d{2}", "500": None}


def test_a_function_answers_for_itself_and_the_api_may_call_it_by_that_route_alone():
    arn = "arn:aws:lambda:eu-west-1:111122223333:function:things"

    def routes(given: Given) -> None:
        function = lambda_.Function.from_function_attributes(
            given.stack, "Function", function_arn=arn, same_environment=True
        )
        parts = InvokeFunction(function=function, request=Described)
        given.api.route("PUT", "/things/{id}/parts/{part}", parts, auth=PUBLIC, name="PutPart")
        given.api.route("GET", "/all", InvokeFunction(function=function), auth=PUBLIC)

    template = template_of(routes)
    found = {each["HttpMethod"]: each for each in methods(template).values()}
    put, get = found["PUT"], found["GET"]
    assert {each["Integration"]["Type"] for each in found.values()} == {"AWS_PROXY"}
    assert arn in json.dumps(put["Integration"]["Uri"])
    assert put["OperationName"] == "PutPart"
    assert put["RequestParameters"] == {"method.request.path.id": True, "method.request.path.part": True}
    assert "RequestParameters" not in get
    assert "RequestModels" not in get
    # A proxied function gets bodies of any type, so that each has to fit.
    assert set(put["RequestModels"]) == {"application/json", "$default"}
    sources = [
        json.dumps(each["Properties"]["SourceArn"])
        for each in template.find_resources("AWS::Lambda::Permission").values()
    ]
    assert len(sources) == 2
    assert not any("test-invoke-stage" in each for each in sources)


def test_a_model_is_made_once_and_another_schema_is_another_deployment():
    def routes(model):
        def add(given: Given) -> None:
            for route in ("/things/{id}", "/others/{id}"):
                put = UpdateItem(table=given.table, key=given.key, request=model, upsert=True)
                given.api.route("PUT", route, put, auth=PUBLIC)

        return add

    class Changed(Thing):
        description: str = Field(max_length=5)

    Changed.__name__ = "Described"
    template, changed = template_of(routes(Described)), template_of(routes(Changed))
    ((model, made),) = template.find_resources("AWS::ApiGateway::Model").items()
    properties = made["Properties"]
    assert (properties["ContentType"], properties["Description"]) == (
        "application/json",
        "Request body Described",
    )
    assert properties["Schema"]["required"] == ["name", "description"]
    for each in methods(template).values():
        assert each["RequestModels"] == {"application/json": {"Ref": model}}
    deployments = [each.find_resources("AWS::ApiGateway::Deployment") for each in (template, changed)]
    assert [model in each["DependsOn"] for each in deployments[0].values()] == [True]
    assert set(deployments[0]).isdisjoint(deployments[1])


def test_pages_of_other_origins_may_ask_and_read_where_the_api_says_so():
    def routes(given: Given) -> None:
        given.api.route("GET", "/things/{id}", given.get(), auth=PUBLIC)

    open_to = template_of(routes, cors=Cors(origins=("https://shop.example.com",)))
    found = {each["HttpMethod"]: each for each in methods(open_to).values()}
    assert found["OPTIONS"]["AuthorizationType"] == "NONE"
    for answer in found["GET"]["Integration"]["IntegrationResponses"]:
        headers = answer["ResponseParameters"]
        assert headers["method.response.header.Access-Control-Allow-Origin"] == "'https://shop.example.com'"
        assert headers["method.response.header.Vary"] == "'Origin'"
    for answer in found["GET"]["MethodResponses"]:
        assert answer["ResponseParameters"]["method.response.header.Vary"] is True
    for response in open_to.find_resources("AWS::ApiGateway::GatewayResponse").values():
        parameters = response["Properties"]["ResponseParameters"]
        assert (
            parameters["gatewayresponse.header.Access-Control-Allow-Origin"] == "'https://shop.example.com'"
        )


def test_throttles_of_the_stage_and_of_one_route(template):
    template.has_resource_properties(
        "AWS::ApiGateway::Stage",
        {
            "TracingEnabled": True,
            "MethodSettings": assertions.Match.array_with(
                [
                    assertions.Match.object_like(
                        {"ResourcePath": "/*", "HttpMethod": "*", "LoggingLevel": "ERROR"}
                    ),
                    assertions.Match.object_like(
                        {
                            "ResourcePath": "/~1things",
                            "HttpMethod": "GET",
                            "ThrottlingRateLimit": 5,
                            "ThrottlingBurstLimit": 7,
                        }
                    ),
                ]
            ),
        },
    )


def test_what_writes_without_a_token_is_throttled_by_itself_and_reads_are_not():
    def routes(given: Given) -> None:
        given.api.route("GET", "/things/{id}", given.get(), auth=PUBLIC)
        delete = DeleteItem(table=given.table, key=given.key)
        given.api.route("DELETE", "/things/{id}", delete, auth=PUBLIC)
        given.api.route("DELETE", "/mine/{id}", delete, auth=Scopes("commerce/shop"))

    (stage,) = template_of(routes).find_resources("AWS::ApiGateway::Stage").values()
    settings = stage["Properties"]["MethodSettings"]
    assert [
        (each["HttpMethod"], each["ResourcePath"], each["ThrottlingRateLimit"], each["ThrottlingBurstLimit"])
        for each in settings
    ] == [("*", "/*", 1000, 2000), ("DELETE", "/~1things~1{id}", 200, 400)]


@pytest.mark.parametrize(("options", "limit"), [({}, 3000), ({"source_limit": 60_000}, 60_000)])
def test_a_web_acl_refuses_an_address_that_sends_too_much(options, limit):
    template = template_of(two_routes, **options)
    (acl,) = template.find_resources("AWS::WAFv2::WebACL").values()
    (rule,) = acl["Properties"]["Rules"]
    assert (acl["Properties"]["Scope"], acl["Properties"]["DefaultAction"]) == ("REGIONAL", {"Allow": {}})
    assert rule["Statement"]["RateBasedStatement"] == {
        "AggregateKeyType": "IP",
        "EvaluationWindowSec": 300,
        "Limit": limit,
    }
    assert rule["Action"] == {"Block": {}}
    samples = [rule["VisibilityConfig"], acl["Properties"]["VisibilityConfig"]]
    assert [each["SampledRequestsEnabled"] for each in samples] == [False, False]
    (association,) = template.find_resources("AWS::WAFv2::WebACLAssociation").values()
    assert "/restapis/" in json.dumps(association["Properties"]["ResourceArn"])


def test_a_stage_without_a_limit_of_sources_has_no_web_acl():
    assert template_of(two_routes, stage="dev", source_limit=60_000).find_resources("AWS::WAFv2::*") == {}


def test_an_alarm_tells_of_5xx_answers_and_of_nothing_that_a_caller_does_wrong(template):
    (alarm,) = template.find_resources("AWS::CloudWatch::Alarm").values()
    properties = alarm["Properties"]
    # The average of 5XXError is the share of requests that were answered so.
    assert (properties["MetricName"], properties["Statistic"]) == ("5XXError", "Average")
    assert (properties["Threshold"], properties["DatapointsToAlarm"]) == (0.01, 3)


def test_both_logs_are_kept_as_long_as_the_stage_says_and_hold_json(template):
    groups = template.find_resources("AWS::Logs::LogGroup").values()
    assert len(groups) == 2
    assert len({each["Properties"]["RetentionInDays"] for each in groups}) == 1
    (stage,) = template.find_resources("AWS::ApiGateway::Stage").values()
    entry = json.loads(stage["Properties"]["AccessLogSetting"]["Format"])
    assert {"requestId", "status", "resourcePath", "errorType"} <= set(entry)


def test_the_access_log_says_who_called_and_from_where(template):
    (stage,) = template.find_resources("AWS::ApiGateway::Stage").values()
    entry = json.loads(stage["Properties"]["AccessLogSetting"]["Format"])
    assert (entry["sub"], entry["principal"], entry["sourceIp"]) == (
        "$context.authorizer.claims.sub",
        "$context.identity.userArn",
        "$context.identity.sourceIp",
    )


def test_every_error_of_the_gateway_is_a_problem(template):
    answers = template.find_resources("AWS::ApiGateway::GatewayResponse").values()
    types = {each["Properties"]["ResponseType"]: each["Properties"] for each in answers}
    assert len(types) == 21
    for properties in types.values():
        parameters = properties["ResponseParameters"]
        assert parameters["gatewayresponse.header.Content-Type"] == "'application/problem+json'"
        document = json.loads(
            properties["ResponseTemplates"]["application/json"].replace("$context.error.messageString", '""')
        )
        assert document["status"] == int(properties["StatusCode"])
        assert document["instance"] == "$context.requestId"
    assert types["MISSING_AUTHENTICATION_TOKEN"]["StatusCode"] == "404"
    assert types["THROTTLED"]["ResponseParameters"]["gatewayresponse.header.Retry-After"] == "'1'"


def test_the_url_is_published(template):
    template.has_resource_properties("AWS::SSM::Parameter", {"Name": "/commerce/prod/things/api-url/v1"})


def test_a_changed_model_is_a_new_deployment():
    def deployment(length: int) -> str:
        model = type(
            "Changing", (BaseModel,), {"__annotations__": {"name": Annotated[str, Field(max_length=length)]}}
        )

        def routes(given):
            operation = UpdateItem(table=given.table, key=given.key, request=model, upsert=True)
            given.api.route("PUT", "/things/{id}", operation, auth=IAM)

        return next(iter(template_of(routes).find_resources("AWS::ApiGateway::Deployment")))

    assert deployment(1) != deployment(2)


def test_a_changed_template_is_a_new_deployment():
    def deployment(detail: str) -> str:
        def routes(given):
            given.api.route("GET", "/things/{id}", given.get(missing=Problem(404, detail)), auth=IAM)

        return next(iter(template_of(routes).find_resources("AWS::ApiGateway::Deployment")))

    assert deployment("Gone.") == deployment("Gone.") != deployment("Never seen.")


def test_no_expression_has_parentheses_that_dynamodb_would_call_redundant():
    def routes(given):
        where = all_of(any_of(equals("name", "a"), all_of(exists("name"))))
        given.api.route("GET", "/things/{id}", given.get(where=where), auth=IAM)

    (method,) = methods(template_of(routes)).values()
    request = json.dumps(method["Integration"]["RequestTemplates"]).replace("\\", "")
    assert '"FilterExpression":"(u0023n2 = :v2 OR attribute_exists(u0023n2))"' in request


# --------------------------------------------------------------------------------------------------------------- CORS
def test_without_origins_there_is_no_cors(template):
    assert not any(key.startswith("OPTIONS") for key in methods(template))


def test_errors_carry_cors_headers_too():
    template = template_of(two_routes, cors=Cors(origins=("https://a.example", "https://b.example")))
    for properties in methods(template).values():
        if properties["HttpMethod"] != "OPTIONS":
            for each in properties["Integration"]["IntegrationResponses"]:
                assert "https://b.example" in json.dumps(each["ResponseTemplates"])
    for each in template.find_resources("AWS::ApiGateway::GatewayResponse").values():
        assert (
            each["Properties"]["ResponseParameters"]["gatewayresponse.header.Access-Control-Allow-Origin"]
            == "'*'"
        )


@pytest.mark.parametrize(
    ("origins", "caller", "allowed", "vary"),
    [
        (["*"], "https://a.example", "*", None),
        (["https://a.example"], "https://evil.example", "https://a.example", "Origin"),
        (["https://a.example", "https://b.example"], "https://b.example", "https://b.example", "Origin"),
        (["https://a.example", "https://b.example"], "https://evil.example", None, "Origin"),
    ],
    ids=str,
)
def test_what_an_answer_says_about_origins_is_kept_for_its_origin_alone(origins, caller, allowed, vary):
    """A browser or a cache must not show one origin what was answered to another."""
    stacks = synthesize(
        lambda app: two_routes(Given(app, cors=Cors(origins=origins))), service="things", stage="prod"
    )
    nothing = BackendResponse(status=200, body="{}")
    with Deployment(stacks, backend=lambda _: nothing) as deployment:
        answer = deployment.request("GET", "/things/x", headers={"Origin": caller})
    assert answer.status == 404
    assert answer.headers.get("Access-Control-Allow-Origin") == allowed
    assert answer.headers.get("Vary") == vary


# ------------------------------------------------------------------------------------------------------------ cdk-nag
@pytest.mark.parametrize("stage", [each.value for each in StageName])
def test_aws_solutions_finds_nothing(stage, tmp_path, monkeypatch):
    monkeypatch.setenv("CDK_VALIDATION", "true")
    app = ServiceApp(service="things", stage=stage, outdir=str(tmp_path))
    add_rules(app)
    # The stage's table is not under test here.
    given = Given(app, table=lambda stack: dynamodb.Table.from_table_name(stack, "Table", "elsewhere"))
    given.api.route("GET", "/things/{id}", given.get(), auth=PUBLIC)
    given.api.route("DELETE", "/things/{id}", DeleteItem(table=given.table, key=given.key), auth=IAM)
    queue = sqs.Queue.from_queue_arn(given.stack, "Queue", "arn:aws:sqs:eu-west-1:111122223333:queue")
    given.api.route(
        "POST", "/things", SendToQueue(queue=queue, request=Thing), auth=Scopes("commerce/operate")
    )
    app.synth()  # raises, naming each finding


# ------------------------------------------------------------------------------------------------------------- faults
class Recursive(BaseModel):
    children: list[Recursive] = []


class Mixed(BaseModel):
    value: int | str


class Checked(BaseModel):
    name: str

    @field_validator("name")
    @classmethod
    def capital(cls, value: str) -> str:
        return value.upper()


def update(given, **options):
    return UpdateItem(**{"table": given.table, "key": given.key, "values": {"a": 1}} | options)


FAULTS = {
    "the route exists already": lambda g: ("GET", "/things/{other}", g.get(), PUBLIC),
    "path parameters ['id'] are used but not in the route": lambda g: ("GET", "/all", g.get(), PUBLIC),
    "path parameters ['more'] are in the route but not used": lambda g: (
        "GET",
        "/x/{id}/{more}",
        g.get(),
        PUBLIC,
    ),
    "method must be one of": lambda g: ("TRACE", "/x/{id}", g.get(), PUBLIC),
    "without a slash at the end": lambda g: ("GET", "/x/{id}/", g.get(), PUBLIC),
    "the table's key is ['pk', 'sk']": lambda g: (
        "GET",
        "/x/{id}",
        GetItem(table=g.table, key={"pk": path("id")}, response=Thing),
        PUBLIC,
    ),
    "the table has no index 'gsi9'": lambda g: (
        "GET",
        "/x",
        Query(table=g.table, index="gsi9", partition="p", response=Thing),
        PUBLIC,
    ),
    "the index 'gsi1' does not project ['description']": lambda g: (
        "GET",
        "/x",
        Query(table=g.table, index="gsi1", partition="p", response=Described),
        PUBLIC,
    ),
    "the index 'gsi1' does not project ['owner']": lambda g: (
        "GET",
        "/x",
        Query(table=g.table, index="gsi1", partition="p", response=Thing, where=equals("owner", "me")),
        PUBLIC,
    ),
    "claims ['sub'] need auth=Scopes": lambda g: (
        "GET",
        "/x/{id}",
        g.get(where=equals("owner", claim("sub"))),
        IAM,
    ),
    "Recursive.children: Recursive contains itself": lambda g: (
        "GET",
        "/x/{id}",
        GetItem(table=g.table, key=g.key, response=Recursive),
        PUBLIC,
    ),
    "Mixed.value: a union of different JSON types": lambda g: (
        "GET",
        "/x/{id}",
        GetItem(table=g.table, key=g.key, response=Mixed),
        PUBLIC,
    ),
    "Checked.name: the Python validator capital": lambda g: (
        "PUT",
        "/x/{id}",
        update(g, request=Checked),
        IAM,
    ),
    "body('nope'): 'nope' is not a field; allowed are ['name']": lambda g: (
        "PUT",
        "/x/{id}",
        update(g, request=Thing, values={"a": body("nope")}),
        IAM,
    ),
    "the operation needs a request model": lambda g: (
        "PUT",
        "/x/{id}",
        update(g, values={"a": body("b")}),
        IAM,
    ),
    "attributes ['a'] are written twice": lambda g: ("PUT", "/x/{id}", update(g, remove=("a",)), IAM),
    "attributes ['version'] are keys or written by convention": lambda g: (
        "PUT",
        "/x/{id}",
        update(g, values={"version": 7}),
        IAM,
    ),
    "nothing to write": lambda g: ("PUT", "/x/{id}", update(g, values={}), IAM),
    "add['n'] must be a number": lambda g: ("PUT", "/x/{id}", update(g, add={"n": "one"}), IAM),
    "at most one condition may be an ordering": lambda g: (
        "PUT",
        "/x/{id}",
        update(
            g,
            conditions=(
                Require(less_than("a", 1), otherwise=Succeed(200)),
                Require(greater_than("b", 1), otherwise=Succeed(200)),
            ),
        ),
        IAM,
    ),
}


@pytest.mark.parametrize("message", FAULTS, ids=str)
def test_a_route_that_cannot_work_is_refused_by_name(given, message):
    given.api.route("GET", "/things/{id}", given.get(), auth=PUBLIC)
    method, route, operation, auth = FAULTS[message](given)
    with pytest.raises(RouteError) as error:
        given.api.route(method, route, operation, auth=auth)
    assert message in str(error.value)
    assert str(error.value).startswith(f"{method} {route}: ")


def test_a_template_larger_than_api_gateway_allows_is_refused(given):
    wide = type("Wide", (BaseModel,), {"__annotations__": {f"field_{n}": str for n in range(4000)}})
    with pytest.raises(RouteError, match="API Gateway allows 307,200"):
        given.api.route(
            "GET", "/x/{id}", GetItem(table=given.table, key=given.key, response=wide), auth=PUBLIC
        )


def test_an_api_without_routes_is_a_fault():
    with pytest.raises(RuntimeError, match="needs at least one route"):
        template_of(lambda _: None)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Scopes, "at least one scope"),
        (lambda: Problem(200, "fine"), "between 400 and 599, got 200"),
        (lambda: Succeed(404), "between 200 and 299, got 404"),
        (lambda: Page(default=10, maximum=5), "1 <= default <= maximum"),
        (lambda: Throttle(rate=0, burst=1), "at least 1, got 0"),
        (lambda: Cors(origins=("*", "https://a.example")), "only '\\*'"),
        (lambda: path("id", pattern="'"), "no single quote"),
        (
            lambda: Query(table=None, partition="p", response=Thing, index="gsi1", consistent=True),
            "cannot be consistent",
        ),
        (lambda: Given(ServiceApp(service="things", stage="prod"), source_limit=9), "at least 10, got 9"),
        (
            lambda: StartWorkflow(workflow=None, input={}, failures={"SoldOut": Problem(409, "Sold out.")}),
            "failures answer 500 or more, got 409 for SoldOut",
        ),
    ],
)
def test_options_say_what_is_allowed(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_an_api_outside_a_service_stack_says_where_it_belongs():
    from aws_cdk import App, Stack

    with pytest.raises(TypeError, match="needs to be inside a ServiceStack"):
        DirectApi(Stack(App(), "Plain"), "Api", description="x")


def test_an_imported_table_is_trusted(given):
    table = dynamodb.Table.from_table_name(given.stack, "Imported", "elsewhere")
    given.api.route(
        "GET", "/x/{id}", GetItem(table=table, key={"id": path("id")}, response=Thing), auth=PUBLIC
    )


def test_a_model_error_is_a_value_error():
    assert issubclass(ModelError, ValueError)


def test_what_the_arguments_leave_open_can_be_customized():
    template = template_of(
        two_routes,
        customize={"rest_api": {"binary_media_types": ["image/png"]}, "stage": {"metrics_enabled": False}},
    )
    template.has_resource_properties("AWS::ApiGateway::RestApi", {"BinaryMediaTypes": ["image/png"]})


@pytest.mark.parametrize(
    ("customize", "message"),
    [
        ({"stage": {"data_trace_enabled": True}}, "data_trace_enabled of stage cannot be customized"),
        ({"waf": {}}, "customize names waf"),
    ],
)
def test_what_the_api_enforces_cannot_be_customized(customize, message):
    with pytest.raises(ValueError, match=message):
        template_of(two_routes, customize=customize)


def test_the_sort_condition_is_on_the_sort_key(given):
    with pytest.raises(RouteError, match="sort is a condition on the sort key gsi1sk, got 'name'"):
        given.api.route(
            "GET",
            "/x",
            Query(table=given.table, index="gsi1", partition="p", response=Thing, sort=equals("name", "x")),
            auth=PUBLIC,
        )


def with_workflow(app, *, wait):
    stack = ServiceStack(app, kind=StackKind.STATELESS)
    say = {"QueryLanguage": "JSONata", "StartAt": "Say", "States": {"Say": {"Type": "Succeed"}}}
    api = DirectApi(stack, "Api", description="Says it.")
    start = StartWorkflow(workflow=ExpressWorkflow(stack, "Say", definition=say), input={}, wait=wait)
    for route in ("/one", "/two"):
        api.route("POST", route, start, auth=PUBLIC)


def workflow_resources(stage, *, wait=True, rollout=None):
    context = {"stages": {stage: {"rollout": rollout}}} if rollout else None
    (template,) = synthesize(lambda app: with_workflow(app, wait=wait), stage=stage, context=context).values()
    return template["Resources"]


@pytest.mark.parametrize(
    ("rollout", "preference"),
    [
        ("ALL_AT_ONCE", {"Type": "ALL_AT_ONCE"}),
        ("CANARY_10_PERCENT_15_MINUTES", {"Type": "CANARY", "Percentage": 10, "Interval": 15}),
        ("LINEAR_10_PERCENT_EVERY_1_MINUTE", {"Type": "LINEAR", "Percentage": 10, "Interval": 1}),
    ],
)
def test_a_workflow_that_callers_wait_for_is_called_by_an_alias_that_moves_as_the_stage_says(
    rollout, preference
):
    resources = workflow_resources("prod", rollout=rollout)
    ((name, alias),) = [
        each for each in resources.items() if each[1]["Type"] == "AWS::StepFunctions::StateMachineAlias"
    ]
    moved = alias["Properties"]["DeploymentPreference"]
    version = resources[moved.pop("StateMachineVersionArn")["Ref"]]
    assert version["UpdateReplacePolicy"] == "Retain"
    assert version["Properties"]["StateMachineRevisionId"]["Fn::GetAtt"][1] == "StateMachineRevisionId"
    watched = [resources[each["Ref"]]["Properties"]["MetricName"] for each in moved.pop("Alarms", ())]
    assert watched == ([] if rollout == "ALL_AT_ONCE" else ["5XXError"])
    assert moved == preference
    calls = [each for each in resources.values() if each["Type"] == "AWS::ApiGateway::Method"]
    assert len(calls) == 2
    assert all(f'{{"Ref": "{name}"}}' in json.dumps(each["Properties"]["Integration"]) for each in calls)


def test_a_workflow_that_nobody_waits_for_has_no_alias():
    types = {each["Type"] for each in workflow_resources("prod", wait=False).values()}
    assert "AWS::StepFunctions::StateMachineAlias" not in types
