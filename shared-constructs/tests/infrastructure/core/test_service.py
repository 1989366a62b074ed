"""What a service gets by saying who it is."""

import doctest
import json
import re

import pytest
from aws_cdk import App, CfnResource, Stack
from aws_cdk.assertions import Template
from aws_cdk.aws_sqs import Queue
from constructs import Construct
from service_testing import synthesize
from service_topology import TopologyError
from shared_constructs import ServiceApp, ServiceStack, ServiceTable, StackKind, StageError, service, table
from shared_constructs.service import synthesizing
from shared_constructs.stages import main


def of_type(template, resource_type):
    return [each for each in template["Resources"].values() if each["Type"] == resource_type]


def both_stacks(app):
    data = ServiceStack(app, kind=StackKind.STATEFUL)
    ServiceTable(data, "Carts", indexes={"gsi1": ("status",)}, stream=True, ttl=True)
    stack = ServiceStack(app, kind=StackKind.STATELESS)
    Queue(stack, "Queue")
    stack.export_parameter("queue-url", "https://example.test")


def test_a_service_has_a_stateful_and_a_stateless_stack():
    assert set(synthesize(both_stacks, service="cart", stage="staging")) == {
        "commerce-staging-cart-data",
        "commerce-staging-cart",
    }


def test_everything_says_which_service_and_stage_it_belongs_to():
    template = synthesize(both_stacks, service="cart", stage="dev")["commerce-dev-cart"]
    [queue] = of_type(template, "AWS::SQS::Queue")
    assert queue["Properties"]["Tags"] == [
        {"Key": "commerce:service", "Value": "cart"},
        {"Key": "commerce:stage", "Value": "dev"},
    ]


def test_values_are_published_under_one_path():
    template = synthesize(both_stacks, service="cart", stage="prod")["commerce-prod-cart"]
    [parameter] = of_type(template, "AWS::SSM::Parameter")
    assert parameter["Properties"]["Name"] == "/commerce/prod/cart/queue-url/v1"


def test_what_the_platform_offers_is_discovered_once_per_stack():
    def build(app):
        stack = ServiceStack(app, kind=StackKind.STATELESS)
        for _ in range(2):
            assert stack.event_bus is stack.event_bus
        stack.export_parameter("a-bus", stack.event_bus.event_bus_name)
        stack.export_parameter("a-pool", stack.user_pool.user_pool_arn)
        stack.export_parameter("another-pool", stack.operator_pool.user_pool_arn)
        stack.export_parameter("a-layer", stack.runtime_layer.layer_version_arn)

    template = synthesize(build, service="cart", stage="dev")["commerce-dev-cart"]
    discovered = {
        each["Default"] for each in template["Parameters"].values() if "/commerce/" in each.get("Default", "")
    }
    assert discovered == {
        "/commerce/dev/platform/event-bus-name/v1",
        "/commerce/dev/platform/user-pool-arn/v1",
        "/commerce/dev/platform/operator-pool-arn/v1",
        "/commerce/dev/platform/runtime-layer-arn/v1",
    }


TOPOLOGY = """
services = ["cart"]
regions = ["eu-west-1", "eu-central-1"]
[accounts]
shop = "123456789012"
carts = "210987654321"
[stages.prod]
account = "shop"
region = "eu-west-1"
services.cart = { account = "carts", region = "eu-central-1" }
"""


@pytest.fixture
def topology(tmp_path):
    path = tmp_path / "topology.toml"
    path.write_text(TOPOLOGY)
    return {"topology": str(path)}


def test_a_service_deploys_to_the_account_and_region_that_the_topology_gives_it(tmp_path, topology):
    app = ServiceApp(service="cart", stage="prod", outdir=str(tmp_path), context=topology)
    stack = ServiceStack(app, kind=StackKind.STATELESS)
    assert (stack.stack_name, stack.environment) == ("commerce-prod-cart", "aws://210987654321/eu-central-1")


def test_without_a_topology_a_service_goes_wherever_it_is_deployed(tmp_path):
    app = ServiceApp(service="cart", stage="prod", outdir=str(tmp_path))
    assert ServiceStack(app, kind=StackKind.STATELESS).environment == "aws://unknown-account/unknown-region"


@pytest.mark.parametrize(
    ("who", "fault"),
    [
        ({"service": "basket", "stage": "prod"}, "unknown service 'basket'; the services are cart, platform"),
        ({"service": "cart", "stage": "dev"}, "unknown stage 'dev'; the topology's stages are prod"),
    ],
)
def test_whom_the_topology_does_not_know_is_refused_with_those_it_knows(tmp_path, topology, who, fault):
    with pytest.raises(TopologyError, match=fault):
        ServiceApp(**who, outdir=str(tmp_path), context=topology)


def test_a_mistake_in_any_stage_is_found_in_every_stage(tmp_path):
    stages = {"prod": {"log_levle": "ERROR"}}
    with pytest.raises(StageError, match="stage prod: unknown setting 'log_levle'"):
        ServiceApp(service="cart", stage="dev", outdir=str(tmp_path), context={"stages": stages})


def test_the_stage_comes_from_the_context_and_is_local_without(tmp_path):
    assert ServiceApp(service="cart", outdir=str(tmp_path)).stage.name == "local"
    assert ServiceApp(service="cart", outdir=str(tmp_path), context={"stage": "prod"}).stage.name == "prod"


def test_a_service_name_that_breaks_paths_is_refused(tmp_path):
    with pytest.raises(ValueError, match="got 'Cart Service'"):
        ServiceApp(service="Cart Service", outdir=str(tmp_path))


@pytest.mark.parametrize(
    "make",
    [ServiceTable, lambda stack, name: CfnResource(stack, name, type="AWS::DynamoDB::Table")],
    ids=["construct", "CloudFormation's own"],
)
def test_data_in_the_stateless_stack_fails_synthesis(make):
    def build(app):
        make(ServiceStack(app, kind=StackKind.STATELESS), "Carts")

    with pytest.raises(
        RuntimeError, match="must survive this stack: create it in the service's stateful stack"
    ):
        synthesize(build)


def test_outside_a_service_stack_the_message_says_what_is_missing():
    construct = Construct(Stack(App(), "Other"), "Lost")
    with pytest.raises(TypeError, match="Other/Lost needs to be inside a ServiceStack"):
        ServiceStack.of(construct)


def test_rules_of_the_cdk_and_of_nag_fail_synthesis_unless_switched_off(tmp_path, monkeypatch):
    def synth(directory):
        app = ServiceApp(service="cart", stage="dev", outdir=str(tmp_path / directory))
        stack = ServiceStack(app, kind=StackKind.STATELESS)
        Queue(stack, "Queue")  # has no DLQ and takes requests without TLS
        app.synth()

    monkeypatch.setenv("CDK_VALIDATION", "false")
    synth("off")
    monkeypatch.delenv("CDK_VALIDATION")
    with pytest.raises(RuntimeError, match=r"AwsSolutions-SQS3"):
        synth("on")


def protection(stage):
    template = synthesize(both_stacks, service="cart", stage=stage)[f"commerce-{stage}-cart-data"]
    [resource] = of_type(template, "AWS::DynamoDB::Table")
    return resource["DeletionPolicy"], resource["Properties"]["DeletionProtectionEnabled"]


def test_tables_are_kept_and_protected_where_data_is_real():
    assert [protection(stage) for stage in ("local", "dev", "staging", "prod")] == [
        ("Delete", False),
        ("Delete", False),
        ("Retain", True),
        ("Retain", True),
    ]


def test_a_table_has_the_conventional_shape():
    template = synthesize(both_stacks, service="cart", stage="dev")["commerce-dev-cart-data"]
    [resource] = of_type(template, "AWS::DynamoDB::Table")
    properties = resource["Properties"]
    assert "TableName" not in properties
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["StreamSpecification"] == {"StreamViewType": "NEW_AND_OLD_IMAGES"}
    assert properties["TimeToLiveSpecification"] == {"AttributeName": "expiresAtEpoch", "Enabled": True}
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    keys = [properties["KeySchema"], *(index["KeySchema"] for index in properties["GlobalSecondaryIndexes"])]
    assert [[key["AttributeName"] for key in schema] for schema in keys] == [
        ["pk", "sk"],
        ["gsi1pk", "gsi1sk"],
    ]


def test_an_index_holds_keys_and_the_attributes_it_is_given_never_all():
    def build(app):
        attributes = ("pk", "status", "gsi1sk", "total")
        ServiceTable(
            ServiceStack(app, kind=StackKind.STATEFUL), "Carts", indexes={"gsi1": attributes, "gsi2": ()}
        )

    (table,) = of_type(*synthesize(build).values(), "AWS::DynamoDB::Table")
    indexes = table["Properties"]["GlobalSecondaryIndexes"]
    assert [index["Projection"] for index in indexes] == [
        {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["status", "total"]},
        {"ProjectionType": "KEYS_ONLY"},
    ]


@pytest.mark.parametrize(
    "indexes",
    [
        {"byCategory": ()},
        {"gsi0": ()},
        {"gsi21": ()},
        {"gsi1": [f"a{number}" for number in range(60)], "gsi2": [f"b{number}" for number in range(41)]},
    ],
)
def test_an_index_that_breaks_the_convention_is_refused(indexes):
    def build(app):
        ServiceTable(ServiceStack(app, kind=StackKind.STATEFUL), "Carts", indexes=indexes)

    with pytest.raises(ValueError, match=re.escape("index")):
        synthesize(build)


def test_a_caller_customizes_a_table_but_not_its_conventions(tmp_path):
    stack = ServiceStack(ServiceApp(service="cart", outdir=str(tmp_path)), kind=StackKind.STATEFUL)
    ServiceTable(stack, "Carts", customize={"table": {"contributor_insights_enabled": True}})
    [resource] = Template.from_stack(stack).find_resources("AWS::DynamoDB::Table").values()
    assert resource["Properties"]["ContributorInsightsSpecification"] == {"Enabled": True}
    with pytest.raises(ValueError, match="sort_key of table cannot be customized"):
        ServiceTable(stack, "Others", customize={"table": {"sort_key": None}})


@pytest.mark.parametrize("module", [service, table])
def test_the_examples_in_the_documentation_run(module):
    names = {"ServiceApp": ServiceApp, "ServiceStack": ServiceStack, "StackKind": StackKind}
    outcome = doctest.testmod(module, extraglobs={**names, "ServiceTable": ServiceTable})
    assert outcome.attempted
    assert not outcome.failed


def test_an_app_script_is_synthesized_for_several_stages_in_one_process(tmp_path):
    script = tmp_path / "app.py"
    script.write_text(
        "from shared_constructs import ServiceApp, ServiceStack, StackKind\n"
        "app = ServiceApp(service='cart')\n"
        "ServiceStack(app, kind=StackKind.STATELESS).export_parameter('stage', app.stage.name.value)\n"
        "app.synth()\n"
    )
    with synthesizing(stage="local", outdir=str(tmp_path / "local")):
        main(str(script), f"dev={tmp_path / 'dev'}", f"prod={tmp_path / 'prod'}")
    for stage in ("local", "dev", "prod"):
        template = json.loads((tmp_path / stage / f"commerce-{stage}-cart.template.json").read_text())
        (parameter,) = (r for r in template["Resources"].values() if r["Type"] == "AWS::SSM::Parameter")
        assert parameter["Properties"]["Value"] == stage
