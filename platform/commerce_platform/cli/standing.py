"""Bring the local cloud up: start, bootstrap, synthesize, deploy, in parallel where the order allows."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from commerce_platform.cli import cdk, emulator, functions, topologies
from commerce_platform.cli.cloud import Cloud, accounts
from commerce_platform.cli.errors import CliError
from commerce_platform.cli.state import Deployed, State
from commerce_platform.cli.workspace import LOCAL, PLATFORM

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from service_topology import Place

    from commerce_platform.cli.board import Board
    from commerce_platform.cli.emulator import Instance
    from commerce_platform.cli.workspace import App, Workspace

CLOUD = "local cloud"


def versions(app: App, clouds: Sequence[Cloud]) -> dict[str, str]:
    """An app's stacks as the accounts hold them → what changes with each deployment, whoever does it."""
    return {
        f"{cloud.account} {stack.name}": stack.version
        for cloud in clouds
        for stack in cloud.stacks(app.stack_prefix(LOCAL))
    }


def current(workspace: Workspace) -> Cloud | None:
    """The cloud that stage `local` is on now: the user's, or ours if it runs."""
    if given := Cloud.given():
        return given
    instance = emulator.running(workspace)
    return Cloud(instance.endpoint, ours=True) if instance else None


def require_current(workspace: Workspace) -> Cloud:
    """The cloud that stage `local` is on.

    Raises:
        CliError: None runs.
    """
    cloud = current(workspace)
    if not cloud:
        raise CliError("The local cloud does not run.", "Start it: make up")
    return cloud


def condition(workspace: Workspace, app: App, cloud: Cloud, known: Deployed | None) -> tuple[str, str]:
    """How an app stands, by what the cloud holds and what this folder knows of it, with a colour.

    Args:
        workspace: Where the app is.
        app: Which app.
        cloud: The cloud that runs.
        known: Its last deployment from here.
    """
    own = workspace.place(LOCAL, app.service)
    homes = tuple(workspace.places(LOCAL)) if app.name == PLATFORM else (own,)
    clouds = [cloud.at(home) for home in homes]
    stacks = [stack for each in clouds for stack in each.stacks(app.stack_prefix(LOCAL))]
    if failed := [f"{stack.name} {stack.status}" for stack in stacks if stack.failed]:
        said, colour = f"failed ({', '.join(failed)})", "red"
    elif not stacks:
        said, colour = "not deployed", "red"
    elif not known:
        said, colour = "not finished", "yellow"
    elif known.stacks != versions(app, clouds):
        said, colour = "deployed by somebody else", "yellow"
    elif known.inputs != workspace.inputs(app, LOCAL):
        said, colour = "stale", "yellow"
    elif known.against != cdk.against(workspace.assembly(app, LOCAL), clouds):
        said, colour = "what it stands on has changed", "yellow"
    else:
        return "current", "green"
    return f"{said}: make up", colour


def _lost(workspace: Workspace, instance: Instance) -> str:
    """Why a server that runs is of no use any more."""
    if instance.code != workspace.emulator_code:
        return "its own code has changed"
    # Its functions' code and its logs are there.
    return "" if (workspace.local / "tmp").exists() else "its folder was removed"


async def ensure(workspace: Workspace, board: Board, port: int | None) -> tuple[Cloud, bool]:
    """The cloud to deploy to, started if need be.

    Returns:
        The cloud, and whether this call has started it.

    Raises:
        CliError: It could not be started, or runs on another port than was asked for.
    """
    if given := Cloud.given():
        board.say(CLOUD, f"the one at {given.endpoint} (AWS_ENDPOINT_URL)")
        return given, False
    instance = emulator.running(workspace)
    if instance and port not in (None, 0, instance.port):
        raise CliError(
            f"The local cloud runs on port {instance.port} already.",
            f"Move it: make down && make up PORT={port}",
        )
    if instance and (lost := _lost(workspace, instance)):
        board.say(CLOUD, f"{lost}: starting it again, empty", style="yellow")
        port = instance.port
        await asyncio.to_thread(emulator.stop, workspace)
        instance = None
    if instance:
        board.say(CLOUD, f"runs on port {instance.port}")
        return Cloud(instance.endpoint, ours=True), False
    with board.step(CLOUD, "starting", "started"):
        instance = await emulator.start(workspace, port)
    return Cloud(instance.endpoint, ours=True), True


@dataclass
class Rollout:
    """One deployment run over some apps.

    Attributes:
        workspace: Where the apps are.
        board: Where progress is shown.
        slots: As many as there are processors; a synthesis or a deployment keeps one busy.
        failures: What went wrong, by app.
        platform_done: Set once the platform is deployed, has failed, or is not part of the run.
    """

    workspace: Workspace
    board: Board
    slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(max(2, os.cpu_count() or 2)))
    failures: dict[str, CliError] = field(default_factory=dict)
    platform_done: asyncio.Event = field(default_factory=asyncio.Event)

    async def cloud(self, port: int | None, started: list[Cloud]) -> tuple[Cloud, State]:
        """The cloud, running and bootstrapped, and what is known to be deployed to it."""
        cloud, is_new = await ensure(self.workspace, self.board, port)
        if is_new:
            started.append(cloud)
        own, *others = accounts(self.workspace, cloud)
        state = State.load(self.workspace, await asyncio.to_thread(own.identity))
        if not await asyncio.to_thread(own.is_bootstrapped):
            with self.board.step(CLOUD, "bootstrapping", "bootstrapped"):
                await cdk.bootstrap(self.workspace, own)
        async with asyncio.TaskGroup() as tasks:
            for other in others:
                tasks.create_task(self.bootstrap(other))
        return cloud, state

    async def bootstrap(self, account: Cloud) -> None:
        """Bootstrap a further account."""
        if not await asyncio.to_thread(account.is_bootstrapped):
            async with self.slots:
                with self.board.step(account.account, "bootstrapping", "bootstrapped"):
                    await cdk.bootstrap(self.workspace, account)

    async def app(self, app: App, cloud_ready: asyncio.Task[tuple[Cloud, State]]) -> None:
        """Synthesize and deploy an app; a failure is kept, so that the other apps go on."""
        try:
            if app.name == PLATFORM and len(self.workspace.places(LOCAL)) > 1:
                await self.platform(app, *await cloud_ready)
                return
            assembly = await self.synthesize(app)
            cloud, state = await cloud_ready
            if app.name != PLATFORM:
                await self.platform_done.wait()
            if PLATFORM in self.failures:
                self.board.say(app.name, "not deployed: it needs the platform", style="yellow")
            else:
                await self.deploy(app, cloud, state, assembly)
        except CliError as failure:
            self.failures[app.name] = failure
        finally:
            if app.name == PLATFORM:
                self.platform_done.set()

    async def platform(self, app: App, cloud: Cloud, state: State) -> None:
        """Deploy the platform to every account: to its own first, which makes the users that the others need to know."""
        home = self.workspace.place(LOCAL, app.service)
        own = cloud.at(home)
        made = await asyncio.to_thread(topologies.made, own)
        if not made:
            await self.synthesize(app)
            await self.deploy_to(app, own, home)
            made = await asyncio.to_thread(topologies.made, own)
        self.workspace = topologies.keep(self.workspace, made)
        await self.deploy(app, cloud, state, await self.synthesize(app))

    async def synthesize(self, app: App) -> Path:
        """Synthesize, unless it has been done with these inputs."""
        # Not in a thread: the apps must take their slots in the order of deployment, the platform first.
        if cdk.is_synthesized(self.workspace, app, LOCAL):
            return self.workspace.assembly(app, LOCAL)
        async with self.slots:
            with self.board.step(app.name, "synthesizing", "synthesized"):
                return await cdk.synthesize(self.workspace, app, LOCAL)

    async def deploy(self, app: App, cloud: Cloud, state: State, assembly: Path) -> None:
        """Deploy, unless the cloud has exactly this."""
        inputs = self.workspace.inputs(app, LOCAL)
        content = await asyncio.to_thread(cdk.content, assembly)
        own = self.workspace.place(LOCAL, app.service)
        homes = tuple(self.workspace.places(LOCAL)) if app.name == PLATFORM else (own,)
        clouds = [cloud.at(home) for home in homes]
        against = await asyncio.to_thread(cdk.against, assembly, clouds)
        stacks = await asyncio.to_thread(versions, app, clouds)
        known = state.apps.get(app.name)
        if known and (known.content, known.against, known.stacks) == (content, against, stacks):
            self.board.say(app.name, "unchanged")
            state.apps[app.name] = replace(known, inputs=inputs)
        else:
            # What a failed or interrupted deployment leaves is neither the old state nor the new one.
            state.apps.pop(app.name, None)
            state.save(self.workspace)
            try:
                async with asyncio.TaskGroup() as tasks:
                    for home in homes:
                        tasks.create_task(self.deploy_to(app, cloud.at(home), home))
            except ExceptionGroup as group:
                raise group.exceptions[0] from None
            stacks = await asyncio.to_thread(versions, app, clouds)
            state.apps[app.name] = Deployed(inputs, content, against, stacks, time.time())
        state.save(self.workspace)

    async def deploy_to(self, app: App, account: Cloud, home: Place) -> None:
        """Deploy those of an app's stacks that live in one account, and see whether their functions start."""
        async with self.slots:
            where = "" if home == self.workspace.place(LOCAL, app.service) else f" to {account.account}"
            with self.board.step(app.name, f"deploying{where}", f"done{where}"):
                await cdk.deploy(self.workspace, app, LOCAL, account, home)
                if account.ours:
                    await asyncio.to_thread(functions.require_starting, account, app, LOCAL)


async def stand_up(workspace: Workspace, board: Board, apps: Sequence[App], port: int | None = None) -> Cloud:
    """Start the cloud and deploy apps to it: the platform first, then services side by side.

    A cloud that this call started is stopped again if the call is interrupted, so nothing is left half-started.
    After a failed deployment it runs on, to be looked into and continued; the other services are deployed.

    Raises:
        CliError: Something failed; if several apps did, the message has them all.
    """
    workspace = topologies.keep(workspace)
    run = Rollout(workspace, board)
    if PLATFORM not in {app.name for app in apps}:
        run.platform_done.set()
    started: list[Cloud] = []
    try:
        async with asyncio.TaskGroup() as tasks:
            cloud_ready = tasks.create_task(run.cloud(port, started))
            for app in apps:
                tasks.create_task(run.app(app, cloud_ready))
    except asyncio.CancelledError:
        if started:
            emulator.stop(workspace)
        raise
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    if run.failures:
        raise CliError(
            "\n".join(failure.problem for failure in run.failures.values()),
            "\n".join(failure.advice for failure in run.failures.values()),
        )
    return cloud_ready.result()[0]
