"""A token's scopes follow from its user's pool and from nothing else."""

import subprocess
import sys

import pytest
from commerce_platform.account.identity.runtime.handler import (
    customize_customers_token,
    customize_operators_token,
)
from commerce_platform.account.identity.runtime.scopes import OPERATE, SHOP, grant_scopes
from hypothesis import given
from hypothesis import strategies as st

TRIGGERS = [(customize_customers_token, [SHOP]), (customize_operators_token, [OPERATE, SHOP])]


@given(requested=st.lists(st.sampled_from([OPERATE, SHOP, "x/y", "openid"])))
@pytest.mark.parametrize("earned", [[SHOP], [OPERATE, SHOP]])
def test_no_scope_that_is_not_earned_survives(earned, requested):
    change = grant_scopes(earned=earned, requested=requested)
    token = (set(requested) | set(change.add)) - set(change.suppress)
    assert token - {"openid"} == set(earned)


def event(*, groups, scopes):
    return {
        "version": "2",
        "triggerSource": "TokenGeneration_Authentication",
        "request": {
            "userAttributes": {"sub": "s-1"},
            "groupConfiguration": {"groupsToOverride": groups},
            "scopes": scopes,
        },
        "response": {"claimsAndScopeOverrideDetails": None},
    }


@pytest.mark.parametrize(("trigger", "earned"), TRIGGERS)
@pytest.mark.parametrize("groups", [[], None, ["operators"]])
def test_whatever_groups_there_are_a_pools_trigger_grants_its_scopes_and_no_other(trigger, earned, groups):
    asked = ["aws.cognito.signin.user.admin", OPERATE, "x/y"]
    answer = trigger(event(groups=groups, scopes=asked), None)
    refused = [scope for scope in (OPERATE, "x/y") if scope not in earned]
    assert answer["response"] == {
        "claimsAndScopeOverrideDetails": {
            "accessTokenGeneration": {"scopesToAdd": earned, "scopesToSuppress": refused}
        }
    }


@pytest.mark.parametrize(("trigger", "_earned"), TRIGGERS)
def test_an_event_that_cannot_be_understood_gets_no_token(trigger, _earned):
    with pytest.raises(KeyError):
        trigger({}, None)


def test_the_trigger_loads_nothing_but_the_standard_library():
    code = (
        "import sys; before = set(sys.modules); import commerce_platform.account.identity.runtime.handler;"
        "loaded = {name.split('.')[0] for name in set(sys.modules) - before};"
        "assert loaded <= {'commerce_platform', *sys.stdlib_module_names}, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
