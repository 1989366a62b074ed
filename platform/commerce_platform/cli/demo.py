"""A customer fills a cart, through the public APIs only."""

from __future__ import annotations

import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from rich.table import Table

from commerce_platform.cli.errors import CliError
from commerce_platform.cli.http import Api

if TYPE_CHECKING:
    from rich.console import Console

QUANTITIES = (2, 1, 6)
PROJECTION_SECONDS = 60.0
"""How long the cart may take to hear of a product; on a warm cloud it takes about a second."""


@dataclass(frozen=True)
class Basket:
    """What the demo did, for the hints that follow it."""

    cart_id: str
    sku: str


def money(value: dict[str, Any]) -> str:
    """An amount as a person reads it."""
    return f"{value['amountMinor'] / 100:,.2f} {value['currency']}"


def run(endpoints: dict[str, Any], console: Console) -> Basket:
    """Issue a cart, put three products of the catalogue into it, show it.

    Raises:
        CliError: An API refused, or the cart never heard of a product.
    """
    products, carts = (Api(endpoints["services"][name]["apiUrl"]) for name in ("product", "cart"))
    chosen = products.json("GET", f"/products?limit={len(QUANTITIES)}")["items"]
    cart_id: str = carts.json("POST", "/carts")["cartId"]
    for product, quantity in zip(chosen, QUANTITIES, strict=False):
        _put(carts, f"/carts/{cart_id}/items/{product['sku']}", quantity)
    cart = carts.json("GET", f"/carts/{cart_id}")

    table = Table(title=f"Cart {cart_id}", title_justify="left", show_footer=True)
    table.add_column("Product", footer="Total")
    table.add_column("Quantity", justify="right")
    table.add_column("Each", justify="right")
    table.add_column("Together", justify="right", footer=money(cart["total"]))
    for line in cart["items"]:
        table.add_row(line["name"], str(line["quantity"]), money(line["unitPrice"]), money(line["lineTotal"]))
    console.print(table)
    return Basket(cart_id, chosen[0]["sku"])


def _put(carts: Api, path: str, quantity: int) -> None:
    deadline = time.monotonic() + PROJECTION_SECONDS
    while True:
        answer = carts.send("PUT", path, {"quantity": quantity})
        # The product's event is still on its way to the cart's projection.
        if answer.status_code == HTTPStatus.NOT_FOUND and time.monotonic() < deadline:
            time.sleep(0.2)
            continue
        if not answer.ok:
            raise CliError(f"PUT {path} answered {answer.status_code}: {answer.text[:500]}")
        return
