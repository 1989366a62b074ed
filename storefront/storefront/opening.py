"""The bakery's goods, put on sale as an operator would: through the public APIs, once."""

from __future__ import annotations

import hashlib
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from storefront.client import Operator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from storefront.client import Commerce

GOODS = Path(__file__).with_name("goods.json")
WRITERS = 4
HEARS = ("product", "inventory", "cart", "order")
"""Services that hold the goods, or a copy of what they need to know of them."""
OFFERED = ("name", "description", "category", "price", "imageUrl")
"""What an operator says of a product; the rest is the product service's own."""
RECEIPT = "opening-stock"
"""The receipt that every product's first delivery comes with: repeated, it counts once."""


def goods() -> list[dict[str, Any]]:
    """Every product, with the number of pieces on the first day (`pieces`)."""
    found: list[dict[str, Any]] = json.loads(GOODS.read_text())
    return found


def open_shop(commerce: Commerce, console: Console) -> None:
    """Put the goods on sale where they are not: those that are new or were edited here since the last time.

    Behind an API that was made again there is nothing, or somebody has not heard of what there is; then what is on sale
    already is told again as it is, so that what was changed through the API is kept.

    Raises:
        StorefrontError: A product or its delivery was refused.
    """
    file = commerce.folder / "opened.json"
    services = commerce.endpoints["services"]
    here = {name: services[name]["apiUrl"] for name in HEARS if name in services}
    entries = {entry["sku"]: entry for entry in goods()}
    digests = {sku: _digest(entry) for sku, entry in entries.items()}
    known = _read(file)
    told = known["goods"] if known["at"] == here else {}
    if not (due := [sku for sku in entries if told.get(sku) != digests[sku]]):
        console.print(f"  {'catalogue':<24} unchanged")
        return
    began = time.monotonic()
    operator = Operator(commerce, "catalogue-loader")
    on_sale = {} if told else {product["sku"]: product for product in operator.catalogue()}

    def put(sku: str) -> None:
        entry = entries[sku]
        as_it_is = on_sale.get(sku) if known["goods"].get(sku) == digests[sku] else None
        product = {name: value for name, value in (as_it_is or entry).items() if name in OFFERED}
        operator.offer(sku, product)
        operator.deliver(sku, entry["pieces"], RECEIPT)

    with console.status("Loading the catalogue"), ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(put, due))
    file.write_text(json.dumps({"at": here, "goods": digests}))
    console.print(
        f"  {'catalogue':<24} {'loaded':<28}{time.monotonic() - began:6.1f} s", style="green", markup=False
    )


def _digest(entry: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()


def _read(file: Path) -> dict[str, Any]:
    """What was told to whom; nothing, where there is no record that can be read."""
    try:
        record = json.loads(file.read_text())
        return {"at": record["at"], "goods": record["goods"]}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {"at": {}, "goods": {}}
