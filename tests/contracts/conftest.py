"""What every service would deploy."""

from __future__ import annotations

import json
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from service_testing import synthesize

ROOT = Path(__file__).parents[2]


def definitions_in(template):
    """The state machines of a template."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::StepFunctions::StateMachine":
            text = resource["Properties"]["DefinitionString"]
            if isinstance(text, dict):
                text = "".join(
                    part if isinstance(part, str) else "known-when-deployed" for part in text["Fn::Join"][1]
                )
            yield json.loads(text)


def synthesized(stage):
    """Service → stack name → template."""
    found = {}
    for folder in sorted(ROOT.glob("*-service")):
        service = folder.name.removesuffix("-service")
        room = f"{service}_service.settings"
        settings = getattr(import_module(room), f"{service.title()}Settings") if find_spec(room) else None
        build = import_module(f"{service}_service.stack").build
        stages = json.loads((folder / "cdk.json").read_text())["context"].get("stages", {})
        context = {"stages": stages}
        found[service] = synthesize(build, service=service, settings=settings, stage=stage, context=context)
    return found


@pytest.fixture(scope="session")
def templates():
    """Service → stack name → template, of the local stage."""
    return synthesized("local")


@pytest.fixture(scope="session")
def definitions(templates):
    """The state machines of every service."""
    return {
        service: [each for template in stacks.values() for each in definitions_in(template)]
        for service, stacks in templates.items()
    }
