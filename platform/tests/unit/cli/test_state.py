from __future__ import annotations

import pytest
from commerce_platform.cli.state import Deployed, State

CART = Deployed(inputs="in", content="out", against="that", stacks={"cart": "1"}, at=1.0)


def test_what_was_deployed_is_remembered(workspace):
    State("this cloud", {"cart-service": CART}).save(workspace)
    assert State.load(workspace, "this cloud") == State("this cloud", {"cart-service": CART})


def test_a_cloud_that_was_restarted_has_nothing_deployed(workspace):
    State("this cloud", {"cart-service": CART}).save(workspace)
    assert State.load(workspace, "another cloud") == State("another cloud")


@pytest.mark.parametrize("content", ["", "{}", '{"cloud": "this cloud", "apps": {"x": {}}}'])
def test_an_unreadable_record_means_nothing_is_known(workspace, content):
    workspace.local.mkdir()
    (workspace.local / "state.json").write_text(content)
    assert State.load(workspace, "this cloud") == State("this cloud")
