"""What a change of an order means, and what the feed's pipe need not look at."""

from boto3.dynamodb.types import TypeSerializer
from order_service.events import EVENTS
from service_testing.change_feeds import meant, passes


def order(status, version, **more):
    item = {"orderId": "o", "status": status, "version": version, "lines": [], **more}
    return {name: TypeSerializer().serialize(value) for name, value in item.items()}


def test_each_milestone_is_told_once():
    placed, confirmed = order("PLACED", 1), order("CONFIRMED", 2)
    assert meant(EVENTS, new=placed) == ["OrderPlaced.v1"]
    assert meant(EVENTS, new=confirmed, old=placed) == ["OrderConfirmed.v1"]
    assert meant(EVENTS, new=order("CONFIRMED", 3), old=confirmed) == []
    assert meant(EVENTS, new=order("CANCELLED", 2, reason="TIMED_OUT"), old=placed) == ["OrderCancelled.v1"]


def test_a_change_between_milestones_starts_no_workflow():
    assert not passes(EVENTS, new=order("STOCK_RESERVED", 2), old=order("PLACED", 1))
    assert not passes(EVENTS, new=order("CONFIRMED", 4), old=order("CONFIRMED", 3))
