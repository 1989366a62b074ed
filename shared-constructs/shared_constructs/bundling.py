"""What goes into a Lambda function's zip and layer: the same bytes on every machine, without Docker.

Results are kept in a content-addressed cache, `$COMMERCE_CACHE_DIR` or `commerce-platform` in the user's cache
directory (`$XDG_CACHE_HOME`, `~/.cache`). Entries appear by an atomic rename, so processes share it safely, and
may be deleted at any time.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from shared_constructs.stage import Stage

RECIPE = "1"
"""Part of every key: to be raised when the same inputs are to give other bytes."""

SUPPORTED_PYTHONS = ("3.11", "3.12", "3.13", "3.14")
"""https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html"""

_NOT_DEPLOYED_DIRECTORIES = {"__pycache__", "tests"}
# Bytecode, and contracts that are compared and not run: a newer copy deploys no function again.
_NEVER_READ = re.compile(r"\.pyc$|\.v[0-9]+\.json$|^contracts\.lock\.json$")
_INSTALLER_TRACES = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}
_PIP_TO_UV = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_CERT": "SSL_CERT_FILE",
}


class BundlingError(Exception):
    """A function's code or a layer cannot be made; the message says what to change."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where Python code is to run.

    Attributes:
        python: Version of the interpreter, `major.minor`.
        machine: `arm64` or `x86_64`.
        hosted_here: Whether that is this very machine and interpreter, as on the local cloud.
    """

    python: str = "3.13"
    machine: str = "arm64"
    hosted_here: bool = False

    @classmethod
    def of(cls, stage: Stage) -> Target:
        """arm64 and Python 3.13 on AWS; this host and interpreter on the local cloud."""
        if not stage.is_local:
            return cls()
        here = f"{sys.version_info.major}.{sys.version_info.minor}"
        nearest = min(SUPPORTED_PYTHONS, key=lambda version: abs(_minor(version) - _minor(here)))
        machine = "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"
        return cls(python=nearest, machine=machine, hosted_here=True)

    @property
    def identity(self) -> str:
        """What tells the packages made for this target from those for any other."""
        if not self.hosted_here:
            return f"linux-{self.machine}-{self.python}"
        return f"{sys.platform}-{self.machine}-{sys.implementation.cache_tag}-{importlib.util.MAGIC_NUMBER.hex()}"

    @property
    def compiler(self) -> str | None:
        """The interpreter that can make bytecode for it, this one or one on the PATH; None if there is none.

        Bytecode belongs to one version of Python, and to no machine. Without it every cold start compiles what it
        loads of a layer, which nobody can write to, and takes twice as long.
        """
        here = f"{sys.version_info.major}.{sys.version_info.minor}"
        return sys.executable if self.hosted_here or self.python == here else _interpreter(self.python)

    @property
    def uv_arguments(self) -> tuple[str, ...]:
        """How uv is told to choose packages for it."""
        if self.hosted_here:
            return ()
        machine = {"arm64": "aarch64", "x86_64": "x86_64"}[self.machine]
        return ("--python-platform", f"{machine}-manylinux2014", "--python-version", self.python)


@cache
def _interpreter(version: str) -> str | None:
    found = shutil.which(f"python{version}")
    if not found:
        return None
    # Asked, because a version manager's shim may have nothing behind it.
    says = "import sys; print(*sys.version_info[:2], sep='.')"
    told = subprocess.run([found, "-I", "-c", says], capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    return found if told.stdout.strip() == version else None


def _minor(version: str) -> int:
    return int(version.split(".")[1])


def package_root(package: str) -> Path:
    """The directory of an importable top-level package, found without importing it.

    Raises:
        BundlingError: There is no such package.
    """
    spec = importlib.util.find_spec(package)
    if not spec or not spec.submodule_search_locations:
        raise BundlingError(
            f"there is no package {package!r} on the Python path; install the project that has it, "
            f"or run where it can be imported"
        )
    return Path(next(iter(spec.submodule_search_locations))).resolve()


def bundle_code(*, package: str, include: Sequence[str], target: Target) -> Path:
    """Gather the part of a package that a function runs.

    Paths are kept (`cart_service/api/runtime/handler.py`), with the `__init__.py` of every package above. Tests stay
    out, and so does everything not included; importing something of the package that is not there is an error here,
    not at the first invocation. Bytecode is made where there is an interpreter of the target's version
    (`Target.compiler`).

    Args:
        package: A top-level package that can be found from here.
        include: Files and directories in it, relative, `/` between names; `.` is all of it.
        target: Where the function is to run.

    Returns:
        A directory whose name is the hash of its content.

    Raises:
        BundlingError: Something included does not exist, or something imported is not included.
    """
    root = package_root(package)
    files = {f"{package}/{file.relative_to(root).as_posix()}": file for file in _included(root, include)}
    _check_imports(package, files)
    content = [part for name, file in sorted(files.items()) for part in (name, file)]
    key = _key("code", target, *content)

    def fill(directory: Path) -> None:
        for name, file in files.items():
            _copy(file, directory / name)
        if target.compiler:
            _compile(directory, target.compiler, at="/var/task")

    return _cached("code", key, fill)


def _included(root: Path, include: Sequence[str]) -> Iterator[Path]:
    if not include:
        raise BundlingError(f"nothing of {root.name} is included; include at least the handler's directory")
    for entry in include:
        path = (root / entry).resolve()
        if not path.exists() or not path.is_relative_to(root):
            raise BundlingError(f"include names {entry!r}, which is not in {root}")
        yield from _deployable(path) if path.is_dir() else [path]
        for above in path.relative_to(root).parents:
            if (initializer := root / above / "__init__.py").exists():
                yield initializer


def _deployable(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        if path.is_dir():
            if path.name not in _NOT_DEPLOYED_DIRECTORIES and not path.name.startswith("."):
                yield from _deployable(path)
        elif not path.name.startswith((".", "test_", "conftest.")) and not _NEVER_READ.search(path.name):
            yield path


def _check_imports(package: str, files: dict[str, Path]) -> None:
    """Refuse code that imports a module of its own package that stays behind."""
    present = {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in files}
    packages = {module.rsplit(".", depth)[0] for module in present for depth in range(module.count(".") + 1)}
    root = package_root(package)
    for name, file in files.items():
        if file.suffix != ".py":
            continue
        for imported in _runtime_imports(ast.parse(file.read_bytes(), name), name):
            if imported.split(".")[0] != package or imported in present | packages:
                continue
            module = root.parent.joinpath(*imported.split("."))
            if module.with_suffix(".py").exists() or module.is_dir():
                raise BundlingError(f"{name} imports {imported}, which is not included; include it as well")


def _runtime_imports(tree: ast.Module, name: str) -> Iterator[str]:
    """The modules that a file imports when it runs, those for type checkers left out."""
    pending: list[ast.AST] = [tree]
    here = name.removesuffix(".py").split("/")[:-1]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            pending.extend(node.orelse)
            continue
        pending.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = here[: len(here) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def layer_key(*, lock_file: Path, packages: Sequence[str], target: Target) -> str:
    """What the content of a layer depends on, as one hash; known without building it.

    Args:
        lock_file: Requirements with hashes.
        packages: Top-level packages whose source goes in as well.
        target: Where the layer is to run.
    """
    roots = {package: package_root(package) for package in packages}
    sources = [
        part
        for package, root in sorted(roots.items())
        for file in _deployable(root)
        for part in (f"{package}/{file.relative_to(root).as_posix()}", file)
    ]
    return _key("layer", target, lock_file, *sources)


def build_layer(*, lock_file: Path, packages: Sequence[str], target: Target) -> Path:
    """Build the content of a layer: locked packages, and source of our own.

    Only wheels whose hash is in the lock file are installed, for the target and not for this machine. Traces of the
    installation (`bin`, `RECORD`, `INSTALLER` …) are dropped and modes set, which is what differs between
    machines. Bytecode is made where there is an interpreter of the target's version (`Target.compiler`).

    Where the packages come from is the user's own configuration: uv's, or pip's variables `PIP_INDEX_URL`,
    `PIP_EXTRA_INDEX_URL`, `PIP_FIND_LINKS` and `PIP_CERT`.

    Args:
        lock_file: Requirements with hashes.
        packages: Top-level packages whose source goes in as well.
        target: Where the layer is to run.

    Returns:
        A directory that holds `python/`.

    Raises:
        BundlingError: Uv is missing or refuses; its words are in the message.
    """

    def fill(directory: Path) -> None:
        site = directory / "python"
        site.mkdir()
        _install(lock_file, site, target)
        for package in packages:
            root = package_root(package)
            for file in _deployable(root):
                _copy(file, site / package / file.relative_to(root))
        _normalise(site)
        if target.compiler:
            _compile(directory, target.compiler, at="/opt")

    return _cached("layer", layer_key(lock_file=lock_file, packages=packages, target=target), fill)


def placeholder() -> Path:
    """Content for an asset that nobody is going to deploy."""
    return _cached("layer", "placeholder", lambda directory: (directory / "not-built").touch())


def _install(lock_file: Path, site: Path, target: Target) -> None:
    command = [
        *(_uv(), "pip", "install", "--quiet", "--target", str(site), "--python", sys.executable),
        *("--only-binary", ":all:", "--require-hashes", "--no-deps", "--link-mode", "copy"),
        *(*target.uv_arguments, "--requirements", str(lock_file)),
    ]
    environment = {uv: os.environ[pip] for pip, uv in _PIP_TO_UV.items() if pip in os.environ}
    environment |= {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    environment.pop("UV_COMPILE_BYTECODE", None)
    outcome = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own arguments
    if outcome.returncode:
        raise BundlingError(
            f"uv could not install {lock_file} for {target.identity}:\n{outcome.stderr.strip()}\n"
            f"A hash that is missing means: compile the lock file again. A wheel that is missing means: no release "
            f"in the lock file has one for this platform."
        )


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        raise BundlingError(
            f"uv is needed to build layers and is neither {beside} nor on PATH; run make setup"
        )
    return found


def _normalise(site: Path) -> None:
    shutil.rmtree(site / "bin", ignore_errors=True)
    (site / ".lock").unlink(missing_ok=True)
    for path in sorted(site.rglob("*"), reverse=True):
        if path.name == "__pycache__":
            shutil.rmtree(path)
        elif path.parent.suffix == ".dist-info" and path.name in _INSTALLER_TRACES:
            path.unlink()


def _compile(directory: Path, interpreter: str, *, at: str) -> None:
    """Make bytecode that is never checked against its source, as Lambda's file times mean nothing; `at` is in traces."""
    subprocess.run(  # noqa: S603 - our own arguments
        [
            *(interpreter, "-I", "-m", "compileall", "-q", "-j", "0"),
            *("--invalidation-mode", "unchecked-hash"),
            *("-s", str(directory), "-p", at, str(directory)),
        ],
        check=True,
    )


def unzipped_bytes(directory: Path) -> int:
    """How large a function's or layer's content is when Lambda has unpacked it."""
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


def _copy(source: Path, destination: Path) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    destination.write_bytes(source.read_bytes())


def _key(kind: str, target: Target, *parts: str | Path) -> str:
    # There may be no interpreter to make bytecode with, today or here.
    return _digest(kind, RECIPE, target.identity, "bytecode" if target.compiler else "source", *parts)


def _digest(*parts: str | Path) -> str:
    """A hash over strings and the contents of files, unambiguous about where one ends."""
    digests = [
        hashlib.sha256(part.read_bytes() if isinstance(part, Path) else part.encode()).hexdigest()
        for part in parts
    ]
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


def cache_directory() -> Path:
    """Where results are kept between runs."""
    if chosen := os.environ.get("COMMERCE_CACHE_DIR"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "commerce-platform"


def _cached(kind: str, key: str, fill: Callable[[Path], None]) -> Path:
    entry = cache_directory() / kind / key
    if entry.is_dir():
        return entry
    entry.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=entry.parent, prefix=".building-") as building:
        content = Path(building) / "content"
        content.mkdir()
        fill(content)
        _make_readable(content.rglob("*"))
        try:
            content.rename(entry)
        except OSError:
            if not entry.is_dir():  # else another process was first; its bytes are the same
                raise
    return entry


def _make_readable(paths: Iterable[Path]) -> None:
    """The same modes under every umask; Lambda reads as another user."""
    for path in paths:
        path.chmod(0o755 if path.is_dir() else 0o644)
