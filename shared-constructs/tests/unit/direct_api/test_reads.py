"""Bounds of a page."""

from __future__ import annotations

import re

import pytest
from shared_constructs.direct_api import Page


@pytest.mark.parametrize("maximum", [1, 5, 9, 10, 19, 20, 25, 99, 100, 101, 110, 250, 999, 1000])
def test_a_page_takes_exactly_the_numbers_from_1_to_its_maximum(maximum):
    pattern = re.compile(Page(default=1, maximum=maximum).limit.pattern)
    taken = {number for number in range(1200) if pattern.fullmatch(str(number))}
    assert taken == set(range(1, maximum + 1))
    assert not any(pattern.fullmatch(text) for text in ("", "01", "1.0", "+1", "-1", "1e1", " 1", "1\n"))
