"""`make contracts` and `make contract-add`: what services publish and consume, written, locked and compared."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

from service_contracts import ContractError, Contracts, control, parameters
from service_contracts.locks import LockError, fetch, parse

from commerce_platform.cli import cdk
from commerce_platform.cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from service_contracts.openapi import Template

    from commerce_platform.cli.board import Board
    from commerce_platform.cli.workspace import App, Workspace

STAGE = "dev"
"""Whose templates are read; what a service publishes is the same for every stage."""

FOR_PEOPLE = {
    "api-url": "callers outside the platform, `make status`, end-to-end tests",
    "event-bus-arn": "rules of other accounts that forward to this bus",
    "user-pool-id": "the command line and the storefront, to sign users in",
    "user-pool-client-id": "the command line and the storefront, to sign users in",
}
"""Parameters that no template has to read → who does."""


def contracts_of(app: App) -> Contracts | None:
    """The contracts of an app; None if it has none."""
    package = f"{app.service.replace('-', '_')}_service"
    return Contracts(package) if (app.folder / package / "contracts").is_dir() else None


def services(apps: Iterable[App]) -> dict[App, Contracts]:
    """The apps that have contracts."""
    return {app: contracts for app in apps if (contracts := contracts_of(app))}


async def templates(workspace: Workspace, apps: Sequence[App], board: Board) -> dict[App, list[Template]]:
    """The templates of apps, synthesized unless that was done before."""
    slots = asyncio.Semaphore(max(2, os.cpu_count() or 2))

    async def one(app: App) -> list[Template]:
        async with slots:
            with board.step(app.name, f"synthesizing for {STAGE}", "synthesized"):
                folder = await cdk.synthesize(workspace, app, STAGE)
        return [json.loads(path.read_text()) for path in sorted(folder.glob("*.template.json"))]

    return dict(zip(apps, await asyncio.gather(*map(one, apps)), strict=True))


async def keep(
    workspace: Workspace, service: str | None, board: Board, *, release: bool = False
) -> list[str]:
    """Write what services publish, and check it against its release, its consumers and what the templates look up.

    Args:
        workspace: Where they are.
        service: Write only this one's; what is checked needs all of them.
        board: Where progress goes.
        release: Make what is published now the baseline of future changes.

    Returns:
        What somebody should know: older copies, superseded majors, changes since the release.

    Raises:
        CliError: Something committed differed, or cannot be merged; has all of it, with who breaks.
    """
    apps = workspace.apps
    found = services(apps)
    known = await templates(workspace, list(apps), board)
    selected = workspace.select(service)
    stale = _write({app: each for app, each in found.items() if app in selected}, known)
    report = control.check(list(found.values()))
    by_name = {app.name: of_app for app, of_app in known.items()}
    report.faults += parameters.faults(by_name, meant_for_people=FOR_PEOPLE)
    problems = [*report.faults]
    if stale:
        names = "\n".join(f"  {path.relative_to(workspace.root)}" for path in stale)
        problems.append(
            f"These were not what the code says, and have been written anew (make contracts):\n{names}"
        )
    if problems:
        raise CliError(
            "\n".join(problems), "What was written anew is right once it is meant, reviewed and committed."
        )
    if release:
        for app in selected:
            if app in found:
                control.release(found[app])
    changes = [f"{name}: {kind} since its release" for name, kind in sorted(report.changes.items())]
    return [*report.notices, *([] if release else changes)]


def _write(found: Mapping[App, Contracts], known: Mapping[App, list[Template]]) -> list[Path]:
    changed: list[Path] = []
    for app, contracts in found.items():
        try:
            written = contracts.write(contracts.artefacts(known[app]))
        except (ContractError, LockError, ValueError) as error:
            raise CliError(f"{app.name}: {error}") from error
        changed += [contracts.published_folder / name for name in written]
    return changed


def add(workspace: Workspace, service: str, event: str, origin: str | None) -> Path:
    """Copy a published schema into the contracts that a service consumes, and lock it.

    Args:
        workspace: Where the service is.
        service: The consumer's folder, `loyalty-service`.
        event: `commerce.order/OrderConfirmed.v1`.
        origin: The producer's published folder, or its URL; default the producer's in this workspace.

    Returns:
        The copy.

    Raises:
        CliError: No such service, event or place; says which there are.
    """
    contracts = contracts_of(workspace.app(service))
    if contracts is None:
        raise CliError(
            f"{service} has no contracts folder.", "Give its package one, with consumed/__init__.py."
        )
    try:
        return contracts.lock.add(fetch(event, origin or str(_published(workspace, event))))
    except LockError as error:
        raise CliError(str(error)) from error


def _published(workspace: Workspace, event: str) -> Path:
    """The published folder of an event's producer in this workspace."""
    source, _ = parse(event)
    found = {contracts.source: contracts for contracts in services(workspace.apps).values()}
    if source not in found:
        known = ", ".join(
            f"{contracts.source}/{detail_type}"
            for contracts in found.values()
            for detail_type in contracts.committed()
        )
        raise CliError(
            f"No service here is the source {source}.",
            f"EVENT is one of: {known}. FROM= names the published folder of a producer elsewhere, or its URL.",
        )
    return found[source].published_folder
