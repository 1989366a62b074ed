"""Which version the library must have next, from its public API and from what it changes in templates; and its build.

Both are compared with the last release, which is the newest tag `shared-constructs-v*` below the version of now:

- the API by griffe, of every package of the library, public names alone;
- templates by the reference stacks, which use every construct and are kept as a snapshot (`REFERENCE`).

| what | demands |
|---|---|
| a public name or argument has gone, or takes less than before | major |
| a logical id has gone or is of another type | major: CloudFormation would replace the resource |
| a name, an argument or a resource is new; a property or a default has changed | minor |
| anything else | patch |

Below 1.0.0 a major change demands the next minor version, and a minor one the next patch (https://semver.org/#spec-item-4).
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import shutil
import subprocess
import tempfile
import tomllib
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import griffe

from commerce_platform.cli.checks import BIN
from commerce_platform.cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES = (
    "apigateway_engine",
    "service_contracts",
    "service_extras",
    "service_lint",
    "service_runtime",
    "service_testing",
    "service_topology",
    "shared_constructs",
    "states_language",
)
"""What the distribution has."""

RELEASED = ("shared-constructs", "storefront")
"""What a release has, at one version: the library, and what asks a deployed stage, for pipelines of services."""

TAG = "shared-constructs-v"
"""What a release's tag begins with."""

REFERENCE = "tests/infrastructure/reference/__snapshots__/test_reference"
"""Where the snapshots of the reference stacks are, below the library's folder."""

NAMED_BY_CONTENT = frozenset(
    {"AWS::ApiGateway::Deployment", "AWS::Lambda::LayerVersion", "AWS::Lambda::Version"}
)
"""Types whose logical id says what they are made of: another one is what a change is."""

Version: TypeAlias = tuple[int, int, int]


class Level(IntEnum):
    """What a change demands."""

    PATCH = 0
    MINOR = 1
    MAJOR = 2


@dataclass(frozen=True, order=True)
class Change:
    """Something that users of the library may notice.

    Attributes:
        level: What it demands.
        what: In a line.
    """

    level: Level
    what: str


def version_of(library: Path) -> Version:
    """The version that `pyproject.toml` says."""
    return parsed(tomllib.loads((library / "pyproject.toml").read_text())["project"]["version"])


def parsed(text: str) -> Version:
    """A version of three numbers.

    Raises:
        CliError: It is another one.
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+", text):
        raise CliError(
            f"A version is three numbers, got {text!r}.", "Write it like 0.2.0 into pyproject.toml."
        )
    major, minor, patch = map(int, text.split("."))
    return major, minor, patch


def written(version: Version) -> str:
    """The version as it is written."""
    return ".".join(map(str, version))


def last_release(root: Path, now: Version) -> Version | None:
    """The newest version below the one of now that has a tag; None before the first release."""
    told = subprocess.run(  # noqa: S603 - git, with a pattern of ours
        ["git", "-C", str(root), "tag", "--list", f"{TAG}*"],  # noqa: S607
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return max((each for each in map(parsed, told.replace(TAG, "").split()) if each < now), default=None)


def changes(before: Path, after: Path) -> list[Change]:
    """What has changed between two states of the library's folder, the gravest first."""
    found = [*_api_changes(before, after), *_template_changes(_reference(before), _reference(after))]
    return sorted(set(found), key=lambda each: (-each.level, each.what))


def demanded(last: Version, found: list[Change]) -> Version:
    """The lowest version that may follow.

    Args:
        last: The version of the last release.
        found: What has changed since.
    """
    major, minor, patch = last
    level = max((each.level for each in found), default=Level.PATCH)
    steps = [(major, minor, patch + 1), (major, minor + 1, 0), (major + 1, 0, 0)]
    return steps[max(level - (major == 0), 0)]


def check_changelog(library: Path, version: Version) -> None:
    """The changelog tells of a version.

    Raises:
        CliError: It does not.
    """
    if not re.search(
        rf"^## {re.escape(written(version))}\b", (library / "CHANGELOG.md").read_text(), re.MULTILINE
    ):
        raise CliError(
            f"CHANGELOG.md has no section {written(version)}.",
            f"Begin one with `## {written(version)}` and write what users have to do.",
        )


def build(root: Path) -> dict[Path, str]:
    """Build what a release has into the library's `dist`, twice: it is the same then wherever it is built.

    Args:
        root: The folder of the projects.

    Returns:
        Each distribution and its SHA-256.

    Raises:
        CliError: The versions differ, the build fails, or gives other bytes the second time.
    """
    versions = {name: written(version_of(root / name)) for name in RELEASED}
    if len(set(versions.values())) > 1:
        told = ", ".join(f"{name} is {version}" for name, version in versions.items())
        raise CliError(f"What is released together has one version: {told}.", "Change it in pyproject.toml.")
    dist = root / RELEASED[0] / "dist"
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        for folder, name in itertools.product((first, second), RELEASED):
            command = [str(BIN / "uv"), "build", "--quiet", "--no-build-isolation", "--out-dir", folder]
            built = subprocess.run(  # noqa: S603 - uv, with folders of ours
                [*command, str(root / name)], capture_output=True, text=True, check=False
            )
            if built.returncode:
                raise CliError(f"{name} cannot be built: {built.stderr.strip()}")
        digests = [_digests(Path(folder)) for folder in (first, second)]
        if digests[0] != digests[1]:
            raise CliError(
                "Two builds of the same source differ.", "Look for times and paths in what hatchling packs."
            )
        shutil.rmtree(dist, ignore_errors=True)
        shutil.copytree(first, dist, ignore=shutil.ignore_patterns(".gitignore"))
    return {dist / name: digest for name, digest in digests[0].items()}


def _digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.iterdir() if path.suffix in {".whl", ".gz"})
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _api_changes(before: Path, after: Path) -> Iterator[Change]:
    for package in PACKAGES:
        if not (before / package).is_dir():
            yield Change(Level.MINOR, f"{package} is new")
            continue
        if not (after / package).is_dir():
            yield Change(Level.MAJOR, f"{package} has gone")
            continue
        old, new = (
            griffe.load(package, search_paths=[str(folder)], allow_inspection=False)
            for folder in (before, after)
        )
        for breakage in griffe.find_breaking_changes(old, new):
            level = (
                Level.MINOR if breakage.kind is griffe.BreakageKind.PARAMETER_CHANGED_DEFAULT else Level.MAJOR
            )
            yield Change(level, f"{breakage.obj.path}: {breakage.kind.value.lower()}")
        for name in sorted(set(_public(new)) - set(_public(old))):
            yield Change(Level.MINOR, f"{name} is new")


def _public(owner: griffe.Object | griffe.Alias) -> Iterator[str]:
    for member in owner.members.values():
        if not member.is_alias and member.is_public:
            yield member.path
            if member.is_module or member.is_class:
                yield from _public(member)
            elif member.is_function:
                yield from (f"{member.path}({each.name})" for each in member.parameters)  # type: ignore[union-attr]


def _reference(library: Path) -> dict[str, dict[str, Any]]:
    """Stack → logical id → resource."""
    return {
        path.stem: json.loads(path.read_text())["Resources"]
        for path in sorted((library / REFERENCE).glob("*.json"))
    }


def _template_changes(
    before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]
) -> Iterator[Change]:
    for stack, resources in before.items():
        now = after.get(stack, {})
        for name, resource in resources.items():
            kind = resource["Type"]
            if kind in NAMED_BY_CONTENT:
                continue
            if name not in now:
                yield Change(Level.MAJOR, f"{stack}: {name} ({kind}) has gone, or has another logical id")
            elif now[name]["Type"] != kind:
                yield Change(Level.MAJOR, f"{stack}: {name} was a {kind} and is a {now[name]['Type']}")
            elif now[name] != resource:
                yield Change(Level.MINOR, f"{stack}: {name} ({kind}) has changed")
        yield from (
            Change(Level.MINOR, f"{stack}: {name} ({each['Type']}) is new")
            for name, each in now.items()
            if name not in resources and each["Type"] not in NAMED_BY_CONTENT
        )
