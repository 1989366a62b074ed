"""Tell when the emulator's source is no longer the one that a patch was written for."""

from __future__ import annotations

import hashlib
import inspect
import textwrap
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

DIGEST_LENGTH = 12


class EmulatorChangedError(RuntimeError):
    """The emulator's source differs from the one that a patch replaces."""


@dataclass(frozen=True)
class Guard:
    """One function of the emulator as a patch knows it.

    Args:
        function: Dotted path below `ministack.services`, e.g. `"pipes._poll_loop"`.
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
    """Find a function of the emulator.

    Args:
        function: Dotted path below `ministack.services`.

    Returns:
        The function.
    """
    module, _, name = function.rpartition(".")
    found: Callable[..., object] = getattr(import_module(f"ministack.services.{module}"), name)
    return found


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
        function: Dotted path below `ministack.services`.
        replacements: Pairs of the old passage, which must occur exactly once, and the new one.

    Raises:
        EmulatorChangedError: A passage does not occur exactly once.
    """
    module_name, _, _name = function.rpartition(".")
    module = import_module(f"ministack.services.{module_name}")
    original = resolve(function)
    source = textwrap.dedent(inspect.getsource(original))
    for old, new in replacements:
        if source.count(old) != 1:
            raise EmulatorChangedError(
                f"Expected ministack's {function} to hold the passage once, found it {source.count(old)} times:\n{old}"
            )
        source = source.replace(old, new)
    code = compile(source, f"<{__name__}.edit {function}>", "exec")
    exec(code, module.__dict__)  # noqa: S102 - the source is the pinned emulator's own
