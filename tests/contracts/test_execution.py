"""Contracts are executed: what one service really sends goes through what the others deploy, and who breaks is named.

`make contracts` does it with generated histories; here a short day in the shop is enough to see each mutation.
"""

from __future__ import annotations

import asyncio
import copy
import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest
from cart_service.contracts import consumed as read_by_cart
from commerce_platform.cli import contracts as command
from commerce_platform.cli.board import Board
from commerce_platform.cli.workspace import Workspace
from hypothesis import strategies as st
from pydantic import Field
from service_contracts import Contracts
from service_runtime.envelope import WireModel
from service_testing.contracts import (
    Heard,
    Inputs,
    Observations,
    Participant,
    Request,
    World,
    alone,
    execute,
    judged,
)

PIPE, RULE, MACHINE = "AWS::Pipes::Pipe", "AWS::Events::Rule", "AWS::StepFunctions::StateMachine"

CUSTOMER = {"sub": "customer-1", "scope": "openid commerce/shop"}
OPERATOR = {"sub": "operator-1", "scope": "openid commerce/operate"}


def operator(method, path, **body):
    return Request(method=method, path=path, body=body or None, claims=OPERATOR)


def order(key, quantity, payment="tok_visa"):
    return Request(
        method="POST",
        path="/orders",
        body={"items": [{"sku": "OPERA", "quantity": quantity}], "paymentMethod": payment},
        headers={"Idempotency-Key": key},
        claims=CUSTOMER,
    )


PRICE = {"amountMinor": 620, "currency": "EUR"}
CANCEL_THE_LATEST = Request(method="POST", path="/orders/{orderId}/cancellation", claims=CUSTOMER)
DAY = (
    ("product", operator("PUT", "/products/OPERA", name="Opera", category="cakes", price=PRICE)),
    (
        "product",
        operator(
            "PUT",
            "/products/TARTE",
            name="Tarte",
            category="cakes",
            price=PRICE,
            description="Sharp.",
            imageUrl="https://images.example/tarte.jpg",
        ),
    ),
    ("product", operator("DELETE", "/products/TARTE")),
    ("inventory", operator("POST", "/stock/OPERA/receipts", receiptId="r-1", quantity=6)),
    ("inventory", operator("PUT", "/stock/OPERA/threshold", lowThreshold=4)),
    ("order", order("k-1", 2)),
    ("order", operator("POST", "/operations/orders/{orderId}/fulfilment")),
    ("order", order("k-2", 90)),
    ("order", order("k-3", 1, "tok_declined")),
    ("order", order("k-4", 4)),
    ("order", CANCEL_THE_LATEST),
)
"""One order is fulfilled, one finds no stock, one no money, and one is refunded after it has taken the last pieces."""


STORY = frozenset(service for service, _ in DAY) | {"cart", "payment"}
"""The services that are there on that day; whatever else is in the workspace, `make contracts` lets live with them."""


@dataclass(frozen=True)
class Changed(Contracts):
    """A service's contracts with some of them replaced.

    Attributes:
        new_committed: Schemas of its events by detail type.
        new_consumed: Models of what it reads by detail type.
    """

    new_committed: dict[str, Any] = field(default_factory=dict)
    new_consumed: dict[str, Any] = field(default_factory=dict)

    def committed(self):
        return {**super().committed(), **self.new_committed}

    @property
    def consumed(self):
        return {**Contracts(self.package).consumed, **self.new_consumed}


class Shop:
    """The services, and what a test changes of them."""

    def __init__(self, templates):
        self.templates = {
            service: copy.deepcopy(each) for service, each in templates.items() if service in STORY
        }
        self.contracts = {service: Contracts(f"{service}_service") for service in self.templates}

    def resource(self, service, kind, beginning):
        """The properties of the resource of a type whose logical id starts so."""
        (found,) = (
            resource["Properties"]
            for template in self.templates[service].values()
            for name, resource in template["Resources"].items()
            if resource["Type"] == kind and name.startswith(beginning)
        )
        return found

    def sends(self, service, old, new):
        """Another text in what the change feed makes of a change."""
        machine = self.resource(service, MACHINE, "ChangesEnrichmentStateMachine")
        text = json.dumps(machine["DefinitionString"])
        assert old in text
        machine["DefinitionString"] = json.loads(text.replace(old, new))

    def publishes(self, service, detail_type, change):
        """Another committed schema."""
        schema = copy.deepcopy(Contracts(f"{service}_service").committed()[detail_type])
        change(schema)
        self.contracts[service] = Changed(f"{service}_service", new_committed={detail_type: schema})

    def reads(self, service, detail_type, model):
        """Another model of what is consumed."""
        self.contracts[service] = Changed(f"{service}_service", new_consumed={detail_type: model})

    def faults(self, *names):
        """What a day of them together shows; by their names, of some of them."""
        services = {
            service: Participant(contracts, self.templates[service])
            for service, contracts in self.contracts.items()
            if not names or service in names
        }
        seen = Observations()
        with World(list(services.values()), seen) as world:
            for service, request in DAY:
                if service in services:
                    world.send(services[service], request)
        return judged(seen, list(services.values()))


@pytest.fixture
def shop(templates):
    return Shop(templates)


def told(found, *parts):
    assert any(all(part in fault for part in parts) for fault in found), found


def test_as_they_are_nobody_breaks(shop):
    assert shop.faults() == []


# A producer changes ----------------------------------------------------------------------------------------------------
def test_a_field_that_is_renamed_breaks_its_readers_by_name(shop):
    shop.sends(
        "order",
        "'customerId': $new.customerId, 'items': [$new.lines",
        "'customer': $new.customerId, 'items': [$new.lines",
    )
    found = shop.faults()
    name = "commerce.order/OrderConfirmed.v1"
    told(
        found,
        f"order-service sends {name} otherwise than it is published",
        "'customerId' is a required property",
        "read by cart-service, inventory-service",
    )
    told(found, f"cart-service cannot read {name} as order-service sends it", "customerId")
    told(found, f"cart-service fails on {name} as order-service sends it", "customerId")
    assert not any("inventory-service fails" in fault for fault in found), "it reads the order's id alone"


def test_a_field_that_is_sent_no_more_breaks_the_promise_and_who_waits_for_it(shop):
    class Product(WireModel):
        sku: str
        image_url: str | None = None

    shop.sends("product", ", 'imageUrl': $new.imageUrl", "")
    shop.reads("cart", "ProductChanged.v1", Product)
    found = shop.faults("product", "cart")
    told(
        found,
        "product-service promises data.imageUrl in commerce.product/ProductChanged.v1 and has sent it in none",
    )
    told(
        found,
        "cart-service reads data.imageUrl of commerce.product/ProductChanged.v1, which product-service never sends",
    )


def test_a_type_that_is_tightened_is_broken_by_what_is_sent(shop):
    shop.publishes(
        "inventory", "StockLow.v1", lambda schema: schema["properties"]["available"].update(maximum=3)
    )
    told(
        shop.faults("inventory", "product", "order", "payment"),
        "inventory-service sends commerce.inventory/StockLow.v1 otherwise than it is published",
        "$.detail.data.available: 4 is greater than the maximum of 3",
        "read by order-service",
    )


def test_another_type_breaks_contract_and_readers(shop):
    shop.sends("inventory", "'available': $new.available", "'available': $string($new.available)")
    found = shop.faults()
    told(
        found,
        "inventory-service sends commerce.inventory/StockLow.v1 otherwise than",
        "is not of type 'integer'",
    )
    told(
        found,
        "order-service cannot read commerce.inventory/StockLow.v1 as inventory-service sends it",
        "$.available",
    )
    told(found, "order-service fails on commerce.inventory/StockLow.v1 as inventory-service sends it")


def test_a_value_that_is_dropped_from_an_enumeration_is_still_sent(shop):
    shop.publishes(
        "product", "ProductChanged.v1", lambda schema: schema["properties"]["status"].update(enum=["ACTIVE"])
    )
    told(
        shop.faults("product", "cart", "order"),
        "product-service sends commerce.product/ProductChanged.v1 otherwise than it is published",
        "'RETIRED' is not one of ['ACTIVE']",
        "read by cart-service, order-service",
    )


def test_an_event_that_no_change_means_any_more_is_a_promise_that_nobody_keeps(shop):
    pipe = shop.resource("order", PIPE, "ChangesPipe")
    criteria = pipe["SourceParameters"]["FilterCriteria"]
    kept = [each for each in criteria["Filters"] if "CONFIRMED" not in each["Pattern"]]
    assert len(kept) < len(criteria["Filters"])
    criteria["Filters"] = kept
    found = shop.faults()
    told(
        found,
        "order-service publishes commerce.order/OrderConfirmed.v1, but in 11 requests nothing made it do so",
    )
    told(
        found,
        "cart-service: CartsOrdersOrderConfirmedv1Rule",
        "can never match: nobody publishes commerce.order/OrderConfirmed.v1",
    )


def test_an_event_that_is_not_published_is_not_sent_either(shop):
    shop.sends("payment", "'PaymentRefunded.v1'", "'PaymentReturned.v1'")
    told(
        shop.faults(), "payment-service sends commerce.payment/PaymentReturned.v1, which it does not publish"
    )


def test_an_event_without_its_metadata_is_no_event(shop):
    shop.sends("product", "'occurredAt':", "'happenedAt':")
    told(
        shop.faults("product"),
        "product-service sends commerce.product/ProductChanged.v1 otherwise",
        "$.detail.metadata: 'occurredAt' is a required property",
    )


def test_an_event_may_not_be_larger_than_its_consumers_can_take(shop):
    shop.sends("product", "'name': $new.name", "'name': $pad($new.name, 260800)")
    told(
        shop.faults("product"),
        "product-service sends commerce.product/ProductChanged.v1 with 261,",
        "more than 261,120",
    )


# A consumer changes ----------------------------------------------------------------------------------------------------
def test_a_pattern_that_nothing_matches_is_told_with_what_is_sent(shop):
    rule = shop.resource("order", RULE, "LifecyclePaymentConsumerPaymentDeclinedv1Rule")
    rule["EventPattern"]["detail"] = {"data": {"reason": ["NO_MONEY"]}}
    found = shop.faults()
    reason = 'detail.data.reason is "CARD_DECLINED", wanted is ["NO_MONEY"]'
    name = "commerce.payment/PaymentDeclined.v1"
    told(
        found,
        "order-service: LifecyclePaymentConsumerPaymentDeclinedv1Rule",
        f"can never match: {name}: {reason}",
    )
    told(
        found,
        f"order-service declares {name} as consumed",
        "none of its rules matches it as payment-service sends",
        reason,
    )


def test_a_rule_for_an_event_that_nobody_publishes_can_never_match(shop):
    rule = shop.resource("inventory", RULE, "ConsumerOrdersOrderFulfilledv1Rule")
    rule["EventPattern"]["source"] = ["commerce.orders"]
    found = shop.faults()
    told(
        found,
        "inventory-service: ConsumerOrdersOrderFulfilledv1Rule",
        "nobody publishes commerce.orders/OrderFulfilled.v1",
    )
    told(
        found,
        "inventory-service declares commerce.order/OrderFulfilled.v1 as consumed, but none of its rules",
    )


def test_an_event_that_is_declared_and_that_no_rule_wants_names_both_sides(shop):
    for template in shop.templates["cart"].values():
        for name in [
            each for each in template["Resources"] if each.startswith("CartsOrdersOrderConfirmedv1Rule")
        ]:
            del template["Resources"][name]
    told(
        shop.faults(),
        "cart-service declares commerce.order/OrderConfirmed.v1 as consumed",
        "none of its rules matches it as order-service sends it: no rule names it",
    )


def test_an_event_that_is_taken_without_being_declared_names_both_sides(shop):
    rule = shop.resource("cart", RULE, "CartsOrdersOrderConfirmedv1Rule")
    rule["EventPattern"]["detail-type"].append("OrderPlaced.v1")
    told(
        shop.faults(),
        "cart-service: CartsOrdersOrderConfirmedv1Rule",
        "takes commerce.order/OrderPlaced.v1 of order-service without declaring it as consumed",
    )


def test_a_filter_behind_the_queue_that_drops_everything_is_told(shop):
    pattern = {"body": {"detail": {"data": {"status": ["SOLD"]}}}}
    pipe = shop.resource("cart", PIPE, "ProductsConsumerPipe")
    pipe["SourceParameters"]["FilterCriteria"] = {"Filters": [{"Pattern": json.dumps(pattern)}]}
    told(
        shop.faults("product", "cart"),
        "cart-service takes commerce.product/ProductChanged.v1 by ProductsConsumerProductChangedv1Rule",
        "the filter of what reads ProductsConsumerQueue",
        "drops it every time",
    )


def test_a_field_that_a_handler_needs_and_its_model_has_lost_breaks_the_handler(shop, monkeypatch):
    class OrderConfirmed(WireModel):
        order_id: str
        customer_id: str

    monkeypatch.setattr(read_by_cart, "OrderConfirmed", OrderConfirmed)
    shop.reads("cart", "OrderConfirmed.v1", OrderConfirmed)
    told(
        shop.faults(),
        "cart-service fails on commerce.order/OrderConfirmed.v1 as order-service sends it",
        "no attribute 'items'",
    )


def test_a_field_that_is_read_and_never_sent_names_both_sides(shop):
    class Product(WireModel):
        sku: str
        weight_grams: int | None = None

    shop.reads("cart", "ProductChanged.v1", Product)
    told(
        shop.faults("product", "cart"),
        "cart-service reads data.weightGrams of commerce.product/ProductChanged.v1, which product-service never sends",
    )


def test_a_consumer_that_takes_less_than_is_sent_is_named(shop):
    class Product(WireModel):
        sku: Annotated[str, Field(max_length=3)]
        status: Literal["RETIRED"]

    shop.reads("order", "ProductChanged.v1", Product)
    found = shop.faults("product", "order")
    name = "commerce.product/ProductChanged.v1"
    told(found, f"order-service cannot read {name} as product-service sends it", "'OPERA' is too long")
    told(found, f"order-service cannot read {name} as product-service sends it", "'RETIRED' was expected")


# A service alone -------------------------------------------------------------------------------------------------------
def test_a_producer_alone_is_held_to_what_it_publishes(shop):
    shop.sends("payment", "'amount': $new", "'sum': $new")
    told(
        alone("payment_service", shop.templates["payment"], examples=1),
        "payment-service sends commerce.payment/PaymentCaptured.v1 otherwise than it is published",
        "'amount' is a required property",
    )


def test_a_consumer_alone_is_told_what_it_has_locked(shop, monkeypatch):
    class OrderConfirmed(WireModel):
        order_id: str
        customer_id: str

    monkeypatch.setattr(read_by_cart, "OrderConfirmed", OrderConfirmed)
    told(
        alone("cart_service", shop.templates["cart"], examples=1),
        "cart-service fails on commerce.order/OrderConfirmed.v1 as commerce.order sends it",
        "no attribute 'items'",
    )


def test_a_service_that_is_played_keeps_the_locked_schema(shop):
    heard = Heard(event="ProductChanged.v1", data={"version": st.just("first")})
    cart = Participant(Contracts("cart_service"), shop.templates["cart"], given=Inputs(heard=(heard,)))
    seen = execute([cart], examples=1)
    told(
        judged(seen, [cart]),
        "tests/contracts/inputs.py of cart-service tells commerce.product/ProductChanged.v1 otherwise than it is locked",
        "'first' is not of type 'integer'",
    )


# The command -----------------------------------------------------------------------------------------------------------
def test_the_command_adds_up_what_its_processes_have_seen(shop, tmp_path, monkeypatch):
    monkeypatch.setattr(command, "AT_ONCE", 1)
    shop.resource("cart", RULE, "CartsOrdersOrderConfirmedv1Rule")["EventPattern"]["source"] = [
        "commerce.shop"
    ]
    workspace, folders = Workspace.here(), {}
    for app in workspace.apps:
        if app.service in shop.templates:
            folders[app] = tmp_path / app.service
            folders[app].mkdir()
            for name, template in shop.templates[app.service].items():
                (folders[app] / f"{name}.template.json").write_text(json.dumps(template))

    with Board() as board:
        found = asyncio.run(command.executed(workspace, folders, board, 2))

    told(
        found,
        "cart-service: CartsOrdersOrderConfirmedv1Rule",
        "nobody publishes commerce.shop/OrderConfirmed.v1",
    )
