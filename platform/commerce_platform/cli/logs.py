"""Follow what a service's functions, workflows and APIs say."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from commerce_platform.cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from commerce_platform.cli.cloud import Cloud
    from commerce_platform.cli.workspace import App

LOOK_BACK_SECONDS = 600
POLL_SECONDS = 1.0
OVERLAP_SECONDS = 5
"""Events may be stored after later ones; each poll looks this far back again and skips what it has shown."""


def groups(cloud: Cloud, app: App, stage: str) -> Iterator[str]:
    """The log groups of an app's stacks."""
    prefix = app.stack_prefix(stage)
    names = {prefix, f"{prefix}-data"}
    for page in cloud.cloudformation.get_paginator("describe_stacks").paginate():
        for stack in page["Stacks"]:
            if stack["StackName"] not in names:
                continue
            resources = cloud.cloudformation.get_paginator("list_stack_resources")
            for listed in resources.paginate(StackName=stack["StackName"]):
                for resource in listed["StackResourceSummaries"]:
                    if resource["ResourceType"] == "AWS::Logs::LogGroup":
                        yield resource["PhysicalResourceId"]


def follow(clouds: Sequence[Cloud], apps: Sequence[App], stage: str, output: Console) -> None:
    """Print log events as they come, until interrupted.

    Args:
        clouds: The accounts that are looked into.
        apps: Whose log groups.
        stage: Of which stage.
        output: Where lines go.

    Raises:
        CliError: The apps have no log group.
    """
    followed = {
        (group, cloud): app.name for cloud in clouds for app in apps for group in groups(cloud, app, stage)
    }
    if not followed:
        names = ", ".join(app.name for app in apps)
        raise CliError(f"No log group belongs to {names} in stage {stage}.", "Is it deployed? make status")
    for group, _ in followed:
        output.print(f"Following {group}", style="dim", markup=False, soft_wrap=True)
    seen: dict[str, float] = {}
    since = time.time() - LOOK_BACK_SECONDS
    while True:
        asked = time.time()
        for (group, cloud), app in followed.items():
            for page in cloud.logs.get_paginator("filter_log_events").paginate(
                logGroupName=group, startTime=int(since * 1000)
            ):
                for event in page["events"]:
                    key = event.get("eventId") or f"{group}{event['timestamp']}{event['message']}"
                    if key not in seen:
                        at = time.strftime("%H:%M:%S", time.localtime(event["timestamp"] / 1000))
                        output.print(f"{at} {app} {event['message'].rstrip()}", markup=False, soft_wrap=True)
                    seen[key] = asked
        since = asked - OVERLAP_SECONDS
        seen = {key: at for key, at in seen.items() if at >= since}
        time.sleep(POLL_SECONDS)
