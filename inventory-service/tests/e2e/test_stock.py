"""The inventory on the local cloud: its public URL, and the bus for what other services say and hear."""

import json
import secrets
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from service_contracts import Contracts
from service_runtime.envelope import Event, rfc3339
from service_testing.local_cloud import eventually

pytestmark = pytest.mark.e2e


@pytest.fixture
def sku():
    return f"E2E-{secrets.token_hex(6).upper()}"


@pytest.fixture
def stock(local_cloud, sku):
    return lambda: local_cloud.request("GET", "inventory", f"/stock/{sku}")


@pytest.fixture
def receive(local_cloud, operator, sku):
    def receive(quantity, receipt="note-1"):
        response = local_cloud.request(
            "POST",
            "inventory",
            f"/stock/{sku}/receipts",
            token=operator,
            body={"receiptId": receipt, "quantity": quantity},
        )
        assert response.status_code == 202, response.text

    return receive


@pytest.fixture
def bus(local_cloud):
    return Bus(local_cloud)


class Bus:
    """The platform's bus: say what the order service says, hear what the inventory says."""

    def __init__(self, cloud):
        self.cloud, self.stage = cloud, cloud.endpoints["stage"]
        self.name = f"commerce-{self.stage}"
        self.events, self.sqs = (cloud.client(each, of="inventory") for each in ("events", "sqs"))

    def say(self, detail_type, order_ids, **data):
        events = [
            Event.create(
                service="order",
                stage=self.stage,
                detail_type=detail_type,
                aggregate_id=order_id,
                aggregate_version=2,
                data={"orderId": order_id, **data},
            )
            for order_id in order_ids
        ]
        self.cloud.publish(*events)

    def request(self, order_ids, sku, quantity=1):
        expires_at = rfc3339(datetime.now(UTC) + timedelta(minutes=5))
        items = [{"sku": sku, "quantity": quantity}]
        self.say("StockReservationRequested.v1", order_ids, items=items, expiresAt=expires_at)

    def listen(self, request):
        """A queue of everything the inventory says from now on, until the test ends."""
        name = f"e2e-{secrets.token_hex(6)}"
        url = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        pattern = json.dumps({"source": ["commerce.inventory"]})
        self.events.put_rule(Name=name, EventBusName=self.name, EventPattern=pattern)
        self.events.put_targets(Rule=name, EventBusName=self.name, Targets=[{"Id": "queue", "Arn": arn}])
        request.addfinalizer(lambda: self.sqs.delete_queue(QueueUrl=url))
        request.addfinalizer(lambda: self.events.delete_rule(Name=name, EventBusName=self.name))
        request.addfinalizer(
            lambda: self.events.remove_targets(Rule=name, EventBusName=self.name, Ids=["queue"])
        )
        heard = []

        def hear():
            received = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ())
            for message in received:
                heard.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return heard

        return hear


def numbers(response):
    answer = response.json()
    return tuple(answer.get(name) for name in ("onHand", "reserved", "available"))


def order_ids(count):
    return [f"e2e-{secrets.token_hex(8)}" for _ in range(count)]


def test_a_delivery_counts_once(receive, stock):
    receive(5)
    receive(5)
    receive(2, "note-2")

    eventually(stock, lambda answer: answer.status_code == 200 and numbers(answer) == (7, 0, 7))


def test_stock_follows_an_order_to_the_door_or_back(receive, stock, bus, sku):
    kept, given_back = order_ids(2)
    receive(5)
    eventually(stock, lambda answer: answer.status_code == 200)

    bus.request([kept, given_back], sku, quantity=2)
    eventually(stock, lambda answer: numbers(answer) == (5, 4, 1))
    bus.say("OrderConfirmed.v1", [kept])
    bus.say("OrderCancelled.v1", [given_back])
    bus.say("OrderFulfilled.v1", [kept])

    eventually(stock, lambda answer: numbers(answer) == (3, 0, 3))


def test_of_200_orders_at_once_for_the_last_50_pieces_exactly_50_succeed(receive, stock, bus, sku, request):
    orders = order_ids(200)
    receive(50)
    eventually(stock, lambda answer: answer.status_code == 200)
    hear = bus.listen(request)

    def answers():
        return {
            event["detail"]["data"]["orderId"]: event
            for event in hear()
            if event["detail"]["data"].get("orderId") in orders
        }

    bus.request(orders, sku)
    told = eventually(answers, lambda answered: len(answered) == 200, seconds=90)

    for event in told.values():
        Contracts("inventory_service").check_event(event)
    assert Counter(event["detail-type"] for event in told.values()) == {
        "StockReserved.v1": 50,
        "StockRejected.v1": 150,
    }
    assert numbers(stock()) == (50, 50, 0)

    bus.say("OrderCancelled.v1", orders)
    eventually(stock, lambda answer: numbers(answer) == (50, 0, 50), seconds=90)


def test_thresholds_are_the_operators(local_cloud, operator, customer, sku):
    def put(token):
        return local_cloud.request(
            "PUT", "inventory", f"/stock/{sku}/threshold", token=token, body={"lowThreshold": 3}
        )

    assert [put(None).status_code, put(customer).status_code] == [401, 403]
    assert put(operator).json()["lowThreshold"] == 3
