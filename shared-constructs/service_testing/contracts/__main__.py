"""Run services together from their synthesized templates, and write what was seen.

    python -m service_testing.contracts --report seen.json order_service=cdk.out cart_service=../cart-service/cdk.out

A service's own repository names itself alone: what it publishes is held to its contracts, and what it consumes is played from
the schemas that it has locked.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from service_testing.contracts.observations import judged
from service_testing.contracts.participants import participant
from service_testing.contracts.run import HISTORIES, execute


def main() -> int:
    """Run them.

    Returns:
        The exit status: 1 if somebody breaks and no report was asked for, which says so instead.
    """
    parser = argparse.ArgumentParser(prog="python -m service_testing.contracts", description=__doc__)
    parser.add_argument("--examples", type=int, default=HISTORIES, help="How many histories.")
    parser.add_argument("--seed", type=int, default=0, help="Which ones: the same seed, the same histories.")
    parser.add_argument("--report", type=Path, help="Where to write what was seen, for whoever adds it up.")
    parser.add_argument(
        "services", nargs="+", metavar="package=folder", help="With its synthesized templates."
    )
    arguments = parser.parse_args()
    services = [participant(*each.split("=", 1)) for each in arguments.services]
    seen = execute(services, examples=arguments.examples, seed=arguments.seed)
    if arguments.report:
        arguments.report.write_text(seen.dump())
        return 0
    found = judged(seen, services)
    for fault in found:
        print(fault, file=sys.stderr)  # noqa: T201 - a command's output
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
