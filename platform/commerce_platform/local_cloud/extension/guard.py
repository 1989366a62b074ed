"""Tell when the emulator's source is no longer the one that a patch was written for."""

from __future__ import annotations

import hashlib
import inspect
import linecache
import textwrap
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

DIGEST_LENGTH = 12


class EmulatorChangedError(RuntimeError):
    """The emulator's source differs from the one that a patch replaces."""


@dataclass(frozen=True)
class Guard:
    """One function of the emulator as a patch knows it.

    Attributes:
        function: Dotted path below `ministack.services`, e.g. `"pipes._poll_loop"`, or below `ministack` where it
            begins with `core.` or `app.`.
        digest: The first 12 hex digits of the SHA-256 of its source.
    """

    function: str
    digest: str

    def check(self, patch: str) -> None:
        """Compare the installed function's source with the digest.

        Args:
            patch: Name of the patch, for the message.

        Raises:
            EmulatorChangedError: The function has gone or its source is another.
        """
        try:
            found = source_digest(resolve(self.function))
        except (AttributeError, ModuleNotFoundError) as error:
            raise EmulatorChangedError(
                f"Patch {patch!r} relies on ministack's {self.function}, which has gone: {error}"
            ) from error
        if found != self.digest:
            raise EmulatorChangedError(
                f"Patch {patch!r} was written for ministack's {self.function} with digest {self.digest}, "
                f"found {found}. Compare the function with what the patch replaces, then update the guard."
            )


def resolve(function: str) -> Callable[..., object]:
    """Find a function or method of the emulator.

    Args:
        function: Dotted path below `ministack.services`, or below `ministack` where it begins with `core.` or
            `app.`.

    Returns:
        The function.
    """
    found: Callable[..., object] = getattr(_owner(function), function.rpartition(".")[2])
    return found


def _owner(function: str) -> ModuleType | type:
    """Find the module or class that holds a function."""
    path = function.split(".")[:-1]
    package = "ministack" if path[0] in {"core", "app"} else "ministack.services"
    modules = [name for name in path if name[0].islower()]
    owner: ModuleType | type = import_module(".".join([package, *modules]))
    for name in path[len(modules) :]:
        owner = getattr(owner, name)
    return owner


def source_digest(function: Callable[..., object]) -> str:
    """Digest a function's source.

    Args:
        function: Any Python function.

    Returns:
        The first 12 hex digits of the SHA-256 of its source text.
    """
    return hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:DIGEST_LENGTH]


def edit(function: str, *replacements: tuple[str, str]) -> None:
    """Replace passages inside a long function of the emulator, keeping the rest of it.

    For a defect of a few lines in a function of hundreds: the function is compiled again in its own module
    with the passages exchanged.

    Args:
        function: Dotted path as for `Guard`.
        replacements: Pairs of the old passage, which must occur exactly once, and the new one.

    Raises:
        EmulatorChangedError: A passage does not occur exactly once.
    """
    original = resolve(function)
    source = textwrap.dedent(inspect.getsource(original))
    for old, new in replacements:
        if source.count(old) != 1:
            raise EmulatorChangedError(
                f"Expected ministack's {function} to hold the passage once, found it {source.count(old)} times:\n{old}"
            )
        source = source.replace(old, new)
    made: dict[str, Callable[..., object]] = {}
    file = f"<{__name__}.edit {function}>"
    # Where `inspect`, and so another patch's edit of the same function, and tracebacks look for its lines.
    linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
    code = compile(source, file, "exec")
    exec(code, original.__globals__, made)  # noqa: S102 - the emulator's own source
    name = function.rpartition(".")[2]
    setattr(_owner(function), name, made[name])
