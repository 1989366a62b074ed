"""The command line as a shell sees it: exit status, standard output, standard error."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from rich.console import Console
from storefront import demo
from storefront.client import ORDERING, Commerce, StorefrontError


def run(tmp_path, *arguments):
    environment = {k: v for k, v in os.environ.items() if k != "COMMERCE_ENDPOINTS"}
    command = [sys.executable, "-m", "storefront", *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env=environment | {"COMMERCE_LOCAL_DIR": str(tmp_path)},
    )


@pytest.mark.parametrize("verb", ["demo", "order", "bench"])
def test_what_needs_a_running_platform_says_how_to_start_one(tmp_path, verb):
    done = run(tmp_path, verb)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "The local cloud does not run.\nStart it: make up\n"


def test_numbers_of_orders_are_checked_before_a_cloud_is_made_for_them(tmp_path):
    assert run(tmp_path, "bench", "--check").returncode == 0
    assert "from 1 to 500" in run(tmp_path, "bench", "--check", "--orders", "none").stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("order", "--qty", "0"), "QTY must be 1 to 99."),
        (("order", "--qty", "100"), "QTY must be 1 to 99."),
        (("order", "--qty", "some"), "QTY must be 1 to 99."),
        (("bench", "--rate", "quick"), "RATE must be a number."),
        (("cost", "--templates", "x", "--orders", "0"), "ORDERS must be 1 or more."),
        (("nothing",), "No such command 'nothing'."),
    ],
)
def test_what_is_wrong_is_said_in_makes_words(tmp_path, arguments, said):
    done = run(tmp_path, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{said}\n")


def test_a_stage_that_is_none_is_refused_without_a_traceback(tmp_path):
    done = run(tmp_path, "smoke", "--stage", "production")
    assert (done.returncode, done.stdout) == (1, "")
    assert "unknown stage 'production'" in done.stderr
    assert "prod, staging" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A shop that is asked for one product, and refuses to be asked for anything else."""

    class Customer:
        def __init__(self, *_):
            pass

        def send(self, *_):
            return SimpleNamespace(status_code=400)

        def catalogue(self):
            return [{"sku": "TARTE-CITRON"}, {"sku": "BAGUETTE"}]

    monkeypatch.setattr(demo, "Customer", Customer)
    services = {name: {"apiUrl": f"http://{name}"} for name in ORDERING}
    return Commerce({"endpointUrl": "http://here", "services": services}, tmp_path)


@pytest.mark.parametrize(
    ("given", "problem", "advice"),
    [
        ({"pay": "nope"}, "There is no payment token 'nope'.", "PAY is one of tok_visa: captured; "),
        (
            {"sku": "tarte"},
            "There is no product 'tarte'. Like it: TARTE-CITRON.",
            "What there is: curl http://product/products",
        ),
    ],
)
def test_what_cannot_be_bought_is_named_with_what_can(shop, given, problem, advice):
    with pytest.raises(StorefrontError) as refused:
        demo.place_one(
            shop, Console(), **{"pay": "tok_visa", "sku": None, "quantity": 1, "user": "a"} | given
        )
    assert refused.value.problem == problem
    assert refused.value.advice.startswith(advice)


@pytest.mark.parametrize(
    ("local", "make"), [(None, "  make trace"), ("my cloud", "  COMMERCE_LOCAL_DIR='my cloud' make trace")]
)
def test_what_to_try_next_is_for_this_very_instance(shop, monkeypatch, local, make):
    monkeypatch.delenv("COMMERCE_LOCAL_DIR", raising=False)
    if local:
        monkeypatch.setenv("COMMERCE_LOCAL_DIR", local)
    said = Console(file=io.StringIO(), width=200)
    shop.endpoints["services"]["cart"] = {"apiUrl": "http://cart"}
    demo.say_what_is_next(shop, said, sku="A", cart_id="c", order_id="o")
    assert f"{make} ORDER=o\n" in said.file.getvalue()
