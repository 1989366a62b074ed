"""A function's start loads no more than it needs, and nobody sweeps meanwhile."""

import subprocess
import sys

START = """
import sys, service_runtime, gc

swept = []
gc.callbacks.append(lambda phase, info: swept.append(info["generation"]))
import service_runtime.consumer, service_runtime.dynamodb, service_runtime.rest
print(len(swept), *sys.modules)
"""


def started() -> list[str]:
    done = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_handlers_start_loads_no_other_resolvers_and_not_boto3():
    loaded = set(started()[1:])
    assert "service_runtime.rest" in loaded
    assert not loaded & {"asyncio", "boto3", "botocore.session", "aws_lambda_powertools.event_handler"}


def test_the_collector_rests_while_a_handler_starts():
    assert int(started()[0]) == 0
