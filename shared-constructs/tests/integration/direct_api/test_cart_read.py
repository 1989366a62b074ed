"""The cart's reading API: an absent or expired cart reads as an empty one, served without a function."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import pytest
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from service_testing import Deployment, synthesize
from shared_constructs import ServiceApp, ServiceStack, ServiceTable, StackKind
from shared_constructs.direct_api import (
    PUBLIC,
    DirectApi,
    GetItem,
    Scopes,
    Stored,
    claim,
    greater_than,
    path,
    request_epoch,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class Money(Camel):
    amount_minor: int
    currency: str


class Line(Camel):
    sku: str
    name: str
    quantity: int
    unit_price: Money
    line_total: Money
    priced_at: str


class Cart(Camel):
    cart_id: str
    lines: Annotated[list[Line], Stored("contents")]
    notes: list[str] | None = None
    labels: dict[str, str] = {}
    total: Money
    expires_at: str


def build(app: ServiceApp) -> None:
    table = ServiceTable(ServiceStack(app, kind=StackKind.STATEFUL), "Table")
    api = DirectApi(ServiceStack(app, kind=StackKind.STATELESS), "Api", description="Carts")
    cart_id = path("cartId", pattern="[A-Za-z0-9-]{1,64}")
    empty = {"lines": [], "total": {"amountMinor": 0, "currency": "EUR"}}
    for route, key, default, auth in (
        ("/carts/{cartId}", text("ANON#", cart_id), {"cartId": cart_id, **empty}, PUBLIC),
        ("/me/cart", text("CUST#", claim("sub")), {"cartId": "me", **empty}, Scopes("commerce/shop")),
    ):
        api.route(
            "GET",
            route,
            GetItem(
                table=table,
                key={"pk": key, "sk": "CART"},
                where=greater_than("expiresAtEpoch", request_epoch()),
                default=default,
                response=Cart,
            ),
            auth=auth,
        )


@pytest.fixture(scope="module")
def templates():
    return synthesize(build, service="cart")


@pytest.fixture
def shop(templates) -> Iterator[Deployment]:
    with Deployment(templates) as deployment:
        yield deployment


def money(amount: int) -> dict[str, object]:
    return {"M": {"amountMinor": {"N": str(amount)}, "currency": {"S": "EUR"}}}


def line(name: str) -> dict[str, object]:
    return {
        "M": {
            "sku": {"S": "TART-1"},
            "name": {"S": name},
            "quantity": {"N": "2"},
            "unitPrice": money(450),
            "lineTotal": money(900),
            "pricedAt": {"S": "2026-11-21T06:00:00Z"},
            "internal": {"S": "never shown"},
        }
    }


def store(shop, pk="ANON#c-1", *, expires_in=3600, **attributes):
    shop.client("dynamodb").put_item(
        TableName=shop.table("Table").name,
        Item={
            "pk": {"S": pk},
            "sk": {"S": "CART"},
            "cartId": {"S": "c-1"},
            "contents": {"L": [line("Tart")]},
            "total": money(900),
            "expiresAt": {"S": "2026-11-28T06:00:00Z"},
            "expiresAtEpoch": {"N": str(int(time.time()) + expires_in)},
            **attributes,
        },
    )


LINE = {
    "sku": "TART-1",
    "name": "Tart",
    "quantity": 2,
    "unitPrice": {"amountMinor": 450, "currency": "EUR"},
    "lineTotal": {"amountMinor": 900, "currency": "EUR"},
    "pricedAt": "2026-11-21T06:00:00Z",
}


def test_a_stored_cart_is_clean_json(shop):
    store(shop)
    assert shop.request("GET", "/carts/c-1").json() == {
        "cartId": "c-1",
        "lines": [LINE],
        "labels": {},
        "total": {"amountMinor": 900, "currency": "EUR"},
        "expiresAt": "2026-11-28T06:00:00Z",
    }


def test_an_unknown_cart_is_an_empty_one(shop):
    answer = shop.request("GET", "/carts/never-seen")
    assert answer.status == 200
    assert answer.json() == {
        "cartId": "never-seen",
        "lines": [],
        "total": {"amountMinor": 0, "currency": "EUR"},
    }


def test_an_expired_cart_reads_as_empty_at_once(shop):
    store(shop, expires_in=-1)
    assert shop.request("GET", "/carts/c-1").json()["lines"] == []


def test_a_customer_reads_only_the_cart_of_the_token(shop):
    store(shop, pk="CUST#alice")
    mine = shop.request("GET", "/me/cart", claims={"sub": "alice", "scope": "commerce/shop"})
    other = shop.request("GET", "/me/cart", claims={"sub": "bob", "scope": "commerce/shop"})
    assert mine.json()["lines"] == [LINE]
    assert other.json()["lines"] == []
    assert shop.request("GET", "/carts/alice").json()["lines"] == []


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [
        ({"L": []}, []),
        ({"L": [{"S": 'say "x"'}, {"S": "\\'"}, {"S": "é😀\n"}]}, ['say "x"', "\\'", "é😀\n"]),
        ({"NULL": True}, None),
    ],
)
def test_optional_lists_are_given_as_stored(shop, attribute, expected):
    store(shop, notes=attribute)
    assert shop.request("GET", "/carts/c-1").json()["notes"] == expected


def test_maps_with_free_keys_keep_any_key(shop):
    labels = {"a": "b", "class": "c", 'q"': "'", "$x": "#end", "empty": ""}
    store(shop, labels={"M": {key: {"S": value} for key, value in labels.items()}})
    assert shop.request("GET", "/carts/c-1").json()["labels"] == labels


def test_a_missing_required_attribute_is_null_and_never_broken_json(shop):
    item = {"pk": {"S": "ANON#c-1"}, "sk": {"S": "CART"}, "expiresAtEpoch": {"N": str(2**33)}}
    shop.client("dynamodb").put_item(TableName=shop.table("Table").name, Item=item)
    assert shop.request("GET", "/carts/c-1").json() == {
        "cartId": None,
        "lines": [],
        "labels": {},
        "total": None,
        "expiresAt": None,
    }
