"""A function's start loads no more than it needs, and nobody sweeps meanwhile."""

import os
import subprocess
import sys
from pathlib import Path

START = """
import sys, service_runtime, gc

swept = []
gc.callbacks.append(lambda phase, info: swept.append(info["generation"]))
import service_runtime.consumer, service_runtime.dynamodb, service_runtime.rest
from service_runtime.money import Money
Money.zero("EUR")
print(len(swept), *sys.modules)
"""


METADATA = """
import sys, service_runtime, importlib.metadata
from importlib.metadata import PackageNotFoundError, entry_points, version

assert version("pydantic") == importlib.metadata.version("pydantic") == importlib.metadata.distribution("pydantic").version
assert importlib.metadata is sys.modules["importlib.metadata"]
assert "console_scripts" in entry_points().groups
try:
    version("nope")
except PackageNotFoundError as error:
    print(error.name, importlib.metadata.__file__ != None)
"""


PLUGIN = """
class Plugin:
    def new_schema_validator(self, *given):
        print("asked")
        return None, None, None

plugin = Plugin()
"""


def run(code: str, **environment: str) -> list[str]:
    # Neither a site's own start-up files nor pytest's plugins: they may have imported anything.
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n{code}"]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def started() -> list[str]:
    return run(START)


def test_a_handlers_start_loads_no_other_resolvers_and_not_boto3():
    loaded = set(started()[1:])
    assert "service_runtime.rest" in loaded
    assert not loaded & {"asyncio", "boto3", "botocore.session", "aws_lambda_powertools.event_handler"}


def test_the_collector_rests_while_a_handler_starts():
    assert int(started()[0]) == 0


def test_a_start_reads_no_packages_metadata():
    """Pydantic and urllib3 import what reads them, which loads these."""
    assert not {"importlib.metadata._meta", "csv", "zipfile"} & set(started()[1:])


def test_who_wants_metadata_has_them():
    assert run(METADATA) == ["nope", "True"]


def test_who_has_a_plugin_of_pydantic_can_have_it_loaded(tmp_path: Path):
    (tmp_path / "plugged.py").write_text(PLUGIN)
    (tmp_path / "plugged-1.dist-info").mkdir()
    (tmp_path / "plugged-1.dist-info" / "METADATA").write_text("Name: plugged\nVersion: 1\n")
    (tmp_path / "plugged-1.dist-info" / "entry_points.txt").write_text("[pydantic]\np = plugged:plugin\n")
    model = (
        f"sys.path.insert(0, {str(tmp_path)!r})\nfrom service_runtime.money import Money\nMoney.zero('EUR')"
    )
    assert run(model) == []
    assert "asked" in run(model, PYDANTIC_DISABLE_PLUGINS="")
