"""`make contracts` and `make contract-add`: what services publish and consume, written, locked and compared."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING

from service_contracts import ContractError, Contracts, control, parameters
from service_contracts.locks import LockError, fetch, parse

from commerce_platform.cli import cdk, process, suite
from commerce_platform.cli.emulator import tail
from commerce_platform.cli.errors import CliError
from commerce_platform.cli.workspace import PLATFORM, STAGES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from service_contracts.openapi import Template
    from service_testing.contracts import Observations

    from commerce_platform.cli.board import Board
    from commerce_platform.cli.workspace import App, Workspace

STAGE = "dev"
"""Whose templates say what a service publishes, which is the same for every stage."""

PROCESSES = max(2, os.cpu_count() or 2)

AT_ONCE = 5
"""Histories of one process: the same ones wherever they are lived, however many processors there are."""

FOR_PEOPLE = {
    "api-url": "callers outside the platform, `make status`, end-to-end tests",
    "event-bus-arn": "rules of other accounts that forward to this bus",
    "user-pool-id": "the storefront, to sign customers in",
    "user-pool-client-id": "the storefront, to sign customers in",
    "operator-pool-id": "the storefront, to sign operators in",
    "operator-pool-client-id": "the storefront, to sign operators in",
}
"""Parameters that no template has to read → who does."""


def contracts_of(app: App) -> Contracts | None:
    """The contracts of an app; None if it has none."""
    package = f"{app.service.replace('-', '_')}_service"
    return Contracts(package) if (app.folder / package / "contracts").is_dir() else None


def services(apps: Iterable[App]) -> dict[App, Contracts]:
    """The apps that have contracts."""
    return {app: contracts for app in apps if (contracts := contracts_of(app))}


async def synthesized(workspace: Workspace, apps: Sequence[App], board: Board) -> dict[App, dict[str, Path]]:
    """Where the templates of apps are, by stage, synthesized unless that was done before."""
    slots = asyncio.Semaphore(PROCESSES)

    async def one(app: App) -> dict[str, Path]:
        async with slots:
            with board.step(app.name, "synthesizing for every stage", "synthesized"):
                folders = await cdk.synthesize_stages(workspace, app, STAGES)
                return dict(zip(STAGES, folders, strict=True))

    return dict(zip(apps, await asyncio.gather(*map(one, apps)), strict=True))


def templates(folder: Path) -> list[Template]:
    """The templates in an assembly."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.template.json"))]


async def executed(
    workspace: Workspace, folders: Mapping[App, Path], board: Board, histories: int | None = None
) -> list[str]:
    """Run the services together, as their templates say, and return what of it breaks whom.

    Args:
        workspace: Where they are.
        folders: Of each service with contracts, where its templates are.
        board: Where progress goes.
        histories: How many generated ones. Default as many as a pull request waits for.

    Raises:
        CliError: A process failed; carries the end of its output.
    """
    # moto and Hypothesis take a second to load.
    from service_testing.contracts import HISTORIES, Observations, judged, participant  # noqa: PLC0415

    packages = {each.package: folders[app] for app, each in services(folders).items()}
    histories, slots = histories or HISTORIES, asyncio.Semaphore(PROCESSES)
    firsts = range(0, histories, AT_ONCE)
    reports = await asyncio.gather(
        *(
            _lived(workspace, packages, board, slots, range(first, min(first + AT_ONCE, histories)))
            for first in firsts
        )
    )
    seen = Observations()
    for report in reports:
        seen.add(report)
    board.say("all together", f"{seen.requests} requests, {sum(seen.events.values())} events", style="green")
    return judged(seen, [participant(package, folder) for package, folder in packages.items()])


async def _lived(
    workspace: Workspace,
    folders: Mapping[str, Path],
    board: Board,
    slots: asyncio.Semaphore,
    histories: range,
) -> Observations:
    """Some of the histories, in a process of their own."""
    from service_testing.contracts import Observations  # noqa: PLC0415 - see above

    place, which = workspace.root / ".cache" / "contracts", f"{histories.start + 1} to {histories.stop}"
    report, log = place / f"{histories.start}.json", place / f"{histories.start}.log"
    command = [sys.executable, "-m", "service_testing.contracts", f"--report={report}"]
    command += [f"--seed={histories.start}", f"--examples={len(histories)}"]
    command += [f"{package}={folder}" for package, folder in folders.items()]
    async with slots:
        with board.step("all together", f"living histories {which}", f"lived histories {which}"):
            status = await process.run(
                command, folder=workspace.root, log=log, environment=suite.environment(LOG_LEVEL="ERROR")
            )
            if status:
                raise CliError(f"The services could not be run together:\n{tail(log, 30)}", f"Log: {log}")
    return Observations.load(report.read_text())


async def keep(
    workspace: Workspace,
    service: str | None,
    board: Board,
    *,
    release: bool = False,
    histories: int | None = None,
) -> list[str]:
    """Write what services publish; check it against its release, its consumers, what is looked up and real events.

    Args:
        workspace: Where they are.
        service: Write only this one's; what is checked needs all of them.
        board: Where progress goes.
        release: Make what is published now the baseline of future changes.
        histories: See `executed`.

    Returns:
        What somebody should know: older copies, superseded majors, changes since the release.

    Raises:
        CliError: Something committed differed, or cannot be merged; has all of it, with who breaks.
    """
    apps = workspace.apps
    found = services(apps)
    assemblies = await synthesized(workspace, list(apps), board)
    folders = {app: stages[STAGE] for app, stages in assemblies.items()}
    known = {app: templates(folder) for app, folder in folders.items()}
    selected = workspace.select(service)
    stale = _write({app: each for app, each in found.items() if app in selected}, known)
    stale += _write_consumption(workspace, found)
    report = control.check(list(found.values()))
    for stage in STAGES:
        of_stage = {app.name: templates(stages[stage]) for app, stages in assemblies.items()}
        faults = parameters.faults(of_stage, meant_for_people=FOR_PEOPLE)
        report.faults += [f"stage {stage}: {fault}" for fault in faults]
    problems = [*report.faults]
    problems += await executed(workspace, folders, board, histories)
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


def _write_consumption(workspace: Workspace, found: Mapping[App, Contracts]) -> list[Path]:
    """Tell the platform who consumes what: it forwards events between accounts, and may live in a repository of its own."""
    path = workspace.root / PLATFORM / "commerce_platform" / "account" / "consumption.json"
    consumed = {app.service: [entry["name"] for entry in each.lock.entries()] for app, each in found.items()}
    text = json.dumps({service: events for service, events in consumed.items() if events}, indent=2) + "\n"
    if path.exists() and path.read_text() == text:
        return []
    path.write_text(text)
    return [path]


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
