"""Counts what a shop's customers use of each resource: one journey after the other, on a local cloud that counts.

One order at a time and none beside it: batches hold one message, which is what a shop of some orders a minute sees, and the
dearest. The payment provider takes 1.5 s, as real ones do.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from storefront.bench.metering import Metering
from storefront.bench.sides import CHAIN, SLOW, Chain, prepare, sku
from storefront.bench.suite import circumstances
from storefront.client import (
    HEARD_SECONDS,
    ORDERING,
    Caller,
    Customer,
    Operator,
    Order,
    StorefrontError,
    accepted,
    patiently,
)
from storefront.cost.bill import BUS
from storefront.cost.counts import Counts, definitions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rich.console import Console

    from storefront.client import Commerce
    from storefront.cost.templates import Stage

Quantities = dict[str, float]

TIMES = 10
"""How often each journey is made: the figures of one are those of all, but for times."""
GAP_SECONDS = 0.4
"""From one journey's begin to the next one's, so that no two share a batch."""
SETTLE_SECONDS = 120.0
LINES = 2
"""Products of an order: two, one piece each."""
PAGES = 3
"""Products that a visitor looks at after the first page of the catalogue; one in ten visits asks for the stock."""
RARE = "COST-RARE"
SCARCE_PIECES = 3


@dataclass
class Shop:
    """Who acts, and what they act on."""

    commerce: Commerce
    metering: Metering
    customer: Customer
    operator: Operator
    visitor: Caller
    orders: list[str] = field(default_factory=list)

    @classmethod
    def opened(cls, commerce: Commerce) -> Shop:
        """Goods on sale, stock enough, and everybody signed in."""
        prepare(commerce)
        shop = cls(commerce, Metering(commerce), Customer(commerce), Operator(commerce), Caller(commerce))
        product = {"name": "Rare", "category": "rare", "price": {"amountMinor": 900, "currency": "EUR"}}
        shop.operator.offer(RARE, product)
        shop.operator.stock_up(RARE, SCARCE_PIECES)
        shop.customer.place({RARE: 1}).follow()
        return shop

    def order(self, number: int, pay: str = SLOW) -> None:
        """Have the customer order two products."""
        answer = self.customer.ask({sku(number + line): 1 for line in range(LINES)}, pay)
        self.orders.append(accepted(answer, "The order")["orderId"])

    def refuse(self, _number: int) -> None:
        """Have the customer order more than there is."""
        accepted(self.customer.ask({RARE: 50}, SLOW), "The order")

    def cancel(self, number: int) -> None:
        """Order, and cancel once it is confirmed: the refund is part of it."""
        self.order(number)
        order = Order(self.customer, self.orders.pop())
        time.sleep(3 * GAP_SECONDS + 1.5)
        answer = order.cancel()
        if answer.status_code != HTTPStatus.ACCEPTED:
            raise StorefrontError(f"Order {order.id} could not be cancelled ({answer.status_code}).")

    def hand_over(self, _number: int) -> None:
        """Hand over an order that was confirmed."""
        accepted(self.operator.fulfil(self.orders.pop()), "The fulfilment")

    def sign_in(self, _number: int) -> None:
        """Get a token, which the trigger of the user pool shapes."""
        self.commerce.token("cost-customer")

    def look_around(self, number: int) -> None:
        """Look at a page of the catalogue and at some products; now and then at the stock."""
        self.visitor.json("GET", "product", "/products?limit=20")
        for page in range(PAGES):
            self.visitor.json("GET", "product", f"/products/{sku(number + page)}")
        if number == 0:
            self.visitor.json("GET", "inventory", f"/stock/{sku(number)}")

    def fill(self, number: int) -> None:
        """Put two products into a new cart, change one, look at it."""
        cart = self.visitor.json("POST", "cart", "/carts")["cartId"]
        for line, quantity in ((0, 1), (1, 1), (1, 2)):
            self.put(f"/carts/{cart}/items/{sku(number + line)}", quantity)
        self.visitor.json("GET", "cart", f"/carts/{cart}")

    def put(self, path: str, quantity: int) -> None:
        """Set a cart's line, once the cart has heard of the product."""
        answer = patiently(
            lambda: self.visitor.send("PUT", "cart", path, body={"quantity": quantity}),
            lambda answer: answer.status_code != HTTPStatus.NOT_FOUND,
            HEARD_SECONDS,
        )
        accepted(answer, f"PUT {path}")

    def look_at_orders(self, _number: int) -> None:
        """List the own orders and look at one."""
        found = self.customer.json("GET", "order", "/orders?limit=10")
        self.customer.json("GET", "order", f"/orders/{found['items'][0]['orderId']}")

    def change(self, number: int) -> None:
        """Change a product's price, which carts and the order service hear of."""
        price = {"amountMinor": 200 + secrets.randbelow(100), "currency": "EUR"}
        self.operator.offer(sku(number), {"name": "Croissant", "category": "viennoiserie", "price": price})

    def deliver(self, number: int) -> None:
        """Record goods that arrived."""
        self.operator.deliver(sku(number), 10, f"cost-{secrets.token_hex(4)}")

    def call_functions(self, number: int) -> None:
        """Order from the chain of functions."""
        now = time.time()
        Chain(self.customer).place(number, SLOW, now, now + SETTLE_SECONDS)


JOURNEYS: Mapping[str, Callable[[Shop, int], None]] = {
    "confirmed": Shop.order,
    "fulfilled": Shop.hand_over,
    "declined": lambda shop, number: shop.order(number, "tok_declined"),
    "rejected": Shop.refuse,
    "cancelled": Shop.cancel,
    "sign_in": Shop.sign_in,
    "visit": Shop.look_around,
    "cart": Shop.fill,
    "abandoned": Shop.fill,
    "look_at_orders": Shop.look_at_orders,
    "product_change": Shop.change,
    "delivery": Shop.deliver,
    CHAIN: Shop.call_functions,
}
"""What is counted, in this order: what is handed over was confirmed before."""


def count(commerce: Commerce, stage: Stage, console: Console, times: int = TIMES) -> Counts:
    """Make every journey some times and say what one takes.

    Args:
        commerce: The platform with the chain beside it, on a local cloud that counts.
        stage: The templates that it was deployed from.
        console: Where progress goes.
        times: How often each is made.

    Raises:
        StorefrontError: Something is not deployed, the cloud does not count, or a journey did not go as it should.
    """
    commerce.require((*ORDERING, "cart", CHAIN))
    shop = Shop.opened(commerce)
    names = dict(_names(commerce))
    for journey in JOURNEYS.values():  # starts of functions are counted apart
        journey(shop, 0)
        shop.metering.settle(SETTLE_SECONDS)
    shop.orders.clear()
    starts = _starts(_by_resource(shop, names))
    found = {}
    for name, journey in JOURNEYS.items():
        found[name] = _counted(shop, journey, names, times)
        console.print(f"  {name}: {_told(found[name])}", highlight=False)
        if name == "declined":
            del shop.orders[:]
    about = circumstances() | {"times": times, "stage": stage.name}
    return Counts(found, starts, dict(_metrics(commerce, names)), definitions(stage), about)


def _counted(
    shop: Shop, journey: Callable[[Shop, int], None], names: Mapping[tuple[str, str], str], times: int
) -> dict[str, Quantities]:
    shop.metering.settle(SETTLE_SECONDS)
    sizes = dict(_sizes(shop.commerce, names))  # looking reads, so it is done outside of what is counted
    before = _by_resource(shop, names)
    for number in range(times):
        began = time.monotonic()
        journey(shop, number)
        time.sleep(max(0.0, GAP_SECONDS - (time.monotonic() - began)))
    if not shop.metering.settle(SETTLE_SECONDS):
        raise StorefrontError("The local cloud did not come to rest.", "Its log: make logs")
    after = _by_resource(shop, names)
    for key, size in _sizes(shop.commerce, names):
        after.setdefault(key, Counter())["storedBytes"] = size
        before.setdefault(key, Counter())["storedBytes"] = sizes.get(key, 0)
    return {
        key: used
        for key, quantities in sorted(after.items())
        if (used := _since(quantities, before.get(key, Counter()), times))
    }


def _since(after: Mapping[str, float], before: Mapping[str, float], times: int) -> Quantities:
    each = {name: round((value - before.get(name, 0)) / times, 3) for name, value in sorted(after.items())}
    return {name: value for name, value in each.items() if value}


def _by_resource(shop: Shop, names: Mapping[tuple[str, str], str]) -> dict[str, Counter[str]]:
    """What was used by resource key; of what no template names (the CDK's own) nothing."""
    found: dict[str, Counter[str]] = {}
    for account in shop.metering.by_resource().values():
        for resource, quantities in account.items():
            kind, _, name = resource.partition("|")
            key = f"{name.removeprefix('commerce.')}/{BUS}" if kind == BUS else names.get((kind, name))
            if key:
                found.setdefault(key, Counter()).update(quantities)
    return found


def _names(commerce: Commerce) -> Iterator[tuple[tuple[str, str], str]]:
    """Type and physical name of every resource, and its key."""
    cloudformation = commerce.aws("cloudformation", of="order")
    prefix = f"commerce-{commerce.endpoints['stage']}-"
    for stack in cloudformation.describe_stacks()["Stacks"]:
        if stack["StackName"].startswith(prefix):
            service = stack["StackName"].removeprefix(prefix).partition("-")[0]
            answer = cloudformation.describe_stack_resources(StackName=stack["StackName"])
            for each in answer["StackResources"]:
                name = each.get("PhysicalResourceId", "")
                if each["ResourceType"] == "AWS::SQS::Queue":
                    name = name.rpartition("/")[2]
                yield (each["ResourceType"], name), f"{service}/{each['LogicalResourceId']}"


def _sizes(commerce: Commerce, names: Mapping[tuple[str, str], str]) -> Iterator[tuple[str, int]]:
    """What is in each table, in bytes."""
    dynamodb = commerce.aws("dynamodb", of="order")
    for (kind, name), key in names.items():
        if kind == "AWS::DynamoDB::Table":
            pages = dynamodb.get_paginator("scan").paginate(TableName=name)
            yield key, sum(item_bytes(item) for page in pages for item in page["Items"])


def item_bytes(item: Mapping[str, Any]) -> int:
    """An item's size as it is stored: names and values, and 100 bytes that AWS adds for its index.

    Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return 100 + sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((kind, held),) = value.items()
    match kind:
        case "S":
            return len(held.encode())
        case "N":
            return len(held.strip("-0.")) // 2 + 2
        case "M":
            return 3 + sum(1 + len(name.encode()) + _value_bytes(each) for name, each in held.items())
        case "L":
            return 3 + sum(1 + _value_bytes(each) for each in held)
        case "NULL" | "BOOL":
            return 1
        case _:
            return sum(map(len, held)) if kind.endswith("S") else len(held)


def _starts(used: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Milliseconds that a start took, on average, of each function that was started."""
    return {
        key: round(counts["functionStartMs"] / counts["functionStarts"], 1)
        for key, counts in sorted(used.items())
        if counts.get("functionStarts")
    }


def _metrics(commerce: Commerce, names: Mapping[tuple[str, str], str]) -> Iterator[tuple[str, int]]:
    """How many metrics each function has written into its log (EMF): every combination of name and dimensions is one.

    Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    logs, functions = commerce.aws("logs", of="order"), commerce.aws("lambda", of="order")
    for (kind, name), key in names.items():
        if kind == "AWS::Lambda::Function":
            config = functions.get_function_configuration(FunctionName=name)
            group = config.get("LoggingConfig", {}).get("LogGroup") or f"/aws/lambda/{name}"
            found = {
                metric
                for page in logs.get_paginator("filter_log_events").paginate(logGroupName=group)
                for event in page["events"]
                if '"_aws"' in event["message"]
                for metric in _of_line(event["message"])
            }
            if found:
                yield key, len(found)


def _of_line(line: str) -> Iterator[tuple[str, ...]]:
    try:
        told = json.loads(line)
    except ValueError:
        return
    for directive in told["_aws"]["CloudWatchMetrics"]:
        for dimensions in directive["Dimensions"]:
            for metric in directive["Metrics"]:
                values = (f"{name}={told.get(name)}" for name in dimensions)
                yield (directive["Namespace"], metric["Name"], *values)


def _told(used: Mapping[str, Mapping[str, float]]) -> str:
    total: Counter[str] = Counter()
    for quantities in used.values():
        total.update(quantities)
    shown = ("apiRequests", "lambdaInvocations", "standardTransitions", "expressRuns", "events")
    return ", ".join(f"{total[name]:g} {name}" for name in shown if total[name]) or "nothing"
