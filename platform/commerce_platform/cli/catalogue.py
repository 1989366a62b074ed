"""The catalogue that a new local cloud starts with, loaded the way an operator would: through the public API."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from commerce_platform.cli.http import Api
from commerce_platform.cli.workspace import digest

if TYPE_CHECKING:
    from pathlib import Path

    from commerce_platform.cli.workspace import Workspace

WRITERS = 4


def file(workspace: Workspace) -> Path:
    """The catalogue's file."""
    return workspace.root / "product-service" / "seed" / "catalogue.json"


def fingerprint(workspace: Workspace, endpoints: dict[str, Any]) -> str:
    """Digest of the catalogue and of the APIs that hold it or a projection of it: a new API has an empty table."""
    return digest(workspace.root, [file(workspace)], salt=json.dumps(endpoints["services"], sort_keys=True))


def load(workspace: Workspace, api_url: str, token: str) -> int:
    """Put every product.

    Returns:
        How many there are.

    Raises:
        CliError: A product was refused.
    """
    products: list[dict[str, Any]] = json.loads(file(workspace).read_text())

    def put(product: dict[str, Any]) -> None:
        details = {name: value for name, value in product.items() if name != "sku"}
        Api(api_url, token).json("PUT", f"/products/{quote(product['sku'], safe='')}", details)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(put, products))
    return len(products)
