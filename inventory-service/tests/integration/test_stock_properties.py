"""Whatever orders do and however their messages arrive: never oversold, given back exactly once."""

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

SKUS = ("TARTE-CITRON", "OPERA")
HOLDING = ("RESERVED", "COMMITTED")
ARRIVALS = st.sampled_from(["later", "now", "twice at once"])

machines = 0


class Orders(RuleBasedStateMachine):
    """Orders that keep to their own rules, over a bus that repeats, delays and reorders.

    Each run has skus and orders of its own, so that the table need not be made anew.
    """

    inventory = None

    def __init__(self):
        super().__init__()
        global machines  # noqa: PLW0603 - numbers the runs
        machines += 1
        self.run = machines
        self.received = Counter()
        self.receipts = {}
        self.lines = {}
        self.told = {}
        self.sent = []

    def sku(self, name):
        return f"{name}-{self.run}"

    def send(self, message, arrival):
        self.sent.append(message)
        if arrival == "now":
            assert self.inventory.deliver(message)
        if arrival == "twice at once":
            self.deliver_twice_at_once(message)

    def deliver_twice_at_once(self, message):
        """The copy is handled between what the message decides on and what it writes."""
        events, copies = self.inventory.store._client.meta.events, [message]

        def meanwhile(**_):
            if copies:
                assert self.inventory.deliver(copies.pop())

        events.register("before-call.dynamodb.TransactWriteItems", meanwhile)
        try:
            assert self.inventory.deliver(message)
        finally:
            events.unregister("before-call.dynamodb.TransactWriteItems", meanwhile)

    def status(self, order):
        return (self.inventory.reservation(order) or {}).get("status")

    @rule(name=st.sampled_from(SKUS), quantity=st.integers(1, 6), receipt=st.integers(1, 4))
    def a_delivery_arrives_perhaps_again(self, name, quantity, receipt):
        key = (self.sku(name), f"note-{receipt}")
        if key not in self.receipts:
            self.receipts[key] = quantity
            self.received[key[0]] += quantity
        assert self.inventory.receive(key[0], self.receipts[key], key[1])

    @precondition(lambda self: len(self.lines) < 6)
    @rule(lines=st.dictionaries(st.sampled_from(SKUS), st.integers(1, 4), min_size=1), arrival=ARRIVALS)
    def an_order_asks_for_stock(self, lines, arrival):
        order = f"order-{self.run}-{len(self.lines)}"
        self.lines[order] = {self.sku(name): quantity for name, quantity in lines.items()}
        self.told[order] = "PLACED"
        self.send(self.inventory.request(order, **self.lines[order]), arrival)

    @precondition(lambda self: "PLACED" in self.told.values())
    @rule(data=st.data(), attempt=st.integers(2, 3), arrival=ARRIVALS)
    def it_asks_again(self, data, attempt, arrival):
        order = data.draw(st.sampled_from([o for o, told in self.told.items() if told == "PLACED"]))
        self.send(self.inventory.request(order, attempt=attempt, **self.lines[order]), arrival)

    @rule(data=st.data(), arrival=ARRIVALS)
    @precondition(lambda self: any(told == "PLACED" for told in self.told.values()))
    def it_is_confirmed_once_its_stock_is_reserved(self, data, arrival):
        order = data.draw(st.sampled_from([o for o, told in self.told.items() if told == "PLACED"]))
        if self.status(order) == "RESERVED":
            self.told[order] = "CONFIRMED"
            self.send(self.inventory.event("OrderConfirmed.v1", order), arrival)

    @rule(data=st.data(), arrival=ARRIVALS)
    @precondition(lambda self: "CONFIRMED" in self.told.values())
    def it_is_fulfilled(self, data, arrival):
        order = data.draw(st.sampled_from([o for o, told in self.told.items() if told == "CONFIRMED"]))
        self.told[order] = "FULFILLED"
        self.send(self.inventory.event("OrderFulfilled.v1", order), arrival)

    @rule(data=st.data(), arrival=ARRIVALS)
    @precondition(lambda self: any(told in ("PLACED", "CONFIRMED") for told in self.told.values()))
    def it_is_cancelled(self, data, arrival):
        order = data.draw(
            st.sampled_from([o for o, told in self.told.items() if told in ("PLACED", "CONFIRMED")])
        )
        self.told[order] = "CANCELLED"
        self.send(self.inventory.event("OrderCancelled.v1", order), arrival)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def any_message_arrives_late_or_again(self, data):
        indexes = data.draw(st.lists(st.integers(0, len(self.sent) - 1), min_size=1, max_size=5))
        assert self.inventory.deliver(*(self.sent[index] for index in indexes))

    @invariant()
    def stock_and_reservations_agree_and_nothing_is_oversold(self):
        reserved, gone = Counter(), Counter()
        for order, lines in self.lines.items():
            status = self.status(order)
            for sku, quantity in lines.items():
                reserved[sku] += quantity if status in HOLDING else 0
                gone[sku] += quantity if status == "FULFILLED" else 0
        for name in SKUS:
            sku = self.sku(name)
            on_hand = self.received[sku] - gone[sku]
            assert self.inventory.stock(sku) == (on_hand, reserved[sku], on_hand - reserved[sku])
            assert on_hand >= reserved[sku] >= 0

    def teardown(self):
        """Once everything has arrived, every order's reservation says what the order says."""
        if not self.sent:
            return
        self.inventory.deliver(*self.sent)
        expected = {"CONFIRMED": {"COMMITTED"}, "FULFILLED": {"FULFILLED"}, "CANCELLED": {"RELEASED"}}
        for order, told in self.told.items():
            assert self.status(order) in expected.get(told, {"RESERVED", "REJECTED"})
        self.stock_and_reservations_agree_and_nothing_is_oversold()
        assert self.inventory.dead_letters() == []
        self.inventory.forget()


def test_never_oversold_and_released_exactly_once_under_duplicates_and_reordering(inventory, caplog):
    caplog.set_level("ERROR")
    Orders.inventory = inventory
    run_state_machine_as_test(
        Orders, settings=settings(max_examples=20, stateful_step_count=25, deadline=None)
    )
