"""Serve the local cloud on one port until it is told to stop (`python -m commerce_platform.local_cloud`).

Runs in the emulator's own environment. Read from the environment, with these defaults:

- `GATEWAY_PORT` (4566), `BIND_HOST` (127.0.0.1: the emulator's own default listens on every interface),
- `MINISTACK_ACCOUNT_ID` (111111111111: anonymous and bearer requests resolve in this account),
- `MINISTACK_REGION` (eu-west-1), `LOG_LEVEL` (WARNING: at INFO the log costs a third of the throughput),
- `IOT_MTLS_ENABLED` (0: else the emulator opens port 8883 too).
"""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError, version

PINNED_VERSION = "1.5.33"
"""The emulator that the extension was written for; it replaces internals, which no release keeps stable."""

DEFAULTS = {
    "GATEWAY_PORT": "4566",
    "BIND_HOST": "127.0.0.1",
    "MINISTACK_ACCOUNT_ID": "111111111111",
    "MINISTACK_REGION": "eu-west-1",
    "LOG_LEVEL": "WARNING",
    "IOT_MTLS_ENABLED": "0",
}

INHERITED_BY_WORKERS = ("AWS_ENDPOINT_URL", "PYTHONDONTWRITEBYTECODE")
"""Function workers inherit the server's environment: the first would win over the endpoint that the emulator
sets for them, the second makes every cold start compile its imports again."""


def require_pinned_version() -> None:
    """Refuse to patch an emulator other than the one the extension was written for.

    Raises:
        SystemExit: MiniStack is absent, or present in another version.
    """
    try:
        found = version("ministack")
    except PackageNotFoundError:
        found = "no installation"
    if found != PINNED_VERSION:
        sys.exit(
            f"The local cloud needs ministack=={PINNED_VERSION} in {sys.prefix}, found {found}. "
            "Install requirements/emulator.lock into that environment."
        )


def main() -> None:
    """Check the version, apply the extension, serve."""
    require_pinned_version()
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    for name in INHERITED_BY_WORKERS:
        os.environ.pop(name, None)
    # Imported here: the emulator reads its configuration from the environment when it is imported.
    from ministack import app  # noqa: PLC0415

    from commerce_platform.local_cloud import extension  # noqa: PLC0415

    extension.apply()
    app.main()


if __name__ == "__main__":
    main()
