"""What every service would deploy."""

from __future__ import annotations

import asyncio
import json
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
from commerce_platform.cli import cdk
from commerce_platform.cli.workspace import STAGES, Workspace
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


@pytest.fixture(scope="session")
def templates():
    """Service → stack name → template."""
    found = {}
    for folder in sorted(ROOT.glob("*-service")):
        service = folder.name.removesuffix("-service")
        room = f"{service}_service.settings"
        settings = getattr(import_module(room), f"{service.title()}Settings") if find_spec(room) else None
        build = import_module(f"{service}_service.stack").build
        found[service] = synthesize(build, service=service, settings=settings)
    return found


@pytest.fixture(scope="session")
def templates_of_stages():
    """Service → stage → stack name → template: as make synthesizes them, unless it has done so already."""
    workspace = Workspace.here()

    def read(folder):
        files = folder.glob("*.template.json")
        return {file.name.removesuffix(".template.json"): json.loads(file.read_text()) for file in files}

    async def services():
        found = {}
        for app in workspace.apps:
            if app.name.endswith("-service"):
                folders = await cdk.synthesize_stages(workspace, app, STAGES)
                found[app.service] = dict(zip(STAGES, map(read, folders), strict=True))
        return found

    return asyncio.run(services())


@pytest.fixture(scope="session")
def definitions(templates):
    """The state machines of every service."""
    return {
        service: [each for template in stacks.values() for each in definitions_in(template)]
        for service, stacks in templates.items()
    }
