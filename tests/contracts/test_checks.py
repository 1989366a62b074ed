"""What a scheduled check expects of an API is what the API answers."""

import json
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from service_testing import Deployment, synthesize
from service_testing.resources import state_machine_definition

ROOT = Path(__file__).parents[2]
SERVICES = sorted(folder.name.removesuffix("-service") for folder in ROOT.glob("*-service"))


@pytest.mark.parametrize("service", SERVICES)
def test_every_api_is_asked_for_what_it_answers_when_it_is_well(service):
    room = f"{service}_service.settings"
    settings = getattr(import_module(room), f"{service.title()}Settings") if find_spec(room) else None
    build = import_module(f"{service}_service.stack").build
    with Deployment(synthesize(build, service=service, settings=settings, stage="prod")) as deployed:
        definitions = [
            json.loads(state_machine_definition(machine.properties))
            for machine in deployed.resources("AWS::StepFunctions::StateMachine")
        ]
        asked = [
            state
            for definition in definitions
            for state in definition["States"].values()
            if state.get("Resource") == "arn:aws:states:::apigateway:invoke"
        ]
        assert len(asked) == 1, f'{service}: SyntheticCheck(self, "Check", api=…, path=…), once per API'
        (ask,) = asked
        answer = deployed.request(ask["Arguments"]["Method"], ask["Arguments"]["Path"])
        expected = [error for caught in ask.get("Catch", ()) for error in caught["ErrorEquals"]]
        assert expected == ([f"ApiGateway.{answer.status}"] if answer.status >= 400 else [])
