"""Bring the local cloud up: start, bootstrap, synthesize, deploy, in parallel where the order allows."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from commerce_platform.cli import cdk, emulator, topologies
from commerce_platform.cli.cloud import Cloud, accounts
from commerce_platform.cli.errors import CliError
from commerce_platform.cli.state import Deployed, State
from commerce_platform.cli.workspace import LOCAL, PLATFORM

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from service_topology import Place

    from commerce_platform.cli.board import Board
    from commerce_platform.cli.workspace import App, Workspace

CLOUD = "local cloud"


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
    if instance and instance.code != workspace.emulator_code:
        board.say(CLOUD, "its own code has changed: starting it again, empty", style="yellow")
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
        users = await asyncio.to_thread(topologies.users, own)
        if not users:
            await self.synthesize(app)
            await self.deploy_to(app, own, home)
            users = await asyncio.to_thread(topologies.users, own)
        self.workspace = topologies.keep(self.workspace, users)
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
        known = state.apps.get(app.name)
        if known and known.content == content:
            self.board.say(app.name, "unchanged")
            state.apps[app.name] = Deployed(inputs, content, known.at)
        else:
            # What a failed or interrupted deployment leaves is neither the old state nor the new one.
            state.apps.pop(app.name, None)
            state.save(self.workspace)
            own = self.workspace.place(LOCAL, app.service)
            homes = self.workspace.places(LOCAL) if app.name == PLATFORM else (own,)
            try:
                async with asyncio.TaskGroup() as tasks:
                    for home in homes:
                        tasks.create_task(self.deploy_to(app, cloud.at(home), home))
            except ExceptionGroup as group:
                raise group.exceptions[0] from None
            state.apps[app.name] = Deployed(inputs, content, time.time())
        state.save(self.workspace)

    async def deploy_to(self, app: App, account: Cloud, home: Place) -> None:
        """Deploy those of an app's stacks that live in one account."""
        async with self.slots:
            where = "" if home == self.workspace.place(LOCAL, app.service) else f" to {account.account}"
            with self.board.step(app.name, f"deploying{where}", f"done{where}"):
                await cdk.deploy(self.workspace, app, LOCAL, account, home)


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
