"""What is left when an app's stacks are deleted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TEAR_DOWN = "docs/walkthrough/tear-down.md"
"""The page that says how to remove it."""


def retained(assembly: Path) -> dict[str, list[str]]:
    """What the templates of an assembly tell CloudFormation to keep.

    Args:
        assembly: The folder with the templates.

    Returns:
        Type of resource → its logical ids, with their stacks' names before them.
    """
    found: dict[str, list[str]] = {}
    for name, logical_id, resource in _resources(assembly):
        if resource.get("DeletionPolicy") == "Retain":
            found.setdefault(resource["Type"], []).append(f"{name}/{logical_id}")
    return dict(sorted(found.items()))


def _resources(assembly: Path) -> Iterator[tuple[str, str, dict[str, str]]]:
    for file in sorted(assembly.glob("*.template.json")):
        for logical_id, resource in json.loads(file.read_text())["Resources"].items():
            yield file.name.removesuffix(".template.json"), logical_id, resource
