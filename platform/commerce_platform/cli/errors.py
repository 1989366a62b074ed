"""The one error that a user is meant to read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typer.exceptions import TyperException


class CliError(Exception):
    """Something a user can put right; printed without a traceback, exit status 1.

    Args:
        problem: What is wrong and what was found.
        advice: What to do next, usually a command to run.
    """

    def __init__(self, problem: str, advice: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.advice = advice


def in_makes_words(error: TyperException) -> str:
    """What is wrong with an option, which is a variable to whoever calls make.

    Args:
        error: Why the command line was refused.
    """
    option, message = getattr(error, "param", None), str(getattr(error, "message", error))
    if option is None:
        return message
    name, least, most = option.name.upper(), getattr(option, "min", None), getattr(option, "max", None)
    if None not in (least, most):
        return f"{name} must be {least} to {most}."
    if message.startswith("Input should be"):
        return f"{name} must be {'a number' if least is None else f'{least} or more'}."
    return message if message.startswith(name) else f"{name}: {message}."


def of_aws(error: Exception) -> CliError | None:
    """What AWS, or whatever AWS_ENDPOINT_URL names, has against a call; None for what is no such error.

    Args:
        error: What botocore raised.
    """
    from botocore import exceptions as known  # noqa: PLC0415 - a quarter of a second that most verbs need not wait for

    where = os.environ.get("AWS_ENDPOINT_URL")
    named = (
        "It is what AWS_ENDPOINT_URL names; without it, make uses a cloud of its own: unset AWS_ENDPOINT_URL"
    )
    match error:
        case known.NoRegionError():
            return CliError(
                "No region is given.", "Say which: AWS_REGION=eu-west-1, AWS_PROFILE or `aws configure`."
            )
        case known.NoCredentialsError() | known.PartialCredentialsError() | known.ProfileNotFound():
            return CliError(
                f"{error}.", "Needed: credentials of the account, AWS_PROFILE or `aws configure`."
            )
        case known.EndpointConnectionError() | known.ConnectTimeoutError() | known.ReadTimeoutError():
            return CliError(f"{error}.".replace("..", "."), named if where else "Is it up? make status")
        case known.ClientError():
            said = error.response["Error"]
            return CliError(f"AWS refused {error.operation_name} ({said['Code']}): {said.get('Message', '')}")
        case known.BotoCoreError():
            return CliError(f"{error}.")
    return None
