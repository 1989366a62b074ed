"""Discovery parameters over all templates: who writes which SSM parameter, who reads it, and as what."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from service_contracts.openapi import Template

_READ: Final = re.compile(r"AWS::SSM::Parameter::Value<(.+)>")
_DYNAMIC: Final = re.compile(r"\{\{resolve:ssm:([^:}]+)(?::\d+)?\}\}")
_STORED_AS: Final = {"List<String>": "StringList", "CommaDelimitedList": "StringList"}
_OURS: Final = "/commerce/"


@dataclass
class Parameter:
    """A parameter as the templates have it.

    Attributes:
        writers: Who writes it → the resource's properties.
        readers: Who reads it → the type that it is read as, `String` or `StringList`.
    """

    writers: dict[str, dict[str, Any]] = field(default_factory=dict)
    readers: dict[str, str] = field(default_factory=dict)


def parameters(templates: Mapping[str, Iterable[Template]]) -> dict[str, Parameter]:
    """Every parameter under `/commerce/` that is written or read, by path.

    Args:
        templates: Of one stage, by the folder that they are made from.
    """
    found: dict[str, Parameter] = {}
    for who, of_app in templates.items():
        for template in of_app:
            for path, properties in _written(template):
                found.setdefault(path, Parameter()).writers[who] = properties
            for path, kind in _read(template):
                if path.startswith(_OURS):
                    found.setdefault(path, Parameter()).readers[who] = kind
    return found


def faults(templates: Mapping[str, Iterable[Template]], *, meant_for_people: Mapping[str, str]) -> list[str]:
    """What does not fit: read but written by nobody, written but read by nobody, types that disagree.

    Args:
        templates: Of one stage, by the folder that they are made from.
        meant_for_people: Name of a parameter (`api-url`) that no template need read → who does.
    """
    found = parameters(templates)
    faulty = [each for path, parameter in sorted(found.items()) for each in _faults(path, parameter)]
    unread: set[str] = set()
    for path, parameter in sorted(found.items()):
        if parameter.writers and not parameter.readers:
            unread.add(_name(path))
            if _name(path) not in meant_for_people:
                faulty.append(
                    f"{path} is written by {_who(parameter.writers)} and read by nobody; remove it, or say for whom it is"
                )
    faulty += [
        f"{name} is said to be for people or tools ({meant_for_people[name]}), but templates read it or nobody writes it"
        for name in sorted(meant_for_people.keys() - unread)
    ]
    return faulty


def _faults(path: str, parameter: Parameter) -> Iterator[str]:
    if not parameter.writers:
        yield f"{path} is read by {_who(parameter.readers)} and written by nobody"
    if len(parameter.writers) > 1:
        yield f"{path} is written by several: {_who(parameter.writers)}"
    for writer, properties in parameter.writers.items():
        value, pattern = properties.get("Value"), properties.get("AllowedPattern")
        if not pattern:
            yield f"{path} is written by {writer} without a type; use ServiceStack.export_parameter"
        elif isinstance(value, str) and not re.search(pattern, value):
            yield f"{path} is {value!r}, which is not what its name says ({pattern}); {writer} writes it"
        for reader, kind in parameter.readers.items():
            if kind != properties["Type"]:
                yield f"{path} is written by {writer} as {properties['Type']}, and read by {reader} as {kind}"


def _written(template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    for resource in template.get("Resources", {}).values():
        if resource["Type"] == "AWS::SSM::Parameter":
            properties = resource["Properties"]
            name = properties.get("Name")
            if isinstance(name, str) and name.startswith(_OURS):
                yield name, properties


def _read(template: Template) -> Iterator[tuple[str, str]]:
    for parameter in template.get("Parameters", {}).values():
        if match := _READ.fullmatch(parameter["Type"]):
            yield str(parameter.get("Default", "")), _STORED_AS.get(match[1], match[1])
    for path in _DYNAMIC.findall(json.dumps(template.get("Resources", {}))):
        yield path, "String"


def _name(path: str) -> str:
    """`api-url` of `/commerce/dev/cart/api-url/v1`."""
    return path.split("/")[-2]


def _who(parts: Mapping[str, Any]) -> str:
    return ", ".join(sorted(parts))
