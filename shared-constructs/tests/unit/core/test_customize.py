"""A caller's own properties win over defaults, never over what a construct enforces."""

import pytest
from shared_constructs.customize import Customization


def test_a_callers_property_wins_over_the_default_and_leaves_the_others():
    custom = Customization({"queue": {"retention": 1}}, "queue", "dlq")
    assert custom.of("queue", enforced={"ssl": True}, retention=14, size=5) == {
        "retention": 1,
        "size": 5,
        "ssl": True,
    }
    assert custom.of("dlq", enforced={}, retention=14) == {"retention": 14}


def test_what_is_enforced_cannot_be_customized():
    custom = Customization({"queue": {"ssl": False}}, "queue")
    with pytest.raises(ValueError, match=r"ssl of queue cannot be customized"):
        custom.of("queue", enforced={"ssl": True})


def test_a_resource_that_is_not_built_is_refused_with_those_that_are():
    with pytest.raises(ValueError, match=r"names quue; this construct builds: dlq, queue"):
        Customization({"quue": {}}, "queue", "dlq")
