"""Do the tests bite? Small faults are put into the code one at a time, by mutmut, and a test has to fail for each.

What is mutated and which tests see it stands in each project's `pyproject.toml`, as `[[tool.mutants]]` (`Campaign`).
Results are kept below `.cache/mutants` until the project's code, its tests or the library change. mutmut mutates what
is inside of functions; module constants and functions with a decorator it leaves alone.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from commerce_platform.cli import suite
from commerce_platform.cli.checks import LIBRARY
from commerce_platform.cli.errors import CliError
from commerce_platform.cli.workspace import digest, files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from rich.console import Console

    from commerce_platform.cli.workspace import Workspace

SURVIVED = 1
"""Exit status: mutants survived where none may, or too many."""
FAILED = 2
"""Exit status: the tests fail without any mutant, so nothing can be said."""
CHILDREN = 2
"""Mutants that are tried at once, of all but constructs."""

# A test that runs into its time limit has noticed, and so has one that makes the interpreter crash.
_KILLED = frozenset({"killed", "timeout", "segfault", "caught by type check"})
_UNTRIED = frozenset({"not checked", "skipped"})
_STATUS = re.compile(r"^\s*(?P<name>\S+__mutmut_\d+): (?P<status>.+)$", re.MULTILINE)
_PROGRESS = re.compile(r"(?P<done>\d+)/(?P<all>\d+)  ")
_SPINNER = frozenset("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
_LEFT_OUT = ("__pycache__", ".hypothesis", "e2e", "__snapshots__")
# What takes long to import and is not mutated is imported once, before each mutant's own process is forked.
_PRELOADED = (
    "aws_lambda_powertools",
    "boto3",
    "botocore.session",
    "hypothesis.stateful",
    "jsonschema",
    "moto.core.models",
    "pydantic",
    "pytest",
    "requests",
    "yaml",
)
# The same for constructs. Forks share the one Node process in which the CDK lives, hence one at a time.
_CDK = (
    "aws_cdk",
    "aws_cdk.aws_apigateway",
    "aws_cdk.aws_cloudwatch",
    "aws_cdk.aws_cloudwatch_actions",
    "aws_cdk.aws_codedeploy",
    "aws_cdk.aws_cognito",
    "aws_cdk.aws_dynamodb",
    "aws_cdk.aws_events",
    "aws_cdk.aws_events_targets",
    "aws_cdk.aws_eventschemas",
    "aws_cdk.aws_iam",
    "aws_cdk.aws_lambda",
    "aws_cdk.aws_lambda_event_sources",
    "aws_cdk.aws_logs",
    "aws_cdk.aws_pipes",
    "aws_cdk.aws_scheduler",
    "aws_cdk.aws_scheduler_targets",
    "aws_cdk.aws_sns",
    "aws_cdk.aws_sqs",
    "aws_cdk.aws_ssm",
    "aws_cdk.aws_stepfunctions",
    "aws_cdk.aws_wafv2",
    "cdk_nag",
)
# A process's start counts as its test's time, and takes longer than many a test: hence the time limit's constant.
_SETTINGS = """\
[tool:pytest]
addopts = --import-mode=importlib --strict-markers -p no:cacheprovider -p commerce_platform.cli.mutants_plugin
markers = e2e: needs the local cloud
[mutmut]
source_paths={package}
only_mutate={only}
do_not_mutate_patterns=
    logger\\.
pytest_add_cli_args=
    --hypothesis-seed=0
pytest_add_cli_args_test_selection={tests}
process_isolation=forkserver
forkserver_warmup=import
preload_modules_file=preloaded.txt
use_git_change_detection=false
timeout_multiplier=1
timeout_constant=15
"""


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """Code to be mutated, and what is expected of its tests.

    Attributes:
        project: The folder of the project.
        name: What the campaign is called; the folder of its results.
        package: The package that is copied with its mutants, a folder of the project.
        only: Globs of the files to be mutated, relative to the project.
        tests: Files and folders of tests, relative to the project.
        killed_percent: How many of a hundred mutants have to be noticed, 0 by default: none.
        without_survivors: Globs of the files in which every mutant has to be noticed.
        constructs: Whether it is code of constructs; the CDK is then imported once, and one mutant tried at a time.
    """

    project: Path
    name: str
    package: str
    only: tuple[str, ...]
    tests: tuple[str, ...]
    killed_percent: int = 0
    without_survivors: tuple[str, ...] = ()
    constructs: bool = False

    @property
    def children(self) -> int:
        """How many of its mutants are tried at once."""
        return 1 if self.constructs else CHILDREN

    @property
    def title(self) -> str:
        """The campaign's name in messages."""
        return f"{self.project.name}, {self.name}"


@dataclass(frozen=True, kw_only=True)
class Score:
    """What became of a campaign's mutants.

    Attributes:
        killed: How many a test noticed.
        survivors: Names of those that no test noticed, those that no test reaches included.
    """

    killed: int
    survivors: tuple[str, ...]

    @property
    def percent(self) -> float:
        """How many of a hundred were noticed."""
        tried = self.killed + len(self.survivors)
        return 100 * self.killed / tried if tried else 100.0

    def where_none_may_be(self, campaign: Campaign) -> tuple[str, ...]:
        """Those of the survivors that live in a file in which every mutant has to be noticed."""
        return tuple(
            name
            for name in self.survivors
            if any(name.startswith(f"{_module(each)}.") for each in campaign.without_survivors)
        )


def campaigns(workspace: Workspace, service: str | None) -> list[Campaign]:
    """What the projects, or one of them, declare as `[[tool.mutants]]`.

    Raises:
        CliError: Nothing is declared.
    """
    projects = [workspace.folder(service)] if service else workspace.projects
    found = [campaign for project in projects for campaign in _declared(project)]
    if not found:
        where = f"{projects[0].name}/pyproject.toml" if service else "any pyproject.toml"
        raise CliError(f"Nothing is declared as [[tool.mutants]] in {where}.")
    return found


def run(workspace: Workspace, service: str | None, sample: str | None, output: Console) -> int:
    """Try the mutants of all projects or of one.

    Args:
        workspace: Where the projects are.
        service: One project's only.
        sample: A commit's id: a tenth of the mutants, chosen by it; all of them by default.
        output: Where progress and survivors go.

    Returns:
        0 if enough of them were noticed, else `SURVIVED`; `FAILED` if the tests fail by themselves.
    """
    worst = 0
    for campaign in campaigns(workspace, service):
        folder = _prepared(workspace, campaign)
        if _mutmut(workspace, campaign, folder, sample, output):
            said = [
                line for line in (folder / "log").read_text("utf-8").splitlines() if line[:1] not in _SPINNER
            ]
            output.print("\n".join(said[-40:]), markup=False)
            tests = " ".join(campaign.tests)
            output.print(
                f"{campaign.title}: nothing can be said of mutants, as the tests fail without any."
                f" Look at them: (cd {campaign.project.name} && pytest {tests})",
                style="red",
                soft_wrap=True,
            )
            return FAILED
        worst = max(worst, _told(campaign, _score(workspace, folder, sample), sample, output))
    return worst


def last_digit(commit: str) -> str:
    """The digit by which a commit chooses its mutants: those whose number ends with it.

    Raises:
        CliError: It is no commit's id.
    """
    try:
        return str(int(commit, 16) % 10)
    except ValueError:
        raise CliError(f"SAMPLE is a commit's id, such as $(git rev-parse HEAD); got {commit!r}.") from None


def score_of(results: str, sample: str | None = None) -> Score:
    """Read mutmut's list of results.

    Args:
        results: A line per mutant, `name: status`.
        sample: Of these only that a commit chooses; of all by default.
    """
    ending = last_digit(sample) if sample else ""
    found = {
        line["name"]: line["status"] for line in _STATUS.finditer(results) if line["name"].endswith(ending)
    }
    tried = {name: status for name, status in found.items() if status not in _UNTRIED}
    kinds = Counter(status in _KILLED for status in tried.values())
    return Score(
        killed=kinds[True],
        survivors=tuple(name for name, status in tried.items() if status not in _KILLED),
    )


def _declared(project: Path) -> Iterator[Campaign]:
    declared = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))
    for each in declared.get("tool", {}).get("mutants", []):
        lists = {name: tuple(each.get(name, ())) for name in ("only", "tests", "without_survivors")}
        yield Campaign(project=project, **{**each, **lists})


def _prepared(workspace: Workspace, campaign: Campaign) -> Path:
    """The folder in which mutmut works; empty unless all that its results follow from is as it was."""
    folder = workspace.root / ".cache" / "mutants" / f"{campaign.project.name}-{campaign.name}"
    folder.mkdir(parents=True, exist_ok=True)
    settings = _SETTINGS.format(
        package=campaign.package,
        only="".join(f"\n    {each}" for each in campaign.only),
        tests="".join(f"\n    {each}" for each in campaign.tests),
    )
    code = [files(campaign.project, _LEFT_OUT), files(workspace.root / LIBRARY, (*_LEFT_OUT, "tests"))]
    lock = workspace.root / "requirements" / "dev.lock"
    known = digest(workspace.root, *code, [lock], salt=settings)
    if not (folder / "digest").exists() or (folder / "digest").read_text("utf-8") != known:
        shutil.rmtree(folder)
        folder.mkdir()
        for name in (campaign.package, "tests"):
            (folder / name).symlink_to(campaign.project / name)
        (folder / "setup.cfg").write_text(settings, "utf-8")
        (folder / "preloaded.txt").write_text(
            "\n".join((*_PRELOADED, *(_CDK if campaign.constructs else ()))), "utf-8"
        )
        (folder / "digest").write_text(known, "utf-8")
    return folder


def _mutmut(
    workspace: Workspace, campaign: Campaign, folder: Path, sample: str | None, output: Console
) -> int:
    """Try what has not been tried; the exit status tells only whether that was possible."""
    chosen = [f"*__mutmut_*{last_digit(sample)}"] if sample else []
    with (
        output.status(f"{campaign.title}: making mutants, and the tests without them") as status,
        (folder / "log").open("w", buffering=1, encoding="utf-8") as log,
        subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", "mutmut", "run", "--max-children", str(campaign.children), *chosen],
            cwd=folder,
            env=_environment(workspace),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as child,
    ):
        assert child.stdout is not None  # noqa: S101 - it is a pipe
        for line in child.stdout:  # universal newlines: each redrawing of its one line is a line
            log.write(line)
            if progress := _PROGRESS.search(line):
                status.update(f"{campaign.title}: {progress['done']} of {progress['all']} mutants")
    return child.returncode


def _score(workspace: Workspace, folder: Path, sample: str | None) -> Score:
    command = [sys.executable, "-m", "mutmut", "results", "--all", "true"]
    listed = subprocess.run(  # noqa: S603 - our own interpreter
        command, cwd=folder, env=_environment(workspace), capture_output=True, text=True, check=True
    )
    return score_of(listed.stdout, sample)


def _environment(workspace: Workspace) -> Mapping[str, str]:
    return suite.environment(COLUMNS="100", HYPOTHESIS_STORAGE_DIRECTORY=str(workspace.root / ".hypothesis"))


def _told(campaign: Campaign, score: Score, sample: str | None, output: Console) -> int:
    unbearable = score.where_none_may_be(campaign)
    # What a tenth says of the whole is too uncertain to fail by.
    too_few = not sample and score.percent < campaign.killed_percent
    total = score.killed + len(score.survivors)
    output.print(
        f"{campaign.title}: {score.killed} of {total} mutants killed, {score.percent:.1f} %"
        f" (at least {campaign.killed_percent})",
        style="red" if unbearable or too_few else "",
    )
    for name in score.survivors:
        told = "survived, and must not" if name in unbearable else "survived"
        output.print(f"  {told}: {name}", markup=False, soft_wrap=True)
    if score.survivors:
        folder = f".cache/mutants/{campaign.project.name}-{campaign.name}"
        output.print(
            f"  What one of them is: (cd {folder} && mutmut show NAME)", markup=False, soft_wrap=True
        )
    return SURVIVED if unbearable or too_few else 0


def _module(path: str) -> str:
    return path.removesuffix(".py").replace("/", ".")
