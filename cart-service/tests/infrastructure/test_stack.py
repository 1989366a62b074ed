"""What the templates must say, whatever the constructs become."""

from cart_service.settings import CartSettings
from cart_service.stack import build
from service_testing import actions_on, callers, of_type, routes
from service_testing.rules import ServiceRules


class TestStack(ServiceRules):
    service = "cart"
    build = staticmethod(build)
    settings = CartSettings

    def test_there_is_one_function_and_it_serves_every_write(self, template):
        (function,) = of_type(template, "AWS::Lambda::Function")
        assert function["Handler"] == "cart_service.api.runtime.handler.handler"
        kinds = {route: method["Integration"]["Type"] for route, method in routes(template).items()}
        assert kinds == {
            "POST /carts": "AWS_PROXY",
            "GET /carts/{cartId}": "AWS",
            "PUT /carts/{cartId}/items/{sku}": "AWS_PROXY",
            "DELETE /carts/{cartId}/items/{sku}": "AWS_PROXY",
            "GET /me/cart": "AWS",
            "PUT /me/cart/items/{sku}": "AWS_PROXY",
            "DELETE /me/cart/items/{sku}": "AWS_PROXY",
            "POST /me/cart/merge": "AWS_PROXY",
        }

    def test_customers_need_their_scope_and_visitors_no_token(self, template):
        visitor, customer = ("NONE", None), ("COGNITO_USER_POOLS", ["commerce/shop"])
        assert callers(template) == {
            "POST /carts": visitor,
            "GET /carts/{cartId}": visitor,
            "PUT /carts/{cartId}/items/{sku}": visitor,
            "DELETE /carts/{cartId}/items/{sku}": visitor,
            "GET /me/cart": customer,
            "PUT /me/cart/items/{sku}": customer,
            "DELETE /me/cart/items/{sku}": customer,
            "POST /me/cart/merge": customer,
        }

    def test_the_function_may_read_and_put_single_items_and_nothing_else(self, template):
        assert actions_on(template, "dynamodb:", "CartsWrites") == {"dynamodb:GetItem", "dynamodb:PutItem"}

    def test_the_api_may_only_query_and_the_projection_only_update(self, template):
        assert actions_on(template, "dynamodb:", "CartsApi") == {"dynamodb:Query"}
        assert actions_on(template, "dynamodb:", "Products") == {"dynamodb:UpdateItem"}

    def test_nobody_here_speaks_on_the_bus(self, template):
        assert actions_on(template, "events:") == set()

    def test_carts_expire(self, data):
        (table,) = of_type(data, "AWS::DynamoDB::Table")
        assert table["TimeToLiveSpecification"] == {"AttributeName": "expiresAtEpoch", "Enabled": True}

    def test_products_and_confirmed_orders_are_listened_to(self, template):
        patterns = [rule["EventPattern"] for rule in of_type(template, "AWS::Events::Rule")]
        wanted = {(*pattern["source"], *pattern["detail-type"]) for pattern in patterns}
        assert wanted == {("commerce.product", "ProductChanged.v1"), ("commerce.order", "OrderConfirmed.v1")}
