"""What the templates must say, whatever the constructs become."""

from product_service.stack import build
from service_testing import actions_on, callers, of_type
from service_testing.rules import ServiceRules


class TestStack(ServiceRules):
    service = "product"
    build = staticmethod(build)

    def test_there_is_no_function(self, stacks):
        assert [name for name, each in stacks.items() if of_type(each, "AWS::Lambda::Function")] == []

    def test_every_change_of_a_product_can_be_told(self, data, template):
        (table,) = of_type(data, "AWS::DynamoDB::Table")
        assert table["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
        assert actions_on(template, "events:") == {"events:PutEvents"}

    def test_readers_need_no_token_and_operators_their_scope(self, template):
        assert callers(template) == {
            "GET /products": ("NONE", None),
            "GET /products/{sku}": ("NONE", None),
            "PUT /products/{sku}": ("COGNITO_USER_POOLS", ["commerce/operate"]),
            "DELETE /products/{sku}": ("COGNITO_USER_POOLS", ["commerce/operate"]),
        }

    def test_every_product_is_checked_against_a_model(self, template):
        (put,) = [m for m in of_type(template, "AWS::ApiGateway::Method") if m["HttpMethod"] == "PUT"]
        assert "application/json" in put["RequestModels"]

    def test_the_api_may_do_to_the_table_what_its_routes_do_and_nothing_else(self, template):
        reading = ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")
        feed = {f"dynamodb:{action}" for action in reading}
        # Scan, and Query of the table itself, are the operator's republish workflow.
        granted = {"dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:Scan"}
        assert actions_on(template, "dynamodb:") - feed == granted
