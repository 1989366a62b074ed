"""What the templates must say, whatever the constructs become."""

from inventory_service.contracts.consumed import CONSUMED
from inventory_service.stack import build
from service_testing import actions_on, callers, of_type
from service_testing.rules import ServiceRules


class TestStack(ServiceRules):
    service = "inventory"
    build = staticmethod(build)

    def test_there_is_one_function_and_it_does_not_transport(self, template):
        (function,) = of_type(template, "AWS::Lambda::Function")
        assert function["Handler"] == "inventory_service.stock.runtime.handler.handler"

    def test_stock_and_reservations_never_expire(self, data):
        (table,) = of_type(data, "AWS::DynamoDB::Table")
        # Reservations outlive the archive's and the DLQ's retention, else a replay would take stock again.
        assert "TimeToLiveSpecification" not in table

    def test_the_function_may_write_its_table_and_nothing_else_of_dynamodb(self, template):
        granted = actions_on(template, "dynamodb:", "ConsumerFunction")
        assert granted == {"dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"}

    def test_every_event_of_an_order_that_is_consumed_has_a_rule(self, template):
        patterns = [rule["EventPattern"] for rule in of_type(template, "AWS::Events::Rule")]
        assert {pattern["detail-type"][0] for pattern in patterns} == set(CONSUMED)
        assert {source for pattern in patterns for source in pattern["source"]} == {"commerce.order"}

    def test_reservations_run_side_by_side_and_give_up_after_ten_receives(self, template):
        (mapping,) = of_type(template, "AWS::Lambda::EventSourceMapping")
        (queue,) = [queue for queue in of_type(template, "AWS::SQS::Queue") if "RedrivePolicy" in queue]
        assert mapping["ScalingConfig"]["MaximumConcurrency"] >= 2
        assert queue["RedrivePolicy"]["maxReceiveCount"] == 10

    def test_what_a_killed_function_had_in_hand_comes_back_within_half_a_minute(self, template):
        (queue,) = [queue for queue in of_type(template, "AWS::SQS::Queue") if "RedrivePolicy" in queue]
        # The order service's settings name this number: its orders wait twice as long at least.
        assert queue["VisibilityTimeout"] == 30

    def test_readers_need_no_token_and_operators_their_scope(self, template):
        assert callers(template) == {
            "GET /stock/{sku}": ("NONE", None),
            "POST /stock/{sku}/receipts": ("COGNITO_USER_POOLS", ["commerce/operate"]),
            "PUT /stock/{sku}/threshold": ("COGNITO_USER_POOLS", ["commerce/operate"]),
        }
