"""What `make up` promises."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from operator import eq
from pathlib import Path

import pytest
import requests
from service_testing.local_cloud import eventually
from storefront.client import Caller
from storefront.opening import goods

ROOT = Path(__file__).resolve().parents[1]
APPS = sorted(path.parent.name for path in ROOT.glob("*/cdk.json"))


def claims(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def test_every_service_is_found_in_the_endpoints_file(commerce):
    endpoints = commerce.endpoints
    assert endpoints["stage"] == "local"
    assert endpoints["region"] == "eu-west-1"
    assert {"product", "cart"} <= endpoints["services"].keys()
    for service in endpoints["services"].values():
        assert re.fullmatch(r"\d{12}", service["account"])
        assert service["apiUrl"].startswith(endpoints["endpointUrl"])
    assert all(endpoints["auth"].values())


def test_the_address_that_a_service_publishes_is_one_that_answers(commerce):
    for service in ("product", "order"):
        name = f"/commerce/local/{service}/api-url/v1"
        address = commerce.aws("ssm", of=service).get_parameter(Name=name)["Parameter"]["Value"]
        assert address == commerce.url(service)
    assert requests.get(f"{address}/orders", timeout=10).status_code == HTTPStatus.UNAUTHORIZED


@pytest.fixture(scope="module")
def demo(command_line):
    """What `make demo` shows."""
    return command_line.run("demo", module="storefront", COLUMNS="200").stdout


@pytest.mark.usefixtures("demo")
def test_the_whole_catalogue_is_for_sale(commerce, operator):
    path: str | None = "/products?limit=25"
    skus: list[str] = []
    while path:
        page = Caller(commerce).json("GET", "product", path)
        skus += [product["sku"] for product in page["items"]]
        path = f"/products?limit=25&cursor={page['nextCursor']}" if "nextCursor" in page else None
    assert {product["sku"] for product in goods()} <= set(skus)
    assert [product["sku"] for product in goods() if not operator.stock(product["sku"])["onHand"]] == []


REFUNDED = "The customer cancels after the payment"


def test_the_demo_shows_stock_and_money_that_a_cancelled_order_has_given_back(demo):
    order = demo.partition(REFUNDED)[2].partition("\n\n")[0]
    assert re.search(
        r" inventory +RELEASED +2 x .*: (\d+) for sale, \1 before the order$", order, re.MULTILINE
    )
    assert re.search(r" payment +REFUNDED +[\d.]+ EUR was taken and given back$", order, re.MULTILINE)


def test_a_trace_has_each_thing_below_its_cause_and_tells_what_was_compensated(demo, command_line):
    identifier = demo.partition(REFUNDED)[2].split(maxsplit=1)[0]
    heading, compensated, *lines, _counts = command_line.run("trace", "--id", identifier).stdout.splitlines()
    assert "OrderCancelled.v1 (CUSTOMER_REQUEST)" in heading
    # Neither waits for the other: in the order in which they were done.
    first, second = sorted(compensated.removeprefix("Compensated: ").split(", "))
    assert re.fullmatch(r"inventory RELEASED .* later", first), compensated
    assert re.fullmatch(r"payment REFUNDED .* later", second), compensated
    roots = [line.split()[3:5] for line in lines if not re.search("[├└]", line)]
    assert roots == [["request", "POST"], ["request", "POST"]], "\n".join(lines)
    where = {
        name: next(i for i, line in enumerate(lines) if f"{name}.v1  " in line)
        for name in ("OrderPlaced", "OrderConfirmed", "OrderCancelled", "PaymentRefunded")
    }
    assert list(where.values()) == sorted(where.values())
    below = lines[where["OrderCancelled"] :]
    assert [line.split("↩ ")[1].split("  ")[0] for line in below if "↩" in line] == [
        "INFO reservation changed",
        "INFO payment settled",
    ]


@pytest.mark.usefixtures("demo")
def test_a_shop_that_is_open_is_not_opened_again(command_line):
    again = command_line.run("demo", module="storefront").stdout
    assert re.match(r"  catalogue +unchanged\n", again), again


def test_status_shows_every_app_as_current(command_line):
    shown = command_line.run("status").stdout
    for app in APPS:
        assert re.search(rf"^{app} .* current", shown, re.MULTILINE), shown


def test_the_token_verb_prints_a_token_and_nothing_else(command_line):
    printed = command_line.run("token", "--user", "alice", module="storefront").stdout
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", printed)
    assert "commerce/shop" in claims(printed)["scope"].split()


def test_only_an_operators_token_may_operate(command_line):
    operating = ("token", "--user", "carol", "--group", "operators")
    with ThreadPoolExecutor(3) as everybody:
        at_once = everybody.map(lambda _: command_line.run(*operating, module="storefront").stdout, range(3))
        scopes = [claims(printed)["scope"].split() for printed in at_once]
    assert all({"commerce/operate", "commerce/shop"} <= {*each} for each in scopes)
    other = command_line.run("token", "--user", "carol", module="storefront").stdout
    assert "commerce/operate" not in claims(other)["scope"].split()


def test_a_token_for_an_unknown_group_is_refused_with_the_known_ones(command_line):
    refused = command_line.run(
        "token", "--user", "carol", "--group", "owners", module="storefront", check=False
    )
    assert refused.returncode == 1
    assert "operators" in refused.stderr


def test_what_the_demo_suggests_works_when_it_is_pasted(command_line, demo):
    suggested = [line.strip() for line in demo.splitlines() if line.strip().startswith("curl")]
    assert len(suggested) >= 4
    for command in suggested:
        failing = command.replace("curl ", "curl --silent --show-error --fail-with-body ", 1)
        environment = {"COMMERCE_LOCAL_DIR": str(command_line.folder)}
        pasted = subprocess.run(
            ["sh", "-c", failing],
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert pasted.returncode == 0, f"{command}\n{pasted.stdout}{pasted.stderr}"


def test_a_changed_price_reaches_the_cart(commerce, operator):
    visitor = Caller(commerce)
    product = {"name": "Canelé", "category": "petits-fours"}
    cart = visitor.json("POST", "cart", "/carts")["cartId"]

    def price_when_put():
        answer = visitor.send("PUT", "cart", f"/carts/{cart}/items/CANELE-TEST", body={"quantity": 2})
        return answer.json()["unitPrice"]["amountMinor"] if answer.ok else None

    for amount in (250, 275):
        operator.offer("CANELE-TEST", {**product, "price": {"amountMinor": amount, "currency": "EUR"}})
        eventually(price_when_put, partial(eq, amount), seconds=30)


@pytest.fixture
def copy(tmp_path):
    """This repository in another folder, with the same tools and what was synthesized already."""
    ignored = shutil.ignore_patterns(
        ".*cache", ".git", ".hypothesis", ".local", ".venv*", "node_modules", "__pycache__", "*.egg-info"
    )
    whole = tmp_path / "copy"
    shutil.copytree(ROOT, whole, ignore=ignored)
    for tools in (".venv-emulator", "node_modules"):
        (whole / tools).symlink_to(ROOT / tools)
    templates = Path(".cache") / "cdk.out" / "local"
    shutil.copytree(ROOT / templates, whole / templates)
    return whole


def test_nothing_is_deployed_again_until_it_changes_and_then_nothing_else(command_line, copy):
    imported_from = f"{copy}/platform:{copy}/shared-constructs"

    def deployed():
        began = time.monotonic()
        shown = command_line.run("up", PYTHONPATH=imported_from).stdout
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
