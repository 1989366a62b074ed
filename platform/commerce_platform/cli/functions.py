"""Whether what was deployed can start: a handler that cannot be imported is told of before somebody needs it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from commerce_platform.cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from commerce_platform.cli.cloud import Cloud
    from commerce_platform.cli.workspace import App

_GENERATED = re.compile(r"Alias[0-9A-F]{8}$")
_FRAMES = 3

Json = dict[str, Any]


def require_starting(cloud: Cloud, app: App, stage: str) -> None:
    """Start every function of an app, as the local cloud does for a dry run (`extension/function_errors.py`).

    AWS checks permissions only in a dry run and starts nothing.

    Args:
        cloud: The account.
        app: What was deployed there.
        stage: Of which stage.

    Raises:
        CliError: Functions cannot start; names each, with its error and the last frames of its trace.
    """
    faults = [_told(name, error) for name, error in _errors(cloud, app.stack_prefix(stage))]
    if faults:
        raise CliError(
            f"{app.name} is deployed, and its functions cannot all start:\n" + "\n".join(faults),
            f"Does it start here? make unit SERVICE={app.name} (if so, a package is missing among the function's own or "
            f"the layer's: requirements.in)\nWhat it has logged: make logs SERVICE={app.name} SINCE=5m ONCE=1",
        )


def _errors(cloud: Cloud, stack_prefix: str) -> Iterator[tuple[str, Json]]:
    for stack in cloud.stacks(stack_prefix):
        pages = cloud.cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack.name)
        for resource in (each for page in pages for each in page["StackResourceSummaries"]):
            # Functions are called by their alias in every stage.
            if resource["ResourceType"] == "AWS::Lambda::Alias":
                answer = cloud.functions.invoke(
                    FunctionName=resource["PhysicalResourceId"], InvocationType="DryRun"
                )
                if "FunctionError" in answer:
                    name = _GENERATED.sub("", resource["LogicalResourceId"])
                    yield name, json.loads(answer["Payload"].read())


def _told(name: str, error: Json) -> str:
    trace = "".join(error.get("stackTrace", [])[-_FRAMES:]).rstrip()
    return "\n".join(
        f"    {line}"
        for line in [f"{name}: {error['errorType']}: {error['errorMessage']}", *trace.splitlines()]
    )
