"""Where a stage is found on AWS: in the account and region of each place that its topology names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, ProfileNotFound
from service_topology import PLATFORM, Topology, TopologyError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from service_topology import Place

Published = dict[tuple[str, str], str]


class PlaceError(Exception):
    """A place cannot be looked at; says which credentials are needed.

    Args:
        problem: What is wrong.
        advice: What to do about it.
    """

    def __init__(self, problem: str, advice: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.advice = advice


def topology(root: Path, name: str | None) -> Topology:
    """The topology that is meant.

    Args:
        root: The folder that has `topologies`.
        name: One of those, or a path below the folder; without one the stage is where the caller's credentials are.

    Raises:
        PlaceError: There is no such file, or it has a fault.
    """
    if not name:
        return Topology.anywhere()
    candidates = (root / "topologies" / f"{name}.toml", root / name)
    for path in candidates:
        if path.is_file():
            try:
                return Topology.load(path)
            except TopologyError as error:
                raise PlaceError(str(error)) from error
    raise PlaceError(f"No topology is called {name!r}.", f"Looked for {' and '.join(map(str, candidates))}.")


def sessions(known: Topology, stage: str, services: Collection[str]) -> Iterator[boto3.Session]:
    """A session in each place of a stage, first in the platform's own, which has the users.

    The caller's credentials are good for one account; for every other one there is a profile called as the topology calls
    the account, `[profile cart-dev]` in `~/.aws/config`, usually with `role_arn` and `source_profile`.

    Args:
        known: The topology.
        stage: Of AWS.
        services: Only where these live, and the platform; everywhere without any.

    Raises:
        PlaceError: The topology has no such stage, or there are no credentials for a place; says how to give them.
    """
    try:
        places = known.places(stage)
    except TopologyError as error:
        raise PlaceError(f"There is no such stage: {error}.") from error
    for place, residents in places.items():
        if not services or {PLATFORM, *services} & {*residents}:
            yield _session(known, place)


def published(session: boto3.Session, stage: str) -> Published:
    """What the stacks of a place publish: `{("order", "api-url"): "https://…"}`.

    Raises:
        PlaceError: It cannot be read.
    """
    try:
        pages = session.client("ssm").get_paginator("get_parameters_by_path")
        found = [
            parameter
            for page in pages.paginate(Path=f"/commerce/{stage}/", Recursive=True)
            for parameter in page["Parameters"]
        ]
    except (BotoCoreError, ClientError) as error:
        advice = "Needed: credentials and a region, AWS_PROFILE or `aws configure`."
        raise PlaceError(f"What {stage} publishes cannot be read: {error}", advice) from error
    # /commerce/<stage>/<service>/<name>/v<version>
    return {(each["Name"].split("/")[3], each["Name"].split("/")[4]): each["Value"] for each in found}


def _session(known: Topology, place: Place) -> boto3.Session:
    if place.account is None:
        return boto3.Session(region_name=place.region)
    name = next(name for name, account in known.accounts.items() if account == place.account)
    tried = []
    for profile in (None, name):
        try:
            session = boto3.Session(profile_name=profile, region_name=place.region)
            account = _account(session)
        except (ProfileNotFound, BotoCoreError, ClientError) as error:
            tried.append(str(error))
            continue
        if account == place.account:
            return session
        tried.append(f"{f'the profile {profile}' if profile else 'the credentials'} are of {account}")
    raise PlaceError(
        f"Nobody may look at {name}, account {place.account}: {'; '.join(tried)}.",
        f"Give it a profile of that name: aws configure set role_arn arn:aws:iam::{place.account}:role/… "
        f"--profile {name}, and the same with source_profile.",
    )


def _account(session: Any) -> str:
    return str(session.client("sts").get_caller_identity()["Account"])
