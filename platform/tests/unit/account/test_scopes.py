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

TRIGGERS = [(customize_customers_token, SHOP, OPERATE), (customize_operators_token, OPERATE, SHOP)]


@given(requested=st.lists(st.sampled_from([OPERATE, SHOP, "x/y", "openid"])))
@pytest.mark.parametrize(("earned", "other"), [(SHOP, OPERATE), (OPERATE, SHOP)])
def test_no_scope_that_is_not_earned_survives(earned, other, requested):
    change = grant_scopes(earned=earned, requested=requested)
    token = (set(requested) | set(change.add)) - set(change.suppress)
    assert earned in token
    assert token.isdisjoint({other, "x/y"})


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


@pytest.mark.parametrize(("trigger", "earned", "other"), TRIGGERS)
@pytest.mark.parametrize("groups", [[], None, ["operators"]])
def test_whatever_groups_there_are_a_pools_trigger_grants_its_scope_and_no_other(
    trigger, earned, other, groups
):
    answer = trigger(event(groups=groups, scopes=["aws.cognito.signin.user.admin", other]), None)
    assert answer["response"] == {
        "claimsAndScopeOverrideDetails": {
            "accessTokenGeneration": {"scopesToAdd": [earned], "scopesToSuppress": [other]}
        }
    }


@pytest.mark.parametrize(("trigger", "_earned", "_other"), TRIGGERS)
def test_an_event_that_cannot_be_understood_gets_no_token(trigger, _earned, _other):
    with pytest.raises(KeyError):
        trigger({}, None)


def test_the_trigger_loads_nothing_but_the_standard_library():
    code = (
        "import sys; before = set(sys.modules); import commerce_platform.account.identity.runtime.handler;"
        "loaded = {name.split('.')[0] for name in set(sys.modules) - before};"
        "assert loaded <= {'commerce_platform', *sys.stdlib_module_names}, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
