"""The CDK CLI, run so that work is never repeated: synthesized and deployed once per content."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import shlex
import sys
from typing import TYPE_CHECKING

from commerce_platform.cli import process
from commerce_platform.cli.emulator import tail
from commerce_platform.cli.errors import CliError
from commerce_platform.cli.workspace import PLATFORM

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from service_topology import Place

    from commerce_platform.cli.cloud import Cloud
    from commerce_platform.cli.workspace import App, Workspace

QUIET = ("--no-notices", "--no-version-reporting")
"""Neither fetches notices nor reports usage: both are round trips to the internet."""


UNATTENDED = ("--require-approval", "never", "--method", "direct", "--progress", "events", "--ci")
"""No questions, and no change sets: they are for reviewing, and nobody reviews here."""


def cli(workspace: Workspace) -> Path:
    """The pinned CDK CLI."""
    return workspace.root / "node_modules" / ".bin" / "cdk"


@contextlib.asynccontextmanager
async def locked(path: Path, operation: int) -> AsyncIterator[None]:
    """Hold a file lock: one synthesizes an assembly at a time, and nobody while it is being deployed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, operation | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                await asyncio.sleep(0.1)
        yield


def is_synthesized(workspace: Workspace, app: App, stage: str) -> bool:
    """Whether an app's assembly is there and made of what the app is now."""
    folder = workspace.assembly(app, stage)
    return (folder / "manifest.json").exists() and _inputs_of(folder).startswith(workspace.inputs(app, stage))


def _key(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.inputs")


def _inputs_of(folder: Path) -> str:
    return _key(folder).read_text() if _key(folder).exists() else ""


async def synthesize(workspace: Workspace, app: App, stage: str, *, validate: bool = False) -> Path:
    """Synthesize an app for a stage, unless that has been done with these inputs.

    Args:
        workspace: Where the app is.
        app: What to synthesize.
        stage: For which stage.
        validate: Run the CDK's template validator too. It takes twice as long as the synthesis, so `make lint` does.

    Returns:
        The assembly's folder.

    Raises:
        CliError: The app failed; carries the end of its output.
    """
    (folder,) = await synthesize_stages(workspace, app, [stage], validate=validate)
    return folder


async def synthesize_stages(
    workspace: Workspace, app: App, stages: Sequence[str], *, validate: bool = False
) -> list[Path]:
    """The same for several stages at once: one process synthesizes all that have changed."""
    folders = {stage: workspace.assembly(app, stage) for stage in stages}
    inputs = {
        stage: f"{workspace.inputs(app, stage)} {'validated' if validate else ''}".strip() for stage in stages
    }
    async with contextlib.AsyncExitStack() as locks:
        for folder in folders.values():
            await locks.enter_async_context(locked(folder.with_name(f"{folder.name}.lock"), fcntl.LOCK_EX))
        stale = {
            stage: folder
            for stage, folder in folders.items()
            if not (_inputs_of(folder).startswith(inputs[stage]) and (folder / "manifest.json").exists())
        }
        if stale:
            await _synthesize(workspace, app, stale, validate=validate)
            for stage, folder in stale.items():
                _key(folder).write_text(inputs[stage])
    return list(folders.values())


async def _synthesize(workspace: Workspace, app: App, folders: dict[str, Path], *, validate: bool) -> None:
    for folder in folders.values():
        _key(folder).unlink(missing_ok=True)
    (stage, folder), *further = folders.items()
    command: list[str | Path] = [cli(workspace), "synth", *QUIET, "--quiet", "--output", folder]
    command += ["--context", f"stage={stage}"]
    if workspace.topology_file:
        command += ["--context", f"topology={workspace.topology_file}"]
    if further:
        others = [f"{other}={path}" for other, path in further]
        command += [
            "--app",
            shlex.join([sys.executable, "-m", "shared_constructs.stages", "app.py", *others]),
        ]
    log = folder.with_name(f"{folder.name}.log")
    status = await process.run(
        command,
        folder=app.folder,
        log=log,
        environment=process.tool_environment(
            CDK_VALIDATION="true" if validate else "false",
            # The workspace's own code, whichever is installed: a former commit is synthesized like this one.
            PYTHONPATH=os.pathsep.join([str(app.folder), str(workspace.root / "shared-constructs")]),
        ),
    )
    if status:
        raise CliError(
            f"{app.name} could not be synthesized for {', '.join(folders)}:\n{tail(log, 30)}", f"Log: {log}"
        )


def content(folder: Path) -> str:
    """Digest of what an assembly would deploy: templates and asset manifests, whose hashes stand for the assets."""
    whole = hashlib.sha256()
    for pattern in ("**/*.template.json", "**/*.assets.json"):
        for path in sorted(folder.glob(pattern)):
            if not any(parent.name.startswith("asset.") for parent in path.parents):
                whole.update(path.name.encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()


def against(folder: Path, clouds: Sequence[Cloud]) -> str:
    """Digest of the values that an assembly's templates read from SSM when they are deployed.

    Args:
        folder: The assembly.
        clouds: The accounts that it is deployed to.
    """
    names = {
        parameter["Default"]
        for path in folder.glob("*.template.json")
        for parameter in json.loads(path.read_text()).get("Parameters", {}).values()
        if parameter["Type"].startswith("AWS::SSM::Parameter::Value")
    }
    values = [cloud.values(names) for cloud in clouds]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


async def bootstrap(workspace: Workspace, cloud: Cloud) -> None:
    """Make the CDK's own stack in the cloud, unless it stands.

    Raises:
        CliError: The CDK CLI failed; carries the end of its output.
    """
    if await asyncio.to_thread(cloud.is_bootstrapped):
        return
    log = workspace.local / "logs" / f"bootstrap.{cloud.account}.log"
    status = await process.run(
        [cli(workspace), "bootstrap", *QUIET, f"aws://{cloud.account}/{cloud.region}"],
        folder=workspace.root,
        log=log,
        environment=cloud.environment,
    )
    if status:
        raise CliError(f"The local cloud could not be bootstrapped:\n{tail(log, 30)}", f"Log: {log}")


def stacks(workspace: Workspace, app: App, stage: str, place: Place) -> list[str]:
    """The CDK's names of an app's stacks in one account; a service has all of its stacks in its own."""
    own = workspace.place(stage, app.service)
    if app.name != PLATFORM or (place == own and len(workspace.places(stage)) == 1):
        return ["--all"]
    suffix = () if place == own else tuple(filter(None, place))
    prefix = app.stack_prefix(stage)
    return ["-".join((name, *suffix)) for name in (f"{prefix}-data", prefix)]


async def deploy(workspace: Workspace, app: App, stage: str, cloud: Cloud, place: Place) -> None:
    """Deploy those of an app's stacks to a local cloud that live in one account.

    Args:
        workspace: Where the assembly is.
        app: Which app.
        stage: Which stage.
        cloud: The cloud, in that account.
        place: The account.

    Raises:
        CliError: A resource failed; says which and why, as CloudFormation has it.
    """
    folder = workspace.assembly(app, stage)
    suffix = "" if place == workspace.place(stage, app.service) else f".{cloud.account}"
    log = workspace.local / "logs" / f"{app.name}{suffix}.deploy.log"
    async with locked(folder.with_name(f"{folder.name}.lock"), fcntl.LOCK_SH):
        status = await process.run(
            [
                cli(workspace),
                "deploy",
                *QUIET,
                "--app",
                folder,
                *stacks(workspace, app, stage, place),
                *UNATTENDED,
            ],
            folder=app.folder,
            log=log,
            environment=cloud.environment,
        )
    if status:
        causes = await asyncio.to_thread(cloud.failure, app.stack_prefix(stage))
        detail = "\n".join(f"    {cause}" for cause in causes) or last_words(log)
        raise CliError(f"{app.name} was not deployed:\n{detail}", f"Log: {log}. What was done before stands.")


def last_words(log: Path) -> str:
    """What the CDK CLI says of a failure before CloudFormation has made anything: from its cross on, or the end."""
    lines = log.read_text(errors="replace").splitlines()
    crosses = [number for number, line in enumerate(lines) if line.lstrip().startswith("❌")]
    return "\n".join(f"    {line}" for line in lines[crosses[-1] :]) if crosses else tail(log, 30)
