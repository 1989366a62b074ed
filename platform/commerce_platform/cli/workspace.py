"""What the workspace holds: its folders, its apps, and digests that say whether either has changed."""

from __future__ import annotations

import fnmatch
import hashlib
import json
import os
import platform
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from commerce_platform.cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from service_topology import Place, Topology

PLATFORM = "platform"
"""The account stack's folder. Every service needs what it publishes, so it is deployed first."""

LOCAL = "local"
STAGES = (LOCAL, "dev", "staging", "prod")

NEVER_DEPLOYED = (
    *("tests", "test", "docs", "cdk.out", "build", "dist", "node_modules", "__pycache__"),
    *("*.pyc", "*.md", "*.egg-info", ".*"),
    *("*.v[0-9]*.json", "openapi.json", "asyncapi.json", "contracts.lock.json"),
)
"""Names that no template and no asset is made of: changing one makes nothing stale."""

LIBRARY_NEVER_DEPLOYED = (
    *("service_testing", "service_lint", "service_contracts", "apigateway_engine", "service_extras"),
)


@dataclass(frozen=True, order=True)
class App:
    """One CDK app: a top-level folder with a `cdk.json` and an `app.py`."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's name, which is what SERVICE= takes."""
        return self.folder.name

    @property
    def service(self) -> str:
        """The service's name as stacks, parameters and the endpoints file have it (`cart`)."""
        return self.name.removesuffix("-service")

    def stack_prefix(self, stage: str) -> str:
        """How the names of this app's stacks begin."""
        return f"commerce-{stage}-{self.service}"

    @cached_property
    def excluded(self) -> tuple[str, ...]:
        """Patterns of files that this app is not made of: ours, and `watch.exclude` of its `cdk.json`."""
        settings = json.loads((self.folder / "cdk.json").read_text())
        return (*NEVER_DEPLOYED, *settings.get("watch", {}).get("exclude", ()))


@dataclass(frozen=True)
class Workspace:
    """The repository as this machine has it, and one instance of the local cloud in it.

    Attributes:
        root: The repository's folder.
        local: The instance's folder: process, logs, state, endpoints file.
        topology: The topology file that was chosen; default `topologies/single.toml`.
    """

    root: Path
    local: Path
    topology: Path | None = None

    @classmethod
    def here(cls) -> Workspace:
        """The workspace of this checkout; COMMERCE_LOCAL_DIR names another instance than `.local`."""
        root = Path(__file__).resolve().parents[3]
        return cls(root, root / os.environ.get("COMMERCE_LOCAL_DIR", ".local"))

    @property
    def endpoints_file(self) -> Path:
        """Where the running cloud can be reached: the interface to tests and tools."""
        return self.local / "endpoints.json"

    @property
    def topology_file(self) -> Path | None:
        """Who lives in which account; None in a workspace without any such file."""
        return self.topology or (self._default if self._default.exists() else None)

    @property
    def _default(self) -> Path:
        return self.root / "topologies" / "single.toml"

    @property
    def has_default_topology(self) -> bool:
        """Whether nobody has chosen another one."""
        return self.topology_file in (None, self._default)

    @cached_property
    def known_topology(self) -> Topology:
        """What the topology file says.

        Raises:
            TopologyError: It has a fault.
        """
        from service_topology import Topology  # noqa: PLC0415 - pydantic is slow to import

        return Topology.load(self.topology_file) if self.topology_file else Topology.anywhere()

    def place(self, stage: str, service: str) -> Place:
        """Where a service lives.

        Raises:
            TopologyError: The topology does not know stage or service.
        """
        return self.known_topology.place(stage, service)

    def places(self, stage: str) -> dict[Place, tuple[str, ...]]:
        """Every place of a stage → who lives there, the platform's own first.

        Raises:
            TopologyError: The topology does not know the stage.
        """
        return self.known_topology.places(stage)

    def assembly(self, app: App, stage: str) -> Path:
        """Where an app's synthesized assembly is kept; instances of the local cloud share those of the same topology."""
        file = self.topology_file
        if file and file.is_relative_to(self.local):
            return self.local / "cdk.out" / stage / app.name
        kind = stage if file is None or self.has_default_topology else f"{stage}.{file.stem}"
        return self.root / ".cache" / "cdk.out" / kind / app.name

    @cached_property
    def apps(self) -> tuple[App, ...]:
        """Every app, in the order of deployment: the platform, then the services by name."""
        found = sorted(
            App(path.parent) for path in self.root.glob("*/cdk.json") if path.with_name("app.py").exists()
        )
        return tuple(sorted(found, key=lambda app: app.name != PLATFORM))

    @cached_property
    def projects(self) -> tuple[Path, ...]:
        """Every folder that is a Python project of its own."""
        return tuple(sorted(path.parent for path in self.root.glob("*/pyproject.toml")))

    def app(self, name: str) -> App:
        """The app in a folder: a top-level one, named with or without `-service`, or any other by its path.

        Raises:
            CliError: There is none; says which there are.
        """
        for app in self.apps:
            if name.rstrip("/") in (app.name, app.service):
                return app
        elsewhere = App(self.root / name)
        if (elsewhere.folder / "cdk.json").exists():
            return elsewhere
        known = ", ".join(app.name for app in self.apps) or "none yet"
        raise CliError(f"No app is called {name!r}.", f"SERVICE is one of: {known}.")

    def select(self, name: str | None) -> tuple[App, ...]:
        """The one app that was asked for, or all."""
        return (self.app(name),) if name else self.apps

    def folder(self, name: str) -> Path:
        """A project's folder, apps and libraries alike.

        Raises:
            CliError: There is none; says which there are.
        """
        for project in self.projects:
            if name.rstrip("/") in (project.name, project.name.removesuffix("-service")):
                return project
        known = ", ".join(project.name for project in self.projects)
        raise CliError(f"No project is called {name!r}.", f"SERVICE is one of: {known}.")

    @cached_property
    def toolchain(self) -> str:
        """Digest of what every template is made with: the shared constructs, the locks, the interpreter."""
        library = self.root / "shared-constructs"
        return digest(
            self.root,
            files(library, (*NEVER_DEPLOYED, *LIBRARY_NEVER_DEPLOYED)),
            [self.root / "requirements" / "dev.lock", self.root / "package-lock.json"],
            salt=f"{sys.version} {platform.machine()}",
        )

    def inputs(self, app: App, stage: str) -> str:
        """Digest of everything that an app's assembly is made of.

        Of the topology that is a service's own place, and all of it for the platform.

        Raises:
            TopologyError: The topology does not know stage or service.
        """
        where = repr(self.place(stage, app.service))
        if app.name == PLATFORM and self.topology_file:
            where = self.topology_file.read_text()
        return digest(self.root, files(app.folder, app.excluded), salt=f"{self.toolchain} {stage} {where}")

    @cached_property
    def emulator_code(self) -> str:
        """Digest of what the local cloud's server is made of."""
        return digest(
            self.root,
            files(self.root / PLATFORM / "commerce_platform" / "local_cloud", NEVER_DEPLOYED),
            files(self.root / "shared-constructs" / "apigateway_engine", NEVER_DEPLOYED),
            files(self.root / "shared-constructs" / "states_language", NEVER_DEPLOYED),
            [self.root / "requirements" / "emulator.lock"],
        )


def files(folder: Path, excluded: Iterable[str]) -> Iterator[Path]:
    """Every file under a folder, sorted, without those whose name or relative path matches a pattern."""
    patterns = [pattern.removeprefix("**/").removesuffix("/**") for pattern in excluded]

    def kept(parent: Path, name: str) -> bool:
        relative = (parent / name).relative_to(folder).as_posix()
        return not any(fnmatch.fnmatch(name, p) or fnmatch.fnmatch(relative, p) for p in patterns)

    for parent, folders, names in os.walk(folder):
        here = Path(parent)
        folders[:] = sorted(name for name in folders if kept(here, name))
        yield from (here / name for name in sorted(names) if kept(here, name))


def digest(root: Path, *groups: Iterable[Path], salt: str = "") -> str:
    """SHA-256 over paths (relative to `root`) and contents; a file that does not exist counts as empty."""
    whole = hashlib.sha256(salt.encode())
    for group in groups:
        for path in group:
            content = path.read_bytes() if path.is_file() else b""
            whole.update(f"\0{path.relative_to(root).as_posix()}\0{len(content)}\0".encode())
            whole.update(content)
    return whole.hexdigest()
