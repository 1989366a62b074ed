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
    from rich.console import Console

    from storefront.client import Commerce

GOODS = Path(__file__).with_name("goods.json")
WRITERS = 4
RECEIPT = "opening-stock"
"""The receipt that every product's first delivery comes with: repeated, it counts once."""


def goods() -> list[dict[str, Any]]:
    """Every product, with the number of pieces on the first day (`pieces`)."""
    found: list[dict[str, Any]] = json.loads(GOODS.read_text())
    return found


def open_shop(commerce: Commerce, console: Console) -> None:
    """Put the goods on sale where they are not: in a new cloud, behind a new API, or after they were edited.

    Raises:
        StorefrontError: A product or its delivery was refused.
    """
    record = commerce.folder / "opened"
    # A cloud or an API that was made again has another URL, and nothing in its tables or projections.
    opened = hashlib.sha256(GOODS.read_bytes() + json.dumps(commerce.endpoints, sort_keys=True).encode())
    if record.exists() and record.read_text() == opened.hexdigest():
        console.print(f"  {'catalogue':<24} unchanged")
        return
    began = time.monotonic()
    operator = Operator(commerce, "catalogue-loader")

    def put(product: dict[str, Any]) -> None:
        sku, pieces = product.pop("sku"), product.pop("pieces")
        operator.offer(sku, product)
        operator.deliver(sku, pieces, RECEIPT)

    with console.status("Loading the catalogue"), ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(put, goods()))
    record.write_text(opened.hexdigest())
    console.print(
        f"  {'catalogue':<24} {'loaded':<28}{time.monotonic() - began:6.1f} s", style="green", markup=False
    )
