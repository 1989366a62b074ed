"""Events from published models, and conditions in JSONata and as a pipe's filter."""

from types import ModuleType

import pytest
from boto3.dynamodb.types import TypeSerializer
from hypothesis import given, settings
from hypothesis import strategies as st
from service_runtime.envelope import PublishedEvent, WireModel, published_events
from service_testing.change_feeds import meant, passes
from shared_constructs.change_feed import (
    DomainEvent,
    Stored,
    became,
    changed,
    created,
    equals,
    events_expression,
    exists,
    filter_patterns,
    most_at_once,
    raw,
    was,
)
from states_language.jsonata_engine import evaluate


class Line(WireModel):
    sku: str
    unit_price: int


class Address(WireModel):
    town: str


class OrderPlaced(PublishedEvent, major=1):
    order_id: str
    items: list[Line]
    ship_to: Address
    tags: list[str] | None = None
    note: str | None = None
    channel: str = "web"
    bill_to: Address | None = None


class OrderPlacedV2(PublishedEvent, major=2):
    order_id: str


def typed(item):
    return {name: TypeSerializer().serialize(value) for name, value in item.items()}


def data_of(item, **options):
    event = DomainEvent(OrderPlaced, aggregate_id="orderId", **options)
    function = events_expression([event], service="order", stage="local")
    image = {"NewImage": typed({"version": 3, **item}), "ApproximateCreationDateTime": 1}
    (found,) = evaluate(f"($events := {function}; $events($records))", {"records": [{"dynamodb": image}]})
    return found["detail"]["data"]


PLACED = {
    "orderId": "o-1",
    "items": [{"sku": "A", "unitPrice": 5, "secret": "x"}],
    "shipTo": {"town": "Lyon", "street": "x"},
}


def test_data_has_what_the_model_has_and_nothing_else_of_the_item():
    assert data_of({**PLACED, "cost": 3, "tags": ["a"], "note": "hi", "channel": "app"}) == {
        "orderId": "o-1",
        "items": [{"sku": "A", "unitPrice": 5}],
        "shipTo": {"town": "Lyon"},
        "tags": ["a"],
        "note": "hi",
        "channel": "app",
    }


def test_what_the_item_lacks_is_absent_or_the_default():
    assert data_of(PLACED | {"tags": None, "billTo": None}) == {
        "orderId": "o-1",
        "items": [{"sku": "A", "unitPrice": 5}],
        "shipTo": {"town": "Lyon"},
        "channel": "web",
    }
    assert data_of({**PLACED, "items": []})["items"] == []


def test_a_field_may_be_stored_elsewhere_or_computed():
    item = {**PLACED, "lines": [{"sku": "B", "unitPrice": 1}, {"sku": "C", "unitPrice": 2}]}
    data = data_of(item, data={"items": Stored("lines"), "note": "$uppercase($new.shipTo.town)"})
    assert [line["sku"] for line in data["items"]] == ["B", "C"]
    assert data["note"] == "LYON"


def test_the_detail_type_is_the_models_name_and_major():
    assert OrderPlaced.detail_type() == "OrderPlaced.v1"
    assert OrderPlacedV2.detail_type() == "OrderPlaced.v2"
    with pytest.raises(ValueError, match="Base is no event of its own"):
        type("Base", (PublishedEvent,), {}).detail_type()


def test_what_a_package_publishes_are_its_own_models_with_a_major():
    package = ModuleType(__name__)
    vars(package).update(OrderPlaced=OrderPlaced, V2=OrderPlacedV2, Line=Line, Base=PublishedEvent, n=1)
    assert published_events(package) == {"OrderPlaced.v1": OrderPlaced, "OrderPlaced.v2": OrderPlacedV2}
    assert published_events(ModuleType("elsewhere")) == {}


FIELDS = ("status", "wait.name", "count", "open")
VALUES = {"status": ("A", "B"), "wait.name": ("A", "B"), "count": (0, 1), "open": (True, False)}


@st.composite
def images(draw):
    image = {"version": {"N": str(draw(st.integers(1, 2)))}}
    for field in FIELDS:
        value = draw(st.none() | st.sampled_from([*VALUES[field], "other", 7]))
        if value is not None:
            inner = TypeSerializer().serialize(value)
            name, _, nested = field.partition(".")
            image[name] = {"M": {nested: inner}} if nested else inner
    return image


@st.composite
def leaves(draw):
    field = draw(st.sampled_from(FIELDS))
    value = draw(st.sampled_from(VALUES[field]))
    return draw(
        st.sampled_from(
            [
                equals(field, value),
                was(field, value),
                became(field, value),
                changed(field),
                exists(field),
                created(),
                raw(f"$new.status = $old.status and $new.{field} = {'true' if value is True else '0'}"),
                raw("$type($new.count) = 'number' and $new.count > 0", implies=~equals("count", 0)),
            ]
        )
    )


CONDITIONS = st.recursive(
    leaves(),
    lambda inner: (
        st.builds(lambda one, other: one & other, inner, inner)
        | st.builds(lambda one, other: one | other, inner, inner)
        | st.builds(lambda one: ~one, inner)
    ),
    max_leaves=6,
)


class Happened(PublishedEvent, major=1):
    version: int


class AlsoHappened(PublishedEvent, major=1):
    version: int


@settings(max_examples=400, deadline=None)
@given(one=CONDITIONS, other=CONDITIONS, new=images(), old=st.none() | images())
def test_the_filter_never_drops_a_change_that_means_an_event(one, other, new, old):
    events = [
        DomainEvent(Happened, aggregate_id="version", when=one),
        DomainEvent(AlsoHappened, aggregate_id="version", when=other),
    ]
    if meant(events, new=new, old=old):
        assert passes(events, new=new, old=old)


class HappenedToo(PublishedEvent, major=1):
    version: int


def happenings(*conditions):
    models = (Happened, AlsoHappened, HappenedToo)
    return [
        DomainEvent(model, aggregate_id="version", when=when)
        for model, when in zip(models, conditions, strict=False)
    ]


@settings(max_examples=400, deadline=None)
@given(when=st.tuples(CONDITIONS, CONDITIONS, CONDITIONS), new=images(), old=st.none() | images())
def test_a_change_never_means_more_events_than_its_batch_is_sized_by(when, new, old):
    events = happenings(*when)
    assert len(meant(events, new=new, old=old)) <= most_at_once(events)


IN_STOCK = ~equals("count", 0)
LOW = raw("$new.count < 5", implies=IN_STOCK)


@pytest.mark.parametrize(
    ("when", "most"),
    [
        ((equals("status", "A"), equals("status", "B"), equals("status", "C")), 1),
        ((became("status", "A"), equals("status", "A")), 2),
        ((created(), equals("status", "A"), equals("status", "B")), 2),
        ((created(), equals("wait.name", "A"), equals("status", "B")), 3),
        ((equals("count", 0), IN_STOCK), 1),
        ((equals("count", 0), LOW, IN_STOCK & ~LOW), 1),
        ((equals("open", True), equals("open", False)), 1),
        ((equals("open", True), was("open", False)), 2),
        ((exists("status", stored_as="S"), equals("status", "A")), 2),
        ((changed("status"), ~changed("status")), 1),
        ((created(), was("status", "A") & ~created()), 1),
        ((equals("count", 0), equals("count", 1) & equals("count", 2)), 1),
    ],
)
def test_how_many_events_a_change_can_mean(when, most):
    assert most_at_once(happenings(*when)) == most


@pytest.mark.parametrize(
    ("when", "new", "old", "passing"),
    [
        (equals("status", "A"), {"status": "B"}, None, False),
        (became("status", "A"), {"status": "A"}, {"status": "A"}, False),
        (became("status", "A"), {"status": "A"}, {"status": "B"}, True),
        (became("status", "A"), {"status": "A"}, {}, True),
        (became("count", 0), {"count": 0}, {"count": 0}, False),
        (became("open", True), {"open": True}, {"open": True}, False),
        (became("open", True), {"open": True}, {"open": False}, True),
        (equals("wait.name", "A"), {"wait": {"name": "B"}}, None, False),
        (equals("wait.name", "A"), {"wait": {"name": "A"}}, None, True),
        (exists("status", stored_as="S"), {}, None, False),
        (exists("status", stored_as="S") & changed("status"), {"status": "x"}, {}, True),
        (created(), {}, {}, False),
        (created(), {}, None, True),
        (~created(), {}, None, False),
        (~(equals("status", "A") | equals("status", "B")), {"status": "A"}, None, False),
        (raw("true", implies=equals("status", "A")), {"status": "B"}, None, False),
        (raw("false"), {}, None, True),
        (equals("status", "A") & equals("status", "B"), {"status": "A"}, None, False),
    ],
)
def test_what_a_filter_sees(when, new, old, passing):
    events = [DomainEvent(Happened, aggregate_id="version", when=when)]
    assert passes(events, new=typed(new), old=None if old is None else typed(old)) is passing


def test_a_pipe_takes_at_most_five_patterns_and_then_one_with_alternatives():
    def patterns(count):
        any_of = equals("status", "0")
        for number in range(1, count):
            any_of = any_of | equals("status", str(number))
        return filter_patterns([DomainEvent(Happened, aggregate_id="version", when=any_of)])

    assert len(patterns(5)) == 5
    (pattern,) = patterns(6)
    assert len(pattern["$or"]) == 6


def test_a_record_that_is_no_insert_or_change_never_passes():
    assert filter_patterns([DomainEvent(Happened, aggregate_id="version")]) == [
        {"eventName": ["INSERT", "MODIFY"]}
    ]
