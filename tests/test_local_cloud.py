"""What `make up` promises."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
APPS = sorted(path.parent.name for path in ROOT.glob("*/cdk.json"))
CATALOGUE = json.loads((ROOT / "product-service" / "seed" / "catalogue.json").read_text())


def claims(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def test_every_service_is_found_in_the_endpoints_file(local_cloud):
    endpoints = local_cloud.endpoints
    assert endpoints["stage"] == "local"
    assert endpoints["region"] == "eu-west-1"
    assert {"product", "cart"} <= endpoints["services"].keys()
    for service in endpoints["services"].values():
        assert re.fullmatch(r"\d{12}", service["account"])
        assert service["apiUrl"].startswith(endpoints["endpointUrl"])
    assert all(endpoints["auth"].values())


def test_the_whole_catalogue_is_for_sale(local_cloud):
    path, skus = "/products?limit=25", []
    while path:
        page = local_cloud.request("GET", "product", path).json()
        skus += [product["sku"] for product in page["items"]]
        path = f"/products?limit=25&cursor={page['nextCursor']}" if "nextCursor" in page else None
    assert {product["sku"] for product in CATALOGUE} <= set(skus)


def test_status_shows_every_app_as_current(local_cloud):
    shown = local_cloud.run("status").stdout
    for app in APPS:
        assert re.search(rf"^{app} .* current", shown, re.MULTILINE), shown


def test_the_token_verb_prints_a_token_and_nothing_else(local_cloud):
    printed = local_cloud.run("token", "--user", "alice").stdout
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", printed)
    assert "commerce/shop" in claims(printed)["scope"].split()


def test_only_an_operators_token_may_operate(local_cloud, operator):
    assert "commerce/operate" in claims(operator)["scope"].split()
    assert "commerce/operate" not in claims(local_cloud.token("bob"))["scope"].split()


def test_a_token_for_an_unknown_group_is_refused_with_the_known_ones(local_cloud):
    refused = local_cloud.run("token", "--user", "carol", "--group", "owners", check=False)
    assert refused.returncode == 1
    assert "operators" in refused.stderr


def test_what_the_demo_suggests_works_when_it_is_pasted(local_cloud):
    shown = local_cloud.run("demo", COLUMNS="200").stdout
    suggested = [line.strip() for line in shown.splitlines() if line.strip().startswith("curl")]
    assert len(suggested) >= 4
    for command in suggested:
        failing = command.replace("curl ", "curl --silent --show-error --fail-with-body ", 1)
        environment = {"COMMERCE_LOCAL_DIR": str(local_cloud.folder)}
        pasted = subprocess.run(
            ["sh", "-c", failing],
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert pasted.returncode == 0, f"{command}\n{pasted.stdout}{pasted.stderr}"


def test_a_changed_price_reaches_the_cart(local_cloud, operator):
    product = {"name": "Canelé", "category": "petits-fours", "price": {"amountMinor": 250, "currency": "EUR"}}
    cart = local_cloud.request("POST", "cart", "/carts").json()["cartId"]

    def price_when_put():
        answer = local_cloud.request("PUT", "cart", f"/carts/{cart}/items/CANELE-TEST", json={"quantity": 2})
        return answer.json()["unitPrice"]["amountMinor"] if answer.ok else None

    for amount in (250, 275):
        product["price"]["amountMinor"] = amount
        stored = local_cloud.request("PUT", "product", "/products/CANELE-TEST", token=operator, json=product)
        assert stored.ok, stored.text
        deadline = time.monotonic() + 30
        while price_when_put() != amount:
            assert time.monotonic() < deadline, f"the cart has not heard of {amount} within 30 s"
            time.sleep(0.2)


@pytest.fixture
def copy(tmp_path):
    """This repository in another folder, with the same tools and what was synthesized already."""
    ignored = shutil.ignore_patterns(
        ".*cache", ".git", ".local", ".venv*", "node_modules", "__pycache__", "*.egg-info"
    )
    whole = tmp_path / "copy"
    shutil.copytree(ROOT, whole, ignore=ignored)
    for tools in (".venv-emulator", "node_modules"):
        (whole / tools).symlink_to(ROOT / tools)
    shutil.copytree(ROOT / ".cache" / "cdk.out", whole / ".cache" / "cdk.out")
    return whole


def test_nothing_is_deployed_again_until_it_changes_and_then_nothing_else(local_cloud, copy):
    imported_from = f"{copy}/platform:{copy}/shared-constructs"

    def deployed():
        began = time.monotonic()
        shown = local_cloud.run("up", PYTHONPATH=imported_from).stdout
        done = set(re.findall(r"^  (\S+) +done ", shown, re.MULTILINE))
        return done, time.monotonic() - began

    apps, seconds = deployed()
    assert apps == set()
    assert seconds < 30

    handler = next((copy / "cart-service" / "cart_service").rglob("handler.py"))
    handler.write_text(handler.read_text() + "\n# edited\n")
    apps, seconds = deployed()
    assert apps == {"cart-service"}
    assert seconds < 60
