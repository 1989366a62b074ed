"""`make contracts` and `make contract-add`: what services publish and consume, written, locked and compared."""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING

from service_contracts import ContractError, Contracts
from service_contracts.locks import LockError, fetch, parse

from commerce_platform.cli import cdk
from commerce_platform.cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from service_contracts.openapi import Template

    from commerce_platform.cli.board import Board
    from commerce_platform.cli.workspace import App, Workspace

STAGE = "dev"
"""Whose templates are read; what a service publishes is the same for every stage."""


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


async def publish(workspace: Workspace, service: str | None, board: Board) -> None:
    """Write what services publish.

    Args:
        workspace: Where they are.
        service: One of them; default all.
        board: Where progress goes.

    Raises:
        CliError: Something committed differed; names the files, which have been written anew.
    """
    found = services(workspace.select(service))
    known = await templates(workspace, list(found), board)
    changed: list[Path] = []
    for app, contracts in found.items():
        try:
            written = contracts.write(contracts.artefacts(known[app]))
        except (ContractError, LockError, ValueError) as error:
            raise CliError(f"{app.name}: {error}") from error
        changed += [contracts.published_folder / name for name in written]
    if changed:
        names = "\n".join(f"  {path.relative_to(workspace.root)}" for path in changed)
        raise CliError(
            f"These contracts were not what the code says, and have been written anew:\n{names}",
            "Look at the difference, and commit it if it is meant: make contracts",
        )


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
