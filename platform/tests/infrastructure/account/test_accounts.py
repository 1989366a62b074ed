"""The account stacks of a stage with several accounts: what is forwarded, whom a bus lets in, where the users are."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest
from commerce_platform.account.forwarding import consumption, flows
from commerce_platform.account.stack import build
from commerce_platform.settings import PlatformSettings
from service_testing import of_type, synthesize
from service_topology import Topology, TopologyError

if TYPE_CHECKING:
    from pathlib import Path

SERVICES = ("cart", "inventory", "order", "payment", "product")
NUMBERS = {"platform": 1, **{service: number for number, service in enumerate(SERVICES, 2)}}
ACCOUNTS = {service: f"22222222222{number}" for service, number in NUMBERS.items()}
POOL = "arn:aws:cognito-idp:eu-west-1:222222222221:userpool/eu-west-1_users"
USERS = f"""
[stages.prod.user_pool]
arn = "{POOL}"
id = "eu-west-1_users"
client_id = "shop"

[stages.prod.operator_pool]
arn = "{POOL}"
id = "eu-west-1_staff"
client_id = "back-office"
"""


def per_service(users: str = USERS, regions: str = '"eu-west-1"') -> str:
    accounts = "\n".join(f'{service} = "{account}"' for service, account in ACCOUNTS.items())
    places = "\n".join(f'{service} = {{ account = "{service}" }}' for service in SERVICES)
    return f"""
services = {list(SERVICES)}
regions = [{regions}]
[accounts]
{accounts}
[stages.prod]
account = "platform"
region = "eu-west-1"
[stages.prod.services]
{places}
{users}"""


def synthesized(folder: Path, text: str, sender: str | None = "no-reply@crumb.bakery"):
    file = folder / "topology.toml"
    file.write_text(text)
    context = {"topology": str(file), "stages": {"prod": {"mail_sender": sender}}}
    return synthesize(build, service="platform", settings=PlatformSettings, stage="prod", context=context)


@pytest.fixture(scope="module")
def stacks(tmp_path_factory):
    return synthesized(tmp_path_factory.mktemp("topology"), per_service())


def stack(stacks, service, kind=""):
    suffix = "" if service == "platform" else f"-{ACCOUNTS[service]}-eu-west-1"
    return stacks[f"commerce-prod-platform{kind}{suffix}"]


def forwarding(template):
    """The rules of a stack whose target is another bus."""
    rules = of_type(template, "AWS::Events::Rule")
    return [rule for rule in rules if "event-bus/" in str(rule["Targets"][0]["Arn"])]


def passed_on(stacks, producer):
    """What the rules of a producer's account forward: (source, detail type, account)."""
    found = []
    for rule in forwarding(stack(stacks, producer)):
        [target] = rule["Targets"]
        account = str(target["Arn"]).split(":event-bus/")[0].rsplit(":", 1)[-1]
        pattern = rule["EventPattern"]
        found += [(*event, account) for event in product(pattern["source"], pattern["detail-type"])]
    return found


def let_in(stacks, consumer):
    """What the bus of a consumer's account takes from others: (source, detail type, account)."""
    found = []
    for policy in of_type(stack(stacks, consumer, "-data"), "AWS::Events::EventBusPolicy"):
        statement = policy["Statement"]
        assert (statement["Effect"], statement["Action"]) == ("Allow", "events:PutEvents")
        condition = statement["Condition"]["StringEquals"]
        account = str(statement["Principal"]["AWS"]).split("iam::")[1][:12]
        found += [(condition["events:source"], each, account) for each in condition["events:detail-type"]]
    return found


def test_every_event_goes_to_each_account_that_consumes_it_once_and_nothing_else_leaves(stacks):
    expected = sorted(
        (*event.split("/"), ACCOUNTS[consumer])
        for consumer, events in consumption().items()
        if consumer in ACCOUNTS
        for event in events
    )
    assert sorted(each for service in ACCOUNTS for each in passed_on(stacks, service)) == expected


def test_an_account_forwards_its_own_services_events_only_so_that_none_would_need_a_second_hop(stacks):
    for service in SERVICES:
        assert {source for source, *_ in passed_on(stacks, service)} <= {f"commerce.{service}"}


def test_a_bus_lets_in_what_its_services_consume_from_the_accounts_that_produce_it(stacks):
    for consumer in SERVICES:
        assert sorted(let_in(stacks, consumer)) == sorted(
            (source, detail_type, ACCOUNTS[source.removeprefix("commerce.")])
            for source, detail_type in (event.split("/") for event in consumption().get(consumer, ()))
        )
    assert let_in(stacks, "platform") == []


def test_what_could_not_be_forwarded_waits_in_a_queue_and_somebody_is_told(stacks):
    for service in ("inventory", "order", "payment", "product"):
        [queue] = of_type(stack(stacks, service), "AWS::SQS::Queue")
        assert queue["MessageRetentionPeriod"] == 14 * 24 * 3600
        for rule in forwarding(stack(stacks, service)):
            assert rule["Targets"][0]["DeadLetterConfig"]
            assert rule["Targets"][0]["RoleArn"]
        [alarm] = of_type(stack(stacks, service), "AWS::CloudWatch::Alarm")
        assert alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"


def test_users_are_in_the_platforms_own_account_and_found_in_every_other(stacks):
    assert of_type(stack(stacks, "platform", "-data"), "AWS::Cognito::UserPool")
    for service in SERVICES:
        data = stack(stacks, service, "-data")
        assert not of_type(data, "AWS::Cognito::UserPool")
        published = {each["Name"]: each["Value"] for each in of_type(data, "AWS::SSM::Parameter")}
        assert published["/commerce/prod/platform/user-pool-arn/v1"] == POOL
        assert published["/commerce/prod/platform/user-pool-id/v1"] == "eu-west-1_users"
        assert published["/commerce/prod/platform/user-pool-client-id/v1"] == "shop"
        assert published["/commerce/prod/platform/operator-pool-id/v1"] == "eu-west-1_staff"
        assert published["/commerce/prod/platform/operator-pool-client-id/v1"] == "back-office"


def test_a_service_finds_the_same_parameters_in_whichever_account(stacks):
    def published(service):
        both = (stack(stacks, service, kind) for kind in ("-data", ""))
        return {each["Name"] for template in both for each in of_type(template, "AWS::SSM::Parameter")}

    for service in SERVICES:
        assert published(service) == published("platform")


def test_before_its_users_are_known_the_platform_is_built_for_its_own_account_only(tmp_path):
    assert set(synthesized(tmp_path, per_service(users=""))) == {
        "commerce-prod-platform-data",
        "commerce-prod-platform",
    }


def test_with_one_account_nothing_is_forwarded_and_nobody_else_let_in(tmp_path):
    text = """
services = ["cart", "inventory", "order", "payment", "product"]
regions = ["eu-west-1"]
accounts = { shop = "222222222221" }
stages.prod = { account = "shop", region = "eu-west-1" }
"""
    stacks = synthesized(tmp_path, text)
    assert set(stacks) == {"commerce-prod-platform-data", "commerce-prod-platform"}
    for template in stacks.values():
        assert not forwarding(template)
        assert not of_type(template, "AWS::Events::EventBusPolicy")


def test_events_cross_regions_as_they_cross_accounts(tmp_path):
    text = per_service(regions='"eu-west-1", "eu-central-1"').replace(
        'cart = { account = "cart" }', 'cart = { account = "cart", region = "eu-central-1" }'
    )
    stacks = synthesized(tmp_path, text)
    targets = [str(rule["Targets"][0]["Arn"]) for rule in forwarding(stack(stacks, "product"))]
    assert any(f":events:eu-central-1:{ACCOUNTS['cart']}:event-bus/commerce-prod" in each for each in targets)


def test_a_consumer_that_the_topology_does_not_list_has_no_place_and_is_in_nobodys_way():
    topology = Topology(
        services=("order",),
        accounts={"a": "222222222221", "b": "222222222222"},
        regions=("eu-west-1",),
        stages={"prod": {"account": "a", "region": "eu-west-1", "services": {"order": {"account": "b"}}}},
    )
    assert flows(topology, "prod", {"loyalty": ["commerce.order/OrderConfirmed.v1"]}) == []
    with pytest.raises(TopologyError, match="unknown service 'loyalty'; the services are order, platform"):
        topology.place("prod", "loyalty")


@pytest.mark.parametrize(
    "sender", [None, "no-reply@example.com", "Shop <shop@mail.example.org>", "a@shop.test"]
)
def test_production_in_an_account_needs_somebody_who_can_send_mail(tmp_path, sender):
    with pytest.raises(
        RuntimeError, match=r"prod needs a mail sender.*SES has verified in account 222222222221"
    ):
        synthesized(tmp_path, per_service(), sender)


SINK = "arn:aws:oam:eu-west-1:222222222221:sink/1"


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """The stacks of a stage whose logs are seen from the platform's account."""
    text = per_service().replace(
        'account = "platform"\n', 'account = "platform"\nlog_account = "platform"\n', 1
    )
    sinks = f'[stages.prod.log_sinks]\neu-west-1 = "{SINK}"\n'
    return synthesized(tmp_path_factory.mktemp("shown"), text + sinks)


def test_the_logs_metrics_and_traces_of_every_account_are_seen_from_the_log_account(shown):
    [sink] = of_type(stack(shown, "platform"), "AWS::Oam::Sink")
    [statement] = sink["Policy"]["Statement"]
    assert statement["Principal"]["AWS"] == sorted(ACCOUNTS[service] for service in SERVICES)
    for service in SERVICES:
        [link] = of_type(stack(shown, service), "AWS::Oam::Link")
        assert link["SinkIdentifier"] == SINK
        assert {"AWS::Logs::LogGroup", "AWS::XRay::Trace"} <= set(link["ResourceTypes"])
        assert (
            statement["Condition"]["ForAllValues:StringEquals"]["oam:ResourceTypes"] == link["ResourceTypes"]
        )
        assert not of_type(stack(shown, service), "AWS::Oam::Sink")
    assert not of_type(stack(shown, "platform"), "AWS::Oam::Link")


def test_every_account_audits_its_own_events_so_that_all_of_a_stage_are_seen_from_one(shown):
    for service in ACCOUNTS:
        groups = {
            each.get("LogGroupName")
            for each in of_type(stack(shown, service, "-data"), "AWS::Logs::LogGroup")
        }
        assert "/aws/events/commerce-prod" in groups


def test_a_log_account_of_its_own_has_an_account_stack_and_nobody_else(tmp_path):
    text = per_service().replace('account = "platform"\n', 'account = "platform"\nlog_account = "logs"\n', 1)
    stacks = synthesized(tmp_path, text.replace("[accounts]", '[accounts]\nlogs = "222222222299"'))
    [sink] = of_type(stacks["commerce-prod-platform-222222222299-eu-west-1"], "AWS::Oam::Sink")
    assert sink["Policy"]["Statement"][0]["Principal"]["AWS"] == sorted(ACCOUNTS.values())


def test_a_log_account_of_two_stages_is_refused():
    place = {"account": "a", "region": "eu-west-1", "log_account": "a"}
    with pytest.raises(ValueError, match="a is the log account of several stages"):
        Topology(
            accounts={"a": "222222222221"}, regions=("eu-west-1",), stages={"prod": place, "staging": place}
        )
