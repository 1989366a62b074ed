"""What the templates must say, whatever the constructs become."""

import json
import re

from order_service.settings import OrderSettings
from order_service.stack import build
from service_testing import callers, listed, of_type, statements
from service_testing.rules import ServiceRules


class TestStack(ServiceRules):
    service = "order"
    build = staticmethod(build)
    settings = OrderSettings

    def test_there_is_no_function(self, stacks):
        assert [name for name, each in stacks.items() if of_type(each, "AWS::Lambda::Function")] == []

    def test_orders_and_catalogue_are_tables_of_their_own(self, data):
        assert len(of_type(data, "AWS::DynamoDB::Table")) == 2

    def test_customers_and_operators_need_their_scopes_each_on_their_routes(self, template):
        customer = ("COGNITO_USER_POOLS", ["commerce/shop"])
        operator = ("COGNITO_USER_POOLS", ["commerce/operate"])
        assert callers(template) == {
            "POST /orders": customer,
            "GET /orders": customer,
            "GET /orders/{orderId}": customer,
            "POST /orders/{orderId}/cancellation": customer,
            "GET /operations/orders": operator,
            "GET /operations/orders/{orderId}": operator,
            "POST /operations/orders/{orderId}/fulfilment": operator,
        }

    def test_what_a_lost_execution_had_in_hand_comes_back_within_half_a_minute(self, template):
        queues = [queue for queue in of_type(template, "AWS::SQS::Queue") if "RedrivePolicy" in queue]
        assert {queue["VisibilityTimeout"] for queue in queues} == {30}

    def test_every_wait_has_a_literal_time_limit_and_the_lifecycle_outlasts_them_all(self, template, stage):
        (definition,) = (
            machine["DefinitionString"]
            for machine in of_type(template, "AWS::StepFunctions::StateMachine")
            if machine["StateMachineType"] == "STANDARD"
            and "ReserveStock" in json.dumps(machine["DefinitionString"])
        )
        limits = [int(each) for each in re.findall(r'"TimeoutSeconds\W+(\d+)', json.dumps(definition))]
        waits = [300, 60] if stage == "local" else [300, 900]
        # A payment that is asked for again has a state of its own.
        assert sorted(limits) == sorted([*waits, waits[1], sum(waits) + 3600])

    def test_only_the_saga_s_own_waits_can_be_answered(self, template):
        answering = [s for s in statements(template) if "states:SendTaskSuccess" in listed(s["Action"])]
        assert len(answering) == 2
        assert all(listed(s["Resource"]) != ["*"] for s in answering)

    def test_orders_are_told_of_on_the_bus(self, template):
        assert [s for s in statements(template) if "events:PutEvents" in listed(s["Action"])]
