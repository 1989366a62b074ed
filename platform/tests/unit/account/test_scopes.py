"""A token's scopes follow from the user's groups and from nothing else."""

import subprocess
import sys

import pytest
from commerce_platform.account.identity.runtime.handler import customize_access_token
from commerce_platform.account.identity.runtime.scopes import grant_scopes
from hypothesis import given
from hypothesis import strategies as st


def test_everybody_may_shop():
    assert grant_scopes(groups=(), requested=("openid",)) == (("commerce/shop",), ())


def test_operators_may_operate_too():
    assert grant_scopes(groups=("operators",), requested=()).add == ("commerce/operate", "commerce/shop")


@pytest.mark.parametrize("group", ["Operators", "operators ", "operator", "commerce/operate"])
def test_no_other_group_earns_anything(group):
    assert grant_scopes(groups=(group,), requested=()).add == ("commerce/shop",)


@given(groups=st.lists(st.text()), requested=st.lists(st.sampled_from(["commerce/operate", "x/y", "openid"])))
def test_no_scope_that_is_not_earned_survives(groups, requested):
    change = grant_scopes(groups=groups, requested=requested)
    token = (set(requested) | set(change.add)) - set(change.suppress)
    assert ("commerce/operate" in token) == ("operators" in groups)
    assert "x/y" not in token


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


@pytest.mark.parametrize("groups", [[], None])
def test_the_trigger_answers_in_the_shape_of_event_version_2(groups):
    answer = customize_access_token(
        event(groups=groups, scopes=["aws.cognito.signin.user.admin", "commerce/operate"]), None
    )
    assert answer["response"] == {
        "claimsAndScopeOverrideDetails": {
            "accessTokenGeneration": {
                "scopesToAdd": ["commerce/shop"],
                "scopesToSuppress": ["commerce/operate"],
            }
        }
    }


def test_an_event_that_cannot_be_understood_gets_no_token():
    with pytest.raises(KeyError):
        customize_access_token({"request": {}}, None)


def test_the_trigger_loads_nothing_but_the_standard_library():
    code = (
        "import sys; before = set(sys.modules); import commerce_platform.account.identity.runtime.handler;"
        "loaded = {name.split('.')[0] for name in set(sys.modules) - before};"
        "assert loaded <= {'commerce_platform', *sys.stdlib_module_names}, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
