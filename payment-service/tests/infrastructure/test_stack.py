"""What the templates must say, whatever the constructs become."""

from payment_service.settings import WEBHOOKS_PER_ORDER, PaymentSettings
from payment_service.stack import build
from service_testing import actions_on, callers, of_type, synthesize
from service_testing.rules import ServiceRules


class TestStack(ServiceRules):
    service = "payment"
    build = staticmethod(build)
    settings = PaymentSettings

    def test_there_are_two_functions_and_each_reads_a_queue_one_message_at_a_time(self, template):
        handlers = {each["Handler"].split(".")[-2] for each in of_type(template, "AWS::Lambda::Function")}
        mappings = of_type(template, "AWS::Lambda::EventSourceMapping")
        assert handlers == {"orders", "webhooks"}
        assert [mapping["BatchSize"] for mapping in mappings] == [1, 1]

    def test_operators_need_their_scope_and_the_provider_its_signature_alone(self, template):
        assert callers(template) == {
            "GET /payments/{orderId}": ("COGNITO_USER_POOLS", ["commerce/operate"]),
            "POST /payments/webhooks": ("NONE", None),
        }

    def test_a_payments_outcome_is_awaited_as_long_as_sqs_can(self, template, stage):
        waiting = [queue for queue in of_type(template, "AWS::SQS::Queue") if "RedrivePolicy" in queue]
        assert [queue["RedrivePolicy"]["maxReceiveCount"] for queue in waiting] == [1000, 1000]
        # The order service's settings name these numbers: its orders wait twice as long at least.
        assert {queue["VisibilityTimeout"] for queue in waiting} == {360 if stage == "prod" else 30}

    def test_webhooks_have_a_throttle_and_a_size_limit_of_their_own(self, template):
        (limited,) = [each for each in of_type(template, "AWS::SQS::Queue") if "MaximumMessageSize" in each]
        (stage,) = of_type(template, "AWS::ApiGateway::Stage")
        settings = {setting["ResourcePath"]: setting for setting in stage["MethodSettings"]}
        assert limited["MaximumMessageSize"] == 65_536
        webhooks = next(each for path, each in settings.items() if "webhooks" in path)
        orders_per_second = 100
        assert webhooks["ThrottlingRateLimit"] >= WEBHOOKS_PER_ORDER * orders_per_second
        assert webhooks["ThrottlingBurstLimit"] >= webhooks["ThrottlingRateLimit"]

    def test_how_many_webhooks_may_come_is_the_stages(self):
        stages = {"prod": {"webhooks_per_second": 1000}}
        stacks = synthesize(
            build, service="payment", settings=PaymentSettings, stage="prod", context={"stages": stages}
        )
        (api,) = of_type(stacks["commerce-prod-payment"], "AWS::ApiGateway::Stage")
        assert 1000 in [setting["ThrottlingRateLimit"] for setting in api["MethodSettings"][1:]]

    def test_the_provider_follows_from_the_stage(self, template, stage):
        providers = {
            function["Environment"]["Variables"]["PAYMENT_PROVIDER"]
            for function in of_type(template, "AWS::Lambda::Function")
        }
        assert providers == {"stripe" if stage == "prod" else "sandbox"}

    def test_payments_and_credentials_survive(self, data):
        kept = {each["Type"] for each in data["Resources"].values()}
        assert kept == {"AWS::DynamoDB::Table", "AWS::SecretsManager::Secret"}

    def test_each_function_may_read_and_put_payments_and_read_one_secret(self, template):
        for role in ("ConsumersTakePayment", "ConsumersLookAgain"):
            assert actions_on(template, "dynamodb:", role) == {"dynamodb:GetItem", "dynamodb:PutItem"}
            assert actions_on(template, "secretsmanager:", role) == {
                "secretsmanager:GetSecretValue",
                "secretsmanager:DescribeSecret",
            }

    def test_payments_are_told_of_on_the_bus(self, template):
        assert actions_on(template, "events:") == {"events:PutEvents"}
