"""The demo's orders; a small shop stands for the APIs, in which everything takes a second look."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from rich.console import Console
from storefront import client, demo
from storefront.client import ENDED, Commerce, StorefrontError

SKUS = [f"SKU-{number}" for number in range(9)]
AMOUNT = {"amountMinor": 960, "currency": "EUR"}


class Shop:
    """Orders, stock and payments."""

    def __init__(self, *, refunds=True):
        self.orders, self.payments, self.returned, self.refunds = {}, {}, {}, refunds
        self.stocks = dict.fromkeys(SKUS, 12)

    def customer(self, *_):
        return SimpleNamespace(place=self.place)

    def operator(self, *_):
        return SimpleNamespace(stock_up=lambda *_: None, stock=self.stock, payment=self.payment)

    def place(self, lines, pay):
        ((sku, quantity),) = lines.items()
        order_id = f"order-{len(self.orders)}"
        reached = ["PLACED", *([] if quantity > 12 else ["STOCK_RESERVED"])]
        declined = pay == "tok_declined" or quantity > 12
        if pay == "tok_visa" and not declined:
            reached += ["PAID", "CONFIRMED"]
            self.payments[order_id] = ["CAPTURED"]
        elif not declined:
            self.payments[order_id] = ["CAPTURING"]
        self.orders[order_id] = reached
        if quantity <= 12:
            self.stocks[sku] -= quantity

        def follow(until=ENDED):
            if declined and "CANCELLED" not in reached:
                cancel()
            if pay == "tok_flaky" and "CANCELLED" in until and "CANCELLED" not in reached:
                reached.extend(["PAID", "CONFIRMED"])
            timeline = [{"at": "2026-01-01T10:00:00Z", "status": status} for status in reached]
            item = {"sku": sku, "quantity": quantity, "name": sku}
            return {"orderId": order_id, "items": [item], "total": AMOUNT, "timeline": timeline}

        def cancel():
            settled = "REFUNDED" if self.payments.get(order_id) == ["CAPTURED"] else "DECLINED"
            reached.append("CANCELLED")
            self.payments.setdefault(order_id, ["CAPTURING"]).extend([settled] if self.refunds else [])
            if "STOCK_RESERVED" in reached:
                self.returned[sku] = quantity
            return SimpleNamespace(status_code=202, ok=True, content=b"")

        return SimpleNamespace(id=order_id, follow=follow, cancel=cancel)

    def stock(self, sku):
        seen = self.stocks[sku]
        self.stocks[sku] += self.returned.pop(sku, 0)
        return {"available": seen}

    def payment(self, order_id):
        states = self.payments[order_id]
        status = states.pop(0) if len(states) > 1 else states[0]
        return {"status": status, "amount": AMOUNT, "updatedAt": "2026-01-01T10:00:01Z"}


def placed(monkeypatch, shop):
    monkeypatch.setattr(demo, "Customer", shop.customer)
    monkeypatch.setattr(demo, "Operator", shop.operator)
    monkeypatch.setattr(client, "POLL_SECONDS", 0)
    out = Console(file=io.StringIO(), width=200)
    demo.place_orders(Commerce({}), SKUS, out)
    titles = [scenario.title for scenario in demo.SCENARIOS]
    told = {}
    for line in out.file.getvalue().splitlines():
        if line in titles:
            told[line] = []
        elif line.strip():
            told[list(told)[-1]].append(line)
    return told


def test_of_a_cancelled_order_the_demo_shows_stock_and_payment_as_they_were_released(monkeypatch):
    told = placed(monkeypatch, Shop())
    stock, payment = (line.split(maxsplit=2) for line in told["The customer cancels after the payment"][-2:])
    assert stock == ["inventory", "RELEASED", "2 x SKU-4: 12 for sale, 12 before the order"]
    assert payment[2].split(maxsplit=2) == ["payment", "REFUNDED", "9.60 EUR was taken and given back"]
    for title in ("The card is declined", "The customer cancels during the payment"):
        assert told[title][-1].endswith("DECLINED        9.60 EUR was not taken")


def test_what_had_reserved_nothing_or_was_confirmed_has_nothing_to_give_back(monkeypatch):
    told = placed(monkeypatch, Shop())
    for title in ("Paid and confirmed", "More than there is in stock", "The payment provider fails twice"):
        assert told[title][-1].split()[-1] in {"CONFIRMED", "CANCELLED"}


def test_a_payment_that_is_not_released_fails_the_demo(monkeypatch):
    monkeypatch.setattr(demo, "HEARD_SECONDS", 0.01)
    with pytest.raises(StorefrontError, match="its payment is CAPTUR") as failed:
        placed(monkeypatch, Shop(refunds=False))
    assert "trace ORDER=order-1" in failed.value.advice
