"""Check cloud assemblies: `python -m service_lint cdk.out [more ...]`."""

from __future__ import annotations

import sys
from pathlib import Path

from service_lint.templates import LintError, lint_assembly


def main(arguments: list[str]) -> int:
    """Print every finding.

    Returns:
        0 when there is none, 1 when there is one, 2 when something given is no cloud assembly.
    """
    if not arguments or any(argument.startswith("-") for argument in arguments):
        sys.stderr.write("usage: python -m service_lint CLOUD_ASSEMBLY [CLOUD_ASSEMBLY ...]" + "\n")
        return 2
    try:
        findings = [finding for argument in arguments for finding in lint_assembly(Path(argument))]
    except LintError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for finding in findings:
        sys.stdout.write(f"{finding}\n")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
