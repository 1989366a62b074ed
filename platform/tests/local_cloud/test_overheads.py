"""What the extension takes away costs nothing but time."""

from __future__ import annotations

import copy
from collections import OrderedDict
from decimal import Decimal

import pytest
from commerce_platform.local_cloud.extension.overheads import copied


@pytest.mark.parametrize(
    "value",
    [
        {"pk": {"S": "ä"}, "list": {"L": [{"N": "1.50"}, {"NULL": True}, {"B": b"\x00"}]}},
        [1, 1.5, -(10**30), None, True, "", float("inf")],
        {"number": Decimal("1.10"), "ordered": OrderedDict(b=1, a=[2])},
        "text",
    ],
)
def test_a_copy_is_what_deepcopy_gives(value):
    found = copied(value)
    assert found == copy.deepcopy(value)
    assert type(found) is type(value)


def test_nothing_of_a_copy_is_the_original_s():
    item = {"list": {"L": [{"M": {"a": {"S": "before"}}}]}}
    copied(item)["list"]["L"][0]["M"]["a"]["S"] = "after"
    assert item == {"list": {"L": [{"M": {"a": {"S": "before"}}}]}}


def test_a_copy_of_what_cannot_be_marshalled_keeps_its_types():
    found = copied({"amount": Decimal("1.10")})
    assert isinstance(found["amount"], Decimal)
