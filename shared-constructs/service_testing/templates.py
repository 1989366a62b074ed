"""Synthesized templates, and what tests ask of them."""

from __future__ import annotations

import json
import os
import re
import tempfile
from typing import TYPE_CHECKING, Any, Final
from unittest.mock import patch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from shared_constructs import ServiceApp, ServiceSettings

Template = dict[str, Any]

_ASSET: Final = re.compile(r"\b[0-9a-f]{64}\b")
# The logical id of a function's version says what the function is: its code's hash among the rest.
_VERSION: Final = re.compile(r"(CurrentVersion[0-9A-F]{8})[0-9a-f]{32}")


def synthesize(
    build: Callable[[ServiceApp], object],
    *,
    service: str = "test",
    settings: type[ServiceSettings] | None = None,
    stage: str = "local",
    context: Mapping[str, Any] | None = None,
) -> dict[str, Template]:
    """Synthesize an app in this process, without bundling code and without the CDK's template validation.

    Args:
        build: Adds the stacks to the app it is given.
        service: The service's name.
        settings: The service's own settings; none by default.
        stage: The stage.
        context: Further CDK context.

    Returns:
        Stack name → template; a stack in another account than the app has its account and region appended.
    """
    # A Deployment alone must not load the CDK.
    from shared_constructs import ServiceApp, ServiceSettings  # noqa: PLC0415

    with (
        tempfile.TemporaryDirectory(prefix="synthesize-") as outdir,
        patch.dict(os.environ, CDK_VALIDATION="false"),
    ):
        app = ServiceApp(
            service=service,
            settings=settings or ServiceSettings,
            stage=stage,
            outdir=outdir,
            context={"aws:cdk:bundling-stacks": [], **(context or {})},
        )
        build(app)
        return {stack.id: stack.template for stack in app.synth().stacks}


def masked(template: Template) -> Template:
    """The template without the hashes of its assets, for snapshots: code may change, infrastructure may not."""
    without: Template = json.loads(_VERSION.sub(r"\1<code>", _ASSET.sub("<asset>", json.dumps(template))))
    return without


def of_type(template: Template, resource_type: str) -> list[dict[str, Any]]:
    """The properties of every resource of a type, such as `AWS::SQS::Queue`."""
    return [each["Properties"] for each in template["Resources"].values() if each["Type"] == resource_type]


def routes(template: Template) -> dict[str, dict[str, Any]]:
    """The properties of every method of the template's API by its route, such as `GET /orders/{orderId}`.

    Preflight requests (`OPTIONS`), which answer the same everywhere, are left out.
    """
    resources = template["Resources"]

    def path(reference: dict[str, Any]) -> str:
        if "Ref" not in reference:
            return ""  # the API's root
        resource = resources[reference["Ref"]]["Properties"]
        return f"{path(resource['ParentId'])}/{resource['PathPart']}"

    return {
        f"{method['HttpMethod']} {path(method['ResourceId']) or '/'}": method
        for method in of_type(template, "AWS::ApiGateway::Method")
        if method["HttpMethod"] != "OPTIONS"
    }


def callers(template: Template) -> dict[str, tuple[str, list[str] | None]]:
    """Who may call each route: the kind of authorisation, and the scopes of which the caller's token needs one."""
    return {
        route: (method["AuthorizationType"], method.get("AuthorizationScopes"))
        for route, method in routes(template).items()
    }


def statements(template: Template, role_prefix: str = "") -> Iterator[dict[str, Any]]:
    """Every statement of the roles (and of their policies) whose logical ids start so."""
    for name, resource in template["Resources"].items():
        if not name.startswith(role_prefix):
            continue
        if resource["Type"] == "AWS::IAM::Policy":
            yield from resource["Properties"]["PolicyDocument"]["Statement"]
        if resource["Type"] == "AWS::IAM::Role":
            for policy in resource["Properties"].get("Policies", ()):
                yield from policy["PolicyDocument"]["Statement"]


def listed(value: Any) -> list[Any]:
    """A policy's element as the list that it may stand for."""
    return value if isinstance(value, list) else [value]


def actions_on(template: Template, service_prefix: str, role_prefix: str = "") -> set[str]:
    """Actions of one service (`dynamodb:`) that those roles may do."""
    return {
        action
        for statement in statements(template, role_prefix)
        for action in listed(statement["Action"])
        if action.startswith(service_prefix)
    }
