"""What the templates must say, whatever the constructs become."""

import json

import pytest
from cart_service.stack import build
from service_testing import actions_on, listed, masked, of_type, statements, synthesize
from syrupy.extensions.json import JSONSnapshotExtension


@pytest.fixture(scope="module", params=["dev", "prod"])
def stage(request):
    return request.param


@pytest.fixture(scope="module")
def stacks(stage):
    return synthesize(build, service="cart", stage=stage)


@pytest.fixture(scope="module")
def service(stacks, stage):
    return stacks[f"commerce-{stage}-cart"]


def methods(template):
    """(verb, path) → method, preflight requests aside."""
    resources = template["Resources"]

    def path(reference):
        if "Ref" not in reference:
            return ""
        resource = resources[reference["Ref"]]["Properties"]
        return f"{path(resource['ParentId'])}/{resource['PathPart']}"

    return {
        (method["HttpMethod"], path(method["ResourceId"])): method
        for method in of_type(template, "AWS::ApiGateway::Method")
        if method["HttpMethod"] != "OPTIONS"
    }


def test_the_templates_change_only_when_it_is_meant(stacks, snapshot):
    for name, template in stacks.items():
        assert masked(template) == snapshot(name=name, extension_class=JSONSnapshotExtension)


def test_there_is_one_function_and_it_serves_every_write(service):
    (function,) = of_type(service, "AWS::Lambda::Function")
    assert function["Handler"] == "cart_service.api.runtime.handler.handler"
    kinds = {route: method["Integration"]["Type"] for route, method in methods(service).items()}
    assert kinds == {
        ("POST", "/carts"): "AWS_PROXY",
        ("GET", "/carts/{cartId}"): "AWS",
        ("PUT", "/carts/{cartId}/items/{sku}"): "AWS_PROXY",
        ("DELETE", "/carts/{cartId}/items/{sku}"): "AWS_PROXY",
        ("GET", "/me/cart"): "AWS",
        ("PUT", "/me/cart/items/{sku}"): "AWS_PROXY",
        ("DELETE", "/me/cart/items/{sku}"): "AWS_PROXY",
        ("POST", "/me/cart/merge"): "AWS_PROXY",
    }


def test_customers_need_their_scope_and_visitors_no_token(service):
    for (_, path), method in methods(service).items():
        expected = ("COGNITO_USER_POOLS", ["commerce/shop"]) if path.startswith("/me") else ("NONE", None)
        assert (method["AuthorizationType"], method.get("AuthorizationScopes")) == expected


def test_the_function_may_read_and_put_single_items_and_nothing_else(service):
    assert actions_on(service, "dynamodb:", "CartsWrites") == {"dynamodb:GetItem", "dynamodb:PutItem"}


def test_the_api_may_only_query_and_the_projection_only_update(service):
    assert actions_on(service, "dynamodb:", "CartsApi") == {"dynamodb:Query"}
    assert actions_on(service, "dynamodb:", "Products") == {"dynamodb:UpdateItem"}


def test_no_role_has_a_wildcard_action(stacks):
    actions = [a for template in stacks.values() for s in statements(template) for a in listed(s["Action"])]
    assert actions
    assert [action for action in actions if "*" in action] == []


def test_nobody_here_speaks_on_the_bus(service):
    assert actions_on(service, "events:", "") == set()


def test_the_carts_survive_in_a_stack_of_their_own_and_expire(stacks, stage):
    (table,) = stacks[f"commerce-{stage}-cart-data"]["Resources"].values()
    assert table["Type"] == "AWS::DynamoDB::Table"
    retained = "Retain" if stage == "prod" else "Delete"
    assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == retained
    ttl = table["Properties"]["TimeToLiveSpecification"]
    assert ttl == {"AttributeName": "expiresAtEpoch", "Enabled": True}


def test_every_event_waits_in_a_queue_that_gives_up_with_an_alarm(service):
    rules = of_type(service, "AWS::Events::Rule")
    wanted = {(*r["EventPattern"]["source"], *r["EventPattern"]["detail-type"]) for r in rules}
    assert wanted == {("commerce.product", "ProductChanged.v1"), ("commerce.order", "OrderConfirmed.v1")}
    for target in (target for rule in rules for target in rule["Targets"]):
        assert {"DeadLetterConfig", "RetryPolicy"} <= target.keys()
    queues = {n: r["Properties"] for n, r in service["Resources"].items() if r["Type"] == "AWS::SQS::Queue"}
    dlqs = [name for name, queue in queues.items() if "RedrivePolicy" not in queue]
    alarmed = json.dumps(of_type(service, "AWS::CloudWatch::Alarm"))
    assert len(dlqs) == 2
    for dlq in dlqs:
        assert queues[dlq]["MessageRetentionPeriod"] == 14 * 24 * 3600
        assert dlq in alarmed


def test_others_find_the_api_by_its_parameter(service, stage):
    names = [parameter["Name"] for parameter in of_type(service, "AWS::SSM::Parameter")]
    assert f"/commerce/{stage}/cart/api-url/v1" in names
