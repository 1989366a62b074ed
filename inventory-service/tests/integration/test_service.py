"""The service from its synthesized template: requests and events in, answers and events out."""

import pytest
from inventory_service.stack import build
from service_contracts import Contracts
from service_runtime.envelope import Event
from service_testing import Deployment, synthesize

OPERATOR = {"sub": "operator-1", "scope": "openid commerce/operate"}
CUSTOMER = {"sub": "customer-1", "scope": "openid commerce/shop"}


@pytest.fixture(scope="module")
def templates():
    return synthesize(build, service="inventory", stage="dev")


@pytest.fixture
def service(templates):
    with Deployment(templates) as deployment:
        yield Service(deployment)


class Service:
    """What callers and other services say to it, and what it answers."""

    def __init__(self, deployment):
        self.deployment = deployment

    def receive(self, sku="OPERA", quantity=5, receipt="note-1", claims=OPERATOR, **options):
        return self.deployment.request(
            "POST",
            f"/stock/{sku}/receipts",
            body={"receiptId": receipt, "quantity": quantity},
            claims=claims,
            **options,
        )

    def threshold(self, pieces, sku="OPERA", claims=OPERATOR, **options):
        return self.deployment.request(
            "PUT", f"/stock/{sku}/threshold", body={"lowThreshold": pieces}, claims=claims, **options
        )

    def stock(self, sku="OPERA"):
        return self.deployment.request("GET", f"/stock/{sku}")

    def numbers(self, sku="OPERA"):
        answer = self.stock(sku).json()
        return tuple(answer[name] for name in ("onHand", "reserved", "available"))

    def work(self, *events):
        """Let the consumer work off its queue, with these events on it."""
        outcome = self.deployment.feed("ConsumerOrders", list(events))
        assert (outcome.pending, outcome.errors) == ([], [])
        return outcome

    def told(self):
        events = self.deployment.published("Changes")
        for event in events:
            Contracts("inventory_service").check_event(event.envelope())
        return events


def order_event(detail_type, order_id="o1", version=2, **data):
    return Event.create(
        service="order",
        stage="dev",
        detail_type=detail_type,
        aggregate_id=order_id,
        aggregate_version=version,
        data={"orderId": order_id, **data},
        correlation_id=f"conversation-{order_id}",
    )


def request(order_id="o1", version=2, **lines):
    items = [{"sku": sku, "quantity": quantity} for sku, quantity in lines.items()]
    return order_event(
        "StockReservationRequested.v1", order_id, version, items=items, expiresAt="2099-01-01T00:00:00Z"
    )


def assert_problem(response, status):
    assert response.status == status, response.body
    assert response.headers["Content-Type"] == "application/problem+json"


class TestStock:
    def test_a_sku_without_stock_is_not_found(self, service):
        assert_problem(service.stock(), 404)

    def test_a_delivery_is_stored_first_and_counted_then(self, service):
        response = service.receive()
        assert (response.status, response.json()) == (202, {"sku": "OPERA"})
        assert_problem(service.stock(), 404)

        service.work()

        assert service.stock().json() == {
            "sku": "OPERA",
            "onHand": 5,
            "reserved": 0,
            "available": 5,
            "lowThreshold": 0,
            "version": 1,
        }

    def test_a_receipt_counts_once_per_sku(self, service):
        for sku in ("OPERA", "OPERA", "FRAISIER"):
            service.receive(sku)

        service.work()

        assert service.numbers("OPERA") == service.numbers("FRAISIER") == (5, 0, 5)

    @pytest.mark.parametrize(
        ("quantity", "receipt"),
        [(0, "n"), (-1, "n"), (1.5, "n"), ("5", "n"), (1_000_001, "n"), (5, ""), (5, "a b")],
    )
    def test_an_invalid_delivery_is_refused(self, service, quantity, receipt):
        assert_problem(service.receive(quantity=quantity, receipt=receipt), 400)

        assert service.work().handled == []

    def test_a_threshold_can_come_before_the_first_delivery_and_keeps_the_stock(self, service):
        assert service.threshold(3).json() == {
            "sku": "OPERA",
            "onHand": 0,
            "reserved": 0,
            "available": 0,
            "lowThreshold": 3,
            "version": 1,
        }
        service.receive()
        service.work()

        assert service.threshold(4).status == 200
        assert service.numbers() == (5, 0, 5)
        assert (service.stock().json()["lowThreshold"], service.stock().json()["version"]) == (4, 3)

    def test_the_item_alone_says_which_operator_set_its_threshold(self, service):
        answer = service.threshold(3, claims={**OPERATOR, "sub": "operator-9"})
        (item,) = [each for each in service.deployment.items("Stock") if each["sk"] == "STOCK"]
        assert item["thresholdSetBy"] == "operator-9"
        assert "operator-9" not in answer.body

    def test_a_threshold_of_another_version_is_stale(self, service):
        service.threshold(3)

        assert_problem(service.threshold(4, headers={"If-Match": "7"}), 412)
        assert service.threshold(4, headers={"If-Match": '"1"'}).status == 200

    @pytest.mark.parametrize("claims", [None, CUSTOMER])
    def test_only_operators_change_stock(self, service, claims):
        status = 403 if claims else 401

        assert_problem(service.receive(claims=claims), status)
        assert_problem(service.threshold(3, claims=claims), status)


class TestOrders:
    def test_a_reservation_is_answered_to_the_request_under_its_contract(self, service):
        service.receive()
        service.work()
        asked = request(OPERA=2)

        service.work(asked)

        assert service.numbers() == (5, 2, 3)
        event = service.told()[-1]
        assert (event.detail_type, event.source) == ("StockReserved.v1", "commerce.inventory")
        assert event.data == {"orderId": "o1", "items": [{"sku": "OPERA", "quantity": 2}]}
        assert event.metadata.causation_id == asked.metadata.event_id
        assert event.metadata.correlation_id == "conversation-o1"
        assert (event.metadata.aggregate_id, event.metadata.aggregate_version) == ("o1", 1)

    def test_a_rejection_says_which_lines_were_short_and_how_many_were_left(self, service):
        service.receive(quantity=1)
        service.work()

        service.work(request(OPERA=2, FRAISIER=1))

        event = service.told()[-1]
        assert event.detail_type == "StockRejected.v1"
        assert event.data == {
            "orderId": "o1",
            "reason": "OUT_OF_STOCK",
            "shortages": [
                {"sku": "OPERA", "requested": 2, "available": 1},
                {"sku": "FRAISIER", "requested": 1, "available": 0},
            ],
        }

    def test_each_request_has_one_answer_however_often_it_arrives(self, service):
        service.receive()
        service.work()
        first, second = request(OPERA=2), request(version=3, OPERA=2)

        service.work(first, first)
        service.work(second, first, second)

        answers = [event for event in service.told() if event.detail_type == "StockReserved.v1"]
        assert [answer.metadata.causation_id for answer in answers] == [
            first.metadata.event_id,
            second.metadata.event_id,
        ]
        assert len({answer.metadata.event_id for answer in answers}) == 2
        assert service.numbers() == (5, 2, 3)

    def test_confirmation_fulfilment_and_cancellation_reach_the_stock(self, service):
        service.receive()
        service.work(request("o1", OPERA=2), request("o2", OPERA=1))
        service.work(order_event("OrderConfirmed.v1", "o1"), order_event("OrderConfirmed.v1", "o2"))
        assert service.numbers() == (5, 3, 2)

        service.work(order_event("OrderFulfilled.v1", "o1"), order_event("OrderCancelled.v1", "o2"))

        assert service.numbers() == (3, 0, 3)

    def test_what_nobody_subscribed_to_never_reaches_the_queue(self, service):
        outcome = service.work(order_event("OrderPlaced.v1"))

        assert (len(outcome.ignored), outcome.handled) == (1, [])


class TestLevels:
    def levels(self, service):
        return [
            (event.detail_type, event.data["available"])
            for event in service.told()
            if event.detail_type not in ("StockReserved.v1", "StockRejected.v1")
        ]

    def test_each_level_is_told_once_when_it_is_entered(self, service):
        service.threshold(2)
        service.receive(quantity=5)
        service.work()
        for number in range(5):
            service.work(request(f"o{number}", OPERA=1))
        service.work(order_event("OrderCancelled.v1", "o0"), order_event("OrderCancelled.v1", "o1"))
        service.work(order_event("OrderCancelled.v1", "o2"))

        assert self.levels(service) == [
            ("StockDepleted.v1", 0),
            ("StockReplenished.v1", 5),
            ("StockLow.v1", 2),
            ("StockDepleted.v1", 0),
            ("StockLow.v1", 1),
            ("StockReplenished.v1", 3),
        ]

    def test_a_first_delivery_replenishes(self, service):
        service.receive()
        service.work()

        assert self.levels(service) == [("StockReplenished.v1", 5)]

    def test_a_raised_threshold_makes_the_stock_low(self, service):
        service.receive()
        service.work()
        service.threshold(5)

        assert self.levels(service) == [("StockReplenished.v1", 5), ("StockLow.v1", 5)]

    def test_shipping_changes_no_level(self, service):
        service.receive()
        service.work(request(OPERA=4))
        before = self.levels(service)

        service.work(order_event("OrderFulfilled.v1"))

        assert self.levels(service) == before
