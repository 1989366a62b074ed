"""What the templates must say, whatever the constructs become."""

import json
import re

import pytest
from order_service.settings import OrderSettings
from order_service.stack import build
from service_testing import listed, masked, of_type, statements, synthesize
from syrupy.extensions.json import JSONSnapshotExtension


@pytest.fixture(scope="module", params=["dev", "prod"])
def stage(request):
    return request.param


@pytest.fixture(scope="module")
def stacks(stage):
    return synthesize(build, service="order", settings=OrderSettings, stage=stage)


@pytest.fixture(scope="module")
def service(stacks, stage):
    return stacks[f"commerce-{stage}-order"]


def test_the_templates_change_only_when_it_is_meant(stacks, snapshot):
    for name, template in stacks.items():
        assert masked(template) == snapshot(name=name, extension_class=JSONSnapshotExtension)


def test_there_is_no_function(stacks):
    assert [name for name, template in stacks.items() if of_type(template, "AWS::Lambda::Function")] == []


def test_orders_and_catalogue_survive_in_a_stack_of_their_own(stacks, stage):
    tables = of_type(stacks[f"commerce-{stage}-order-data"], "AWS::DynamoDB::Table")
    assert len(tables) == 2
    assert [table.get("DeletionProtectionEnabled", False) for table in tables] == [stage == "prod"] * 2


def test_customers_and_operators_need_their_scopes_on_every_route(service):
    methods = [m for m in of_type(service, "AWS::ApiGateway::Method") if m["HttpMethod"] != "OPTIONS"]
    assert len(methods) == 7
    scopes = sorted(scope for m in methods for scope in m["AuthorizationScopes"])
    assert scopes == ["commerce/operate"] * 3 + ["commerce/shop"] * 4


def test_every_wait_has_a_literal_time_limit(service):
    (definition,) = (
        machine["DefinitionString"]
        for machine in of_type(service, "AWS::StepFunctions::StateMachine")
        if machine["StateMachineType"] == "STANDARD"
        and "ReserveStock" in json.dumps(machine["DefinitionString"])
    )
    limits = re.findall(r'"TimeoutSeconds\W+(\d+)', json.dumps(definition))
    assert {"30", "120"} <= set(limits), limits


def test_only_the_saga_s_own_waits_can_be_answered(service):
    answering = [s for s in statements(service) if "states:SendTaskSuccess" in listed(s["Action"])]
    assert len(answering) == 3
    assert all(listed(s["Resource"]) != ["*"] for s in answering)


def test_the_service_speaks_only_for_itself(service):
    speaking = [s for s in statements(service) if "events:PutEvents" in listed(s["Action"])]
    assert speaking
    assert all(s["Condition"] == {"StringEquals": {"events:source": "commerce.order"}} for s in speaking)


def test_no_role_has_a_wildcard_action(stacks):
    actions = [a for t in stacks.values() for s in statements(t) for a in listed(s["Action"])]
    assert actions
    assert [action for action in actions if "*" in action] == []


def test_every_rule_target_has_a_dlq_and_every_queue_an_end(service):
    for rule in of_type(service, "AWS::Events::Rule"):
        assert all("DeadLetterConfig" in target and "RetryPolicy" in target for target in rule["Targets"])
    alarmed = json.dumps(of_type(service, "AWS::CloudWatch::Alarm"))
    for name, resource in service["Resources"].items():
        if resource["Type"] == "AWS::SQS::Queue":
            assert name in alarmed
            assert resource["Properties"]["SqsManagedSseEnabled"] is True
