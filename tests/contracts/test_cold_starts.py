"""The measure of cold starts starts the functions that are deployed, as they are deployed."""

from importlib import import_module
from pathlib import Path

import pytest
from commerce_platform.account.identity.runtime import handler as identity

MEASURE = Path(__file__).resolve().parents[2] / "bench" / "cold_starts"


@pytest.fixture
def measured(monkeypatch):
    monkeypatch.syspath_prepend(MEASURE)
    return {each.handler: each for each in import_module("cold_starts.functions").FUNCTIONS}


def test_every_function_of_a_service_is_measured_with_variables_that_it_has(measured, templates):
    deployed = {
        resource["Properties"]["Handler"]: resource["Properties"]["Environment"]["Variables"]
        for stacks in templates.values()
        for template in stacks.values()
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Lambda::Function" and "Handler" in resource["Properties"]
    }
    of_the_platform = {name for name in measured if name.startswith("commerce_platform.")}
    assert measured.keys() - of_the_platform == deployed.keys()
    for name, variables in deployed.items():
        assert measured[name].environment.keys() <= variables.keys()
    for name in of_the_platform:
        assert hasattr(identity, name.rpartition(".")[2])
