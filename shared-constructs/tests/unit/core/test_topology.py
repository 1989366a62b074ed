"""Who lives where, and what a topology file may not say."""

from __future__ import annotations

import tomllib

import pytest
from service_topology import Place, StageName, Topology, TopologyError, UserPool, Users

PER_SERVICE = """
services = ["cart", "order"]
regions = ["eu-west-1"]
[accounts]
shop = "111111111111"
carts = "111111111112"
[stages.prod]
account = "shop"
region = "eu-west-1"
[stages.prod.services]
cart = { account = "carts" }
"""

SHOP, CARTS = Place("111111111111", "eu-west-1"), Place("111111111112", "eu-west-1")


@pytest.fixture
def load(tmp_path):
    def of(text):
        path = tmp_path / "topology.toml"
        path.write_text(text)
        return Topology.load(path)

    return of


def test_a_service_lives_where_its_stage_does_unless_it_is_placed_elsewhere(load):
    topology = load(PER_SERVICE)
    assert topology.place("prod", "order") == topology.place("prod", "platform") == SHOP
    assert topology.place("prod", "cart") == CARTS
    assert topology.places("prod") == {SHOP: ("platform", "order"), CARTS: ("cart",)}


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ('account = "carts"', 'account = "basket"', "unknown account 'basket'; the accounts are carts, shop"),
        ("cart = {", "basket = {", "unknown service 'basket'; the services are cart, order, platform"),
        (
            'region = "eu-west-1"',
            'region = "eu-north-1"',
            "unknown region 'eu-north-1'; the regions are eu-west-1",
        ),
        ("[stages.prod]", "[stages.production]", "'local', 'dev', 'staging' or 'prod'"),
        ('"111111111112"', '"12345"', "accounts.carts"),
        ('account = "shop"', "", "each has an account and a region"),
        ("regions =", "region =", "region: Extra inputs are not permitted"),
        ("[accounts]", "[accounts", "cannot be read"),
        (
            'services = ["cart", "order"]',
            'services = ["cart", "order", "order-history"]',
            "prod: names of order-history begin as those of order do",
        ),
    ],
)
def test_a_mistake_is_refused_with_what_would_be_right(load, before, after, fault):
    with pytest.raises(TopologyError, match=fault):
        load(PER_SERVICE.replace(before, after))


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(TopologyError, match=r"nowhere\.toml cannot be read"):
        Topology.load(tmp_path / "nowhere.toml")


def test_without_a_topology_every_service_of_every_stage_lives_anywhere():
    for stage in StageName:
        assert Topology.anywhere().place(stage, "anything") == Place(None, None)
        assert list(Topology.anywhere().places(stage)) == [Place(None, None)]


def test_what_an_account_has_once_is_made_by_one_stage_of_it(load):
    topology = load(f"""{PER_SERVICE}
[stages.dev]
account = "shop"
region = "eu-west-1"
[stages.local]
account = "shop"
region = "eu-west-1"
[github]
repository = "acme/{{service}}-service"
""")
    assert topology.first_of_account(SHOP) == ("dev", SHOP)
    assert topology.first_of_account(CARTS) == ("prod", CARTS)


def test_a_workspaces_pipeline_deploys_the_platform_too_and_a_services_that_service_only(load):
    ours = load(f'{PER_SERVICE}\n[github]\nworkspace = "acme/commerce"')
    assert [ours.is_deployed_by_pipeline("prod", each) for each in ("platform", "cart")] == [True, True]
    assert ours.github
    assert ours.github.of("cart") is None
    theirs = load(f'{PER_SERVICE}\n[github]\nrepository = "acme/{{service}}-service"')
    assert [theirs.is_deployed_by_pipeline("prod", each) for each in ("platform", "cart")] == [False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{PER_SERVICE}\n[github]", "name a repository, a workspace, or both"),
        ('stages = { prod = {} }\ngithub = { workspace = "acme/commerce" }', "github needs services"),
    ],
)
def test_pipelines_of_nobody_or_for_nobody_are_refused(load, text, message):
    with pytest.raises(TopologyError, match=message):
        load(text)


def test_who_is_listed_is_guarded_and_who_has_a_repository_is_deployed_by_it(load):
    alone = load(PER_SERVICE)
    assert [alone.is_guarded(name) for name in ("cart", "platform")] == [True, False]
    assert not Topology.anywhere().is_guarded("cart")
    assert not alone.is_deployed_by_pipeline("prod", "cart")
    piped = load(f'{PER_SERVICE}\n[github]\nrepository = "acme/{{service}}-service"')
    assert piped.github
    assert piped.github.of("cart") == "acme/cart-service"
    assert piped.is_deployed_by_pipeline("prod", "cart")
    assert not piped.is_deployed_by_pipeline("local", "cart")


def test_users_are_written_as_the_file_has_them(load):
    pool = UserPool(
        arn="arn:aws:cognito-idp:eu-west-1:111111111111:userpool/eu-west-1_x", id="eu-west-1_x", client_id="c"
    )
    users = Users(pool, pool.model_copy(update={"id": "eu-west-1_staff"}))
    text = f"{PER_SERVICE}\n{users.as_toml('prod')}"
    assert tomllib.loads(text)["stages"]["prod"]["user_pool"]["id"] == "eu-west-1_x"
    assert tomllib.loads(text)["stages"]["prod"]["operator_pool"]["id"] == "eu-west-1_staff"
    assert load(text).stage("prod").users == users
    assert load(PER_SERVICE).stage("prod").users is None
    with pytest.raises(TopologyError, match="user_pool and operator_pool come together"):
        load(text.partition("[stages.prod.operator_pool]")[0])
