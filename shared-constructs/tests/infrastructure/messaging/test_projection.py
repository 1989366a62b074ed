import uuid

import pytest
from aws_cdk import Duration
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from service_testing import Deployment, synthesize
from shared_constructs import Batching, Projection, ServiceStack, ServiceTable, StackKind

KEY = {"pk": "PRODUCT#EST-1", "sk": "PRODUCT"}


def test_an_event_becomes_an_item(deployment, product_changed):
    price = {"amountMinor": 450, "currency": "EUR"}
    outcome = deployment.feed(
        "Catalogue", [product_changed(3, name='Éclair "pâtissier"', price=price, tags=["a"])]
    )
    assert len(outcome.handled) == 1
    assert deployment.items("Table") == [
        KEY | {"version": 3, "name": 'Éclair "pâtissier"', "price": price, "tags": ["a"]}
    ]


def test_an_attribute_that_a_newer_event_lacks_is_removed(deployment, product_changed):
    deployment.feed("Catalogue", [product_changed(1, name="old", tags=["a"], status=None)])
    deployment.feed("Catalogue", [product_changed(2, name="new")])
    assert deployment.items("Table") == [KEY | {"version": 2, "name": "new"}]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=5, unique=True).flatmap(
        lambda versions: st.lists(st.sampled_from(versions), max_size=6).flatmap(
            lambda repeated: st.permutations(versions + repeated)
        )
    )
)
def test_any_order_and_repetition_of_events_ends_in_the_newest(deployment, product_changed, versions):
    sku = str(uuid.uuid4())  # a product of its own for each example
    events = [product_changed(v, sku=sku, name=f"v{v}", tags=["t"] * v) for v in versions]
    outcome = deployment.feed("Catalogue", events)
    newest = max(versions)
    key = {"pk": f"PRODUCT#{sku}", "sk": "PRODUCT"}
    item = deployment.table("Table").get_item(Key=key)["Item"]
    assert item == key | {"version": newest, "name": f"v{newest}", "tags": ["t"] * newest}
    assert len(outcome.handled) == len(versions)
    assert not outcome.dead_letters


def test_a_late_event_counts_as_handled_and_writes_nothing(deployment, product_changed):
    deployment.feed("Catalogue", [product_changed(2, name="two")])
    outcome = deployment.feed("Catalogue", [product_changed(1, name="one")])
    assert "Already newer" in outcome.executions[0].path
    assert len(outcome.handled) == 1
    assert deployment.items("Table")[0]["name"] == "two"


def test_an_event_that_no_rule_wants_is_ignored(deployment, product_changed):
    stranger = product_changed(1).envelope() | {"source": "commerce.cart"}
    outcome = deployment.feed("Catalogue", [stranger])
    assert outcome.ignored == [stranger]
    assert not outcome.executions


def test_a_poisonous_event_ends_in_the_dlq_and_holds_nobody_up(deployment, product_changed):
    poison = product_changed(1, name="no sku").envelope()
    del poison["detail"]["data"]["sku"]
    outcome = deployment.feed("Catalogue", [product_changed(1, name="fine"), poison])
    assert [letter.body["detail"] for letter in outcome.dead_letters] == [poison["detail"]]
    assert [item["name"] for item in deployment.items("Table")] == ["fine"]
    failed = [e.output["batchItemFailures"] for e in outcome.executions]
    # Received ten times, reported as its own failure each time.
    assert [len(items) for items in failed] == [1] * 10


@pytest.mark.parametrize(
    ("part", "change", "reason"),
    [
        ("data", {"name": None}, "detail.data.name must be string, got null"),
        ("data", {"tags": ["a", 1]}, "detail.data.tags[1] must be string, got integer"),
        (
            "data",
            {"price": {"amountMinor": 2**53}},
            "detail.data.price.amountMinor is more than 9007199254740991",
        ),
        ("data", {"price": {"amountMinor": 1}}, "detail.data.price.currency is missing"),
        (
            "metadata",
            {"aggregateVersion": "7"},
            "detail.metadata.aggregateVersion must be integer, got string",
        ),
        ("metadata", {"aggregateVersion": -1}, "detail.metadata.aggregateVersion is less than 0"),
    ],
    ids=str,
)
def test_what_does_not_fit_the_consumed_contract_is_dead_lettered(
    deployment, product_changed, part, change, reason
):
    broken = product_changed(7, name="broken").envelope()
    broken["detail"][part] |= change
    outcome = deployment.feed("Catalogue", [broken, product_changed(1, name="fine")])
    assert [letter.body["detail"] for letter in outcome.dead_letters] == [broken["detail"]]
    causes = [visit.cause for visit in outcome.executions[0].visits if visit.state == "Contract broken"]
    assert len(causes) == 1
    assert reason in causes[0]
    assert [item["name"] for item in deployment.items("Table")] == ["fine"]


def test_two_projections_share_an_item_by_versions_of_their_own(product_changed, product_model):
    def build(app):
        table = ServiceTable(ServiceStack(app, kind=StackKind.STATEFUL), "Table")
        stack = ServiceStack(app, kind=StackKind.STATELESS)
        from shared_constructs import Subscription

        for name, service in (("Catalogue", "product"), ("Availability", "inventory")):
            Projection(
                stack,
                name,
                table=table,
                subscriptions=[Subscription(source=f"commerce.{service}", detail_type="ProductChanged.v1")],
                model=product_model,
                key={"pk": "'PRODUCT#' & $data.sku", "sk": "'PRODUCT'"},
                attributes={f"{service}Name": "$data.name"},
                version_attribute=f"{service}Version",
            )

    with Deployment(synthesize(build, service="order")) as deployed:
        deployed.feed("Catalogue", [product_changed(7, name="a")])
        stock = product_changed(2, name="b").envelope() | {"source": "commerce.inventory"}
        deployed.feed("Availability", [stock])
        assert deployed.items("Table") == [
            KEY | {"productName": "a", "productVersion": 7, "inventoryName": "b", "inventoryVersion": 2}
        ]


def test_a_projection_s_parts_are_customized_as_constructs_of_their_own(product_model):
    def build(app):
        table = ServiceTable(ServiceStack(app, kind=StackKind.STATEFUL), "Table")
        Projection(
            ServiceStack(app, kind=StackKind.STATELESS),
            "P",
            table=table,
            subscriptions=[],
            model=product_model,
            key={"pk": "$data.sku"},
            attributes={"name": "$data.name"},
            customize={
                "workflow": {"timeout": Duration.seconds(7)},
                "consumer": {"batching": Batching(size=2), "customize": {"dlq": {"queue_name": "lost"}}},
            },
        )

    resources = synthesize(build, service="order")["commerce-local-order"]["Resources"].values()
    (pipe,) = [each["Properties"] for each in resources if each["Type"] == "AWS::Pipes::Pipe"]
    assert pipe["SourceParameters"]["SqsQueueParameters"]["BatchSize"] == 2
    queues = [each["Properties"] for each in resources if each["Type"] == "AWS::SQS::Queue"]
    assert [queue["QueueName"] for queue in queues if "RedrivePolicy" not in queue] == ["lost"]
    # Visibility follows the customized workflow's timeout.
    assert [queue["VisibilityTimeout"] for queue in queues if "VisibilityTimeout" in queue] == [42]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"key": {}, "attributes": {"a": "1"}}, "needs the item's key"),
        ({"key": {"pk": "1"}, "attributes": {}}, "at least one attribute"),
        ({"key": {"pk": "1"}, "attributes": {"version": "1"}}, "version is written twice"),
        ({"key": {"pk": "1"}, "attributes": {"pk": "1"}}, "pk is written twice"),
        ({"key": {"pk": "1"}, "attributes": {"a": "$data.prize"}}, "data.prize, which ProductChanged"),
        ({"key": {"pk": "$data.status"}, "attributes": {"a": "1"}}, "status is optional"),
        ({"key": {"pk": "1"}, "attributes": {"a": "1"}, "version": "$data.name"}, "name is string"),
    ],
)
def test_a_projection_that_contradicts_itself_is_refused(arguments, message, product_model):
    def build(app):
        table = ServiceTable(ServiceStack(app, kind=StackKind.STATEFUL), "Table")
        Projection(
            ServiceStack(app, kind=StackKind.STATELESS),
            "P",
            table=table,
            subscriptions=[],
            model=product_model,
            **arguments,
        )

    with pytest.raises(ValueError, match=message):
        synthesize(build)
