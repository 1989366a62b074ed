"""What handlers import changes no request, so that their calls go by the local cloud's socket and not by HTTP."""

import subprocess
import sys

HOOKS = """
import service_runtime.observability
from commerce_platform.local_cloud.dynamodb_channel import _PASSED_EVENTS, _PASSED_HANDLERS
from service_runtime.dynamodb import quick_client

events = quick_client().meta.events._emitter
hooks = [each for name in _PASSED_EVENTS for each in events._handlers.prefix_search(f"{name}.dynamodb.PutItem")]
# botocore's own are those of the emulator's version, which is tested there.
brought = {hook.__module__ for hook in hooks if not hook.__module__.startswith("botocore.")}
print(brought <= _PASSED_HANDLERS, *brought)
"""


def test_no_hook_that_handlers_bring_keeps_their_calls_from_the_socket():
    # A process of its own: Powertools hooks itself into the botocore sessions that are made after its import.
    command = [sys.executable, "-c", HOOKS]
    keys = {"AWS_ACCESS_KEY_ID": "1", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "eu-west-1"}

    printed = subprocess.run(
        command, env=keys, capture_output=True, text=True, check=True
    ).stdout.splitlines()

    assert printed == ["True aws_lambda_powertools.shared.user_agent"]
