"""What the templates must say, whatever the constructs become."""

import json

import pytest
from payment_service.settings import PaymentSettings
from payment_service.stack import build
from service_testing import actions_on, listed, masked, of_type, statements, synthesize
from syrupy.extensions.json import JSONSnapshotExtension


@pytest.fixture(scope="module", params=["dev", "prod"])
def stage(request):
    return request.param


@pytest.fixture(scope="module")
def stacks(stage):
    return synthesize(build, service="payment", settings=PaymentSettings, stage=stage)


@pytest.fixture(scope="module")
def service(stacks, stage):
    return stacks[f"commerce-{stage}-payment"]


def test_the_templates_change_only_when_it_is_meant(stacks, snapshot):
    for name, template in stacks.items():
        assert masked(template) == snapshot(name=name, extension_class=JSONSnapshotExtension)


def test_there_are_two_functions_and_each_reads_a_queue_one_message_at_a_time(service):
    handlers = {function["Handler"].split(".")[-2] for function in of_type(service, "AWS::Lambda::Function")}
    mappings = of_type(service, "AWS::Lambda::EventSourceMapping")
    assert handlers == {"orders", "webhooks"}
    assert [(m["BatchSize"], m["FunctionResponseTypes"]) for m in mappings] == [
        (1, ["ReportBatchItemFailures"])
    ] * 2


def test_a_payments_outcome_is_awaited_as_long_as_sqs_can(service):
    waiting = [queue for queue in of_type(service, "AWS::SQS::Queue") if "RedrivePolicy" in queue]
    assert len(waiting) == 2
    for queue in waiting:
        assert queue["RedrivePolicy"]["maxReceiveCount"] == 1000
        assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
        assert queue["VisibilityTimeout"] >= 6 * 60


def test_webhooks_have_a_throttle_and_a_size_limit_of_their_own(service):
    (limited,) = [queue for queue in of_type(service, "AWS::SQS::Queue") if "MaximumMessageSize" in queue]
    (stage,) = of_type(service, "AWS::ApiGateway::Stage")
    settings = {setting["ResourcePath"]: setting for setting in stage["MethodSettings"]}
    assert limited["MaximumMessageSize"] == 65_536
    webhooks = next(each for path, each in settings.items() if "webhooks" in path)
    assert (webhooks["ThrottlingRateLimit"], webhooks["ThrottlingBurstLimit"]) == (20, 50)


def test_the_provider_follows_from_the_stage(service, stage):
    providers = {
        function["Environment"]["Variables"]["PAYMENT_PROVIDER"]
        for function in of_type(service, "AWS::Lambda::Function")
    }
    assert providers == {"stripe" if stage == "prod" else "sandbox"}


def test_payments_and_credentials_survive_in_a_stack_of_their_own(stacks, stage):
    kept = stacks[f"commerce-{stage}-payment-data"]["Resources"].values()
    assert {each["Type"] for each in kept} == {"AWS::DynamoDB::Table", "AWS::SecretsManager::Secret"}
    assert {each["DeletionPolicy"] for each in kept} == {"Retain" if stage == "prod" else "Delete"}


def test_each_function_may_read_and_put_payments_and_read_one_secret(service):
    for role in ("ConsumersTakePayment", "ConsumersLookAgain"):
        assert actions_on(service, "dynamodb:", role) == {"dynamodb:GetItem", "dynamodb:PutItem"}
        assert actions_on(service, "secretsmanager:", role) == {
            "secretsmanager:GetSecretValue",
            "secretsmanager:DescribeSecret",
        }


def test_no_role_has_a_wildcard_action(stacks):
    actions = [a for template in stacks.values() for s in statements(template) for a in listed(s["Action"])]
    assert actions
    assert [action for action in actions if "*" in action] == []


def test_the_service_speaks_only_for_itself(service):
    speaking = [s for s in statements(service) if "events:PutEvents" in listed(s["Action"])]
    assert speaking
    assert all(s["Condition"] == {"StringEquals": {"events:source": "commerce.payment"}} for s in speaking)


def test_every_dlq_has_an_alarm(service):
    queues = {n: r["Properties"] for n, r in service["Resources"].items() if r["Type"] == "AWS::SQS::Queue"}
    alarmed = json.dumps(of_type(service, "AWS::CloudWatch::Alarm"))
    dlqs = [name for name, queue in queues.items() if "RedrivePolicy" not in queue]
    assert len(dlqs) == 3
    assert [name for name in dlqs if name not in alarmed] == []


def test_others_find_the_api_by_its_parameter(service, stage):
    names = [parameter["Name"] for parameter in of_type(service, "AWS::SSM::Parameter")]
    assert f"/commerce/{stage}/payment/api-url/v1" in names
