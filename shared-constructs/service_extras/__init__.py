"""The distribution's extras: an import package that belongs to one says which, where it is not installed."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, distribution, requires
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DISTRIBUTION = "shared-constructs"
"""What `pip install` knows us by."""

# Of an extra alone: what has a further condition (a platform) has something that stands in for it.
_REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)[^;]*; extra == ['\"](?P<extra>[\w-]+)['\"]")


def require(extra: str, *, of: str) -> None:
    """Refuse to import a package without the extra that it belongs to.

    The first statement of that package, so that the message comes before whatever would be missed first, and for
    `python -m` instead of a traceback. Takes a few milliseconds; nothing that runs in Lambda asks.

    Args:
        extra: As `pyproject.toml` names it.
        of: The import package.

    Raises:
        ModuleNotFoundError: A distribution of the extra is not installed; names it, and the command that installs it.
    """
    if missing := sorted(_missing(extra)):
        raise ModuleNotFoundError(
            f"{of} needs {', '.join(missing)}; install {DISTRIBUTION}[{extra}]: "
            f"pip install '{DISTRIBUTION}[{extra}]'",
            name=of,
        )


def _missing(extra: str) -> Iterator[str]:
    for requirement in map(_REQUIREMENT.fullmatch, requires(DISTRIBUTION) or ()):
        if requirement and requirement["extra"] == extra:
            try:
                distribution(requirement["name"])
            except PackageNotFoundError:
                yield requirement["name"]
