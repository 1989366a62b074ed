"""What stands in a stage's synthesized templates, as far as a bill is about it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from storefront.client import StorefrontError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

Json = dict[str, Any]

SUFFIX = ".template.json"


@dataclass(frozen=True)
class Resource:
    """A resource of a template.

    Attributes:
        service: Whose stack it is in: `order`, `platform`.
        id: Its logical id.
        type: `AWS::DynamoDB::Table`.
        properties: As the template has them.
        path: Of its construct, below the stack; the logical id where the CDK wrote none.
    """

    service: str
    id: str
    type: str
    properties: Mapping[str, Any] = field(repr=False)
    path: str = ""

    @property
    def key(self) -> str:
        """What it is called where counts are kept: the same in every stage."""
        return f"{self.service}/{self.id}"

    @property
    def name(self) -> str:
        """What a person calls it: its construct, without the levels that say the type once more."""
        parts = [part for part in self.path.split("/") if part not in _SAYING_NOTHING]
        return "/".join(parts) or self.id


_SAYING_NOTHING = frozenset({"Resource", "Default", "Table", "Function", "StateMachine", "RestApi"})


@dataclass(frozen=True)
class Stage:
    """A stage as its templates describe it.

    Attributes:
        name: `prod`.
        resources: Everything that stands in it.
    """

    name: str
    resources: tuple[Resource, ...]

    def of_type(self, *types: str, service: str | None = None) -> Iterator[Resource]:
        """Resources of these types, of one service or of all."""
        for resource in self.resources:
            if resource.type in types and service in (None, resource.service):
                yield resource

    def named(self, key: str) -> Resource | None:
        """The resource of a key."""
        return next((each for each in self.resources if each.key == key), None)

    @property
    def services(self) -> list[str]:
        """Whose templates these are."""
        return sorted({resource.service for resource in self.resources})


def read(files: Iterable[Path], stage: str) -> Stage:
    """Read templates that the CDK has written.

    Args:
        files: `commerce-prod-order.template.json`; named after their stacks.
        stage: Of which stage.

    Raises:
        StorefrontError: There is none, or one is of another stage.
    """
    return of({file.name.removesuffix(SUFFIX): json.loads(file.read_text()) for file in files}, stage)


def of(templates: Mapping[str, Json], stage: str) -> Stage:
    """The same from templates by their stacks' names."""
    prefix = f"commerce-{stage}-"
    if strangers := [stack for stack in templates if not stack.startswith(prefix)]:
        raise StorefrontError(f"{strangers[0]} is no stack of {stage}; those begin with {prefix}.")
    if not templates:
        raise StorefrontError(f"There is no template of {stage}.", f"make synth STAGE={stage}")
    found = []
    for stack, template in sorted(templates.items()):
        service = stack.removeprefix(prefix).partition("-")[0]
        for name, resource in template.get("Resources", {}).items():
            path = str(resource.get("Metadata", {}).get("aws:cdk:path", "")).partition("/")[2]
            found.append(Resource(service, name, resource["Type"], resource.get("Properties", {}), path))
    return Stage(stage, tuple(found))


def reference(value: Any) -> str | None:
    """The logical id that a property refers to in its own template: `Ref`, `Fn::GetAtt`, alone or inside a `Fn::Join`."""
    if isinstance(value, dict):
        if "Ref" in value:
            return str(value["Ref"])
        if "Fn::GetAtt" in value:
            return str(value["Fn::GetAtt"][0])
        return next((found for each in value.values() if (found := reference(each))), None)
    if isinstance(value, list):
        return next((found for each in value if (found := reference(each))), None)
    return None


def text(value: Any) -> str:
    """A property's text with references left out: enough to look for words in it."""
    if isinstance(value, dict) and "Fn::Join" in value:
        return "".join(each if isinstance(each, str) else "?" for each in value["Fn::Join"][1])
    return value if isinstance(value, str) else json.dumps(value)
