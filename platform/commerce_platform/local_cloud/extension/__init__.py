"""What MiniStack lacks and our services need, added to its pinned version.

One module per patch. Its docstring names the emulator's behaviour that it replaces (file:line), `GUARDS` lists
the emulator's functions it replaces or relies on, each with a digest of its source, and `apply()` puts the
replacement in place. A digest that does not match stops the server with the name of the patch to look at, so
a new emulator version cannot be half-patched unnoticed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from commerce_platform.local_cloud.extension.guard import Guard

PATCHES = (
    "web_pages",
    "cloudformation",
    "apigateway",
    "pipes",
    "stepfunctions",
    "cognito",
    "function_errors",
    "layers",
    "function_reports",
    "invocations",
    "sqs",
    "event_buses",
    "eventbridge",
    "event_source_mapping",
    "deferred_logs",
    "metric_filters",
    "workflow_logs",
    "access_logs",
    "queue_logs",
    "overheads",
    "retention",
    "dynamodb_calls",
    "throttling",
    "usage",
)
"""Modules of this package, in the order in which they are applied."""


class Patch(Protocol):
    """What every module named in `PATCHES` offers."""

    GUARDS: tuple[Guard, ...]

    def apply(self) -> None:
        """Put the replacement in place. Called once, before the server starts."""


def patches() -> dict[str, Patch]:
    """Import every patch, in order.

    Returns:
        Patch modules by name.
    """
    return {name: cast("Patch", import_module(f"{__name__}.{name}")) for name in PATCHES}


def apply() -> None:
    """Check every guard, then apply every patch.

    Raises:
        EmulatorChangedError: The emulator's source is not the one that a patch was written for.
    """
    loaded = patches()
    for name, patch in loaded.items():
        for guard in patch.GUARDS:
            guard.check(name)
    for patch in loaded.values():
        patch.apply()
