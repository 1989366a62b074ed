"""Which topology a verb is about, and whether the caller's credentials are those of the account it names."""

from __future__ import annotations

import dataclasses
import shutil
from typing import TYPE_CHECKING

from service_topology import TopologyError, UserPool, Users

from commerce_platform.cli.errors import CliError
from commerce_platform.cli.workspace import LOCAL, PLATFORM

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from service_topology import Place

    from commerce_platform.cli.cloud import Cloud
    from commerce_platform.cli.workspace import App, Workspace

MADE_HERE = "\n# Made by the local cloud's platform:\n\n"
"""What follows in the file of a running local cloud was not in the topology that was chosen."""


def chosen(workspace: Workspace, given: str | None, stage: str = LOCAL) -> Workspace:
    """The workspace with the topology that is meant.

    Args:
        workspace: Where topologies are.
        given: What the user has said: `per-service` for `topologies/per-service.toml`, or a path; default what the local
            cloud runs with, and `single`.
        stage: For which stage.

    Raises:
        CliError: There is no such topology, it has a fault, or the local cloud runs with another one.
    """
    running = _of_local_cloud(workspace)
    if given is None:
        is_running = stage == LOCAL and running.exists()
        return dataclasses.replace(workspace, topology=running) if is_running else workspace
    path = _named(workspace, given)
    found = dataclasses.replace(workspace, topology=path)
    of_stage(found, stage)
    return found


def _of_local_cloud(workspace: Workspace) -> Path:
    return workspace.local / "topology.toml"


def _named(workspace: Workspace, name: str) -> Path:
    folder = workspace.root / "topologies"
    candidates = (folder / f"{name}.toml", workspace.root / name)
    for path in candidates:
        if path.is_file():
            return path
    known = ", ".join(sorted(path.stem for path in folder.glob("*.toml")))
    raise CliError(f"No topology is called {name!r}.", f"TOPOLOGY is one of: {known}; or the path of a file.")


def of_stage(workspace: Workspace, stage: str) -> dict[Place, tuple[str, ...]]:
    """Every place of a stage → who lives there, the platform's own first.

    Raises:
        CliError: The topology has a fault or does not know the stage.
    """
    try:
        return workspace.places(stage)
    except TopologyError as error:
        raise CliError(str(error)) from error


def place(workspace: Workspace, app: App, stage: str) -> Place:
    """Where an app lives.

    Raises:
        CliError: The topology does not know the app's service; says which it knows.
    """
    try:
        return workspace.place(stage, app.service)
    except TopologyError as error:
        raise CliError(str(error), f"Add the service to {workspace.topology_file}.") from error


def keep(workspace: Workspace, made: str | None = None) -> Workspace:
    """Write down what the local cloud runs with, completed by what its platform has made.

    Args:
        workspace: With the topology that was chosen.
        made: Tables of the platform's own account, once they are known.

    Returns:
        The workspace with that file as its topology; as it was where nobody has chosen one.

    Raises:
        CliError: The local cloud holds what was deployed with another topology.
    """
    running, file = _of_local_cloud(workspace), workspace.topology_file
    of_stage(workspace, LOCAL)
    text = _without_users(file) if file and not workspace.has_default_topology else ""
    before = _without_users(running) if running.exists() else ""
    if text != before and (workspace.local / "state.json").exists():
        raise CliError(
            f"The local cloud runs with another topology than {file}.",
            "Begin anew with this one: make down, then make up TOPOLOGY=…",
        )
    if workspace.has_default_topology:
        running.unlink(missing_ok=True)
        return workspace
    workspace.local.mkdir(parents=True, exist_ok=True)
    running.write_text(f"{text}{MADE_HERE}{made}" if made else text)
    return dataclasses.replace(workspace, topology=running)


def forget(workspace: Workspace) -> None:
    """Forget what the local cloud ran with."""
    _of_local_cloud(workspace).unlink(missing_ok=True)
    shutil.rmtree(workspace.local / "cdk.out", ignore_errors=True)


def _without_users(file: Path) -> str:
    return file.read_text().partition(MADE_HERE)[0]


def made(cloud: Cloud, stage: str = LOCAL) -> str | None:
    """The tables of a topology with what the platform has made in the account of these credentials.

    Returns:
        The users, and what logs are shown to if there is such a thing; None before the platform is deployed.
    """
    known = users(cloud, stage)
    if not known:
        return None
    sink = cloud.parameters(stage).get((PLATFORM, "log-sink-arn"))
    logs = f'\n[stages.{stage}.log_sinks]\n{sink.split(":")[3]} = "{sink}"\n' if sink else ""
    return f"{known.as_toml(stage)}{logs}"


def users(cloud: Cloud, stage: str = LOCAL) -> Users | None:
    """The users that the platform has made in the account of these credentials; None before it is deployed."""
    published = cloud.parameters(stage)
    pools = []
    for kind in ("user", "operator"):
        arn, pool, client = (
            published.get((PLATFORM, f"{kind}-pool-{name}")) for name in ("arn", "id", "client-id")
        )
        if not (arn and pool and client):
            return None
        pools.append(UserPool(arn=arn, id=pool, client_id=client))
    customers, operators = pools
    return Users(customers, operators)


def require_account(workspace: Workspace, apps: Sequence[App], stage: str, cloud: Cloud) -> Place:
    """Check before anything is done on AWS that the credentials are those of the account that the topology names.

    Args:
        workspace: With the topology.
        apps: What is to be compared, deployed or destroyed.
        stage: Of AWS.
        cloud: AWS with the caller's credentials.

    Returns:
        Where the caller is: of the platform, which has stacks in every account, those of this place are meant.

    Raises:
        CliError: They are of another account, the stage has none, or nobody can be told; nothing was done.
    """
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - boto3 is slow to import

    try:
        account, who = cloud.caller()
    except (BotoCoreError, ClientError) as error:
        raise CliError(
            f"Whose credentials these are cannot be told: {error}",
            "Needed: credentials of the account, AWS_PROFILE or `aws configure`.",
        ) from error
    homes = {app.name: place(workspace, app, stage) for app in apps}
    if nowhere := sorted(name for name, home in homes.items() if home.account is None):
        raise CliError(
            f"{workspace.topology_file} names no account for {', '.join(nowhere)} in {stage}. "
            f"The credentials are of {account} ({who}).",
            f"Name it there (under accounts, and as account of stages.{stage}), or choose another file: TOPOLOGY=…",
        )
    # The platform has stacks in every account; its own comes first, if the caller is there.
    here = next((each for each in of_stage(workspace, stage) if each.account == account), None)
    strangers = [
        f"{name} lives in {home.account}"
        for name, home in homes.items()
        if home.account != account and not (name == PLATFORM and here)
    ]
    if strangers or here is None:
        raise CliError(
            f"In {stage}, {', '.join(strangers)} ({workspace.topology_file}). The credentials are of {account} ({who}).",
            "Nothing was done. Use credentials of that account, or SERVICE= of one that lives in yours.",
        )
    return here
